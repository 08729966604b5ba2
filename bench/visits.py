"""What sessions.py and cookies.py share: a client that sends back the cookie
it was sent, and the servers that are compared."""

import pathlib
import socket

import pairs
import rig

REQUESTS = 2000
MPMS = ("prefork", "event")

LOCATION = """\
<Location "{path}">
    Require all granted
    SetHandler {handler}
    {lines}
</Location>
"""

PHP = """\
LoadModule alias_module {modules}/mod_alias.so
LoadModule php_module {module}
Alias "{path}" "${{SITE}}/{name}.php"
<Directory "${{SITE}}">
    Require all granted
</Directory>
<Location "{path}">
    SetHandler application/x-httpd-php
    {lines}
</Location>
"""


class Visit:
    """One visitor of a server: its cookie, and what answers are right."""

    def __init__(self):
        self.cookie = None
        self._socket = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._socket.close()

    def connect(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(20)
        return self

    def ask(self, path):
        lines = [f"GET {path} HTTP/1.1", "Host: localhost",
                 "User-Agent: Mozilla/5.0 (X11; Linux x86_64)"]
        if self.cookie:
            lines.append(f"Cookie: language=en; {self.cookie}; theme=dark")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head, body = self._read()
        for line in head.split("\r\n")[1:]:
            if line.lower().startswith("set-cookie: "):
                self.cookie = line[12:].partition(";")[0]
        if not head.startswith("HTTP/1.1 200 ") or not self.is_right(body):
            raise RuntimeError(f"wrong answer:\n{head}\n\n{body!r}")

    def is_right(self, body):
        raise NotImplementedError

    def _read(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        head = head.decode("latin-1")
        if "\r\nTransfer-Encoding: chunked" in head:
            while not body.endswith(b"0\r\n\r\n"):
                body += self._more()
            size, _, rest = body.partition(b"\r\n")
            return head, rest[:int(size, 16)]
        length = int(head.split("Content-Length: ")[1].split()[0])
        while len(body) < length:
            body += self._more()
        return head, body

    def _more(self):
        data = self._socket.recv(1 << 16)
        if not data:
            raise RuntimeError("the server has closed the connection")
        return data


def php_module():
    """The path of mod_php if it is installed, else None."""
    found = sorted(pathlib.Path(rig.apxs("LIBEXECDIR")).glob("libphp*.so"))
    return found[-1] if found else None


def find_servers(tools, mpm, module, arguments, files):
    """{name: lines that load its module}"""
    found = {"c": tools.c_module(module), "ours": rig.ours()}
    if rig.debian_module() and files["debian"]:
        found["debian"] = rig.debian()
    if php_module() and mpm == "prefork":
        found["php"] = ""
    return {name: lines for name, lines in found.items()
            if not arguments.servers or name in arguments.servers}


def describe(name, loads, mpm, path, function, files, more, php_lines):
    if name == "php":
        text = PHP.format(modules=rig.apxs("LIBEXECDIR"), path=path,
                          module=php_module(), name=function,
                          lines=php_lines)
        return rig.Bare(text, mpm=mpm), files["php"]
    handler, lines = ("mod_python", f"PythonHandler {function}::{function}")
    if name == "c":
        handler, lines = (f"c-{path[1:]}", "")
    if name == "ours":
        lines += "\n    PythonAutoReload On"
    text = more + loads[name] + LOCATION.format(path=path, handler=handler,
                                                lines=lines)
    return (rig.Bare(text, mpm=mpm, threads=16,
                     environment={"PYTHONPATH": ""} if name == "debian"
                     else {}),
            files[name] if name != "c" else {})


def run(tools, arguments, mpm, module, path, function, visit, files, more,
        php_lines):
    """{other server: ratio of ours to it}"""
    loads = find_servers(tools, mpm, module, arguments, files)
    visitors = {}

    def describe_cell(cell):
        visitors.clear()
        config, texts = describe(cell[1], loads, mpm, path, function, files,
                                 more, php_lines)
        if cell[1] == "c":
            config.extra = config.extra.replace(
                f"SetHandler c-{path[1:]}", f"SetHandler {module}".replace(
                    "_", "-"))
        return config, texts

    def send(server, cell, number):
        if cell not in visitors:
            visitors[cell] = visit()
        with visitors[cell].connect(server.port) as visitor:
            for _ in range(number):
                visitor.ask(path)

    variant = f"{path[1:]}, {mpm}"
    samples = pairs.run(arguments, describe_cell,
                        [(variant, name) for name in loads], send)
    for name in loads:
        if name not in ("c", "ours"):
            pairs.show(samples, variant, name)
    return {name: pairs.show(samples, variant, to=name)
            for name in loads if name != "ours"}


def parse(text):
    parser = pairs.parser(text.split("\n\n")[0], REQUESTS)
    parser.add_argument("--mpms", type=pairs.words(MPMS), default=["prefork"])
    parser.add_argument("--servers", type=lambda given: given.split(","),
                        help="c,ours,debian,php; by default what there is")
    return pairs.parse(parser)


def main(text, path, module, function, limit, visit, ours, debian, php,
         more="", php_lines=""):
    """Run a benchmark; its exit status."""
    arguments = parse(text)
    claims = rig.Claims()
    files = {"ours": ours, "debian": debian, "php": php}
    with rig.Tools() as tools:
        ratios = {mpm: run(tools, arguments, mpm, module, path, function,
                           visit, files, more, php_lines)
                  for mpm in arguments.mpms}
    print()
    for mpm, values in ratios.items():
        for name, ratio in values.items():
            claims.limit(f"{path[1:]}, {mpm}: ours to {name}", ratio,
                         limit if name == "c" else 1.0, "", 3)
    return 0 if claims.all_hold else 1
