#!/usr/bin/env python3
"""Checks what a machine can check of the style (CONTRIBUTING.md)."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 79     # columns
LENGTH = 900   # lines

# (pattern, the only file that may have it or None, what is wrong)
C_ONLY_IN = (
    (r'#\s*include\s*[<"]Python\.h[>"]', "src/runtime/python.h",
     "Python.h is included by runtime/python.h only"),
    (r"\bPY_VERSION_HEX\b", "src/runtime/compat.h",
     "versions of Python are told apart in runtime/compat.h only"),
)
# Put together here, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(%s)\b" % "|".join(("TO" + "DO", "FIX" + "ME",
                                                "XX" + "X")))


def c_files():
    for folder in ("src", "tests/unit", "tests/fuzz", "bench"):
        for suffix in ("*.c", "*.h"):
            yield from sorted((ROOT / folder).rglob(suffix))


def other_files():
    for folder in ("python", "scripts", "tests", "bench", "examples"):
        for suffix in ("*.py", "*.pyi", "*.sh"):
            yield from sorted((ROOT / folder).rglob(suffix))
    yield from (ROOT / name for name in ("run", ".ci/run"))


def check_lines(path, text):
    """Yield (line number, what is wrong), for any kind of file."""
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end of the file"
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if UNFINISHED.search(line):
            yield number, "unfinished work is an issue, not a comment"


def check_c(path, text):
    name = str(path.relative_to(ROOT))
    lines = text.split("\n")
    if len(lines) - 1 > LENGTH:
        yield LENGTH, f"{len(lines) - 1} lines, {LENGTH} at most"
    for number, line in enumerate(lines, 1):
        if len(line) > WIDTH:
            yield number, f"{len(line)} columns, {WIDTH} at most"
    if not text.startswith(f"/* {path.name} - "):
        yield 1, f'does not begin with "/* {path.name} - what it is"'
    for pattern, only_in, wrong in C_ONLY_IN:
        if name == only_in or not name.startswith("src/"):
            continue
        for number, line in enumerate(lines, 1):
            if re.search(pattern, line):
                yield number, wrong


def main():
    count = 0
    found = set()
    for path in (*c_files(), *other_files()):
        text = path.read_text(encoding="utf-8")
        count += 1
        checks = [check_lines(path, text)]
        if path.suffix in (".c", ".h"):
            checks.append(check_c(path, text))
        for check in checks:
            for number, wrong in check:
                found.add((str(path.relative_to(ROOT)), number, wrong))
    for name, number, wrong in sorted(found):
        print(f"{name}:{number}: {wrong}")
    print(f"check_style: {count} files, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
