"""What other requests notice while one thread of the same child stages a
large application again and again.

Used by reload.py. Several connections ask for a small page of another
directory root at a steady rate. Each time is taken from the moment when the
request was due, so a server that stalls cannot hide it by getting fewer
requests. Runs without edits and runs with them take turns; in the latter an
editor saves the leaf of the application, asks for its page, and after a short
pause does it again, so most of the run somebody is staging. What counts are
the requests that were due meanwhile; all of the run is shown beside them."""

import statistics
import subprocess
import sys
import threading
import time

import application
import meter
import rig
from httpd import save

MODULES = 500
CONNECTIONS = 4
RATE = 500              # requests a second, of all connections
SECONDS = 4             # of a run
PAUSE = 0.05            # of the editor
LIMIT_MORE_MS = 2

SMALL = """
def handler(req):
    req.content_type = "text/plain"
    req.write("small", 0)
    return 0
"""

DIRECTORIES = """
<Directory "${SITE}">
    Require all granted
    SetHandler mod_python
    PythonAutoReload On
</Directory>
<Directory "${SITE}/large">
    PythonHandler page
</Directory>
<Directory "${SITE}/small">
    PythonHandler small
</Directory>
"""


class Editor(threading.Thread):
    """Saves the leaf and asks for the page until it is told to stop."""

    def __init__(self, server, version):
        super().__init__()
        self.server = server
        self.version = version
        self.stages = []    # (begin, end) of each, by the monotonic clock
        self.error = None
        self._stopped = threading.Event()

    def run(self):
        try:
            with self.server.connect() as connection:
                while not self._stopped.wait(PAUSE):
                    self._edit(connection)
        except BaseException as error:
            self.error = error

    def _edit(self, connection):
        self.version += 1
        started = time.monotonic()
        save(self.server.site.path("large/leaf.py"),
             application.leaf(self.version).encode(), "rename")
        response = connection.get(self.server.site.url("large/x"))
        if response.text != str(self.version):
            raise RuntimeError(f"{response.status} {response.text[:200]!r} is "
                               f"not {self.version}")
        self.stages.append((started, time.monotonic()))

    def stop(self):
        self._stopped.set()
        self.join()
        if self.error:
            raise self.error


def load_once(tools, server, seconds):
    """[(when it was due, ms that it took)] of the other requests."""
    times = server.root / "times.txt"
    done = subprocess.run(
        [tools.load, "-c", str(CONNECTIONS), "-s", str(seconds), "-r",
         str(RATE), "-o", str(times), str(server.port),
         server.site.url("small/x"), "small"],
        capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{done.stdout}{done.stderr}{server.said()}")
    return [(int(due) / 1e6, int(took) / 1e3) for due, took in
            map(str.split, times.read_text().splitlines())]


def split(requests, stages):
    """The ms of requests that were due in one of the stages, and of all."""
    inside = [took for due, took in requests
              if any(begin <= due <= end for begin, end in stages)]
    return inside, [took for _, took in requests]


def run_pairs(tools, server, rounds, seconds):
    """[(ms without edits, ms while somebody staged, all ms with edits)], and
    ms of the stages."""
    runs, stages = [], []
    version = 0
    for _ in range(rounds):
        _, quiet = split(load_once(tools, server, seconds), ())
        editor = Editor(server, version)
        editor.start()
        try:
            requests = load_once(tools, server, seconds)
        finally:
            editor.stop()
        version = editor.version
        runs.append((quiet, *split(requests, editor.stages)))
        stages += [(end - begin) * 1e3 for begin, end in editor.stages]
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return runs, stages


def site_files(modules):
    return {"small/small.py": SMALL,
            **{f"large/{name}": text
               for name, text in application.files(modules).items()}}


def show(name, values):
    print(f"     stall, {name:21}: median {statistics.median(values):6.2f}, "
          f"p90 {meter.percentile(values, 90):6.2f}, "
          f"p99 {meter.percentile(values, 99):6.2f}, "
          f"most {max(values):6.2f} ms ({len(values)} requests)")


def measure(tools, arguments, claims):
    config = rig.Bare(rig.ours(False) + DIRECTORIES, mpm="event", threads=16)
    with rig.BareServer(config, site_files(MODULES)) as server:
        for name in ("small", "large"):
            response = server.get(server.site.url(f"{name}/x"))
            if response.status != 200:
                raise RuntimeError(server.said())
        runs, stages = run_pairs(tools, server, arguments.rounds or 8,
                                 arguments.seconds or SECONDS)
    for name, values in zip(("without edits", "while somebody stages",
                             "all with edits"), zip(*runs)):
        show(name, [ms for run in values for ms in run])
    print(f"     stall: {len(stages)} stages of {MODULES} modules, "
          f"{statistics.median(stages):.0f} ms each")
    rises = [meter.percentile(staged, 99) - meter.percentile(quiet, 99)
             for quiet, staged, _ in runs]
    claims.limit("stall: p99 of other requests rises by",
                 statistics.median(rises), LIMIT_MORE_MS, "ms")
