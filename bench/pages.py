#!/usr/bin/env python3
"""Server CPU of pages: a function that the publisher calls with two fields,
and a PSP page with a table of ten rows; beside a C module that does the same,
and beside Debian's mod_python and mod_php where they are installed.

    python3 bench/pages.py [--variants publisher,psp] [--mpms prefork]

Everybody gets files in a <Directory>, as sites have it. Server and client
share one CPU. Every answer is compared. Exit status 0 only if ours is within
its limits and below the others."""

import itertools
import os

import forms
import pairs
import rig
from client import Client

LIMITS = {"publisher": 1.15, "psp": 1.3}
REQUESTS = 2000
MPMS = ("prefork", "event")
PATHS = {"publisher": "/page/greet?person=Ada+Lovelace&company=Babbage+and+Co",
         "psp": "/table.psp"}
# mod_php has no objects of pages: its page is a script.
PHP_PATHS = {"publisher": PATHS["publisher"].replace("/page/greet",
                                                     "/greet.php"),
             "psp": "/table.php"}

PEOPLE = ["Ada", "Blaise", "Charles", "Dorothy", "Edsger", "Frances", "Grace",
          "Howard", "Ivan", "Jean"]

PUBLISHED = """\
def greet(person, company):
    return "Hello, %s of %s!\\n" % (person, company)
"""

PAGE = """\
<%
people = [{people}]
%><html><head><title><%= "People" %></title></head>
<body>
<table>
<%
for number, name in enumerate(people):
    # the rows
%><tr><td><%= number %></td><td><%= name %></td></tr>
<%
# after them
%></table>
</body></html>
""".replace("{people}", ", ".join(map(repr, PEOPLE)))

PHP = {
    "greet.php": """\
<?php header("Content-Type: text/plain"); ?>
Hello, <?= $_GET["person"] ?> of <?= $_GET["company"] ?>!
""",
    "table.php": """\
<?php $people = [{people}]; ?>
<html><head><title><?= "People" ?></title></head>
<body>
<table>
<?php foreach ($people as $number => $name): ?>
<tr><td><?= $number ?></td><td><?= $name ?></td></tr>
<?php endforeach ?>
</table>
</body></html>
""".replace("{people}", ", ".join(map(repr, PEOPLE))),
}

ANSWERS = {
    "publisher": b"Hello, Ada Lovelace of Babbage and Co!\n",
    "psp": ("<html><head><title>People</title></head>\n<body>\n<table>\n"
            + "".join(f"<tr><td>{number}</td><td>{name}</td></tr>\n"
                      for number, name in enumerate(PEOPLE))
            + "</table>\n</body></html>\n").encode(),
}

DIRECTORY = """\
DocumentRoot "${{SITE}}"
<Directory "${{SITE}}">
    Require all granted
    {lines}
</Directory>
"""

LINES = {"c": "SetHandler yardstick\n    CPages {variant}",
         "debian": "SetHandler mod_python\n    PythonHandler "
                   "mod_python.{variant}",
         "ours": "SetHandler mod_python\n    PythonHandler "
                 "mod_python.{variant}\n    PythonAutoReload On",
         "php": "SetHandler application/x-httpd-php"}


def find_servers(tools, mpm):
    """{name: lines that load its module}"""
    found = {"c": tools.c_module("c_pages"), "ours": rig.ours(False)}
    if rig.debian_module():  # its publisher crashes without mod_mime
        found["debian"] = (f"LoadModule mime_module {rig.apxs('LIBEXECDIR')}"
                           "/mod_mime.so\nTypesConfig /dev/null\n"
                           + rig.debian())
    php = forms.php_module()
    if php and mpm == "prefork":
        found["php"] = f"LoadModule php_module {php}\n"
    return found


def run(tools, arguments, mpm):
    """{variant: {other server: ratio of ours to it}}"""
    loads = find_servers(tools, mpm)

    def describe(cell):
        variant, name = cell
        lines = DIRECTORY.format(lines=LINES[name].format(variant=variant))
        files = PHP if name == "php" else {"page.py": PUBLISHED,
                                           "table.psp": PAGE}
        environment = {"PYTHONPATH": ""} if name == "debian" else {}
        return rig.Bare(loads[name] + lines, mpm=mpm, threads=16,
                        environment=environment), files

    def send(server, cell, number):
        variant, name = cell
        path = (PHP_PATHS if name == "php" else PATHS)[variant]
        request = (f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").encode()
        with Client(server.port) as client:
            for _ in range(number):
                client.expect(request, ANSWERS[variant])

    def age(server, cell):
        # opcache does not keep scripts that are younger than two seconds.
        for name in PHP if cell[1] == "php" else ():
            os.utime(server.site.path(name), (1e9, 1e9))

    ratios = {}
    for variant in arguments.variants:
        names = [name for name in loads
                 if arguments.servers is None or name in arguments.servers]
        samples = pairs.run(arguments, describe,
                            [(variant, name) for name in names], send,
                            check=age)
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
    parser = pairs.parser("Server CPU of pages, beside a C module and others.",
                          REQUESTS)
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
