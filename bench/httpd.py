"""Private httpds, and the C programs of this directory.

Each Httpd has its own directory, port (loopback only) and processes, and ends
with its `with` block, however that ends. Root starts it as httpd is used to
be started: its children run as www-data."""

import functools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import meter

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent
START_SECONDS = 30
STOP_SECONDS = 30

COMMON = """\
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/httpd.pid
Listen 127.0.0.1:{port}
ServerName localhost
DocumentRoot {directory}/htdocs
ErrorLog {directory}/error.log
LogLevel warn
Timeout 60
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
"""

PREFORK = """\
StartServers {processes}
ServerLimit {processes}
MinSpareServers 1
MaxSpareServers {processes}
MaxRequestWorkers {processes}
MaxConnectionsPerChild 0
"""

THREADED = """\
StartServers {processes}
ServerLimit {processes}
ThreadsPerChild 16
MinSpareThreads 1
MaxSpareThreads {spare}
MaxRequestWorkers {spare}
MaxConnectionsPerChild 0
"""


class Refused(Exception):
    """The benchmark cannot be run here; the text says why."""


@functools.lru_cache(maxsize=None)
def apxs(name):
    """One value of httpd's build, "" when it has none."""
    tool = shutil.which(os.environ.get("APXS", "apxs"))
    if not tool:
        raise Refused("apxs is missing: install apache2-dev")
    done = subprocess.run([tool, "-q", name], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip()


def program():
    path = pathlib.Path(apxs("sbindir")) / apxs("progname")
    if not path.exists():
        raise Refused(f"{path} is missing: install apache2")
    return str(path)


def compile_c(source, target, *, shared):
    """Build one C file of this directory; the path of what was built."""
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-g",
               "-o", str(target), str(HERE / source)]
    if shared:
        command += ["-shared", "-fPIC", *apxs("EXTRA_CPPFLAGS").split()]
        for name in ("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR"):
            command.append("-I" + apxs(name))
    else:
        command.append("-pthread")
    subprocess.run(command, check=True)
    return str(target)


class Workplace:
    """A temporary directory that httpd's children can read, and in it the
    compiled programs. Use with `with`."""

    def __enter__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-")
        self.path = pathlib.Path(self._temporary.name)
        self.path.chmod(0o755)
        self.load = compile_c("load.c", self.path / "load", shared=False)
        return self

    def __exit__(self, *error):
        self._temporary.cleanup()

    def c_module(self):
        return compile_c("c_hello.c", self.path / "c_hello.so", shared=True)


class Httpd:
    """One private httpd. conf: what follows the common lines. environment:
    what is added to it. wrapper: a command that runs httpd (valgrind)."""

    def __init__(self, directory, conf, *, mpm="prefork", processes=1,
                 environment=None, wrapper=()):
        self.directory = pathlib.Path(directory)
        self.conf = conf
        self.mpm = mpm
        self.processes = processes
        self.environment = environment or {}
        self.wrapper = list(wrapper)
        self.port = None
        self._process = None

    def __enter__(self):
        (self.directory / "htdocs").mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error):
        self._stop()

    @property
    def pid(self):
        """The parent process."""
        return self._process.pid

    def children(self):
        return meter.children(self.pid)

    def child(self):
        """The only child."""
        pids = self.children()
        if len(pids) != 1:
            raise RuntimeError(f"httpd has {len(pids)} children, not one:\n"
                               + self.log())
        return pids[0]

    def graceful(self):
        self._process.send_signal(signal.SIGUSR1)

    def log(self):
        try:
            return (self.directory / "error.log").read_text("utf-8",
                                                            "replace")
        except FileNotFoundError:
            return "(no error log)"

    def is_listening(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def _start(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        path = self.directory / "httpd.conf"
        path.write_text(self._configuration(), "utf-8")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                       "LANG": "C.UTF-8", **self.environment}
        mode = ["-X"] if self.wrapper else ["-D", "FOREGROUND"]
        self._process = subprocess.Popen(
            [*self.wrapper, program(), "-f", str(path), *mode],
            cwd=self.directory, env=environment, stdin=subprocess.DEVNULL,
            start_new_session=True)  # it signals its process group
        end = time.monotonic() + START_SECONDS
        while not self.is_listening():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"httpd did not start:\n{self.log()}")
            time.sleep(0.05)

    def _stop(self):
        process, self._process = self._process, None
        if not process:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def _configuration(self):
        text = COMMON.format(directory=self.directory, port=self.port,
                             mpm=self.mpm, modules=apxs("LIBEXECDIR"))
        shape = PREFORK if self.mpm == "prefork" else THREADED
        text += shape.format(processes=self.processes,
                             spare=self.processes * 16)
        if os.geteuid() == 0:
            text += "User www-data\nGroup www-data\n"
        return text + self.conf


def debian_module():
    """The path of the classic mod_python if it is installed, else None. An
    installed build of this project has the same name, but one directive more.
    """
    path = pathlib.Path(apxs("LIBEXECDIR")) / "mod_python.so"
    if path.exists() and b"PythonModulePath" not in path.read_bytes():
        return path
    return None


def python_conf(flavour, site):
    """What loads a mod_python and makes the modules in site importable.
    flavour: "ours" (of this checkout, as shipped) or "debian". Answers the
    configuration and the environment that httpd needs."""
    if flavour == "debian":
        module = debian_module()
        if not module:
            raise Refused("libapache2-mod-python is not installed")
        return (f"LoadModule python_module {module}\n"
                f"PythonPath \"sys.path+['{site}']\"\n", {})
    module = pathlib.Path(os.environ.get("BUILD", TOP / "build"))
    module = (module / "mod_python.so").absolute()
    if not module.exists():
        raise Refused(f"{module} is missing: run make first")
    return (f"LoadModule python_module {module}\n"
            f"PythonModulePath {site}\n"
            "PythonInterpreter main_interpreter\n",
            {"PYTHONPATH": str(TOP / "python")})


def main(function):
    """Run a benchmark's main function; its exit status, or 2 and one line
    when it cannot be run here."""
    try:
        sys.exit(function())
    except Refused as reason:
        print(f"{pathlib.Path(sys.argv[0]).name}: {reason}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
