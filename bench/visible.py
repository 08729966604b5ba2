"""From the save of a leaf until the new answer has arrived, beside the time
that a bare interpreter takes to read, compile and execute the same files.

Used by reload.py. The bare interpreter is /usr/bin/python3 (MP_PYTHON names
another): it has executed the files once, so that what they import of the
standard library is there, forgets them, collects its garbage, and imports the
page again; it never writes or reads compiled files. Both take turns, and the
order of the turns is random."""

import contextlib
import os
import random
import statistics
import subprocess
import sys
import time

import application
import meter
import rig
from httpd import save

# (dependents, the package that all are parts of)
SHAPES = ((1, ""), (10, ""), (100, ""), (500, ""), (100, "pkg"),
          (500, "pkg"))
LIMIT_RATIO = 1.2
LIMIT_MORE_MS = 3
WARM_UP = 2

LOCATION = """\
<Location "/page">
    Require all granted
    SetHandler mod_python
    PythonHandler {page}
    PythonAutoReload On
</Location>
"""

BARE = """
import gc
import importlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
names = sys.argv[2].split(",")
importlib.import_module(names[-1])
for line in sys.stdin:
    for name in names:
        del sys.modules[name]
    gc.collect()
    importlib.invalidate_caches()
    cpu = time.process_time_ns()
    started = time.perf_counter_ns()
    importlib.import_module(names[-1])
    elapsed = time.perf_counter_ns() - started
    print(elapsed, time.process_time_ns() - cpu, flush=True)
"""


class Bare:
    """The bare interpreter, waiting."""

    def __init__(self, directory, names):
        self._process = subprocess.Popen(
            [os.environ.get("MP_PYTHON", "/usr/bin/python3"), "-c", BARE,
             str(directory), ",".join(names)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd="/", env={"LANG": "C"})

    def turn(self):
        """(ms, ms of CPU) of an execution of all the files."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        words = self._process.stdout.readline().split()
        if len(words) != 2:
            raise RuntimeError("the bare interpreter ended")
        return tuple(int(word) / 1e6 for word in words)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.communicate(timeout=60)


class Site:
    """A server with the application, and a kept-alive connection to it."""

    def __init__(self, dependents, package, stack):
        names = application.names(dependents, package)
        config = rig.ours() + LOCATION.format(page=names[-1])
        self.server = stack.enter_context(rig.BareServer(
            rig.Bare(config, mpm="event"),
            application.files(dependents, package)))
        self.leaf = self.server.site.path(names[0].replace(".", "/") + ".py")
        self.connection = stack.enter_context(self.server.connect())
        self.version = 0
        self._expect("0")
        self._clock = meter.CpuClock(self.server.child())

    def turn(self):
        """(ms, ms of the server's CPU) from a save to the new answer."""
        self.version += 1
        data = application.leaf(self.version).encode()
        cpu = self._clock.nanoseconds()
        started = time.perf_counter_ns()
        save(self.leaf, data, "rename")
        self._expect(str(self.version))
        elapsed = time.perf_counter_ns() - started
        return elapsed / 1e6, (self._clock.nanoseconds() - cpu) / 1e6

    def _expect(self, text):
        response = self.connection.get("/page")
        if response.status != 200 or response.text != text:
            raise RuntimeError(f"{response.status} {response.text!r} is not "
                               f"{text!r}\n{self.server.said()[-4000:]}")


def compare(dependents, package, rounds):
    """[(ms, ms of CPU)] of the server, and the same of the bare one."""
    with contextlib.ExitStack() as stack:
        site = Site(dependents, package, stack)
        bare = stack.enter_context(
            Bare(site.server.site.directory,
                 application.names(dependents, package)))
        turns = {site: [], bare: []}
        for number in range(WARM_UP + rounds):
            for which in random.sample([site, bare], 2):
                took = which.turn()
                if number >= WARM_UP:
                    turns[which].append(took)
            print(".", end="", flush=True, file=sys.stderr)
        return turns[site], turns[bare]


def measure(_tools, arguments, claims):
    for dependents, package in SHAPES:
        ours, bare = compare(dependents, package, arguments.rounds or 15)
        (wall, cpu), (bare_wall, bare_cpu) = (
            map(statistics.median, zip(*took)) for took in (ours, bare))
        print(file=sys.stderr)
        name = (f"visible, {dependents:3} dependents"
                + (" of a package" if package else ""))
        print(f"     {name}: {wall:.2f} ms to {bare_wall:.2f} ms, CPU "
              f"{cpu:.2f} ms to {bare_cpu:.2f} ms; least "
              f"{min(ours)[0]:.2f} ms to {min(bare)[0]:.2f} ms")
        claims.limit(name, wall,
                     round(LIMIT_RATIO * bare_wall + LIMIT_MORE_MS, 2), "ms")
