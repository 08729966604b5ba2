"""A client that keeps its cookies, a handler that runs what it is sent, and
servers with sessions: for the tests of sessions."""

import contextlib
import os
import pwd
import shutil
import tempfile
import textwrap

from inline import parsed

RUN = """
    import gc
    import os
    import threading
    import time
    import weakref

    import harness
    from mod_python import Cookie, Session, apache

    def kind(function, *args, **more):
        "The result of a call, or the name of the type that it raised."
        try:
            return function(*args, **more)
        except Exception as error:
            return type(error).__name__

    def outcome(function, *args, **more):
        try:
            return function(*args, **more)
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def handler(req):
        names = dict(globals(), req=req)
        exec("def code():\\n" + req.read().decode(), names)
        result = names["code"]()
        names.clear()  # which is a cycle with the function in it
        req.content_type = "text/plain"
        req.write(repr(result))
        return apache.OK
    """
FILES = {"run.py": RUN,
         ".htaccess": "SetHandler mod_python\nPythonHandler run\n"}
SHMCB = {"modules": ("socache_shmcb",)}
USER = pwd.getpwnam("www-data").pw_uid if os.geteuid() == 0 else os.geteuid()
COUNT = """
s = req.get_session()
s["n"] = s.get("n", 0) + 1
s.save()
return s["n"]
"""


def private_memory(pid):
    """KiB of a process that it shares with nobody."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(file.read().split("RssAnon:")[1].split()[0])


class Visitor:
    """visitor(code): what code returns, run in a request with its cookies.
    port, prefix: of the server, and of the site's URL."""

    def __init__(self, site, cookies=None):
        self.site = site
        self.cookies = dict(cookies or {})
        self.response = None

    def header(self):
        return "; ".join(f"{name}={value}"
                         for name, value in self.cookies.items())

    def request(self, code, path="", **more):
        headers = dict(more.pop("headers", {}))
        if self.cookies:
            headers["Cookie"] = self.header()
        body = textwrap.indent(textwrap.dedent(code).strip("\n"), "    ")
        response = self.site.request(path, method="POST", body=body + "\n",
                                     headers=headers, **more)
        self.keep(response)
        return response

    def keep(self, response):
        self.response = response
        for text in response.headers.get_all("Set-Cookie") or ():
            pair, _, attributes = text.partition(";")
            name, _, value = pair.partition("=")
            if "Thu, 01-Jan-1970" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    def __call__(self, code, path="", **more):
        response = self.request(code, path, **more)
        assert response.status == 200, (response.status, response.text)
        return parsed(response.text)


def with_sessions(own_server):
    """make(options, ...): the site of a server with sessions."""
    def start(options="", extra="", files=None, **more):
        lines = "".join(f"PythonOption mod_python.session.{line}\n"
                        for line in options.splitlines() if line)
        server = own_server(lines + extra, files={**FILES, **(files or {})},
                            **{**SHMCB, **more})
        return server.site
    return start


@contextlib.contextmanager
def temporary_folder():
    """A directory of the server's user, outside of the document tree."""
    path = tempfile.mkdtemp(prefix="sessions-")
    os.chown(path, USER, -1)
    yield path
    shutil.rmtree(path)


def stored_in(own_server, folder):
    """make("FileSession", "option value", ...): a visitor of a server that
    keeps its sessions there."""
    def start(kind, *options, files=None, environment=None, **more):
        lines = [f"session.session_type {kind}"] if kind else []
        if not any("database" in line for line in options):
            lines.append(f"session.database_directory {folder}")
        return Visitor(own_server(
            "".join(f"PythonOption mod_python.{line}\n"
                    for line in [*lines, *options]),
            files={**FILES, **(files or {})}, **{**SHMCB, **more}).site)
    return start
