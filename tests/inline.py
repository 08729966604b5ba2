"""Handlers whose code stands in the test: value() runs it in a request and
brings back what it returned."""

import ast
import itertools
import textwrap
import threading

_HANDLER = '''\
import gc
import os
import threading

from mod_python import apache


def outcome(function, *args, **more):
    """The result of a call, or "Type: message" of what it raised."""
    try:
        return function(*args, **more)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def kind(function, *args, **more):
    """The result of a call, or the name of the type that it raised."""
    try:
        return function(*args, **more)
    except Exception as error:
        return type(error).__name__


def code(req):
%s

def handler(req):
    result = code(req)
    if result is not None:
        req.write(repr(result))
    return apache.OK
'''
_numbers = itertools.count(1)


_parsing = threading.Lock() # two threads at once may fail in Python 3.11


def parsed(text):
    """The value that a repr() was made of."""
    with _parsing:
        return ast.literal_eval(text)


def serve(site, code, more=""):
    """Give every URL of the site to a handler with this code. What it returns
    is sent as its repr, unless that is None; `more`: lines for .htaccess."""
    name = f"inline{next(_numbers)}"
    text = textwrap.indent(textwrap.dedent(code).strip("\n"), "    ")
    site.write({name + ".py": _HANDLER % (text + "\n")})
    site.serve(name, more)


def value(site, code, path="", more="", **request):
    """What the code returned: anything that ast.literal_eval() reads."""
    serve(site, code, more)
    response = site.request(path, **request)
    assert response.status == 200, (response.status, response.text)
    return parsed(response.text)
