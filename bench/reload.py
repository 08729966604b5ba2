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
              that does not load; the page must always be right
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
WARM_RESTARTS = 20
TAIL = 5                # samples that are averaged at either end

LIMIT_CHILD_KB = 1024   # one arena of CPython
LIMIT_OBJECTS = 200
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
    gc.collect()
    req.write(f"{len(gc.get_objects())} {sys.getallocatedblocks()}")
    return apache.OK
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
        return {self.file(name): self.source(name) for name in GRAPH}

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
    """{what: kB or number} of the only child."""
    objects, blocks = map(int, ask(connection, "/count").split())
    memory = meter.memory(server.child())
    return {"RSS": memory["Rss"], "PSS": memory["Pss"], "objects": objects,
            "blocks": blocks}


def grown(samples, what):
    """From the end of the warm-up to the end."""
    first = statistics.mean(sample[what] for sample in samples[:TAIL])
    last = statistics.mean(sample[what] for sample in samples[-TAIL:])
    return last - first


def measure_memory(arguments, claims):
    graph = Graph()
    wrong = 0
    samples = []
    more = LOCATION.format(handler="page::count").replace("/page", "/count")
    more += "LogLevel python:crit\n"  # the spoilt versions are told otherwise
    with python_server(graph, more, mpm="event") as server, \
            server.connect() as connection:
        ask(connection)
        first = sample_child(server, connection)
        for number in range(arguments.reloads + WARM_RELOADS):
            name = random.choice(list(GRAPH))
            if number % 10 == 9:
                page = graph.text()
                graph.spoil(server.site, name)
                wrong += ask(connection) != page
            graph.edit(server.site, name, random.choice(("inplace",
                                                         "rename")))
            wrong += ask(connection) != graph.text()
            if number >= WARM_RELOADS and number % 50 == 49:
                samples.append(sample_child(server, connection))
    reloads = arguments.reloads * (len(samples) - TAIL) / len(samples)
    print(f"\nmemory over {arguments.reloads} reloads    first    last   "
          "grown after warm-up   per reload")
    for what, unit in (("RSS", "kB"), ("PSS", "kB"), ("objects", ""),
                       ("blocks", "")):
        change = grown(samples, what)
        each = change / reloads * (1024 if unit else 1)
        print(f"{what:8} {unit:15} {first[what]:10,} {samples[-1][what]:7,}"
              f" {change:+14,.0f} {each:+18.2f}{' bytes' if unit else ''}")
    claims.add(wrong == 0, f"memory: {wrong} wrong pages in "
               f"{arguments.reloads + WARM_RELOADS} reloads")
    claims.add(grown(samples, "RSS") <= LIMIT_CHILD_KB,
               f"memory: RSS grew {grown(samples, 'RSS'):+,.0f} kB after "
               f"warm-up (limit {LIMIT_CHILD_KB:,} kB)")
    claims.add(grown(samples, "objects") <= LIMIT_OBJECTS,
               f"memory: {grown(samples, 'objects'):+,.0f} objects after "
               f"warm-up (limit {LIMIT_OBJECTS})")


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
    for what in ("Rss", "Private_Dirty"):
        print(f"  parent's {what}: {samples[0][what]:,} kB, at the end "
              f"{samples[-1][what]:,} kB")
    claims.add(counts["failed"] == "0",
               f"{name}: {counts['failed']} failed requests")
    growth = grown(samples, "Private_Dirty")
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
