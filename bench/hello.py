#!/usr/bin/env python3
"""What Python costs: server CPU for a hello handler, beside a C module.

    python3 bench/hello.py [--starts N] [--rounds N] [--requests N]
                           [--servers c,ours,...] [--variants plain,flush]
                           [--cpus shared,apart] [--callgrind [N]] [--seed N]

Starts one prefork httpd with one child for each server to compare, sends
short rounds of requests to them in random order over one kept-alive
connection, and reads the child's CPU clock before and after each round. All
are started anew several times, because where a process happens to lie in
memory is worth a per cent. What is compared was measured in the same round:
only ratios and differences within a run mean anything.

    c       bench/c_hello.c: a C module with the same hooks
    ours    build/mod_python.so as shipped, PythonAutoReload On
    many    the same with 1,000 hot modules loaded
    debian  the mod_python of Debian, when it is installed

    plain   req.write("Hello\\n", 0): one write to the client
    flush   req.write("Hello\\n"), which flushes: two writes

    shared  server and client take turns on one CPU: caches stay warm and
            waking the other is cheap, so what is added weighs most, and
            rounds differ by less than a per cent
    apart   each has its own CPU, as with a client elsewhere: the server's
            CPU goes idle between two requests, and every request pays for
            waking the other; on virtual machines rounds differ much

--callgrind counts the user instructions of a request under valgrind instead,
which no other load on the machine disturbs, and keeps the profiles.

The exit status is 1 when a limit is exceeded."""

import argparse
import contextlib
import itertools
import operator
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import time

import meter
import rig

BODY = "Hello\n"
WARM_UP = 2000
MANY = 1000

LIMIT_RATIO = 1.10      # of the C module
LIMIT_ADDED = 0.5       # of what Debian's mod_python adds
LIMIT_MANY_NS = 500     # more with 1,000 hot modules

BUSY = 0.03             # spread from which a run is not to be trusted

VARIANTS = ("plain", "flush")
SERVERS = ("c", "ours", "many", "debian")

HANDLER = """\
{imports}
from mod_python import apache


def plain(req):
    req.content_type = "text/plain"
    req.write("Hello\\n", 0)
    return apache.OK


def flush(req):
    req.content_type = "text/plain"
    req.write("Hello\\n")
    return apache.OK
"""

C_LOCATION = """\
<Location "/{variant}">
    Require all granted
    SetHandler yardstick
    CHello {word}
</Location>
"""

PYTHON_LOCATION = """\
<Location "/{variant}">
    Require all granted
    SetHandler mod_python
    PythonHandler hello::{variant}
    PythonAutoReload On
</Location>
"""


def site_files(modules):
    """The handler module and the modules it imports: half of them plain
    modules, half in packages of 50."""
    files = {}
    names = []
    for number in range(modules):
        name = f"m{number:04}"
        if number >= modules // 2:
            package = f"p{number // 50:02}"
            files[f"{package}/__init__.py"] = ""
            name = f"{package}.{name}"
        names.append(name)
        files[name.replace(".", "/") + ".py"] = (
            f"value = {number}\n\n\ndef answer():\n    return value\n")
    imports = "".join(f"import {name}\n" for name in names)
    files["hello.py"] = HANDLER.format(imports=imports)
    return files


def describe(name, tools):
    """(configuration, files) of one of SERVERS."""
    if name == "c":
        return rig.Bare(
            tools.c_module("c_hello")
            + C_LOCATION.format(variant="plain", word="On")
            + C_LOCATION.format(variant="flush", word="Flush")), {}
    if name == "debian":
        conf, environment = rig.debian(), {"PYTHONPATH": ""}
    else:
        conf, environment = rig.ours(), {}
    conf += "".join(PYTHON_LOCATION.format(variant=variant)
                    for variant in VARIANTS)
    return (rig.Bare(conf, environment=environment),
            site_files(MANY if name == "many" else 0))


