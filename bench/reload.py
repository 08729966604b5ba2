#!/usr/bin/env python3
"""What reloading costs, and that it leaves nothing behind.

    python3 bench/reload.py [latency] [memory] [graceful] [control]
                            [--edits N] [--reloads N] [--restarts N]

Without a part named: the first three. All edit the files of a graph of 20
modules of which every one shows in the page, so a page that is old, or mixed
of old and new, does not pass.

    latency   the time from a save to the answer that shows it, for edits of
              a leaf, of a leaf that everything imports, of a module in the
              middle and of the handler module; every first answer must be
              the new one
    memory    a child's memory over many reloads, every tenth after a version
              that does not load; the page must always be right. First what
              is in use after a collection every ten reloads, which tells a
              leak of a few bytes; then the size that the process has when
              garbage is left to Python's own collections
    graceful  graceful restarts under 8 connections, half of them kept alive:
              failed requests, and the parent's memory
    control   the same restarts with the C module in place of Python, to know
              what is httpd's own

The exit status is 1 when a claim does not hold."""

import argparse
import random
import signal
import statistics
import subprocess
import sys
import time

import meter
import rig
from httpd import save

CONNECTIONS = 8
PAUSE_US = 5000         # of a connection between two requests
WARM_RELOADS = 500      # then memory is compared
LOOSE_RELOADS = 1000    # without collections of ours
WARM_RESTARTS = 20
TAIL = 5                # samples that are averaged at either end

LIMIT_CHILD_KB = 1024   # one arena of CPython
LIMIT_OBJECTS = 100
LIMIT_BLOCKS = 1000     # of CPython's allocator
LIMIT_MALLOC = 100_000  # bytes
LIMIT_PARENT_KB = 256

LOCATION = """\
<Location "/page">
    Require all granted
    SetHandler mod_python
    PythonHandler {handler}
    PythonAutoReload On
</Location>
"""

CONTROL = """\
<Location "/page">
    Require all granted
    SetHandler c-hello
    CHello On
</Location>
"""

MODULE = """\
{imports}

VERSION = {version}


class Thing:
    \"\"\"Something that takes a little memory.\"\"\"

    table = {{number: str(number) for number in range(50)}}

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return f"{{self.name}}={{VERSION}}"


TEXT = " ".join([str(Thing({name!r})), {texts}])
"""

PAGE = """
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    req.write(TEXT)
    return apache.OK


def count(req):
    import gc
    import sys
    import memory
    gc.collect()
    req.write(f"{len(gc.get_objects())} {sys.getallocatedblocks()} "
              f"{memory.malloc_bytes()}")
    return apache.OK
"""

# Bytes that malloc has handed out, where the C library tells.
MEMORY = """
import ctypes


class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks",
        "fsmblks", "uordblks", "fordblks", "keepcost")]


def malloc_bytes():
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if not mallinfo:
        return 0
    mallinfo.restype = Info
    info = mallinfo()
    return info.uordblks + info.hblkhd
"""

# What each module imports: 20 modules, a package among them.
GRAPH = {
    "settings": (),
    **{f"leaf{n:02}": () for n in range(12)},
    "middle": (),
    "middle.a": ("settings", "leaf00", "leaf01", "leaf02"),
    "middle.b": ("middle.a", "leaf03", "leaf04"),
    "middle.c": ("settings", "leaf05", "leaf06"),
    "middle.d": ("middle.b", "middle.c", "leaf07"),
    "middle.e": ("leaf08", "leaf09"),
    "page": ("middle.d", "middle.e", "leaf10", "leaf11"),
}
assert len(GRAPH) == 20

KINDS = {"leaf": "leaf03", "shared leaf": "settings", "middle": "middle.c",
         "handler": "page"}


class Graph:
    """The files of GRAPH as they are now, and the page they give."""

    def __init__(self):
        self.versions = dict.fromkeys(GRAPH, 0)

    def file(self, name):
        path = name.replace(".", "/")
        return path + ("/__init__.py" if name == "middle" else ".py")

    def source(self, name):
        uses = GRAPH[name]
        text = MODULE.format(
            imports="\n".join(f"import {used}" for used in uses),
            version=self.versions[name], name=name,
            texts=", ".join(f"{used}.TEXT" for used in uses))
        return text + (PAGE if name == "page" else "")

    def files(self):
        return {"memory.py": MEMORY,
                **{self.file(name): self.source(name) for name in GRAPH}}

    def text(self, name="page"):
        return " ".join([f"{name}={self.versions[name]}",
                         *(self.text(used) for used in GRAPH[name])])

    def edit(self, site, name, how):
        """The next version of a module, saved."""
        self.versions[name] += 1
        save(site.path(self.file(name)), self.source(name).encode(), how)

    def spoil(self, site, name):
        """A version that does not load."""
        save(site.path(self.file(name)),
             (self.source(name) + "\n\nraise ValueError('spoilt')\n").encode(),
             "rename")


