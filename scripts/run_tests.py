#!/usr/bin/env python3
"""Runs checks and tests, and ends with one line: N passed, N failed.

    run_tests.py [--build DIR] [--limit SECONDS] STEP...

A step is `lint`, `unit`, or the name of an MPM: pytest over a real httpd with
that MPM. A lint that fails counts as one failure; so does a program that ends
without saying how many of its tests passed. The exit status is 0 only if
something ran and nothing failed.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINTS = ("check_style.py", "check_layers.py", "check_globals.py",
         "check_codes.py")
MPMS = ("event", "worker", "prefork")
RESULT = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
TIME_TO_END = 30  # seconds that pytest gets to stop its servers


def say(text):
    print(text, flush=True)


class Tally:
    def __init__(self):
        self.ran = 0
        self.passed = 0
        self.failed = 0

    def add(self, passed, failed):
        self.ran += 1
        self.passed += passed
        self.failed += failed


def run_lints(tally, build):
    for name in LINTS:
        result = subprocess.run(
            [sys.executable, ROOT / "scripts" / name, build])
        tally.add(0, 1 if result.returncode else 0)


def run_unit(tally, build):
    sources = sorted(ROOT.glob("tests/unit/test_*.c"))
    for source in sources:
        program = build / "unit" / source.stem
        try:
            result = subprocess.run(
                [program], cwd=ROOT, stdout=subprocess.PIPE, timeout=120,
                stderr=subprocess.STDOUT, text=True, errors="replace")
            output, status = result.stdout, result.returncode
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode(errors="replace")
            status = "no end within 120 seconds"
        except OSError as error:
            output, status = "", error
        counts = RESULT.findall(output)
        passed, failed = map(int, counts[-1]) if counts else (0, 0)
        if status != 0 and not failed:
            failed = 1
        elif not counts:
            status, failed = "no result", 1
        if failed:
            say(output.rstrip())
            say(f"{source.stem}: {passed} passed, {failed} failed ({status})")
        else:
            say(f"{source.stem}: {passed} passed")
        tally.add(passed, failed)


def read_report(report):
    """(passed, failed) of a junit report; None when there is none."""
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")
        count = {key: int(suite.get(key, 0)) for key in
                 ("tests", "failures", "errors", "skipped")}
    except (OSError, AttributeError, ElementTree.ParseError):
        return None
    failed = count["failures"] + count["errors"]
    return max(0, count["tests"] - failed - count["skipped"]), failed


def run_pytest(tally, build, mpm, limit):
    report = build / f"pytest-{mpm}.xml"
    report.unlink(missing_ok=True)
    say(f"pytest, {mpm}:")
    environment = dict(os.environ, MP_BUILD=str(build), MP_MPM=mpm)
    pytest = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}",
         "tests"], cwd=ROOT, env=environment, start_new_session=True)
    try:
        status = pytest.wait(limit or None)
    except subprocess.TimeoutExpired:
        status = f"stopped after {limit} seconds"
        interrupt(pytest)
    except KeyboardInterrupt:
        interrupt(pytest)
        raise
    counts = read_report(report)
    if counts is None or (status != 0 and not counts[1]):
        say(f"pytest, {mpm}: ended without a full result ({status})")
        counts = (counts[0] if counts else 0, 1)
    tally.add(*counts)


def interrupt(process):
    """Let it stop its servers; end its whole session if it does not."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(TIME_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--limit", type=int, default=0,
                        help="seconds for each run of pytest")
    parser.add_argument("steps", nargs="+",
                        choices=("lint", "unit") + MPMS)
    options = parser.parse_args()
    build = options.build.resolve()
    tally = Tally()
    try:
        for step in options.steps:
            if step == "lint":
                run_lints(tally, build)
            elif step == "unit":
                run_unit(tally, build)
            else:
                run_pytest(tally, build, step, options.limit)
    except KeyboardInterrupt:
        say("interrupted")
        tally.add(0, 1)
    if options.steps != ["lint"]:
        say(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.ran else 0


if __name__ == "__main__":
    sys.exit(main())
