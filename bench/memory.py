"""A child's memory over many reloads of a hundred modules, every tenth after
a version that does not load; the page must always be right.

Used by reload.py. Garbage is left to Python's own collections, but for one
before each sample. The first fifth of the run is the warm-up. Prefork, for
its one thread: what malloc keeps for each thread to use again would look like
growth for a long time."""

import random
import statistics
import sys

import meter
from graph import LOCATION, USES, Graph, ask

RELOADS = 10_000
SAMPLES = 50            # over the run
TAIL = 5                # samples that are averaged at either end
PARTS = 8               # of the run, that are shown

LIMIT_BYTES = 1024      # a reload
LIMIT_OBJECTS = 100
LIMIT_BLOCKS = 1000     # of CPython's allocator
LIMIT_MALLOC = 100_000  # bytes

MORE = (LOCATION.format(path="count", handler="page::count")
        + LOCATION.format(path="census", handler="page::census")
        + "LogLevel python:crit\n")  # the spoilt versions are told otherwise


def sample_child(server, connection):
    """{what: kB or number} of the only child, after a collection."""
    objects, blocks, malloc = map(int, ask(connection, "/count").split())
    memory = meter.memory(server.child())
    return {"RSS, kB": memory["Rss"], "PSS, kB": memory["Pss"],
            "Python objects": objects, "Python blocks": blocks,
            "malloc, bytes": malloc}


def reload_once(graph, site, connection, spoil):
    """How many wrong pages an edit of any module gave."""
    wrong = 0
    name = random.choice(list(USES))
    if spoil:
        page = graph.text()
        graph.spoil(site, name)
        wrong += ask(connection) != page
    graph.edit(site, name, random.choice(("inplace", "rename")))
    return wrong + (ask(connection) != graph.text())


def grown(samples, what):
    """From the end of the warm-up to the end."""
    return (statistics.mean(sample[what] for sample in samples[-TAIL:])
            - statistics.mean(sample[what] for sample in samples[:TAIL]))


def show(first, samples, number, unit="reload"):
    print(f"\n{'in use after a collection':26}   at first     at end"
          f"  grown after warm-up  per {unit}")
    for what, value in first.items():
        change = grown(samples, what)
        print(f"{what:26} {value:10,} {samples[-1][what]:10,} "
              f"{change:+20,.0f} {change / number:+11.3f}")
    # A leak goes on; what malloc keeps comes to an end.
    parts = [samples[(len(samples) - 1) * part // PARTS] for part in
             range(PARTS + 1)]
    for what in ("RSS, kB", "malloc, bytes", "Python blocks"):
        print(f"{what} over the run:",
              " ".join(f"{sample[what]:,}" for sample in parts))


def run(server, connection, graph, reloads):
    """(samples after the warm-up, the largest RSS in kB, wrong pages)"""
    wrong, largest = 0, 0
    samples = []
    step = max(reloads // SAMPLES, 1)
    for number in range(1, reloads + 1):
        wrong += reload_once(graph, server.site, connection, number % 10 == 9)
        if number % step == 0:
            largest = max(largest, meter.memory(server.child())["Rss"])
            if number >= reloads // 5:
                samples.append(sample_child(server, connection))
            print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return samples, largest, wrong


def measure(_tools, arguments, claims):
    graph = Graph()
    reloads = arguments.reloads or RELOADS
    with graph.server(MORE) as server, server.connect() as connection:
        ask(connection)
        first = sample_child(server, connection)
        samples, largest, wrong = run(server, connection, graph, reloads)
        census = ask(connection, "/census")
    # Between the middles of the two groups of samples that are compared.
    between = reloads * (len(samples) - TAIL) / SAMPLES
    show(first, samples, between)
    print(f"     memory: {largest:,} kB RSS at most before a collection")
    claims.limit("memory: wrong pages", wrong, 0, f"of {reloads:,}", 0)
    claims.limit("memory: RSS after a collection grows by",
                 grown(samples, "RSS, kB") * 1024 / between, LIMIT_BYTES,
                 "bytes a reload", 0)
    for what, limit in (("Python objects", LIMIT_OBJECTS),
                        ("Python blocks", LIMIT_BLOCKS),
                        ("malloc, bytes", LIMIT_MALLOC)):
        claims.limit(f"memory: {what}: grown after warm-up",
                     grown(samples, what), limit, "", 0)
    claims.limit("memory: old versions in the census",
                 len(census.splitlines()), 0, "", 0)
    print(census, end="\n" if census else "")
