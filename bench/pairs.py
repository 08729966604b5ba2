"""Two servers side by side: the CPU of a request to each, in the same rounds.

Used by all benchmarks that compare servers, but for hello.py. A cell is
(variant, server name); what is compared was measured in the same round."""

import argparse
import contextlib
import operator
import random
import statistics
import sys
import time

import meter
import rig

BUSY = 0.03  # spread from which a run is not to be trusted


def words(known):
    """For add_argument(type=): some of these words, with commas."""
    def parse(text):
        for word in text.split(","):
            if word not in known:
                raise argparse.ArgumentTypeError(
                    f"{word!r} is none of {', '.join(known)}")
        return text.split(",")
    return parse


def parser(description, requests=None, starts=3, rounds=21):
    """The arguments that all have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--starts", type=int, default=starts,
                      help="how often the servers are started")
    made.add_argument("--rounds", type=int, default=rounds,
                      help="in all; of the servers' starts together")
    made.add_argument("--requests", type=int, default=requests,
                      help="in each round, to each server")
    made.add_argument("--cpus", choices=rig.PLACES, default=rig.PLACES[0],
                      help="server and client on one CPU, or on one each")
    made.add_argument("--seed", type=int)
    return made


def parse(made, arguments=None):
    """The arguments of what parser() has made."""
    parsed = made.parse_args(arguments)
    if parsed.cpus == "apart" and len(rig.ALLOWED) < 2:
        made.error("--cpus apart takes two CPUs")
    random.seed(parsed.seed)
    return parsed


def measure(cells, send, cpus, rounds, requests, warm_up):
    """{cell: ns of a request, one for each round}. cells: {cell: a running
    server}; send(server, cell, number) sends so many requests to one."""
    pids = {cell: server.child() for cell, server in cells.items()}
    clocks = {cell: meter.CpuClock(pid) for cell, pid in pids.items()}
    samples = {cell: [] for cell in cells}
    order = list(cells)
    for cell in order:
        send(cells[cell], cell, warm_up)
    for _ in range(rounds):
        random.shuffle(order)
        for cell in order:
            rig.seat(pids[cell], cpus)
            before = clocks[cell].nanoseconds()
            send(cells[cell], cell, requests)
            time.sleep(0.002)  # the child sees the end of the connection
            samples[cell].append(
                (clocks[cell].nanoseconds() - before) / requests)
        print(".", end="", flush=True, file=sys.stderr)
    for cell, server in cells.items():
        if server.child() != pids[cell]:
            raise RuntimeError(f"{cell}: the child died:\n{server.said()}")
    return samples


def run(arguments, describe, cells, send, requests=None, warm_up=None,
        check=None):
    """As measure(), over several starts of the servers: where a process lies
    in memory is worth a per cent. arguments: of parser(), which may say
    another number of requests. describe(cell): (configuration, files);
    check(server, cell) raises if a server does not do what is measured."""
    requests = arguments.requests or requests
    samples = {cell: [] for cell in cells}
    for _ in range(arguments.starts):
        with contextlib.ExitStack() as stack:
            rig.unseat()
            servers = {cell: stack.enter_context(
                rig.BareServer(*describe(cell))) for cell in cells}
            for cell, server in servers.items():
                if check:
                    check(server, cell)
            for cell, values in measure(
                    servers, send, arguments.cpus,
                    -(-arguments.rounds // arguments.starts), requests,
                    warm_up or requests // 2).items():
                samples[cell] += values
    print(file=sys.stderr)
    return samples


def show(samples, variant, of="ours", to="c"):
    """Print the figures of a variant; the ratio."""
    values, others = samples[variant, of], samples[variant, to]
    ratio = statistics.median(map(operator.truediv, values, others))
    print(f"\n{variant:16} {'CPU ns/request':>15}  spread      least")
    for name in (to, of):
        row = samples[variant, name]
        print(f"{name:16} {statistics.median(row):15,.0f}"
              f"  {meter.spread(row):6.1%}  {min(row):9,.0f}")
    print(f"{of} to {to}: {ratio:.3f}, by the least "
          f"{min(values) / min(others):.3f}")
    if max(map(meter.spread, (values, others))) > BUSY:
        print("    The rounds differ much: the machine was busy. What "
              "disturbs only ever adds, so \"least\" is nearer the truth.")
    return ratio
