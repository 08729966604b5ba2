"""PythonHandler mod_python.cgihandler: run the requested file as a CGI program.

The script runs inside this process, with the environment, the working
directory, the standard input and the standard output of a CGI program. Those
belong to the process, so one script runs at a time, and everything is as
before when it ends, however it ends. With a threaded MPM other handlers of the
process see them meanwhile: prefork is the MPM for scripts.
"""

import contextlib
import io
import os
import sys
import sysconfig
import types

from mod_python import apache
from mod_python.cgi import CGIStdout, build_cgi_env

from _web import builtins_of, cgi_lock, cgi_unlock

_STANDARD = tuple({os.path.join(os.path.realpath(sysconfig.get_path(name)), "")
                   for name in ("stdlib", "platstdlib")})
_INSTALLED = tuple(os.path.join(directory, name, "") for directory in _STANDARD
                   for name in ("site-packages", "dist-packages"))

_helpers = {}
"""Modules that scripts have imported from outside the standard library: name
-> (file, stamp). Those under the root of a script are the importer's."""


def handler(req):
    """Run the script that the request asks for; OK, or HTTP_NOT_FOUND."""
    path = script_of(req)
    if path is None:
        return apache.HTTP_NOT_FOUND
    output = _Output(req)
    with contextlib.ExitStack() as stack:
        cgi_lock()
        stack.callback(cgi_unlock)
        _forget_changed()
        stack.callback(_remember_helpers, set(sys.modules))
        _become_cgi(stack, req, path, output)
        buffer = sys.stdout.buffer
        _run(path)
        output.end(sys.stdout, buffer)
    if output.redirect:
        req.internal_redirect(output.redirect)
    return apache.OK


def script_of(req):
    """The file to run: SCRIPT_FILENAME of req.subprocess_env, or
    req.filename. None if it is no file, or not below the directory that the
    handler directive is for."""
    path = os.path.abspath(
        req.subprocess_env.get("SCRIPT_FILENAME") or req.filename)
    directory = req.hlist.directory if req.hlist else None
    if directory and not req.hlist.is_location and not is_inside(
            path, directory):
        return None
    return path if os.path.isfile(path) else None


def is_inside(path, directory):
    """Is the file below this directory? Whole names count: /a/bc is not
    inside /a/b."""
    return os.path.abspath(path).startswith(
        os.path.join(os.path.abspath(directory), ""))


class _Output(CGIStdout):
    """What the script writes, as bytes. A Location without a Status is a
    redirection: of the client for a URL, of the request for a path."""

    redirect = None
    is_cut_off = False
    is_ending = False

    def write(self, data):
        if self.is_cut_off or self.redirect:
            return len(data)
        return super().write(data)

    def flush(self):
        if not self.is_ending:
            super().flush()

    def end(self, *streams):
        """The script has ended: what is in its streams is sent, unless it has
        closed them. Headers without an empty line are headers."""
        self.is_ending = True
        for stream in streams:
            if _is_open(stream):
                stream.flush()
        if self._head and not self.headers_sent:
            self.write(b"\n\n")

    def _read_head(self, data):
        rest = super()._read_head(data)
        location = self.req.headers_out.get("Location")
        if self.headers_sent and location and self.req.status == 200:
            if location.startswith("/"):
                self.redirect = location
                del self.req.headers_out["Location"]
                return b""
            self.req.status = apache.HTTP_MOVED_TEMPORARILY
        return rest


def _is_open(stream):
    try:
        return not stream.closed
    except ValueError:
        return False  # it was detached from what it wrote to


class _RawInput(io.RawIOBase):
    """The body of the request."""

    def __init__(self, req):
        self.req = req

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.req.read(len(buffer))
        buffer[:len(data)] = data
        return len(data)


class _RawOutput(io.RawIOBase):
    def __init__(self, output):
        self.output = output

    def writable(self):
        return True

    def write(self, data):
        return self.output.write(bytes(data))


class _Buffer(io.BufferedWriter):
    """sys.stdout.buffer; flush() reaches the client."""

    def flush(self):
        super().flush()
        self.raw.output.flush()


class _Stdout(io.TextIOWrapper):
    """Text as UTF-8, and bytes as they are, in the order they come."""

    def __init__(self, output):
        super().__init__(_Buffer(_RawOutput(output)), "utf-8",
                         "surrogateescape", newline="\n", write_through=True)

    def write(self, text):
        if isinstance(text, str):
            return super().write(text)
        return self.buffer.write(text)


def _become_cgi(stack, req, path, output):
    """Make the process look like a CGI program, until the stack unwinds."""
    _keep_directory(stack)
    stack.callback(_restore_environment, dict(os.environ))
    stack.callback(_restore, sys.stdin, sys.stdout, sys.argv, list(sys.path))
    # last in, first out: what is still in the buffers after an exception is
    # not to be sent behind the error page
    stack.callback(setattr, output, "is_cut_off", True)
    os.chdir(os.path.dirname(path))
    os.environ.update(build_cgi_env(req))
    sys.stdin = io.TextIOWrapper(io.BufferedReader(_RawInput(req)), "utf-8",
                                 "surrogateescape")
    sys.stdout = _Stdout(output)
    sys.argv = [path]


def _keep_directory(stack):
    """By a descriptor: the path may mean something else afterwards."""
    here = os.open(".", os.O_PATH | os.O_DIRECTORY)
    stack.callback(os.close, here)
    stack.callback(os.fchdir, here)


def _restore_environment(before):
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


def _restore(stdin, stdout, argv, path):
    sys.stdin, sys.stdout, sys.argv = stdin, stdout, argv
    sys.path[:] = path


def _run(path):
    """Execute the file, afresh. sys.exit() ends it; text given to it is
    logged."""
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    name = os.path.splitext(os.path.basename(path))[0]
    module = types.ModuleType(name)
    module.__file__ = path
    module.__builtins__ = builtins_of(os.path.dirname(path))
    is_known = name in sys.modules  # the library has one of this name
    if not is_known:
        sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    finally:
        if not is_known:
            sys.modules.pop(name, None)


# modules that scripts import by sys.path

def _stamp(file):
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _is_helper(module):
    """Is it Python from outside the standard library?"""
    file = getattr(module, "__file__", None)
    return (type(module) is types.ModuleType and isinstance(file, str)
            and file.endswith(".py")
            and (not file.startswith(_STANDARD)
                 or file.startswith(_INSTALLED)))


def _remember_helpers(before):
    """Those that were not there before the script ran."""
    for name in set(sys.modules) - before:
        module = sys.modules.get(name)
        if _is_helper(module):
            _helpers[name] = module.__file__, _stamp(module.__file__)


def _place(file, name):
    """The directory that a module was found through."""
    if os.path.basename(file) == "__init__.py":
        file = os.path.dirname(file)
    for _ in name.split("."):
        file = os.path.dirname(file)
    return file


def _forget_changed():
    """Modules that changed are imported anew, with all that came from the
    same directory: they may hold the old ones. Others stay: a package with
    extension modules cannot be imported twice."""
    changed = {_place(file, name) for name, (file, stamp) in _helpers.items()
               if _stamp(file) != stamp}
    for name, (file, _) in list(_helpers.items()):
        if _place(file, name) in changed:
            del _helpers[name]
            sys.modules.pop(name, None)
