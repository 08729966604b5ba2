"""One httpd of our own, from start to end.

It lives below a temporary directory that every user can read, runs in the
foreground as our child, and is ended by its own process id. It dies with us
even if we are killed."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import client, configuration, processes
from .configuration import CHECKOUT, Configuration
from .log import Log
from .site import Site

INSIDE = pathlib.Path(__file__).parent / "inside"
_PASSED_ON = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
              "TZ")


class ServerFailed(AssertionError):
    """httpd ended instead of serving; the text is what it said."""


class Server:
    """An httpd with its configuration, log and sites."""

    def __init__(self, config=None, directory="site"):
        self.config = config or Configuration()
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mod_python-"))
        self.root.chmod(0o755)
        self.documents = self.root / "htdocs"
        self.documents.mkdir()
        (self.documents / "health.txt").write_text("healthy\n")
        self.log = Log(self.root / "error.log", self.documents)
        self.site = Site(self, directory)
        self.port = None
        self.through = ()  # a command that runs the one that follows it
        self._process = None
        self._prepare_inside()

    # life

    def start(self):
        """Start it and return once every child can serve."""
        for _ in range(5):
            self.port = _free_port()
            (self.root / "httpd.conf").write_text(self.config.text(
                self.root, self.port, self.site.directory))
            self._launch()
            processes.wait_until(lambda: self._is_up() or self._is_gone(),
                                 "httpd serving", 30)
            if not self._is_gone():
                return
            said = self.said()
            if "could not bind to address" not in said:
                raise ServerFailed(said)
        raise ServerFailed(said)

    def stop(self, graceful=False):
        """End it; the exit status of the parent process."""
        if self.is_running():
            self._signal(signal.SIGWINCH if graceful else signal.SIGTERM)
        return self.wait()

    def wait(self, seconds=30):
        """Wait for its end; the exit status of the parent process."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._kill()
            raise AssertionError(
                f"httpd did not end within {seconds} s\n{self.said()}"
            ) from None

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def graceful(self):
        """Graceful restart; returns when the old children are gone and as
        many new ones serve."""
        self._again(signal.SIGUSR1)

    def restart(self):
        """The abrupt restart."""
        self._again(signal.SIGHUP)

    def remove(self):
        """Delete all its files. The server has ended."""
        if not os.environ.get("MP_KEEP"):
            shutil.rmtree(self.root)

    def check(self):
        """httpd -t: (exit status, what it said)."""
        (self.root / "httpd.conf").write_text(self.config.text(
            self.root, 1, self.site.directory))
        done = subprocess.run(self._command("-t"), env=self._environment(),
                              capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout + done.stderr

    @contextlib.contextmanager
    def on_a_terminal(self):
        """httpd as one process, with pipes for standard input and output:
        the subprocess.Popen, which is stopped at the end."""
        self.port = _free_port()
        (self.root / "httpd.conf").write_text(self.config.text(
            self.root, self.port, self.site.directory))
        process = subprocess.Popen(
            self._command("-DONE_PROCESS", "-DFOREGROUND"), cwd="/",
            env=self._environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            processes.wait_until(self._is_listening, "httpd listening", 30)
            yield process
        finally:
            process.terminate()
            process.wait(20)
            process.stdin.close()

    def said(self):
        """Everything on its error log and standard streams."""
        texts = []
        for name in ("console.log", "error.log"):
            path = self.root / name
            if path.exists():
                texts.append(path.read_text(errors="backslashreplace"))
        return "".join(texts)

    # processes

    @property
    def pid(self):
        return self._process.pid

    def children(self):
        """The ids of the child processes."""
        return processes.children(self.pid)

    # requests

    def request(self, path, **more):
        """One request on its own connection; see client.request()."""
        return client.request(self.port, path, **more)

    def get(self, path, **more):
        return self.request(path, **more)

    def raw(self, data):
        """Bytes out, bytes in, on one connection."""
        return client.raw(self.port, data)

    def connect(self):
        """A keep-alive connection; close it."""
        return client.Connection(self.port, children=self.children)

    def connect_to_each_child(self):
        """{process id: Connection} with every child in it. The caller closes
        them. Under prefork all other requests wait as long as they are open.
        """
        missing = self.children()
        found = {}
        while missing:
            # Those that are found must not take the next connection too.
            with processes.paused(found):
                connection = self.connect()
                connection.get("/health.txt")
            pid = connection.child()
            assert pid in missing, f"{pid} answered, {missing} are missing"
            missing.remove(pid)
            found[pid] = connection
        return found

    def get_from_each_child(self, path, **more):
        """{process id: Response}: the same request to every child."""
        connections = self.connect_to_each_child()
        try:
            return {pid: connection.request(path, **more)
                    for pid, connection in connections.items()}
        finally:
            for connection in connections.values():
                connection.close()

    # helpers

    def _prepare_inside(self):
        """What the children import is copied here, because they may run as a
        user who cannot read the checkout."""
        package = os.environ.get("MP_PACKAGE", CHECKOUT / "python")
        self._library = self.root / "lib"
        shutil.copytree(package, self._library,
                        ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(INSIDE, self._library, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
        self.notes = self.root / "notes.txt"
        self.notes.touch()
        self.notes.chmod(0o666)
        self.gates = self.root / "gates"
        self.gates.mkdir()
        self.gates.chmod(0o777)

    def _environment(self):
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/bin",
            "LANG": "C",
            "PYTHONPATH": str(self._library),
            "MP_NOTES": str(self.notes),
            "MP_GATES": str(self.gates),
            "MP_DOCUMENTS": str(self.documents),
        }
        for name in _PASSED_ON:
            if name in os.environ:
                environment[name] = os.environ[name]
        if os.environ.get("MP_PRELOAD"):
            environment["LD_PRELOAD"] = os.environ["MP_PRELOAD"]
        return environment

    def _command(self, *more):
        return [configuration.program(), "-d", str(self.root), "-f",
                str(self.root / "httpd.conf"), *more]

    def _launch(self):
        with open(self.root / "console.log", "wb") as console:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.through,
                 *self._command("-DFOREGROUND")],
                env=self._environment(), stdin=subprocess.DEVNULL,
                stdout=console, stderr=console, cwd="/",
                start_new_session=True)

    def _is_gone(self):
        return self._process.poll() is not None

    def _is_listening(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def _is_up(self):
        return (self._is_listening()
                and len(self.children()) >= self.config.children)

    def _again(self, number):
        old = self.children()
        self._signal(number)
        processes.wait_until(
            lambda: not old & self.children(), "the end of the old children",
            30)
        processes.wait_until(self._is_up, "new children", 30)

    def _signal(self, number):
        """The event MPM may crash by itself when an abrupt end comes between
        the last byte of a response and the end of its connection: see
        docs/internals/threads.md. A connection that its client has closed is
        no longer to be seen while a thread still ends it."""
        end = time.monotonic() + 3
        while (number in (signal.SIGTERM, signal.SIGHUP)
               and not self._is_idle()
               and time.monotonic() < end):
            time.sleep(0.002)
        self._process.send_signal(number)

    def _is_idle(self):
        return (not processes.has_connections(self.port)
                and processes.idle(self.children()))

    def _kill(self):
        for pid in self.children():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.kill()
        self._process.wait()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
