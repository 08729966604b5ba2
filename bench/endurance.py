#!/usr/bin/env python3
"""A child's memory over a million requests that try to keep things alive.

    python3 bench/endurance.py [--requests N] [--mpm prefork|event|worker]
                               [--kinds handlers,filters,...]

    handlers      make cycles through the request, its methods, tables and
                  connection, keep exceptions with their tracebacks, register
                  cleanups, redirect, and raise
    filters       an input and an output filter that keep themselves, and a
                  page of server-side includes, by turns
    soak          32 threads at once, by turns in three interpreters: as deep
                  as Python goes, asleep, with threads of their own, errors,
                  one interpreter's page in the middle of another's
    interpreters  .htaccess files that name interpreters in all the ways there
                  are: no more of them than there are names
    acquire       another module in C acquires and releases interpreters, in
                  httpd's threads and in its own
    control       a C module beside mod_python: what httpd and malloc do alone

The modules of bench/kinds are what these are; operations.py is the same for
single operations. Garbage is left to Python's own collections, but for one
before each sample. The first fifth is the warm-up. The exit status is 1 when a
limit is exceeded. With a build for a debug Python (make PYTHON=... BUILD=...)
and MP_BUILD it stops at objects that are used after their end."""

import argparse
import importlib
import os
import subprocess
import sys

import graph
import memory
import rig
from kinds import locations

REQUESTS = 1_000_000
SAMPLES = 50

LIMIT_BYTES = 1         # that malloc has in use, a request; and of RSS
LIMIT_OBJECTS = 100
LIMIT_BLOCKS = 1000

MAIN = "PythonInterpreter main_interpreter\n"
COUNTING = {"counting.py": graph.PAGE, "memory_in_use.py": graph.MEMORY}


def start(tools, kinds, mpm):
    files = dict(COUNTING)
    for kind in kinds:
        files.update(kind.files)
    ours = rig.ours()
    if not all(kind.one_interpreter for kind in kinds):
        ours = ours.replace(MAIN, "")
    return rig.BareServer(rig.Bare(
        ours + locations({"/count": "counting::count"}, MAIN)
        + "".join(kind.configuration(tools) for kind in kinds),
        mpm=mpm, threads=max(kind.threads for kind in kinds),
        environment={name: value for name, value in os.environ.items()
                     if name.startswith("MALLOC_")}), files)


def send(tools, server, kind, requests):
    """So many requests of a kind; RuntimeError for a wrong answer."""
    running = []
    for page in kind.pages:
        number = str(max(round(requests * page.share), 1))
        running.append(subprocess.Popen(
            [tools.load, "-c", str(page.connections), "-n", number,
             str(server.port), page.path, page.answer], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        if not kind.together:
            running[-1].wait()
    said = [(process.communicate()[0], process.returncode)
            for process in running]
    if any(status for _, status in said):
        raise RuntimeError("".join(text for text, _ in said) + server.said())


def run(tools, server, kinds, requests):
    """Samples after the warm-up."""
    samples = []
    for step in range(SAMPLES):
        for kind in kinds:
            send(tools, server, kind, requests / SAMPLES / len(kinds))
        if step >= SAMPLES // 5:
            with server.connect() as connection:
                samples.append(memory.sample_child(server, connection))
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return samples


def judge(first, samples, requests, claims):
    between = requests * (len(samples) - memory.TAIL) / SAMPLES
    memory.show(first, samples, between, "request")
    for what, unit in (("RSS, kB", 1024), ("malloc, bytes", 1)):
        claims.limit(f"endurance: {what.partition(',')[0]} grows by",
                     memory.grown(samples, what) * unit / between,
                     LIMIT_BYTES, "bytes a request")
    for what, limit in (("Python objects", LIMIT_OBJECTS),
                        ("Python blocks", LIMIT_BLOCKS)):
        claims.limit(f"endurance: {what}: grown after warm-up",
                     memory.grown(samples, what), limit, "", 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--mpm", default="prefork")
    parser.add_argument("--kinds", default="handlers")
    arguments = parser.parse_args()
    kinds = [importlib.import_module(f"kinds.{name}").KIND
             for name in arguments.kinds.split(",")]
    claims = rig.Claims()
    with rig.Tools() as tools, start(tools, kinds, arguments.mpm) as server:
        child = server.child()
        with server.connect() as connection:
            first = memory.sample_child(server, connection)
        samples = run(tools, server, kinds, arguments.requests)
        claims.add(server.child() == child,
                   f"endurance: {arguments.requests:,} requests, the same "
                   "child")
        judge(first, samples, arguments.requests, claims)
        for kind in kinds:
            if kind.finish:
                kind.finish(server, claims)
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
