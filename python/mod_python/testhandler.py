"""PythonHandler mod_python.testhandler: a page about the server and the
request, to see whether mod_python works and what programs are given.

With PythonDebug On it also shows the configuration of the server and the
environment of the process, and with ?view_log=1 the end of the error log. Do
not leave it where the public is.
"""

import html
import os
import platform
import sys

from mod_python import apache, version

LOG_LINES = 100
"""How many lines of the error log are shown."""

_LINE_MAX = 1000  # bytes of the log for each of them

_HEAD = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mod_python</title>
<style>
body{margin:2em auto;max-width:60em;padding:0 1em;color:#222;background:#fff;
font:16px/1.5 system-ui,sans-serif}
table{border-collapse:collapse;width:100%}
th,td{padding:.2em .8em .2em 0;text-align:left;vertical-align:top;
border-bottom:1px solid #ddd;overflow-wrap:anywhere}
th{font-weight:normal;color:#666;width:16em}
pre{padding:1em;overflow:auto;background:#f4f4f4;
font:14px/1.45 ui-monospace,monospace}
</style></head>
<body>
<h1>mod_python works</h1>
"""

_MPM_NAMES = {apache.AP_MPMQ_STATIC: "static", apache.AP_MPMQ_DYNAMIC:
              "dynamic", apache.AP_MPMQ_NOT_SUPPORTED: "no"}


def escape(value):
    """The text of any value, as a part of an HTML page."""
    text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return html.escape(text)


def handler(req):
    """Send the page."""
    req.content_type = "text/html; charset=utf-8"
    is_debug = req.get_config().get("PythonDebug") == "1"
    if is_debug and req.args == "view_log=1":
        return _send_log(req)
    req.write(_HEAD, 0)
    for title, rows in _tables(req):
        req.write(f"<h2>{title}</h2>\n", 0)
        req.write(_table(rows), 0)
    if is_debug:
        req.write("<h2>Environment of the process</h2>\n"
                  + _table(sorted(os.environ.items())), 0)
        req.write("<h2>Error log</h2>\n<p><a href=\"?view_log=1\">The last "
                  f"{LOG_LINES} lines</a></p>\n<h2>Configuration</h2>\n<pre>"
                  + "".join(map(escape, _directives(apache.config_tree())))
                  + "</pre>\n", 0)
    req.write("</body></html>\n", 0)
    return apache.OK


def _table(rows):
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
                    "\n" for name, value in rows)
    return f"<table>\n{lines}</table>\n" if lines else "<p>none</p>\n"


def _tables(req):
    """(title, rows) of each part of the page."""
    req.add_cgi_vars()
    yield "Versions", _versions(req)
    yield "Process", _process(req)
    yield "Request", _request(req)
    yield "Headers of the request", req.headers_in.items()
    yield "Headers of the response", req.headers_out.items()
    yield "Directives in force", req.get_config().items()
    yield "Options", req.get_options().items()
    yield "Notes", req.notes.items()
    yield "Environment", req.subprocess_env.items()


def _versions(req):
    return [("mod_python", version.version), ("Python", sys.version),
            ("httpd", req.subprocess_env.get("SERVER_SOFTWARE", "")),
            ("module magic number", f"{apache.MODULE_MAGIC_NUMBER_MAJOR}."
             f"{apache.MODULE_MAGIC_NUMBER_MINOR}"),
            ("platform", platform.platform())]


def _mpm(code):
    answer = apache.mpm_query(code)
    return _MPM_NAMES.get(answer, answer)


def _process(req):
    return [
        ("interpreter", req.interpreter), ("process", os.getpid()),
        ("user, group", f"{os.getuid()}, {os.getgid()}"),
        ("threads", _mpm(apache.AP_MPMQ_IS_THREADED)),
        ("forks", _mpm(apache.AP_MPMQ_IS_FORKED)),
        ("most processes", apache.mpm_query(apache.AP_MPMQ_MAX_DAEMONS)),
        ("threads of each", apache.mpm_query(apache.AP_MPMQ_MAX_THREADS)),
        ("server root", apache.server_root()),
        ("document root", req.document_root()),
        ("working directory", os.getcwd()),
        ("package", os.path.dirname(os.path.abspath(__file__))),
        ("sys.executable", sys.executable), ("sys.prefix", sys.prefix),
        ("sys.path", "\n".join(map(str, sys.path)))]


def _request(req):
    names = ("the_request", "method", "uri", "unparsed_uri", "args",
             "filename", "path_info", "handler", "phase", "protocol",
             "hostname", "user", "ap_auth_type")
    return [(name, getattr(req, name)) for name in names] + [
        ("client", req.connection.client_ip),
        ("server", req.server.server_hostname),
        ("time", req.request_time)]


def _directives(tree, depth=0):
    """Lines of the configuration as httpd has read it."""
    for entry in tree:
        if isinstance(entry, list):
            yield from _directives(entry, depth + 1)
        else:
            yield f"{'  ' * depth}{' '.join(map(str, entry[:2]))}\n"


def _send_log(req):
    path = req.server.error_fname
    try:
        lines = _last_lines(os.path.join(apache.server_root(), path))
    except (OSError, TypeError) as error:
        lines = [f"The log cannot be read: {error}\n"]
    req.write(_HEAD + "<h2>Error log</h2>\n<pre>", 0)
    for line in lines:
        req.write(escape(line), 0)
    req.write("</pre>\n</body></html>\n", 0)
    return apache.OK


def _last_lines(path):
    """The last lines of a file; a longer line may be cut at its beginning."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LOG_LINES * _LINE_MAX))
        text = file.read().decode("utf-8", "backslashreplace")
    return text.splitlines(keepends=True)[-LOG_LINES:]
