"""What a request's check for changes costs: the same handler of the same
child with PythonAutoReload On and Off, with few hot modules and with many.

Used by reload.py. CPU is compared within rounds that take turns; system calls
are counted by strace, of which only the difference counts, so that what a
connection needs drops out."""

import contextlib
import itertools
import operator
import random
import shutil
import statistics
import subprocess
import sys
import time

import hello
import meter
import rig

FEW, MANY = 10, 1000
REQUESTS = 1000         # of a round, to each
TRACED = 500            # under strace
WARM_UP = 2000

LIMIT_CALLS = 1
LIMIT_NS = 300

# Names of the same length, so that nothing else differs.
LOCATIONS = """\
<Location "/{name}">
    Require all granted
    SetHandler mod_python
    PythonHandler hello::plain
    PythonAutoReload {word}
</Location>
"""
PATHS = {"On": "/check", "Off": "/blind"}


def server_with(modules):
    conf = rig.ours() + "".join(
        LOCATIONS.format(name=path[1:], word=word)
        for word, path in PATHS.items())
    return rig.BareServer(rig.Bare(conf), hello.site_files(modules))


def cpu_rounds(tools, servers, rounds):
    """{(modules, word): [ns of a request, for each round]}"""
    cells = list(itertools.product(servers, PATHS))
    samples = {cell: [] for cell in cells}
    clocks = {}
    for modules, server in servers.items():
        clocks[modules] = meter.CpuClock(server.child())
        for path in PATHS.values():
            rig.send(tools, server, path, hello.BODY, WARM_UP)
        rig.seat(server.child())
    for _ in range(rounds):
        random.shuffle(cells)
        for modules, word in cells:
            before = clocks[modules].nanoseconds()
            rig.send(tools, servers[modules], PATHS[word], hello.BODY,
                     REQUESTS)
            time.sleep(0.002)  # the child sees the end of the connection
            used = clocks[modules].nanoseconds() - before
            samples[modules, word].append(used / REQUESTS)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return samples


def calls_of(tools, server, path):
    """{system call: how often} while TRACED requests are answered."""
    table = server.root / "strace.txt"
    tracer = subprocess.Popen(
        ["strace", "-q", "-c", "-f", "-o", str(table), "-p",
         str(server.child())], stderr=subprocess.PIPE, text=True)
    while not is_traced(server.child()):
        if tracer.poll() is not None:
            raise rig.Refused(f"strace: {tracer.communicate()[1].strip()}")
        time.sleep(0.01)
    try:
        rig.send(tools, server, path, hello.BODY, TRACED)
    finally:
        tracer.terminate()
        tracer.communicate(timeout=30)
    return parse_table(table.read_text())


def is_traced(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return "TracerPid:\t0\n" not in file.read()


def parse_table(text):
    """strace's summary: time, seconds, usecs/call, calls, [errors], name."""
    counts = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) in (5, 6) and words[3].isdigit():
            counts[words[-1]] = int(words[3])
    counts.pop("total", None)
    return counts


def measure_calls(tools, servers, claims):
    for modules, server in servers.items():
        counts = {word: calls_of(tools, server, path)
                  for word, path in PATHS.items()}
        more = {name: (counts["On"].get(name, 0)
                       - counts["Off"].get(name, 0)) / TRACED
                for name in counts["On"] | counts["Off"]}
        total = sum(counts["On"].values()) / TRACED
        print(f"     check, {modules:5,} modules: {total:.2f} system calls "
              "of a request; more than with Off: " + (", ".join(
                  f"{name} {value:+.2f}" for name, value in more.items()
                  if abs(value) >= 0.01) or "none"))
        # A connection's end may take one call more or less.
        claims.limit(f"check, {modules:5,} modules: system calls",
                     round(sum(more.values()), 2), LIMIT_CALLS,
                     "of a request")


def measure(tools, arguments, claims):
    if not shutil.which("strace"):
        raise rig.Refused("strace is missing: apt-get install strace")
    with contextlib.ExitStack() as stack:
        servers = {modules: stack.enter_context(server_with(modules))
                   for modules in (FEW, MANY)}
        samples = cpu_rounds(tools, servers, arguments.rounds or 100)
        rig.unseat()
        for modules in servers:
            on, off = samples[modules, "On"], samples[modules, "Off"]
            print(f"     check, {modules:5,} modules: CPU of a request "
                  f"{statistics.median(on):,.0f} ns with On, "
                  f"{statistics.median(off):,.0f} ns with Off (spread "
                  f"{meter.spread(off):.1%})")
            claims.limit(f"check, {modules:5,} modules: CPU",
                         statistics.median(map(operator.sub, on, off)),
                         LIMIT_NS, "ns", 0)
        measure_calls(tools, servers, claims)
