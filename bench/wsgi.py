#!/usr/bin/env python3
"""What WSGI costs: server CPU of an application, beside a C module that does
the same, and beside Debian's mod_python and mod_wsgi (embedded mode) if they
are installed.

    python3 bench/wsgi.py [--starts N] [--rounds N] [--requests N]
                          [--variants hello,environ] [--mpm prefork]
                          [--cpus apart] [--seed N]

    hello    [b"Hello\\n"], one header
    environ  20 variables of the environ are read, 10 of them headers of the
             request, and 5 headers of the response set

The exit status is 1 when a limit is exceeded, or when one of the others needs
less."""

import pathlib

import pairs
import rig
from client import Client

LIMITS = {"hello": 1.3, "environ": 1.6}
REQUESTS = 2000

APPLICATION = """\
NAMES = {names!r}


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello\\n"]


def environ(environ, start_response):
    length = 0
    for name in NAMES:
        length += len(environ[name])
    start_response("200 OK", [("Content-Type", "text/plain"),
                              ("Cache-Control", "some value"),
                              ("ETag", "some value"),
                              ("Vary", "some value"),
                              ("X-Frame-Options", "some value"),
                              ("X-Some-Value", "some value")])
    return [b"%d\\n" % length]


application = {variant}
"""

# As browsers send them, and pages set them.
IN = {"Host": "localhost", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
      "Accept": "text/html,*/*;q=0.8", "Accept-Language": "en-GB,en;q=0.5",
      "Accept-Encoding": "gzip, deflate, br", "Referer": "http://localhost/",
      "Cookie": "id=0123456789abcdef", "Cache-Control": "no-cache",
      "DNT": "1", "Upgrade-Insecure-Requests": "1"}
NAMES = ["HTTP_" + name.upper().replace("-", "_") for name in IN] + [
    "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL",
    "wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR",
    "DOCUMENT_ROOT", "SERVER_SOFTWARE"]

LOCATION = """\
<Location "/{variant}">
    Require all granted
    {lines}
</Location>
"""
HANDLER = ("SetHandler mod_python\n    PythonHandler mod_python.wsgi\n"
           "    PythonOption mod_python.wsgi.application {variant}_app")
LINES = {"c": "SetHandler yardstick\n    CWsgi {variant}",
         "debian": HANDLER + "\n    PythonOption mod_python.wsgi.base_uri "
                   "/{variant}",
         "ours": HANDLER + "\n    PythonAutoReload On",
         "mod_wsgi": ""}


def mod_wsgi():
    """Lines that load mod_wsgi, in embedded mode, or None."""
    path = pathlib.Path(rig.apxs("LIBEXECDIR")) / "mod_wsgi.so"
    if not path.exists():
        return None
    return f"""LoadModule wsgi_module {path}
LoadModule alias_module {path.with_name("mod_alias.so")}
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias /hello ${{SITE}}/hello_app.py
WSGIScriptAlias /environ ${{SITE}}/environ_app.py
"""


def loads(tools):
    """{name: lines}"""
    all_of_them = {"c": tools.c_module("c_wsgi"), "ours": rig.ours()}
    if rig.debian_module():
        all_of_them["debian"] = rig.debian()
    if mod_wsgi():
        all_of_them["mod_wsgi"] = mod_wsgi()
    return all_of_them


def request_for(variant):
    lines = [f"GET /{variant}/some/path?with=query HTTP/1.1"]
    headers = {"Host": "localhost"} if variant == "hello" else IN
    lines += (f"{name}: {value}" for name, value in headers.items())
    return "\r\n".join([*lines, "", ""]).encode()


def right_answer(variant):
    if variant == "hello":
        return lambda head, body: body == b"Hello\n"
    return lambda head, body: (body.strip().isdigit()
                               and head.count(b": some") == 5)


def run(tools, arguments):
    """{(variant, server): ns of a request, one for each round}"""
    lines = loads(tools)

    def describe(cell):
        variant, name = cell
        environment = {"PYTHONPATH": ""} if name == "debian" else {}
        files = {f"{each}_app.py": APPLICATION.format(
            names=NAMES, variant=each) for each in LIMITS}
        return rig.Bare(
            lines[name] + LOCATION.format(
                variant=variant, lines=LINES[name].format(variant=variant)),
            mpm=arguments.mpm, threads=16, environment=environment), files

    def send(server, cell, number):
        request, right = request_for(cell[0]), right_answer(cell[0])
        with Client(server.port) as client:
            for _ in range(number):
                head, body = client.ask(request)
                if not right(head, body):
                    raise RuntimeError((head + body).decode("latin-1"))

    cells = [(variant, name) for variant in arguments.variants
             for name in lines]
    return pairs.run(arguments, describe, cells, send)


def parse():
    parser = pairs.parser(
        "Server CPU of WSGI applications, beside a C module.", REQUESTS)
    parser.add_argument("--variants", type=pairs.words(LIMITS),
                        default=list(LIMITS))
    parser.add_argument("--mpm", default="prefork")
    return pairs.parse(parser)


def main():
    arguments = parse()
    claims = rig.Claims()
    with rig.Tools() as tools:
        samples = run(tools, arguments)
    for variant in arguments.variants:
        ratios = {name: pairs.show(samples, variant, name)
                  for each, name in samples if each == variant
                  and name != "c"}
        claims.limit(f"{variant}: ours to c", ratios["ours"],
                     LIMITS[variant], "", 3)
        for name, ratio in ratios.items():
            if name != "ours":
                claims.add(ratios["ours"] < ratio,
                           f"{variant}: ours needs less than {name}, "
                           f"{ratios['ours']:.3f} and {ratio:.3f}")
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
