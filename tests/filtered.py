"""Sites all of whose answers, or bodies, pass a filter that stands in the
test."""

import itertools
import textwrap

_OUTPUT = """\
from mod_python import apache
import os


def setup(req):
    req.register_output_filter("f", outputfilter)
    req.add_output_filter("f")
    return apache.OK


"""
_INPUT = """\
from mod_python import apache


def setup(req):
    req.register_input_filter("f", inputfilter)
    req.add_input_filter("f")
    return apache.OK


"""
_numbers = itertools.count(1)


def upper(name):
    """A filter of this name that makes everything upper case."""
    return f"""
    def {name}(filter):
        data = filter.read()
        while data:
            filter.write(data.upper())
            data = filter.read()
        if data is None:
            filter.close()
    """


def _handler(code):
    """A handler of this code."""
    return "\n\ndef handler(req):\n" + textwrap.indent(
        textwrap.dedent(code).strip("\n"), "    ") + "\n    return apache.OK\n"


def output_filtered(site, code, handler="", more=""):
    """Everything that the site answers passes outputfilter() of this code.
    With a handler (code, too) it answers for every URL."""
    name = f"filtered{next(_numbers)}"
    text = _OUTPUT + textwrap.dedent(code)
    lines = f"PythonFixupHandler {name}::setup\n{more}\n"
    if handler:
        text += _handler(handler)
        lines += f"SetHandler mod_python\nPythonHandler {name}\n"
    site.write({name + ".py": text})
    site.htaccess(lines)


def input_filtered(site, code, handler="req.write(req.read())"):
    """Bodies pass inputfilter() of this code; the handler's code answers."""
    name = f"filtered{next(_numbers)}"
    site.write({name + ".py": _INPUT + textwrap.dedent(code)
                + _handler(handler)})
    site.serve(name, f"PythonFixupHandler {name}::setup")


def configured(own_server, lines, files, more="", **choices):
    """A server whose site has these lines in its <Directory>."""
    return own_server(f"<Directory ${{SITE}}>\n{textwrap.dedent(lines)}\n"
                      f"</Directory>\n{more}\n", files=files, **choices)


def status(pid, name):
    """A figure of /proc/PID/status: int."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file
                    if line.startswith(name))
