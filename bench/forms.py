#!/usr/bin/env python3
"""Server CPU of forms: three fields of a query string, ten fields of a body,
a file of 1 MiB in a multipart body; beside a C module that does the same, and
beside Debian's mod_python and mod_php where they are installed.

    python3 bench/forms.py [--variants get,post,upload] [--mpms prefork]

Server and client share one CPU. Every answer is compared. Exit status 0 only
if ours is within its limits and below the others."""

import itertools
import pathlib
import random
import sys
import urllib.parse

import pairs
import rig
from client import Client

LIMITS = {"get": 1.25, "post": 1.4, "upload": 1.3}
REQUESTS = {"get": 2000, "post": 1500, "upload": 60}
MPMS = ("prefork", "event")

GET = {"name": "Ada Lovelace", "email": "ada@example.org",
       "topic": "The engine & its notes"}
POST = {f"field{i}": f"value {i} of a form, as people write them: {i * 'x'}"
        for i in range(10)}
FILE = random.Random(1).randbytes(1 << 20)
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"

PYTHON = """\
from mod_python import apache, util

NAMES = [{key}("field%d" % i) for i in range(10)]


def get(req):
    form = util.FieldStorage(req)
    req.content_type = "text/plain"
    req.write("%s %s %s\\n" % (form["name"]{text}, form["email"]{text},
                               form["topic"]{text}), 0)
    return apache.OK


def post(req):
    form = util.FieldStorage(req)
    req.content_type = "text/plain"
    for name in NAMES:
        req.write(form[name], 0)
        req.write("\\n", 0)
    return apache.OK


def upload(req):
    form = util.FieldStorage(req)
    file = form["file"].file
    file.seek(0, 2)
    req.content_type = "text/plain"
    req.write(form["name"], 0)
    req.write(" %d\\n" % file.tell(), 0)
    return apache.OK
"""

# The classic module gives bytes for values, and for the names of this body.
WORDS = {"ours": {"key": "str", "text": ""},
         "debian": {"key": "str.encode", "text": ".decode()"}}

PHP = {
    "get": """<?php header("Content-Type: text/plain");
        echo $_GET["name"], " ", $_GET["email"], " ", $_GET["topic"], "\\n";
        """,
    "post": """<?php header("Content-Type: text/plain");
        for ($i = 0; $i < 10; $i++) { echo $_POST["field$i"], "\\n"; }
        """,
    "upload": """<?php header("Content-Type: text/plain");
        echo $_POST["name"], " ", filesize($_FILES["file"]["tmp_name"]), "\\n";
        """,
}

LOCATION = """\
<Location "/{variant}">
    Require all granted
    {lines}
</Location>
"""

LINES = {"c": "SetHandler yardstick\n    CForms {variant}",
         "debian": "SetHandler mod_python\n    PythonHandler "
                   "forms::{variant}",
         "ours": "SetHandler mod_python\n    PythonHandler forms::{variant}"
                 "\n    PythonAutoReload On"}

PHP_MODULE = """\
LoadModule php_module {module}
Alias "/{variant}" "${{SITE}}/{variant}.php"
<Directory "${{SITE}}">
    Require all granted
</Directory>
<Location "/{variant}">
    SetHandler application/x-httpd-php
    php_admin_value upload_max_filesize 8M
    php_admin_value post_max_size 8M
</Location>
"""


def php_module():
    """The path of mod_php if it is installed, else None."""
    found = sorted(pathlib.Path(rig.apxs("LIBEXECDIR")).glob("libphp*.so"))
    return found[-1] if found else None


def multipart():
    head = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n'
            f'\r\nAda\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; '
            'name="file"; filename="engine.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n")
    return head.encode() + FILE + f"\r\n--{BOUNDARY}--\r\n".encode()


def request_for(variant):
    """(bytes of a request, bytes of the body of its answer)"""
    if variant == "get":
        return (f"GET /get?{urllib.parse.urlencode(GET)} HTTP/1.1\r\n"
                "Host: localhost\r\n\r\n".encode(),
                (" ".join(GET.values()) + "\n").encode())
    if variant == "post":
        body = urllib.parse.urlencode(POST).encode()
        kind = "application/x-www-form-urlencoded"
        answer = "".join(value + "\n" for value in POST.values()).encode()
    else:
        body = multipart()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        answer = b"Ada %d\n" % len(FILE)
    head = (f"POST /{variant} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n")
    return head.encode() + body, answer


def find_servers(tools, mpm):
    """{name: lines that load its module}"""
    found = {"c": tools.c_module("c_forms"), "ours": rig.ours()}
    if rig.debian_module():
        found["debian"] = rig.debian()
    if php_module() and mpm == "prefork":
        found["php"] = (f"LoadModule alias_module {rig.apxs('LIBEXECDIR')}"
                        "/mod_alias.so\n")
    return found


def run(tools, arguments, mpm):
    """{variant: {other server: ratio of ours to it}}"""
    loads = find_servers(tools, mpm)

    def describe(cell):
        variant, name = cell
        if name == "php":
            lines = PHP_MODULE.format(module=php_module(), variant=variant)
            files = {f"{variant}.php": PHP[variant]}
        else:
            lines = LOCATION.format(variant=variant, lines=LINES[name].format(
                variant=variant))
            text = PYTHON
            for word, value in WORDS.get(name, {}).items():
                text = text.replace("{%s}" % word, value)
            files = {} if name == "c" else {"forms.py": text}
        environment = {"PYTHONPATH": ""} if name == "debian" else {}
        return rig.Bare(loads[name] + lines, mpm=mpm, threads=16,
                        environment=environment), files

    def send(server, cell, number):
        request, answer = request_for(cell[0])
        with Client(server.port) as client:
            for _ in range(number):
                client.expect(request, answer)

    ratios = {}
    for variant in arguments.variants:
        names = [name for name in loads
                 if arguments.servers is None or name in arguments.servers]
        samples = pairs.run(arguments, describe,
                            [(variant, name) for name in names], send,
                            REQUESTS[variant])
        named = {(f"{variant}, {mpm}", name): values
                 for (_, name), values in samples.items()}
        for name in names:
            if name not in ("c", "ours"):
                pairs.show(named, f"{variant}, {mpm}", name)
        ratios[variant] = {
            name: pairs.show(named, f"{variant}, {mpm}", to=name)
            for name in names if name != "ours"}
    return ratios


def parse():
    parser = pairs.parser("Server CPU of forms, beside a C module and others.")
    parser.add_argument("--variants", type=pairs.words(LIMITS),
                        default=list(LIMITS))
    parser.add_argument("--mpms", type=pairs.words(MPMS), default=["prefork"])
    parser.add_argument("--servers", type=lambda text: text.split(","),
                        help="c,ours,debian,php; by default what there is")
    return pairs.parse(parser)


def main():
    arguments = parse()
    claims = rig.Claims()
    with rig.Tools() as tools:
        ratios = {mpm: run(tools, arguments, mpm) for mpm in arguments.mpms}
    print()
    for mpm, variant in itertools.product(arguments.mpms,
                                          arguments.variants):
        for name, ratio in ratios[mpm][variant].items():
            claims.limit(f"{variant}, {mpm}: ours to {name}", ratio,
                         LIMITS[variant] if name == "c" else 1, "", 3)
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
