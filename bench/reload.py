#!/usr/bin/env python3
"""What reloading costs, and that it leaves nothing behind.

    python3 bench/reload.py all | PART... [--rounds N] [--seconds N]
                            [--reloads N] [--restarts N] [--seed N]
                            [--beside libpython|wsgi]

    check     what a request's check for changes costs: CPU and system calls,
              with 10 and with 1,000 hot modules
    import    what `import x` inside a function costs when x is loaded,
              beside CPython's own
    visible   from the save of a leaf with 1, 10, 100 and 500 dependents to
              the new answer, beside a bare interpreter that compiles and
              executes the same files
    stall     what other requests notice while 500 modules are staged
    memory    a child's memory over 10,000 reloads of 100 modules
    stress    32 clients for five minutes, and somebody who edits, renames,
              deletes, flips links, breaks and mends all the time
    latency   from save to answer in a graph of 100 modules: never an old page
    graceful  graceful restarts under load: failed requests, the parent's
              memory; --beside another module that keeps libpython loaded
    control   the same restarts with the C module in place of Python, to know
              what is httpd's own

`all` is the first four with short settings, in less than three minutes. Each
claim is a line with the figure, its limit, and "ok" or "OVER". The exit status
is 1 when a claim does not hold."""

import argparse
import random
import sys

import check
import late_import
import latency
import memory
import restarts
import rig
import stall
import stress
import visible

PARTS = {
    "check": check.measure, "import": late_import.measure,
    "visible": visible.measure, "stall": stall.measure,
    "memory": memory.measure, "stress": stress.measure,
    "latency": latency.measure, "graceful": restarts.measure,
    "control": restarts.measure_control,
}

# The rounds of each part for `all`.
SHORT = {"check": 60, "import": 100, "visible": 7, "stall": 4}


def parse(words):
    parser = argparse.ArgumentParser(description="What reloading costs.")
    parser.add_argument("parts", nargs="+", metavar="part",
                        choices=["all", *PARTS],
                        help="all, " + ", ".join(PARTS))
    parser.add_argument("--rounds", type=int,
                        help="of check, import, visible, stall, latency")
    parser.add_argument("--seconds", type=int,
                        help="of a run of stall, or of stress")
    parser.add_argument("--reloads", type=int, help="of memory")
    parser.add_argument("--restarts", type=int, help="of graceful, control")
    parser.add_argument("--beside", choices=restarts.NEIGHBOURS,
                        help="of graceful")
    parser.add_argument("--seed", type=int)
    return parser.parse_args(words)


def main():
    arguments = parse(sys.argv[1:])
    random.seed(arguments.seed)
    claims = rig.Claims()
    parts = list(SHORT) if "all" in arguments.parts else arguments.parts
    with rig.Tools() as tools:
        for part in parts:
            if "all" in arguments.parts:
                arguments.rounds = SHORT[part]
            PARTS[part](tools, arguments, claims)
            rig.unseat()
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