class Claims:
    """What was claimed, and whether it held."""

    def __init__(self):
        self.all_hold = True

    def add(self, holds, text):
        self.all_hold &= bool(holds)
        print(f"{'ok  ' if holds else 'FAIL'} {text}")


def python_server(graph, more="", **config):
    conf = rig.ours() + LOCATION.format(handler="page") + more
    return rig.BareServer(rig.Bare(conf, **config), graph.files())


def ask(connection, path="/page"):
    response = connection.get(path)
    return response.text if response.status == 200 else (
        f"status {response.status}")


def measure_latency(arguments, claims):
    graph = Graph()
    quiet = []
    times = {kind: [] for kind in KINDS}
    stale = 0
    with python_server(graph) as server, server.connect() as connection:
        ask(connection)
        for _ in range(arguments.edits):
            started = time.perf_counter()
            ask(connection)
            quiet.append(time.perf_counter() - started)
            for kind, name in KINDS.items():
                started = time.perf_counter()
                graph.edit(server.site, name,
                           random.choice(("inplace", "rename")))
                stale += ask(connection) != graph.text()
                times[kind].append(time.perf_counter() - started)
        said = server.said()
    print(f"\nfrom save to answer, ms    median     p95  ({arguments.edits} "
          "edits of each kind)")
    for kind, values in {"no edit": quiet, **times}.items():
        print(f"{kind:22} {statistics.median(values) * 1e3:10.2f}"
              f" {meter.percentile(values, 95) * 1e3:7.2f}")
    claims.add(stale == 0, f"latency: {stale} of "
               f"{arguments.edits * len(KINDS)} first answers after a save "
               "were not the new page")
    if stale:
        print(said[-2000:])


def sample_child(server, connection):
    """{what: kB or number} of the only child, after a collection."""
    objects, blocks, malloc = map(int, ask(connection, "/count").split())
    memory = meter.memory(server.child())
    return {"RSS, kB": memory["Rss"], "PSS, kB": memory["Pss"],
            "Python objects": objects, "Python blocks": blocks,
            "malloc, bytes": malloc}


def grown(samples, what):
    """From the end of the warm-up to the end."""
    first = statistics.mean(sample[what] for sample in samples[:TAIL])
    last = statistics.mean(sample[what] for sample in samples[-TAIL:])
    return last - first


def reload_once(graph, site, connection, spoil):
    """How many wrong pages an edit of any module gave."""
    wrong = 0
    name = random.choice(list(GRAPH))
    if spoil:
        page = graph.text()
        graph.spoil(site, name)
        wrong += ask(connection) != page
    graph.edit(site, name, random.choice(("inplace", "rename")))
    return wrong + (ask(connection) != graph.text())


def measure_memory(arguments, claims):
    graph = Graph()
    wrong = 0
    samples = []
    sizes = []
    count = WARM_RELOADS + arguments.reloads
    more = LOCATION.format(handler="page::count").replace("/page", "/count")
    more += "LogLevel python:crit\n"  # the spoilt versions are told otherwise
    # Prefork, for its one thread: what malloc keeps for each thread to use
    # again would look like growth for a long time.
    with python_server(graph, more) as server, \
            server.connect() as connection:
        ask(connection)
        first = sample_child(server, connection)
        for number in range(count):
            wrong += reload_once(graph, server.site, connection,
                                 number % 10 == 9)
            if number % 10 == 9:
                sample = sample_child(server, connection)
                if number >= WARM_RELOADS:
                    samples.append(sample)
        for number in range(LOOSE_RELOADS):
            wrong += reload_once(graph, server.site, connection, 0)
            sizes.append(meter.memory(server.child())["Rss"])
    claims.add(wrong == 0, f"memory: {wrong} wrong pages in "
               f"{count + LOOSE_RELOADS} reloads")
    show_memory(first, samples, arguments.reloads)
    for what, limit in (("RSS, kB", LIMIT_CHILD_KB),
                        ("Python objects", LIMIT_OBJECTS),
                        ("Python blocks", LIMIT_BLOCKS),
                        ("malloc, bytes", LIMIT_MALLOC)):
        claims.add(grown(samples, what) <= limit,
                   f"memory: {what}: grown by {grown(samples, what):,.0f} "
                   f"after warm-up (limit {limit:,})")
    print(f"     memory: {max(sizes):,} kB RSS at most when Python collects "
          f"by itself ({LOOSE_RELOADS} reloads)")


