#!/usr/bin/env python3
"""What a password costs: server CPU for a static file behind Basic
authentication in Python, beside a C module that does the same.

    python3 bench/auth.py [--starts N] [--rounds N] [--requests N]
                          [--variants handler,provider] [--no-htaccess]
                          [--cpus apart] [--seed N]

Starts one prefork httpd with one child for each of the two, sends short rounds
of requests with credentials to them in random order over one kept-alive
connection, and reads the child's CPU clock before and after each round, as
hello.py does. Server and client share a CPU.

    c         bench/c_auth.c: a C module with the same hooks
    ours      build/mod_python.so as shipped, PythonAutoReload On

    handler   PythonAuthenHandler, which asks req.get_basic_auth_pw()
    provider  mod_auth_basic, and a provider that is asked for the password

--no-htaccess says AllowOverride None, which httpd's own configuration does not
by itself: then httpd looks for no .htaccess files, and the file costs it a
quarter less, so what Python adds weighs more. The limit is for the first.

The static file does not lie beside the program: opening and closing a file in
a directory that is watched takes the kernel somewhat longer, whoever watches.

The exit status is 1 when a limit is exceeded."""

import base64
import sys

import pairs
import rig

BODY = "static\n"
WARM_UP = 2000
LIMIT = 1.06  # of the C module, by a handler

VARIANTS = ("handler", "provider")
SERVERS = ("c", "ours")

GUARD = """\
from mod_python import apache


def authenhandler(req):
    if req.get_basic_auth_pw() == "eggs" and req.user == "spam":
        return apache.OK
    return apache.HTTP_UNAUTHORIZED


def check_password(req, user, password):
    return user == "spam" and password == "eggs"
"""

NO_HTACCESS = "<Directory />\n    AllowOverride None\n</Directory>\n"

DIRECTORY = """\
<Directory "${{SITE}}/{variant}">
    AuthType Basic
    AuthName bench
    Require valid-user
    {line}
</Directory>
"""

LINES = {
    ("c", "handler"): "CAuth On",
    ("c", "provider"): "AuthBasicProvider c",
    ("ours", "handler"): "PythonAuthenHandler ${SITE}/lib/guard.py",
    ("ours", "provider"): "AuthBasicProvider python\n"
                          "    PythonAuthnProvider ${SITE}/lib/guard.py",
}


def describe(name, variant, tools, more=""):
    """(configuration, files) of one server."""
    loads = ["authn_core", "authz_user"]
    if variant == "provider":
        loads.append("auth_basic")
    conf = "".join(f"LoadModule {load}_module "
                   f"{rig.apxs('LIBEXECDIR')}/mod_{load}.so\n"
                   for load in loads)
    conf += tools.c_module("c_auth") if name == "c" else rig.ours(False)
    conf += more + DIRECTORY.format(variant=variant, line=LINES[name, variant])
    return rig.Bare(conf), {"lib/guard.py": GUARD,
                            f"{variant}/page.txt": BODY}


def send(tools, server, variant, requests):
    """The client writes a path as it is, so that headers can follow it."""
    words = base64.b64encode(b"spam:eggs").decode()
    rig.send(tools, server,
             f"/site/{variant}/page.txt HTTP/1.1\r\n"
             f"Authorization: Basic {words}\r\nX-Rest:", BODY, requests)


def check_refusal(server, cell):
    """What is measured does ask for a password."""
    status = server.get(f"/site/{cell[0]}/page.txt").status
    if status != 401:
        raise RuntimeError(f"{cell[0]}: {status} without a password\n"
                           + server.said())


def parse(words):
    parser = pairs.parser("Server CPU of a password, beside a C module.",
                          2000, starts=8, rounds=40)
    parser.add_argument("--variants", type=pairs.words(VARIANTS),
                        default=list(VARIANTS))
    parser.add_argument("--no-htaccess", action="store_true",
                        help="AllowOverride None")
    return pairs.parse(parser, words)


def main():
    arguments = parse(sys.argv[1:])
    more = NO_HTACCESS if arguments.no_htaccess else ""
    claims = rig.Claims()
    ratios = {}
    with rig.Tools() as tools:
        for variant in arguments.variants:
            samples = pairs.run(
                arguments,
                lambda cell: describe(cell[1], cell[0], tools, more),
                [(variant, name) for name in SERVERS],
                lambda server, cell, number: send(tools, server, cell[0],
                                                  number),
                warm_up=WARM_UP, check=check_refusal)
            ratios[variant] = pairs.show(samples, variant)
    print()
    if "handler" in ratios:
        claims.limit("handler, ours to c", ratios["handler"], LIMIT, "times",
                     3)
    return 0 if claims.all_hold else 1


if __name__ == "__main__":
    rig.main(main)
