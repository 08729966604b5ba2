"""The servers that are measured: httpds of the test harness (tests/httpd)
with as little in them as can be, so that what is compared is not drowned.

Also the C programs of this directory, who runs on which CPU, what is claimed,
and the end of a benchmark that cannot be run here."""

import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent

sys.path.insert(0, str(TOP / "tests"))

import meter
from httpd import Configuration, Server
from httpd.configuration import module_under_test

# Server and client on one CPU, or on one each.
PLACES = ("shared", "apart")

# Before anything is pinned: the CPUs, and how this process is scheduled.
ALLOWED = os.sched_getaffinity(0)
SCHEDULING = os.sched_getscheduler(0), os.sched_getparam(0)

FIXED = """\
Define SITE {site}
ServerRoot {root}
DefaultRuntimeDir {root}
PidFile httpd.pid
Listen 127.0.0.1:{port}
ServerName localhost
DocumentRoot {root}/htdocs
ErrorLog error.log
LogLevel warn
Timeout 60
KeepAliveTimeout 60
MaxKeepAliveRequests 0
"""


class Refused(Exception):
    """The benchmark cannot be run here; the text says why."""


@dataclasses.dataclass
class Bare(Configuration):
    """One child, no module that is not needed, and no access log. `extra`
    loads the module to measure; environment is added to httpd's."""

    mpm: str = "prefork"
    children: int = 1
    environment: dict = dataclasses.field(default_factory=dict)

    def text(self, root, port, site):
        loads = [f"LoadModule {name}_module "
                 f"{apxs('LIBEXECDIR')}/mod_{name}.so"
                 for name in (f"mpm_{self.mpm}", "authz_core")]
        return "\n".join([*loads, *self._users(), *self._processes(),
                          FIXED.format(root=root, port=port, site=site),
                          self.extra, ""])


class BareServer(Server):
    """Runs from the beginning to the end of a `with` block. wrapper: the
    words of a command that runs httpd as one single process, such as
    valgrind; {root} in them is the server's directory."""

    def __init__(self, config, files, wrapper=()):
        super().__init__(config)
        self.site.write(files)
        self.wrapper = list(wrapper)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        if self.is_running():
            self.stop()
        self.remove()

    def child(self):
        """The id of the only child."""
        pids = self.children()
        if len(pids) != 1:
            raise RuntimeError(f"httpd has {len(pids)} children, not one:\n"
                               + self.said())
        return pids.pop()

    def children(self):
        return {self.pid} if self.wrapper else super().children()

    def _command(self, *more):
        command = super()._command(*more)
        if self.wrapper:
            command.remove("-DFOREGROUND")
            command = [word.format(root=self.root) for word in self.wrapper
                       ] + command + ["-X"]
        return command

    def _environment(self):
        return {**super()._environment(), **self.config.environment}


@functools.lru_cache(maxsize=None)
def apxs(name):
    """One value of httpd's build, "" when it has none."""
    tool = shutil.which(os.environ.get("APXS", "apxs"))
    if not tool:
        raise Refused("apxs is missing: install apache2-dev")
    done = subprocess.run([tool, "-q", name], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip()


def ours(application_root=True):
    """Lines that load the module of this checkout, configured as shipped,
    and make the site an application root."""
    module = module_under_test()
    if not module.exists():
        raise Refused(f"{module} is missing: run make first")
    return (f"LoadModule python_module {module}\n"
            "PythonInterpreter main_interpreter\n"
            + ("PythonModulePath ${SITE}\n" if application_root else ""))


def debian_module():
    """The path of the classic mod_python if it is installed, else None. An
    installed build of this project has the same name, but one directive more.
    """
    path = pathlib.Path(apxs("LIBEXECDIR")) / "mod_python.so"
    if path.exists() and b"PythonModulePath" not in path.read_bytes():
        return path
    return None


def debian():
    """Lines that load the classic mod_python and make the site importable.
    PYTHONPATH must not lead it to our package."""
    module = debian_module()
    if not module:
        raise Refused("libapache2-mod-python is not installed")
    return (f"LoadModule python_module {module}\n"
            "PythonPath \"sys.path+['${SITE}']\"\n")


def compile_c(source, target, *options):
    """Build one C file of this directory; the path of what was built."""
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-g",
                    *options, "-o", str(target), str(HERE / source)],
                   check=True)
    return str(target)


class Tools:
    """The compiled programs, in a temporary directory; use with `with`."""

    def __enter__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="bench-")
        directory = pathlib.Path(self._temporary.name)
        directory.chmod(0o755)
        self.load = compile_c("load.c", directory / "load", "-pthread")
        return self

    def __exit__(self, *error):
        self._temporary.cleanup()

    def c_module(self, name):
        """Lines that load a C module of this directory: c_hello, ..."""
        built = pathlib.Path(self.load).with_name(f"{name}.so")
        if not built.exists():
            includes = ["-I" + apxs(path) for path in
                        ("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")]
            compile_c(f"{name}.c", built, "-shared", "-fPIC",
                      *apxs("EXTRA_CPPFLAGS").split(), *includes)
        return f"LoadModule {name}_module {built}\n"


def load_command(tools, server, path, body, requests):
    """One kept-alive connection that sends so many requests."""
    return [tools.load, "-n", str(requests), str(server.port), path, body]


def send(tools, server, path, body, requests):
    done = subprocess.run(load_command(tools, server, path, body, requests),
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{done.stdout}{done.stderr}{server.said()}")


def seat(pid, cpus="shared"):
    """Give the server's child and the client (which inherits it from this
    process) their CPUs. A client of the batch class never interrupts the
    server, so the server waits for every request, however fast it is."""
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    first, *others = sorted(ALLOWED)
    meter.pin(pid, {first})
    meter.pin(os.getpid(), {first} if cpus == "shared" else {others[0]})


def unseat():
    """This process is as it was before seat()."""
    os.sched_setscheduler(0, *SCHEDULING)
    meter.pin(os.getpid(), ALLOWED)


class Claims:
    """What was claimed, and whether it held."""

    def __init__(self):
        self.all_hold = True

    def add(self, holds, text):
        self.all_hold &= bool(holds)
        print(f"{'ok  ' if holds else 'OVER'} {text}", flush=True)

    def limit(self, what, value, most, unit, digits=2):
        """A figure and the most that it may be."""
        self.add(value <= most, f"{what}: {value:,.{digits}f} {unit} "
                                f"(limit {most:,g} {unit})")


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
