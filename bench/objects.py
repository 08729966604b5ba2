#!/usr/bin/env python3
"""What the request object costs: server CPU of headers and bodies in Python,
beside a C module that does the same.

    python3 bench/objects.py [--starts N] [--rounds N] [--requests N]
                             [--variants headers,...] [--mpms prefork,event]
                             [--cpus apart] [--seed N]

    headers  10 headers of the request are read, 5 of the response are set
    echo     a body of 64 KiB is read and written back
    stream   1 MiB in pieces of 16 KiB
    flush    the same, flushed after each piece

Debian's mod_python is measured as well if it is installed.

    prefork  one child; event: one child with 16 threads. The ratios of the
             two differ by no more than 0.15

The exit status is 1 when a limit is exceeded."""

import itertools

import pairs
import rig
from client import Client

BODY = bytes(range(256)) * 256
LIMITS = {"headers": 1.2, "echo": 1.1, "stream": 1.1, "flush": 1.1}
LIMIT_APART = 0.15  # of the ratios with event and with prefork
REQUESTS = {"headers": 2000, "echo": 500, "stream": 100, "flush": 100}
MPMS = ("prefork", "event")

PYTHON = """\
from mod_python import apache

PIECE = bytes(16384)
IN = {names_in}
OUT = {names_out}


def headers(req):
    length = 0
    given = req.headers_in
    for name in IN:
        length += len(given[name])
    out = req.headers_out
    for name in OUT:
        out[name] = "some value"
    req.content_type = "application/octet-stream"
    req.write("%d\\n" % length, 0)
    return apache.OK


def echo(req):
    req.content_type = "application/octet-stream"
    req.write(req.read(), 0)
    return apache.OK


def stream(req):
    req.content_type = "application/octet-stream"
    for _ in range(64):
        req.write(PIECE, 0)
    return apache.OK


def flush(req):
    req.content_type = "application/octet-stream"
    for _ in range(64):
        req.write(PIECE)
    return apache.OK
"""

# As browsers send them, and pages set them.
IN = {"Host": "localhost", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
      "Accept": "text/html,*/*;q=0.8", "Accept-Language": "en-GB,en;q=0.5",
      "Accept-Encoding": "gzip, deflate, br", "Referer": "http://localhost/",
      "Cookie": "id=0123456789abcdef", "Cache-Control": "no-cache",
      "DNT": "1", "Upgrade-Insecure-Requests": "1"}
OUT = ("Cache-Control", "ETag", "Vary", "X-Frame-Options", "X-Some-Value")

LOCATION = """\
<Location "/{variant}">
    Require all granted
    {lines}
</Location>
"""

LINES = {"c": "SetHandler yardstick\n    CObjects {variant}",
         "debian": "SetHandler mod_python\n    PythonHandler "
                   "objects::{variant}",
         "ours": "SetHandler mod_python\n    PythonHandler objects::{variant}"
                 "\n    PythonAutoReload On"}


def request_for(variant):
    """(bytes of a request, length of the answer)"""
    lines = [f"{'POST' if variant == 'echo' else 'GET'} /{variant} HTTP/1.1",
             *(f"{name}: {value}" for name, value in IN.items())]
    if variant == "headers":
        return "\r\n".join([*lines, "", ""]).encode(), 4
    if variant == "echo":
        lines.append(f"Content-Length: {len(BODY)}")
        return "\r\n".join([*lines, "", ""]).encode() + BODY, len(BODY)
    return "\r\n".join([*lines, "", ""]).encode(), 1 << 20


def run(tools, arguments, mpm):
    """{variant: ratio}"""
    loads = {"c": tools.c_module("c_objects"), "ours": rig.ours()}
    if rig.debian_module():
        loads["debian"] = rig.debian()

    def describe(cell):
        variant, name = cell
        lines = LINES[name].format(variant=variant)
        environment = {"PYTHONPATH": ""} if name == "debian" else {}
        return rig.Bare(loads[name] + LOCATION.format(
            variant=variant, lines=lines), mpm=mpm, threads=16,
            environment=environment), {
                "objects.py": PYTHON.replace("{names_in}", repr(tuple(IN)))
                                    .replace("{names_out}", repr(OUT))}

    def send(server, cell, number):
        request, length = request_for(cell[0])
        with Client(server.port) as client:
            for _ in range(number):
                if len(client.ask(request)[1]) != length:
                    raise RuntimeError(f"an answer is not {length} bytes long")

    ratios = {}
    for variant in arguments.variants:
        samples = pairs.run(arguments, describe,
                            [(variant, name) for name in loads], send,
                            REQUESTS[variant])
        named = {(f"{variant}, {mpm}", name): values
                 for (_, name), values in samples.items()}
        if "debian" in loads:
            pairs.show(named, f"{variant}, {mpm}", "debian")
        ratios[variant] = pairs.show(named, f"{variant}, {mpm}")
    return ratios


def parse():
    parser = pairs.parser(
        "Server CPU of headers and bodies, beside a C module.")
    parser.add_argument("--variants", type=pairs.words(LIMITS),
                        default=list(LIMITS))
    parser.add_argument("--mpms", type=pairs.words(MPMS), default=list(MPMS))
    return pairs.parse(parser)


def main():
    arguments = parse()
    claims = rig.Claims()
    with rig.Tools() as tools:
        ratios = {mpm: run(tools, arguments, mpm) for mpm in arguments.mpms}
    print()
    for mpm, variant in itertools.product(arguments.mpms,
                                          arguments.variants):
        claims.limit(f"{variant}, {mpm}: ours to c", ratios[mpm][variant],
                     LIMITS[variant], "", 3)
    if set(MPMS) <= set(arguments.mpms):
        for variant in arguments.variants:
            claims.limit(f"{variant}: event differs from prefork by",
                         abs(ratios["event"][variant]
                             - ratios["prefork"][variant]), LIMIT_APART, "")
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
