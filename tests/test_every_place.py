"""D14: every attribute and method of every object, with right and wrong
arguments, in every place where Python code runs: it works or raises a Python
exception, and the child lives."""

import socket

import pytest

# What each thing is tried with. RuntimeError, ValueError, OSError and their
# like are answers; SystemError says that C code broke Python's rules.
PROBE = r'''
import itertools
import threading

from mod_python import apache

JUNK = [None, "", "x", "/", b"\xff", 0, -1, 2 ** 31, 2 ** 70, 1.5, [], {}, (),
        print, object, "a\0b", "a\r\nb: c", "\udcff", "\U0001f40d", "x" * 5000]
LATER = {"internal_redirect", "read", "readline", "readlines"}
busy = threading.local()
connections = itertools.count()
count = 0


def attempt(call, *args):
    global count
    count += 1
    try:
        return call(*args)
    except (SystemError, MemoryError):
        raise
    except Exception as error:
        str(error)


def probe(thing):
    """Each name of the thing: read, called, set, deleted."""
    names = [name for name in dir(thing) if not name.startswith("__")]
    for name in sorted(names, key=lambda name: (name in LATER, name)):
        value = attempt(getattr, thing, name)
        repr(value)
        if callable(value):
            attempt(value)
            for one in JUNK:
                attempt(value, one)
                attempt(value, one, one)
                attempt(value, "x", one, print)
            attempt(value, thing)
        else:
            for one in JUNK:
                attempt(setattr, thing, name, one)
            attempt(delattr, thing, name)
            attempt(setattr, thing, name, value)
    attempt(repr, thing)
    attempt(len, thing)
    attempt(list, thing)


def probe_all(thing, *more):
    """The thing, and what can be reached from it; not again in what it makes
    httpd do: a sub-request, a redirect, its own filters."""
    uri = attempt(getattr, thing, "uri")
    if getattr(busy, "now", False) or uri == "/health.txt":
        return
    busy.now = True
    try:
        things = [thing, *more]
        for name in ("connection", "server", "hlist", "finfo", "headers_in",
                     "headers_out", "err_headers_out", "subprocess_env",
                     "notes", "req", "base_server", "next", "prev", "main"):
            for one in [thing, *more]:
                things.append(attempt(getattr, one, name))
        for one in things:
            if one is not None:
                probe(one)
        probe(apache.table())
        apache.log_error(f"probed with {count} calls")
    finally:
        busy.now = False


def phase(req):
    probe_all(req)
    return apache.DECLINED


def answer(req):
    # Once an answer is begun, what follows is what the junk made of it.
    probe_all(req)
    return apache.OK


def cleanup(data):
    probe_all(*data)


def late(req):
    req.register_cleanup(cleanup, [req, req.connection, req.server])
    return apache.OK


def connection(conn):
    if next(connections) < 3:
        probe_all(conn)
    return apache.DECLINED


def content(filter):
    probe_all(filter)
    if not filter.closed:
        attempt(filter.close)


def authn(req, user, password):
    probe_all(req)
    return True


def authz(req, *args):
    probe_all(req)
    return True
'''
PLACES = {
    "post read request": "PythonPostReadRequestHandler probe::phase",
    "trans": "PythonTransHandler probe::phase",
    "init": "PythonInitHandler probe::phase",
    **{name: f"<Location /site/>\n{directive} probe::phase\n</Location>"
       for name, directive in [
           ("directory init", "PythonInitHandler"),
           ("header parser", "PythonHeaderParserHandler"),
           ("access", "PythonAccessHandler"),
           ("type", "PythonTypeHandler"),
           ("fixup", "PythonFixupHandler"),
           ("log", "PythonLogHandler"),
           ("cleanup handler", "PythonCleanupHandler")]},
    "content": "<Location /site/page>\nSetHandler mod_python\n"
               "PythonHandler probe::answer\n</Location>",
    "cleanup": "<Location /site/>\nPythonFixupHandler probe::late\n"
               "</Location>",
    "connection": "PythonConnectionHandler probe::connection",
    "output filter": "PythonOutputFilter probe::content f\n<Location /site/>\n"
                     "SetOutputFilter f\n</Location>",
    "input filter": "PythonInputFilter probe::content f\n<Location "
                    "/site/page>\nSetInputFilter f\nSetHandler mod_python\n"
                    "PythonHandler probe::answer\n</Location>",
    "authn provider": "<Location /site/page>\nAuthType Basic\nAuthName x\n"
                      "AuthBasicProvider python\nPythonAuthnProvider "
                      "probe::authn\nRequire valid-user\n</Location>",
    "authz provider": "<Location /site/page>\nRequire python probe::authz\n"
                      "</Location>",
}


ASKING = (b"POST /site/page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
          b"Authorization: Basic dTpw\r\nContent-Length: 9\r\n\r\nsome text")


def ask(server):
    """Send it, and read to the end, whatever the junk has made of the answer:
    also one that says it is longer, or that the connection goes on."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as stream:
        stream.sendall(ASKING)
        stream.shutdown(socket.SHUT_WR)
        try:
            while stream.recv(65536):
                pass
        except ConnectionResetError:
            pass


@pytest.mark.parametrize("place", PLACES)
def test_junk_in_every_place_raises_and_does_no_harm(own_server, place):
    server = own_server(
        f"PythonPath \"sys.path + ['${{SITE}}']\"\n{PLACES[place]}\n",
        files={"probe.py": PROBE, "page": "text"}, children=1,
        modules=["auth_basic", "authn_core"] * (place == "authn provider"))
    server.log.allow("")
    children = server.children()
    for _ in range(3):
        ask(server)
    server.log.expect(r"probed with \d{4,} calls")
    assert server.children() == children
    server.log.refuse("SystemError|MemoryError|exit signal|Assertion")
    assert server.get("/health.txt").status == 200
