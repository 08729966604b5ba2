"""WSGI applications whose code stands in the test."""

import ast
import itertools
import textwrap

_numbers = itertools.count(1)
_HEAD = """\
import harness
from mod_python import apache


def plain(start_response, *more):
    return start_response("200 OK", [("Content-Type", "text/plain"), *more])


def outcome(function, *args, **more):
    '''The result of a call, or "Type: message" of what it raised.'''
    try:
        return function(*args, **more)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


"""


def option(name):
    return f"PythonOption mod_python.wsgi.application {name}\n"


def write_application(site, code):
    """A module with this code; its name."""
    name = f"application{next(_numbers)}"
    site.write({name + ".py": _HEAD + textwrap.dedent(code).lstrip("\n")})
    return name


def serve(site, code, more="", callable=None):
    """Give every URL of the site to an application. `code` defines it, as
    application(environ, start_response) unless callable says otherwise;
    `more`: lines for .htaccess. The name of its module."""
    name = write_application(site, code)
    target = f"{name}::{callable}" if callable else name
    site.serve("mod_python.wsgi", option(target) + textwrap.dedent(more))
    return name


def serve_value(site, code, more=""):
    """An application that answers with the repr of what this code, the body
    of a function of environ and start_response, returns."""
    indented = textwrap.indent(textwrap.dedent(code).strip("\n"), "    ")
    return serve(site, f"""
def value(environ, start_response):
{indented}


def application(environ, start_response):
    answer = repr(value(environ, start_response))
    plain(start_response)
    return [answer.encode("utf-8", "surrogateescape")]
""", more)


def value(site, code, path="", more="", **request):
    """What that function returned."""
    serve_value(site, code, more)
    response = site.request(path, **request)
    assert response.status == 200, (response.status, response.text)
    return ast.literal_eval(response.text)


def closed(site):
    """How often since the last call."""
    count = len(site.executions())
    site.forget_executions()
    return count