def measure(tools, servers, arguments, rounds, samples):
    """Add the ns per request of each round to samples, which is
    {(server, variant, cpus): [one for each round]}."""
    pids = {name: server.child() for name, server in servers.items()}
    clocks = {name: meter.CpuClock(pid) for name, pid in pids.items()}
    cells = list(samples)
    for name, variant in itertools.product(servers, arguments.variants):
        rig.send(tools, servers[name], f"/{variant}", BODY, WARM_UP)
    for _ in range(rounds):
        random.shuffle(cells)
        for name, variant, cpus in cells:
            rig.seat(pids[name], cpus)
            before = clocks[name].nanoseconds()
            rig.send(tools, servers[name], f"/{variant}", BODY,
                     arguments.requests)
            time.sleep(0.002)  # the child sees the end of the connection
            used = clocks[name].nanoseconds() - before
            samples[name, variant, cpus].append(used / arguments.requests)
        print(".", end="", flush=True, file=sys.stderr)
    for name, server in servers.items():
        if server.child() != pids[name]:
            raise RuntimeError(f"{name}: the child died:\n{server.said()}")


def pick(samples, variant, cpus):
    """{server: its samples} of one way of measuring."""
    return {name: values for (name, *way), values in samples.items()
            if way == [variant, cpus]}


def paired(function, values, others):
    """The median over the rounds of a comparison of two servers."""
    return statistics.median(map(function, values, others))


def ratio(of, name, other="c"):
    return paired(operator.truediv, of[name], of[other])


def added(of, name, other="c"):
    return paired(operator.sub, of[name], of[other])


def show(of, title, unit):
    print(f"\n{title:14} {unit + '/request':>15}  spread    to c  added"
          "    least    to c  added")
    for name, values in of.items():
        line = (f"{name:14} {statistics.median(values):15,.0f}"
                f"  {meter.spread(values):6.1%}")
        least = f"  {min(values):7,.0f}"
        if name != "c" and "c" in of:
            line += f"  {ratio(of, name):6.3f} {added(of, name):6,.0f}"
            least += (f"  {min(values) / min(of['c']):6.3f}"
                      f" {min(values) - min(of['c']):6,.0f}")
        else:
            line += " " * 15
        print(line + least)
    if max(meter.spread(values) for values in of.values()) > BUSY:
        print("    The rounds differ much: the machine was busy. What "
              "disturbs only ever adds, so \"least\" is nearer the truth.")


def judge(of, title):
    """Print a line for each limit; True when all are kept."""
    verdicts = []
    if {"c", "ours"} <= set(of):
        value = ratio(of, "ours")
        verdicts.append((value <= LIMIT_RATIO, "ours to c", f"{value:.3f}",
                         f"{LIMIT_RATIO:.2f}"))
    if {"c", "ours", "debian"} <= set(of):
        value = added(of, "ours") / added(of, "debian")
        verdicts.append((value <= LIMIT_ADDED, "added, ours to debian's",
                         f"{value:.2f}", f"{LIMIT_ADDED:.2f}"))
    if {"ours", "many"} <= set(of):
        value = added(of, "many", "ours")
        verdicts.append((value <= LIMIT_MANY_NS,
                         f"added by {MANY:,} hot modules",
                         f"{value:,.0f} ns", f"{LIMIT_MANY_NS} ns"))
    for kept, what, value, limit in verdicts:
        print(f"{'ok  ' if kept else 'OVER'} {title}: {what} {value} "
              f"(limit {limit})")
    return all(kept for kept, *_ in verdicts)


