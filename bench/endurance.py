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

LIMIT_BYTES = 1         # a request, of what malloc has in use
# Of each interpreter: what is free in its lists counts as in use.
LIMIT_OBJECTS = 100
LIMIT_BLOCKS = 1000
# RSS, in prefork only. With threads it grows until the pools and the part of
# the heap of each of them have had their largest request, whatever module
# answers (control): it says nothing of leaks before many millions.
LIMIT_RSS_BYTES = 1     # a request,
LIMIT_RSS_KB = 256      # or that, if it is more
# Without malloc's cache for each thread: what is in that counts as in use.
MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}

MAIN = "PythonInterpreter main_interpreter\n"
COUNTING = {"counting.py": graph.PAGE, "memory_in_use.py": graph.MEMORY}


def others(kinds):
    """Interpreters beside the main one."""
    return sorted({name for kind in kinds for name in kind.interpreters})


def sample(server, kinds):
    with server.connect() as connection:
        for number, _ in enumerate(others(kinds)):
            graph.ask(connection, f"/collect{number}")
        return memory.sample_child(server, connection)


def start(tools, kinds, mpm):
    files = dict(COUNTING)
    for kind in kinds:
        files.update(kind.files)
    ours = rig.ours()
    if not all(kind.one_interpreter for kind in kinds):
        ours = ours.replace(MAIN, "")
    return rig.BareServer(rig.Bare(
        ours + locations({"/count": "counting::count"}, MAIN)
        + "".join(locations({f"/collect{number}": "counting::count"},
                            f'PythonInterpreter "{name}"')
                  for number, name in enumerate(others(kinds)))
        + "".join(kind.configuration(tools) for kind in kinds),
        mpm=mpm, threads=max(kind.threads for kind in kinds),
        environment={**MALLOC, **{
            name: value for name, value in os.environ.items()
            if name.startswith(("MALLOC_", "GLIBC_"))}}), files)


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
        if step >= SAMPLES * max(kind.warm_up for kind in kinds):
            samples.append(sample(server, kinds))
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return samples


def judge(first, samples, arguments, kinds, claims):
    between = arguments.requests * (len(samples) - memory.TAIL) / SAMPLES
    memory.show(first, samples, between, "request")
    claims.limit("endurance: malloc grows by",
                 memory.grown(samples, "malloc, bytes") / between,
                 LIMIT_BYTES, "bytes a request")
    if arguments.mpm == "prefork":
        claims.limit("endurance: RSS grows by",
                     memory.grown(samples, "RSS, kB"),
                     max(LIMIT_RSS_BYTES * between / 1024, LIMIT_RSS_KB),
                     "kB", 0)
    for what, limit in (("Python objects", LIMIT_OBJECTS),
                        ("Python blocks", LIMIT_BLOCKS)):
        claims.limit(f"endurance: {what}: grown after warm-up",
                     memory.grown(samples, what),
                     limit * (1 + len(others(kinds))), "", 0)


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
        first = sample(server, kinds)
        samples = run(tools, server, kinds, arguments.requests)
        claims.add(server.child() == child,
                   f"endurance: {arguments.requests:,} requests, the same "
                   "child")
        judge(first, samples, arguments, kinds, claims)
        for kind in kinds:
            if kind.finish:
                kind.finish(server, claims, 1 + len(others(kinds)))
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
