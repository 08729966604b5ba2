"""Graceful restarts under 8 connections, half of them kept alive: failed
requests, and the parent's memory.

Used by reload.py; with the C module in place of Python, to know what is
httpd's own, it is called control. Another module may be loaded beside, which
keeps libpython loaded in the parent when ours is unloaded: c_holder.c, or
Debian's mod_wsgi with its daemon mode only."""

import random
import signal
import statistics
import subprocess
import time

import meter
import rig
from graph import LOCATION, Graph
from kinds import embedding_module

RESTARTS = 200
CONNECTIONS = 8
PAUSE_US = 5000         # of a connection between two requests
WARM_UP = 20
TAIL = 5                # samples that are averaged at either end
LIMIT_PARENT_KB = 64     # a name that a restart leaves is seen in 2,000

CONTROL = """\
<Location "/page">
    Require all granted
    SetHandler yardstick
    CHello On
</Location>
"""

NEIGHBOURS = ("libpython", "wsgi")


def neighbour(tools, name):
    """Lines that load it in front of ours; none for None."""
    if name == "wsgi":
        return (f"LoadModule wsgi_module {rig.apxs('LIBEXECDIR')}/mod_wsgi.so"
                "\nWSGIRestrictEmbedded On\n")
    if name == "libpython":
        return embedding_module(tools, "c_holder.c", "-Wl,-z,nodelete")
    return ""


def restart_under_load(server, tools, page, restarts):
    """The parent's memory after each restart, and load's counts."""
    load = subprocess.Popen(
        [tools.load, "-c", str(CONNECTIONS), "-p", str(PAUSE_US), "-x",
         str(server.port), "/page", page], stdout=subprocess.PIPE, text=True)
    samples = []
    try:
        for number in range(WARM_UP + restarts):
            server.graceful()
            time.sleep(random.random() / 20)
            if number >= WARM_UP:
                samples.append(meter.memory(server.pid))
    finally:
        load.send_signal(signal.SIGTERM)
        output = load.communicate(timeout=60)[0]
    counts = dict(word.split("=") for word in output.split())
    return samples, counts


def _measure(server, name, page, tools, arguments, claims):
    restarts = arguments.restarts or RESTARTS
    with server:
        samples, counts = restart_under_load(server, tools, page, restarts)
        said = server.said()
    print(f"\n{name}: {restarts} restarts in "
          f"{float(counts['seconds']):.0f} s, {counts['requests']} requests, "
          f"{counts['retried']} sent again because their kept-alive "
          "connection ended")
    for what in ("Rss", "Anonymous"):
        print(f"  parent's {what}: {samples[0][what]:,} kB, at the end "
              f"{samples[-1][what]:,} kB")
    claims.limit(f"{name}: failed requests", int(counts["failed"]), 0, "", 0)
    first, last = (statistics.mean(sample["Anonymous"] for sample in part)
                   for part in (samples[:TAIL], samples[-TAIL:]))
    claims.limit(f"{name}: the parent grew by", last - first,
                 LIMIT_PARENT_KB, "kB", 0)
    crashes = [line for line in said.splitlines()
               if "exit signal" in line or "AH00052" in line]
    claims.limit(f"{name}: children that crashed", len(crashes), 0, "", 0)
    print("\n".join(crashes[:5]), end="")


def measure(tools, arguments, claims):
    graph = Graph()
    beside = arguments.beside
    config = rig.Bare(neighbour(tools, beside) + rig.ours()
                      + LOCATION.format(path="page", handler="page"),
                      mpm="event", children=2)
    _measure(rig.BareServer(config, graph.files()),
             f"graceful beside {beside}" if beside else "graceful",
             graph.text(), tools, arguments, claims)


def measure_control(tools, arguments, claims):
    config = rig.Bare(tools.c_module("c_hello") + CONTROL, mpm="event", children=2)
    _measure(rig.BareServer(config, {}), "control", "Hello\n", tools,
             arguments, claims)
