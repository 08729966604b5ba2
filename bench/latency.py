"""The time from a save to the answer that shows it, for edits of a leaf, of a
leaf that much imports, of a module in the middle and of the handler module.

Used by reload.py. Every first answer must be the new one."""

import random
import statistics
import time

import meter
from graph import Graph, ask

EDITS = 50  # of each kind

KINDS = {"leaf": "leaf03", "shared leaf": "settings", "middle": "middle.c",
         "handler": "page"}


def measure(_tools, arguments, claims):
    graph = Graph()
    edits = arguments.rounds or EDITS
    quiet = []
    times = {kind: [] for kind in KINDS}
    stale = 0
    with graph.server() as server, server.connect() as connection:
        ask(connection)
        for _ in range(edits):
            started = time.perf_counter()
            ask(connection)
            quiet.append(time.perf_counter() - started)
            for kind, name in KINDS.items():
                started = time.perf_counter()
                graph.edit(server.site, name,
                           random.choice(("inplace", "rename")))
                page = ask(connection)
                times[kind].append(time.perf_counter() - started)
                stale += page != graph.text()
        said = server.said()
    print(f"\nfrom save to answer, ms    median     p95  ({edits} edits of "
          "each kind)")
    for kind, values in {"no edit": quiet, **times}.items():
        print(f"{kind:22} {statistics.median(values) * 1e3:10.2f}"
              f" {meter.percentile(values, 95) * 1e3:7.2f}")
    claims.add(stale == 0, f"latency: {stale} of {edits * len(KINDS)} first "
               "answers after a save were not the new page")
    if stale:
        print(said[-2000:])
