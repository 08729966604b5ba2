#!/usr/bin/env python3
"""What is left of a hundred thousand operations of each kind: memory, Python
objects, references; and how much a child needs for a response of so many
writes and flushes.

    python3 bench/operations.py [--number N] [--mpm prefork|event]
                                [--operations table,stat,...]

The operations are the functions of repeated.py, each with the errors that it
may end in. Many are done by one request. The first quarter is the warm-up,
and garbage is collected before each sample. The exit status is 1 when a limit
is exceeded, and there is a RuntimeError when an operation did not do what it
should."""

import argparse
import json
import re
import socket

import client
import graph
import memory
import meter
import rig
from kinds import locations

NUMBER = 100_000
STEPS = 20
WARM_UP = 5

# How many in a request.
OPERATIONS = {
    "table": 100, "table_errors": 20, "stat": 100, "finfo": 100,
    "sendfile": 20, "body": 100, "options": 100, "server": 20,
    "attributes": 20, "connection": 100, "connections": 1, "log": 100,
    "cleanups": 100, "failing_cleanups": 20, "handlers": 20, "redirect": 1,
    "filters": 5, "expressions": 100, "tls": 100, "shared": 100, "locks": 100,
    "query": 100, "form": 1, "cookies": 20, "session": 1, "variables": 20,
    "write": 1000, "talk": 100,
}
LIMIT_RESPONSE_KB = 512

# What may be grown: by each operation, or that if it is more; and altogether.
EACH = {"RSS, kB": (5 / 1024, 128), "malloc, bytes": (1, 16384)}
TOGETHER = {"Python objects": 100, "Python blocks": 500, "references": 200}

CONFIGURATION = """\
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
Mutex file:{root} default
LogLevel python:crit
PythonOption spam eggs
PythonOption mod_python.session.session_type MemorySession
PythonConnectionHandler {handler}
"""
LINES = "".join(f"{'word ' * (n % 5)}line {n}\n" for n in range(8)).encode()


class Child:
    """The child that serves, and what it has in use."""

    def __init__(self, server):
        self._server = server
        self._id = server.child()

    def do(self, name, requests, times):
        """RuntimeError unless all are answered well."""
        body = LINES * times + b"the last line" if name == "body" else b""
        close = name == "connections"
        request = (f"POST /repeated?{name}&{times} HTTP/1.1\r\n"
                   "Host: localhost\r\n"
                   + ("Connection: close\r\n" if close else "")
                   + f"Content-Length: {len(body)}\r\n\r\n"
                   if body else
                   f"GET /repeated?{name}&{times} HTTP/1.1\r\n"
                   "Host: localhost\r\n"
                   + ("Connection: close\r\n" if close else "")
                   + "\r\n").encode() + body
        if close:
            for _ in range(requests):
                self._ask(request, 1)
        else:
            self._ask(request, requests)

    def _ask(self, request, requests):
        with client.Client(self._server.port) as connection:
            for _ in range(requests):
                answer = connection.ask(request)[1]
                if not answer.endswith(b"done"):
                    raise RuntimeError(f"{answer!r}\n{self._server.said()}")

    def sample(self):
        """({what: value}, {object: references})"""
        in_use, references = self._count()
        if self._server.child() != self._id:
            raise RuntimeError("the child is another\n" + self._server.said())
        in_use["RSS, kB"] = meter.memory(self._id)["Rss"]
        return in_use, references

    def _count(self):
        return self._server.get("/count").json()

    def most_memory(self):
        """The largest RSS that it ever had, in kB."""
        with open(f"/proc/{self._id}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1])


class Talk(Child):
    """The same over one connection that a connection handler serves."""

    def __init__(self, server):
        super().__init__(server)
        self._stream = socket.create_connection(
            ("127.0.0.1", server.port)).makefile("rwb")

    def do(self, name, requests, times):
        lines = [b"line %d\n" % number for number in range(times)]
        for _ in range(requests):
            self._stream.write(b"".join(lines))
            self._stream.flush()
            for line in lines:
                answer = self._stream.readline()
                if answer != line:
                    raise RuntimeError(f"{answer!r}\n{self._server.said()}")

    def _count(self):
        self._stream.write(b"count\n")
        self._stream.flush()
        return json.loads(self._stream.readline())


def measure(child, name, number, claims):
    times = min(OPERATIONS[name], max(number // STEPS, 1))
    requests = max(round(number / STEPS / times), 1)
    in_use, references = [], []
    for step in range(STEPS):
        child.do(name, requests, times)
        if step >= WARM_UP:
            for samples, sample in zip((in_use, references), child.sample()):
                samples.append(sample)
    between = requests * times * (STEPS - WARM_UP - memory.TAIL)
    grown = {what: memory.grown(in_use, what) for what in in_use[0]}
    most = max(references[0],
               key=lambda what: memory.grown(references, what))
    grown["references"] = memory.grown(references, most)
    limits = {**TOGETHER,
              **{what: max(each * between, least)
                 for what, (each, least) in EACH.items()}}
    text = ", ".join(f"{what} {grown[what]:+,.0f} ({limit:,.0f})"
                     for what, limit in limits.items())
    claims.add(all(grown[what] <= limit for what, limit in limits.items()),
               f"{name}, {requests * times * STEPS:,}: in the last "
               f"{between:,}: {text}, of {most}")


def measure_response(child, number, claims):
    """The most memory that one long response needs."""
    child.do("write", 1, 1000)
    before = child.most_memory()
    child.do("write", 1, number)
    claims.limit(f"a response of {number:,} writes and flushes: RSS grows by",
                 child.most_memory() - before, LIMIT_RESPONSE_KB, "kB", 0)


def start(mpm, handler="repeated"):
    config = rig.Bare(
        CONFIGURATION.format(modules=rig.apxs("LIBEXECDIR"), root="${SITE}/..",
                             handler=handler)
        + rig.ours()
        + locations({"/repeated": "repeated", "/count": "repeated::count"},
                    "PythonAutoReload Off", "PythonDebug On"), mpm=mpm)
    files = {"repeated.py": (rig.HERE / "repeated.py").read_text(),
             "memory_in_use.py": graph.MEMORY}
    return rig.BareServer(config, files)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=NUMBER)
    parser.add_argument("--mpm", default="prefork")
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    arguments = parser.parse_args()
    names = arguments.operations.split(",")
    claims = rig.Claims()
    with start(arguments.mpm) as server:
        child = Child(server)
        measure_response(child, arguments.number, claims)
        for name in names:
            if name != "talk":
                measure(child, name, arguments.number, claims)
    if "talk" in names:
        with start(arguments.mpm, "repeated::talk") as server:
            measure(Talk(server), "talk", arguments.number, claims)
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
