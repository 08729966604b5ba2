"""One directory under httpd's document root: the files of one test, the URLs
they answer to, the edits made to them."""

import collections
import pathlib
import shutil
import textwrap

from . import edits
from .client import later
from .processes import wait_until


def page(answer, imports=""):
    """The text of a handler that writes str() of the expression."""
    return (f"from mod_python import apache\n{textwrap.dedent(imports)}\n\n"
            "def handler(req):\n"
            f"    req.write(str({answer}))\n"
            "    return apache.OK\n")


def counted(text=""):
    """Module text that notes each execution of its body first; see
    Site.each_child_ran()."""
    return ("import harness\nharness.note(__file__)\n"
            + textwrap.dedent(text).lstrip("\n"))


class Site:
    """Texts are dedented; names are relative to the site's directory."""

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.directory = server.documents / name
        self.directory.mkdir()
        self.directory.chmod(0o755)

    @property
    def log(self):
        return self.server.log

    # files

    def path(self, name=""):
        return self.directory / name

    def write(self, files):
        """Write new files: {"pkg/mod.py": text or bytes, ...}."""
        for name, text in files.items():
            path = self.path(name)
            self.make_directory(path.parent)
            edits.unlink(path, _bytes(text))

    def text(self, name):
        return self.path(name).read_text()

    def edit(self, name, text, how="inplace"):
        """Save a file that is there in one of the ways of edits.SAVES."""
        edits.save(self.path(name), _bytes(text), how)

    def replace(self, name, old, new, how="inplace"):
        """Edit: every `old` in the file becomes `new`."""
        text = self.text(name)
        assert old in text, f"{old!r} is not in {name}"
        edits.save(self.path(name), text.replace(old, new).encode(), how)

    def remove(self, name):
        path = self.path(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def point(self, name, target):
        """Make the symbolic link `name` point to target, atomically."""
        edits.point(self.path(name), target)

    def make_directory(self, path):
        missing = []
        path = self.directory / path
        while not path.exists():
            missing.append(path)
            path = path.parent
        for path in reversed(missing):
            path.mkdir()
            path.chmod(0o755)

    # configuration

    def htaccess(self, text, directory=""):
        self.write({str(pathlib.PurePath(directory, ".htaccess")): text})

    def serve(self, handler, more="", directory=""):
        """An .htaccess that gives every URL below to PythonHandler."""
        self.htaccess(f"SetHandler mod_python\nPythonHandler {handler}\n"
                      + textwrap.dedent(more), directory)

    # requests

    def url(self, path=""):
        """A path that begins with / is meant for the whole server."""
        return path if path.startswith("/") else f"/{self.name}/{path}"

    def request(self, path="", **more):
        """One request: method=, headers={}, body=bytes, str or iterable."""
        return self.server.request(self.url(path), **more)

    def get(self, path="", **more):
        return self.request(path, **more)

    def post(self, path="", body=b"", **more):
        return self.request(path, method="POST", body=body, **more)

    def later(self, path="", **more):
        """The same in a thread: a Future with result(seconds)."""
        return later(self.request, path, **more)

    def get_from_each_child(self, path="", **more):
        """{process id: Response}."""
        return self.server.get_from_each_child(self.url(path), **more)

    def texts(self, path="", **more):
        """The set of texts that the children answer: one when they agree."""
        return {response.text for response
                in self.get_from_each_child(path, **more).values()}

    # what went on inside

    def executions(self):
        """(process id, name) of each counted() body of this site that ran
        since the last call of forget_executions(), in order."""
        prefix = str(self.directory) + "/"
        return [(int(pid), path.removeprefix(prefix))
                for pid, path in self._notes() if path.startswith(prefix)]

    def forget_executions(self):
        self.server.notes.write_text("")

    def each_child_ran(self):
        """{name: times} of the counted() bodies, which must be the same in
        every child. Begins anew: the next call tells what ran since."""
        counts = {pid: collections.Counter() for pid
                  in self.server.children()}
        for pid, name in self.executions():
            counts[pid][name] += 1
        self.forget_executions()
        first, *others = counts.values()
        assert all(first == other for other in others), counts
        return dict(first)

    def wait_parked(self, name, count=1):
        """Wait until `count` callers are inside harness.wait(..., name)."""
        wait_until(lambda: self._parked(name) >= count,
                   f"{count} threads parked at {name!r}")

    def open_gate(self, name):
        """Let everybody through harness.wait(..., name), now and later."""
        self._gate(name).touch()

    def close_gate(self, name):
        self._gate(name).unlink(missing_ok=True)

    def _gate(self, name):
        return self.server.gates / f"{self.name}.{name}.open"

    def _parked(self, name):
        return len(list(
            self.server.gates.glob(f"{self.name}.{name}.*.parked")))

    def _notes(self):
        return [line.split(" ", 1)
                for line in self.server.notes.read_text().splitlines()]


def _bytes(text):
    if isinstance(text, bytes):
        return text
    return textwrap.dedent(text).lstrip("\n").encode()
