"""What a request's check for changes costs: the same handler of the same
child with PythonAutoReload On and Off, with few hot modules and with many.

Used by reload.py. CPU is compared within rounds that take turns; beside it is
shown what the system call alone adds to the C module of hello.py. System calls
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
TRACED = 1000           # under strace
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
C_LOCATIONS = """\
<Location "/{name}">
    Require all granted
    SetHandler yardstick
    CHello {c_word}
</Location>
"""
PATHS = {"On": "/check", "Off": "/blind"}
C_WORDS = {"On": "Poll", "Off": "On"}


def server_with(tools, modules):
    """modules: how many, or "C": the C module."""
    load, location = rig.ours(), LOCATIONS
    if modules == "C":
        load, location = tools.c_module("c_hello"), C_LOCATIONS
    conf = load + "".join(
        location.format(name=path[1:], word=word, c_word=C_WORDS[word])
        for word, path in PATHS.items())
    return rig.BareServer(rig.Bare(conf), {} if modules == "C"
                          else hello.site_files(modules))


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
                     round(sum(more.values()), 1), LIMIT_CALLS,
                     "of a request", 1)


def show(samples, modules):
    """What On adds to Off, in ns."""
    on, off = samples[modules, "On"], samples[modules, "Off"]
    added = statistics.median(map(operator.sub, on, off))
    if modules == "C":
        print(f"     check, the system call alone adds {added:,.0f} ns to the "
              f"C module's {statistics.median(off):,.0f} ns")
    else:
        print(f"     check, {modules:5,} modules: CPU of a request "
              f"{statistics.median(on):,.0f} ns with On, "
              f"{statistics.median(off):,.0f} ns with Off (spread "
              f"{meter.spread(off):.1%})")
    return added


def measure(tools, arguments, claims):
    if not shutil.which("strace"):
        raise rig.Refused("strace is missing: apt-get install strace")
    with contextlib.ExitStack() as stack:
        servers = {modules: stack.enter_context(server_with(tools, modules))
                   for modules in ("C", FEW, MANY)}
        samples = cpu_rounds(tools, servers, arguments.rounds or 150)
        rig.unseat()
        show(samples, "C")
        del servers["C"]
        for modules in servers:
            claims.limit(f"check, {modules:5,} modules: CPU",
                         show(samples, modules), LIMIT_NS, "ns", 0)
        measure_calls(tools, servers, claims)
