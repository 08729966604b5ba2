"""A client that keeps its cookies, and a handler that runs what it is sent:
for the tests of sessions."""

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
