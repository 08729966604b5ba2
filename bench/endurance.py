#!/usr/bin/env python3
"""A child's memory over a million requests that try to keep things alive.

    python3 bench/endurance.py [--requests N] [--mpm prefork|event]
                               [--kinds handlers,filters]

    handlers  make cycles through the request, its methods, tables and
              connection, keep exceptions with their tracebacks, register
              cleanups, redirect, and raise
    filters   an input and an output filter that keep themselves, and a page of
              server-side includes, by turns

Garbage is left to Python's own collections, but for one before each sample.
The first fifth is the warm-up. The exit status is 1 when a limit is exceeded.
With PYTHON=python3-dbg and MP_BUILD it runs under a debug build of Python,
which stops at objects that are used after their end."""

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
    req.register_cleanup(repr, req.kept)
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

FILTERED = """
kept = {}

def outputfilter(filter):
    filter.req.kept = filter
    data = filter.read()
    while data:
        filter.write(data.upper())
        data = filter.read()
    if data is None:
        filter.close()

inputfilter = outputfilter

def handler(req):
    req.content_type = "text/plain"
    req.read()
    req.write("ok", 0)
    return 0
"""
INCLUDE = """<!--#python exec="
import filtered
filter.req.kept = filter
filter.write('o')
" --><!--#python eval="1 / 0" --><!--#python eval="'k'" -->"""
PATHS = {  # path, answer, share of the requests
    "handlers": [("/page", "ok", 0.9), ("/redirect", "ok", 0.1)],
    "filters": [("/filtered", "OK", 0.5),
                ("/site/include.shtml", "o[error]k", 0.5)]}
FILTERS = """\
LoadModule include_module {modules}/mod_include.so
PythonInputFilter filtered take
PythonOutputFilter filtered give
<Location "/filtered">
    SetInputFilter take
    SetOutputFilter give
</Location>
<Location "/site/include.shtml">
    Require all granted
    Options +Includes
    SetOutputFilter INCLUDES
    SSIErrorMsg [error]
</Location>
"""


def files():
    graph = Graph().files()
    return {"page.py": PAGE + graph["page.py"][graph["page.py"].index(
        "def count"):], "filtered.py": FILTERED, "include.shtml": INCLUDE,
            **{name: text for name, text in graph.items()
                           if name != "page.py"}}


def configuration(mpm):
    names = {"page": "page", "redirect": "page", "filtered": "filtered",
             "count": "page::count"}
    filters = FILTERS.format(modules=rig.apxs("LIBEXECDIR"))
    return rig.Bare(rig.ours() + filters + "".join(
        LOCATION.format(path=path, handler=handler)
        for path, handler in names.items()), mpm=mpm, threads=8)


def run(tools, server, kinds, requests):
    """Samples after the warm-up."""
    samples = []
    for step in range(SAMPLES):
        for kind in kinds:
            for path, answer, share in PATHS[kind]:
                rig.send(tools, server, path, answer,
                         round(requests * share / SAMPLES / len(kinds)))
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
    parser.add_argument("--kinds", default="handlers",
                        type=lambda text: text.split(","))
    arguments = parser.parse_args()
    claims = rig.Claims()
    with rig.Tools() as tools, rig.BareServer(
            configuration(arguments.mpm), files()) as server:
        with server.connect() as connection:
            ask(connection)
            first = memory.sample_child(server, connection)
        samples = run(tools, server, arguments.kinds,
                      arguments.requests)
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