def run_clock(tools, arguments):
    samples = {cell: [] for cell in itertools.product(
        arguments.servers, arguments.variants, arguments.cpus)}
    for _ in range(arguments.starts):
        with contextlib.ExitStack() as stack:
            rig.unseat()
            servers = {name: stack.enter_context(
                rig.BareServer(*describe(name, tools)))
                for name in arguments.servers}
            measure(tools, servers, arguments,
                    -(-arguments.rounds // arguments.starts), samples)
            counts = count_by_perf(tools, servers, arguments)
    print(file=sys.stderr)
    good = True
    for variant in arguments.variants:
        for cpus in arguments.cpus:
            show(pick(samples, variant, cpus), f"{variant}, {cpus}", "CPU ns")
        if counts:
            show(pick(counts, variant, "perf"), variant, "instr.")
    print()
    for variant in arguments.variants:
        for cpus in arguments.cpus:
            good &= judge(pick(samples, variant, cpus), f"{variant}, {cpus}")
    return 0 if good else 1


def count_by_perf(tools, servers, arguments):
    """Instructions per request, where the machine's counters can be had."""
    if not meter.perf_counts_instructions():
        return None
    counts = {}
    for name, server in servers.items():
        for variant in arguments.variants:
            count = meter.instructions_during(
                server.child(), rig.load_command(
                    tools, server, f"/{variant}", BODY, arguments.requests))
            counts[name, variant, "perf"] = [count / arguments.requests]
    return counts


def count_by_callgrind(tools, name, variant, requests, keep):
    """User instructions of a request; the profile stays in keep. What is
    counted is httpd's work for the last connection."""
    config, files = describe(name, tools)
    connection = "ap_run_process_connection"
    profile = f"callgrind.{name}.{variant}"
    server = rig.BareServer(config, files, wrapper=[
        "valgrind", "-q", "--vgdb=no", "--tool=callgrind", "--dump-instr=yes",
        f"--toggle-collect={connection}", f"--zero-before={connection}",
        f"--callgrind-out-file={{root}}/{profile}"])
    with server:
        profile = server.root / profile
        profile.chmod(0o666)  # root's; www-data will write it
        rig.send(tools, server, f"/{variant}", BODY, WARM_UP)
        rig.send(tools, server, f"/{variant}", BODY, requests)
        server.stop()
        shutil.copy(profile, keep)
        total = re.search(r"^(?:summary|totals): (\d+)",
                          profile.read_text("utf-8"), re.MULTILINE)
    return int(total.group(1)) / requests


def run_callgrind(tools, arguments):
    keep = rig.module_under_test().parent / "bench"
    keep.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name in arguments.servers:
        for variant in arguments.variants:
            counts[name, variant, "callgrind"] = [count_by_callgrind(
                tools, name, variant, arguments.callgrind, keep)]
    for variant in arguments.variants:
        show(pick(counts, variant, "callgrind"), variant, "instr.")
    print(f"\nprofiles: {keep}/callgrind.*; read them with "
          "callgrind_annotate --inclusive=yes")
    return 0


def parse(words):
    parser = argparse.ArgumentParser(
        description="Server CPU of a hello handler, beside a C module.")
    parser.add_argument("--starts", type=int, default=3,
                        help="how often the servers are started")
    parser.add_argument("--rounds", type=int, default=21,
                        help="in all; of the servers' starts together")
    parser.add_argument("--requests", type=int, default=4000,
                        help="in each round, to each server")
    parser.add_argument("--servers", type=lambda text: text.split(","),
                        help=f"of {','.join(SERVERS)}")
    parser.add_argument("--variants", type=lambda text: text.split(","),
                        default=list(VARIANTS))
    parser.add_argument("--cpus", type=lambda text: text.split(","),
                        default=["shared"])
    parser.add_argument("--callgrind", type=int, nargs="?", const=2000,
                        metavar="N", help="count instructions of N requests")
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args(words)
    if not arguments.servers:
        arguments.servers = list(SERVERS)
        if not rig.debian_module():
            arguments.servers.remove("debian")
    for given, known in ((arguments.servers, SERVERS),
                         (arguments.variants, VARIANTS),
                         (arguments.cpus, rig.PLACES)):
        for word in given:
            if word not in known:
                parser.error(f"{word!r} is none of {', '.join(known)}")
    if "apart" in arguments.cpus and len(rig.ALLOWED) < 2:
        parser.error("--cpus apart takes two CPUs")
    return arguments


def main():
    arguments = parse(sys.argv[1:])
    random.seed(arguments.seed)
    with rig.Tools() as tools:
        if arguments.callgrind:
            return run_callgrind(tools, arguments)
        return run_clock(tools, arguments)


if __name__ == "__main__":
    rig.main(main)