def show_memory(first, samples, reloads):
    reloads *= (len(samples) - TAIL) / len(samples)
    print(f"\n{'in use after a collection':26}   at first     at end"
          "  grown after warm-up  per reload")
    for what, value in first.items():
        change = grown(samples, what)
        print(f"{what:26} {value:10,} {samples[-1][what]:10,} "
              f"{change:+20,.0f} {change / reloads:+11.3f}")


def restart_under_load(server, tools, page, restarts):
    """The parent's memory after each restart, and load's counts."""
    load = subprocess.Popen(
        [tools.load, "-c", str(CONNECTIONS), "-p", str(PAUSE_US), "-x",
         str(server.port), "/page", page], stdout=subprocess.PIPE, text=True)
    samples = []
    try:
        for number in range(WARM_RESTARTS + restarts):
            server.graceful()
            time.sleep(random.random() / 20)
            if number >= WARM_RESTARTS:
                samples.append(meter.memory(server.pid))
    finally:
        load.send_signal(signal.SIGTERM)
        output = load.communicate(timeout=60)[0]
    counts = dict(word.split("=") for word in output.split())
    return samples, counts


def measure_graceful(tools, arguments, claims, control):
    graph = Graph()
    shape = {"mpm": "event", "children": 2}
    if control:
        name, page = "control", "Hello\n"
        server = rig.BareServer(rig.Bare(tools.c_hello() + CONTROL, **shape),
                                {})
    else:
        name, page = "graceful", graph.text()
        server = python_server(graph, **shape)
    with server:
        samples, counts = restart_under_load(server, tools, page,
                                             arguments.restarts)
        said = server.said()
    print(f"\n{name}: {arguments.restarts} restarts in "
          f"{float(counts['seconds']):.0f} s, {counts['requests']} requests, "
          f"{counts['retried']} sent again because their kept-alive "
          "connection ended")
    for what in ("Rss", "Anonymous"):
        print(f"  parent's {what}: {samples[0][what]:,} kB, at the end "
              f"{samples[-1][what]:,} kB")
    claims.add(counts["failed"] == "0",
               f"{name}: {counts['failed']} failed requests")
    growth = grown(samples, "Anonymous")
    claims.add(growth <= LIMIT_PARENT_KB, f"{name}: the parent grew "
               f"{growth:+,.0f} kB (limit {LIMIT_PARENT_KB} kB)")
    crashes = [line for line in said.splitlines()
               if "exit signal" in line or "AH00052" in line]
    claims.add(not crashes, f"{name}: {len(crashes)} children crashed")
    print("\n".join(crashes[:5]), end="")


def parse(words):
    parser = argparse.ArgumentParser(description="What reloading costs.")
    parts = ("latency", "memory", "graceful", "control")
    parser.add_argument("parts", nargs="*", metavar="part",
                        help=", ".join(parts))
    parser.add_argument("--edits", type=int, default=50,
                        help="of each kind, for latency")
    parser.add_argument("--reloads", type=int, default=2000)
    parser.add_argument("--restarts", type=int, default=200)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args(words)
    arguments.parts = arguments.parts or list(parts[:3])
    for part in arguments.parts:
        if part not in parts:
            parser.error(f"{part!r} is none of {', '.join(parts)}")
    return arguments


def main():
    arguments = parse(sys.argv[1:])
    random.seed(arguments.seed)
    claims = Claims()
    with rig.Tools() as tools:
        for part in arguments.parts:
            if part == "latency":
                measure_latency(arguments, claims)
            elif part == "memory":
                measure_memory(arguments, claims)
            else:
                measure_graceful(tools, arguments, claims,
                                 part == "control")
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
