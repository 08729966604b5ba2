#!/usr/bin/env python3
"""What a filter in Python costs: server CPU, beside a C filter.

    python3 bench/filter.py [--starts N] [--rounds N] [--requests N]
                            [--seed N]

A C handler answers with 16 KiB of text, an output filter upper-cases it: one
in C (bench/c_filter.c), and one in Python, with PythonAutoReload On. Starts
one prefork httpd with one child for each, sends short rounds of requests in
random order over one kept-alive connection, and reads the child's CPU clock
before and after each round. All are started anew several times. What is
compared was measured in the same round: only ratios and differences within a
run mean anything.

    none    the same answer without a filter, in lower case
    c       the filter in C
    ours    the filter in Python

The exit status is 1 when the limit is exceeded."""

import argparse
import contextlib
import operator
import pathlib
import random
import statistics
import sys
import time

import meter
import rig

SIZE = 16384
TEXT = ("abcdefghijklmnopqrstuvwxyz" * (SIZE // 26 + 1))[:SIZE]
BODIES = {"none": TEXT, "c": TEXT.upper(), "ours": TEXT.upper()}
WARM_UP = 1000

LIMIT_RATIO = 1.08      # of the C filter

BUSY = 0.03             # spread from which a run is not to be trusted

FILTER = """\
def outputfilter(filter):
    data = filter.read()
    while data:
        filter.write(data.upper())
        data = filter.read()
    if data is None:
        filter.close()
"""

LOCATION = """\
<Location "/text">
    Require all granted
    SetHandler c-text
    {lines}
</Location>
"""

LINES = {
    "none": "",
    "c": "SetOutputFilter c-upper",
    "ours": "PythonOutputFilter upper UPPER\n    SetOutputFilter UPPER\n"
            "    PythonAutoReload On",
}


def c_module(directory):
    """Lines that load bench/c_filter.c, built in directory."""
    target = f"{directory}/c_filter.so"
    includes = ["-I" + rig.apxs(name) for name in
                ("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")]
    rig.compile_c("c_filter.c", target, "-shared", "-fPIC",
                  *rig.apxs("EXTRA_CPPFLAGS").split(), *includes)
    return f"LoadModule c_filter_module {target}\n"


def describe(name, load):
    """(configuration, files) of one of the servers."""
    conf = load + (rig.ours() if name == "ours" else "")
    return (rig.Bare(conf + LOCATION.format(lines=LINES[name])),
            {"upper.py": FILTER})


def measure(tools, servers, arguments, rounds, samples):
    """Add the ns per request of each round to samples: {name: [...]}."""
    pids = {name: server.child() for name, server in servers.items()}
    clocks = {name: meter.CpuClock(pid) for name, pid in pids.items()}
    names = list(servers)
    for name in names:
        rig.send(tools, servers[name], "/text", BODIES[name], WARM_UP)
    for _ in range(rounds):
        random.shuffle(names)
        for name in names:
            rig.seat(pids[name])
            before = clocks[name].nanoseconds()
            rig.send(tools, servers[name], "/text", BODIES[name],
                     arguments.requests)
            time.sleep(0.002)  # the child sees the end of the connection
            used = clocks[name].nanoseconds() - before
            samples[name].append(used / arguments.requests)
        print(".", end="", flush=True, file=sys.stderr)
    for name, server in servers.items():
        if server.child() != pids[name]:
            raise RuntimeError(f"{name}: the child died:\n{server.said()}")


def show(samples):
    print(f"\n{'filter':14} {'CPU ns/request':>15}  spread    least")
    for name, values in samples.items():
        print(f"{name:14} {statistics.median(values):15,.0f}"
              f"  {meter.spread(values):6.1%}  {min(values):7,.0f}")
    if max(meter.spread(values) for values in samples.values()) > BUSY:
        print("    The rounds differ much: the machine was busy. What "
              "disturbs only ever adds, so \"least\" is nearer the truth.")
    print()


def parse(words):
    parser = argparse.ArgumentParser(
        description="Server CPU of an output filter, beside one in C.")
    parser.add_argument("--starts", type=int, default=3,
                        help="how often the servers are started")
    parser.add_argument("--rounds", type=int, default=21,
                        help="in all; of the servers' starts together")
    parser.add_argument("--requests", type=int, default=2000,
                        help="in each round, to each server")
    parser.add_argument("--seed", type=int)
    return parser.parse_args(words)


def main():
    arguments = parse(sys.argv[1:])
    random.seed(arguments.seed)
    samples = {name: [] for name in BODIES}
    with rig.Tools() as tools:
        load = c_module(pathlib.Path(tools.load).parent)
        for _ in range(arguments.starts):
            with contextlib.ExitStack() as stack:
                rig.unseat()
                servers = {name: stack.enter_context(
                    rig.BareServer(*describe(name, load)))
                    for name in BODIES}
                measure(tools, servers, arguments,
                        -(-arguments.rounds // arguments.starts), samples)
    print(file=sys.stderr)
    show(samples)
    claims = rig.Claims()
    ratio = statistics.median(map(operator.truediv, samples["ours"],
                                  samples["c"]))
    claims.limit("a filter in Python, of one in C", ratio, LIMIT_RATIO,
                 "times", 3)
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
