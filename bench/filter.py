#!/usr/bin/env python3
"""What a filter in Python costs: server CPU, beside a C filter.

    python3 bench/filter.py [--starts N] [--rounds N] [--requests N]
                            [--cpus apart] [--seed N]

A C handler answers with 16 KiB of text, an output filter upper-cases it: one
in C (bench/c_filter.c), and one in Python, with PythonAutoReload On, and in
Debian's mod_python if that is installed. Starts one prefork httpd with one
child for each, sends short rounds of requests in random order over one
kept-alive connection, and reads the child's CPU clock before and after each
round. All are started anew several times. What is compared was measured in
the same round: only ratios and differences within a run mean anything.

    none    the same answer without a filter, in lower case
    c       the filter in C
    ours    the filter in Python
    debian  the same

The exit status is 1 when the limit is exceeded."""

import sys

import pairs
import rig

SIZE = 16384
TEXT = ("abcdefghijklmnopqrstuvwxyz" * (SIZE // 26 + 1))[:SIZE]
WARM_UP = 1000

LIMIT_RATIO = 1.08      # of the C filter


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

PYTHON = "PythonOutputFilter upper UPPER\n    SetOutputFilter UPPER"
LINES = {
    "none": "",
    "c": "SetOutputFilter c-upper",
    "ours": PYTHON + "\n    PythonAutoReload On",
    "debian": PYTHON,
}


def describe(name, load):
    """(configuration, files) of one of the servers."""
    conf, environment = load, {}
    if name == "ours":
        conf += rig.ours()
    elif name == "debian":
        conf, environment = conf + rig.debian(), {"PYTHONPATH": ""}
    return (rig.Bare(conf + LOCATION.format(lines=LINES[name]),
                     environment=environment), {"upper.py": FILTER})


def body_of(name):
    return TEXT if name == "none" else TEXT.upper()


def parse(words):
    return pairs.parse(pairs.parser(
        "Server CPU of an output filter, beside one in C.", 2000), words)


def main():
    arguments = parse(sys.argv[1:])
    names = [name for name in LINES if name != "debian"
             or rig.debian_module()]
    with rig.Tools() as tools:
        load = tools.c_module("c_filter")
        samples = pairs.run(
            arguments, lambda cell: describe(cell[1], load),
            [("filter", name) for name in names],
            lambda server, cell, number: rig.send(
                tools, server, "/text", body_of(cell[1]), number),
            warm_up=WARM_UP)
    pairs.show(samples, "filter", "c", "none")
    if "debian" in names:
        pairs.show(samples, "filter", "debian")
    ratio = pairs.show(samples, "filter")
    print()
    claims = rig.Claims()
    claims.limit("a filter in Python, of one in C", ratio, LIMIT_RATIO,
                 "times", 3)
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
