#!/usr/bin/env python3
"""A child's memory over a million requests that try to keep things alive.

    python3 bench/endurance.py [--requests N] [--mpm prefork|event]

Handlers make cycles through the request, its methods, tables and connection,
keep exceptions with their tracebacks, register cleanups, run sub-requests by
internal redirects, and raise. Garbage is left to Python's own collections, but
for one before each sample. The first fifth is the warm-up. The exit status is
1 when a limit is exceeded."""

import argparse
import sys

import memory
import rig
from graph import LOCATION, Graph, ask

REQUESTS = 1_000_000
SAMPLES = 50

LIMIT_BYTES = 1         # of RSS, a request
LIMIT_OBJECTS = 100
LIMIT_BLOCKS = 1000

PAGE = """
from mod_python import apache

class Kept:
    def __init__(self, req):
        self.req = req
        self.tables = req.headers_in, req.headers_out, req.notes
        self.connection = req.connection
        self.server = req.server

def fail(req):
    local = req
    raise ValueError(req)

def cycles(req):
    req.kept = Kept(req)
    req.write_later = req.write
    req.words = (word for word in [req])
    next(req.words)
    try:
        fail(req)
    except ValueError as error:
        req.error = error
    req.register_cleanup(list, req.kept)
    req.headers_out["X-Kept"] = str(len(req.kept.tables))

def handler(req):
    req.content_type = "text/plain"
    cycles(req)
    if req.uri == "/redirect":
        req.internal_redirect("/page")
    elif req.uri == "/raise":
        raise apache.SERVER_RETURN(apache.HTTP_NOT_FOUND)
    else:
        req.write("ok", 0)
    return apache.OK
"""


def files():
    graph = Graph().files()
    return {"page.py": PAGE + graph["page.py"][graph["page.py"].index(
        "def count"):], **{name: text for name, text in graph.items()
                           if name != "page.py"}}


def configuration(mpm):
    names = {"page": "page", "redirect": "page", "count": "page::count"}
    return rig.Bare(rig.ours() + "".join(
        LOCATION.format(path=path, handler=handler)
        for path, handler in names.items()), mpm=mpm, threads=8)


def send(tools, server, number):
    """So many requests, every tenth with a redirect in it."""
    rig.send(tools, server, "/page", "ok", number * 9 // 10)
    rig.send(tools, server, "/redirect", "ok", number // 10)


def run(tools, server, requests):
    """Samples after the warm-up."""
    samples = []
    for step in range(SAMPLES):
        send(tools, server, requests // SAMPLES)
        if step >= SAMPLES // 5:
            with server.connect() as connection:
                samples.append(memory.sample_child(server, connection))
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--mpm", default="prefork")
    arguments = parser.parse_args()
    claims = rig.Claims()
    with rig.Tools() as tools, rig.BareServer(
            configuration(arguments.mpm), files()) as server:
        with server.connect() as connection:
            ask(connection)
            first = memory.sample_child(server, connection)
        samples = run(tools, server, arguments.requests)
    between = arguments.requests * (len(samples) - memory.TAIL) / SAMPLES
    memory.show(first, samples, between, "request")
    claims.limit("endurance: RSS grows by", memory.grown(samples, "RSS, kB")
                 * 1024 / between, LIMIT_BYTES, "bytes a request")
    for what, limit in (("Python objects", LIMIT_OBJECTS),
                        ("Python blocks", LIMIT_BLOCKS)):
        claims.limit(f"endurance: {what}: grown after warm-up",
                     memory.grown(samples, what), limit, "", 0)
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
