"""32 clients ask one child all the time, and somebody edits, renames, deletes,
flips links, breaks and mends its files all the time. No answer may be older
than what was saved when it was asked for, none mixed, none other than 200;
nothing may crash, say what it is not expected to, or grow.

Used by reload.py. MP_PRELOAD and a build of its own (MP_BUILD) make it the
run under a sanitizer; then memory is not judged."""

import multiprocessing
import os
import random
import shutil
import threading
import time

import meter
import rig
from httpd import SAVES, Connection
from httpd.edits import point

CLIENTS = 32
PROCESSES = 2           # that the clients are divided among
SECONDS = 300
TAIL = 5                # samples that are averaged at either end
LIMIT_BYTES = 1024      # of memory, an edit

DIRECTORIES = """\
<Directory "${SITE}">
    Require all granted
    Options FollowSymLinks
    SetHandler mod_python
    PythonHandler hello
    PythonAutoReload On
</Directory>
""" + "".join(f"""\
<Directory "${{SITE}}/{name}">
    PythonHandler hello{function}
</Directory>
""" for name, function in (("levels", ""), ("current", ""), ("optional", ""),
                           ("shape", ""), ("memory", "::collect")))

HANDLER = """
def handler(req):
    req.content_type = "text/plain"
    req.write({answer})
    return 0
"""

COLLECT = """
def collect(req):
    import gc
    gc.collect()
    from mod_python import apache
    req.write("\\n".join(map(str, apache.census())))
    return 0
"""

# Every level takes the number in its own way: copied at import, computed at
# import, looked up at call, imported late.
LEVELS = {
    "hello.py": """\
import top, pkg.part
from middle import number as copied

def levels():
    import late, leaf
    return [top.number, copied, pkg.part.number, late.number, leaf.number,
            leaf.again()]
""" + HANDLER.format(answer="' '.join(map(str, levels()))"),
    "top.py": "import middle\nnumber = middle.number + 0\n",
    "middle.py": "from leaf import number\n",
    "pkg/__init__.py": "",
    "pkg/part.py": "import leaf\nnumber = leaf.number\n",
    "late.py": "from middle import number\n",
}

OPTIONAL = """
try:
    import extra as found
except ImportError:
    try:
        import spare as found
    except ImportError:
        found = None
shown = f"{found.__name__.rpartition('.')[2]} {found.number}" if found else "-"
""" + HANDLER.format(answer="shown")

SHAPE = """
from thing import number, kind
import thing
""" + HANDLER.format(answer="f'{kind} {number} {thing.again()}'")

BROKEN = ("number = = 1\n", "1 / 0\n", "from leaf import nothing\n",
          "raise SystemExit\n", "number = 'cut off\n")


def leaf(number):
    return f"number = {number}\n\ndef again():\n    return number\n"


def thing(number, kind):
    return leaf(number) + f"kind = {kind!r}\n"


class Levels:
    """One leaf, saved in every way there is; broken at times.

    When its file is broken or away, what goes on is the last version that
    was loaded. So somebody asks for it before."""

    name = "levels"
    whole = (SAVES["rename"], SAVES["moved_in"])  # nothing in between is seen

    def __init__(self):
        self.way = None

    def files(self):
        return {**LEVELS, "leaf.py": leaf(0)}

    def answer(self, state):
        return " ".join([str(state)] * 6)

    def prepare(self, path, _state, ask):
        """What must not be seen."""
        self.way = random.choice(list(SAVES.values()))
        breaks = random.random() < 0.3
        if breaks or self.way not in self.whole:
            ask()
        if breaks:
            SAVES["rename"](path / "leaf.py", random.choice(BROKEN).encode())

    def go_to(self, path, state):
        self.way(path / "leaf.py", leaf(state).encode())


class Current:
    """A link that flips between releases."""

    name = "current"

    def files(self):
        return {}

    def release(self, state):
        return (1, 2, 1, 3)[state % 4]

    def answer(self, state):
        return " ".join([str(self.release(state))] * 6)

    def prepare(self, path, state, ask):
        pass

    def go_to(self, path, state):
        point(path, f"r{self.release(state)}")


class Optional:
    """A module that comes, gets another name, and goes."""

    name = "optional"

    def files(self):
        return {"hello.py": OPTIONAL, "extra.py": "number = 0\n"}

    def answer(self, state):
        return (f"extra {state}", f"spare {state - 1}", "-")[state % 3]

    def prepare(self, path, state, ask):
        pass

    def go_to(self, path, state):
        if state % 3 == 0:
            SAVES["rename"](path / "extra.py", f"number = {state}\n".encode())
        elif state % 3 == 1:
            os.rename(path / "extra.py", path / "spare.py")
        else:
            os.unlink(path / "spare.py")


class Shape:
    """A module that becomes a package, and back."""

    name = "shape"

    def files(self):
        return {"hello.py": SHAPE, "thing.py": thing(0, "module")}

    def kind(self, state):
        return ("module", "package")[state % 2]

    def answer(self, state):
        return f"{self.kind(state)} {state} {state}"

    def prepare(self, path, state, ask):
        text = thing(state, self.kind(state))
        if state % 2:
            shutil.rmtree(path / ".next", ignore_errors=True)
            (path / ".next").mkdir(mode=0o755)
            (path / ".next" / "inner.py").write_text(text)
            (path / ".next" / "__init__.py").write_text(
                "from .inner import *\n")
        else:
            (path / "thing.py").write_text(text)  # the package is found first

    def go_to(self, path, state):
        if state % 2:
            os.rename(path / ".next", path / "thing")
        else:
            shutil.rmtree(path / ".old", ignore_errors=True)
            os.rename(path / "thing", path / ".old")


SITES = (Levels(), Current(), Optional(), Shape())

# What broken files must make the log say.
EXPECTED = r"MPY020[24].*(/levels/|changed)|MPY0202"


def site_files():
    files = {"memory/hello.py": COLLECT}
    for release in (1, 2, 3):
        for name, text in LEVELS.items():
            # All differ, so that a mixture would be one.
            files[f"r{release}/{name}"] = text + f"# {release}\n"
        files[f"r{release}/leaf.py"] = leaf(release)
    for site in SITES:
        for name, text in site.files().items():
            files[f"{site.name}/{name}"] = text
    return files


# ---- clients ----------------------------------------------------------------

class Shared:
    """What the editor tells the clients, and they tell us; in shared memory.
    """

    def __init__(self):
        context = multiprocessing.get_context("fork")
        self.begun = context.Array("q", len(SITES), lock=False)
        self.done = context.Array("q", len(SITES), lock=False)
        self.requests = context.Array("q", CLIENTS, lock=False)
        self.stopped = context.Event()
        self.failures = context.SimpleQueue()


def ask(connection, prefix, shared, number):
    """One request; None, or what is wrong with the answer."""
    which = random.randrange(len(SITES))
    site = SITES[which]
    oldest = shared.done[which]
    response = connection.get(f"{prefix}{site.name}/x")
    newest = shared.begun[which]
    shared.requests[number] += 1
    if response.status != 200:
        return f"{site.name}: status {response.status}"
    if response.text not in {site.answer(state)
                             for state in range(oldest, newest + 1)}:
        return (f"{site.name}: {response.text!r} is of no state from {oldest} "
                f"({site.answer(oldest)!r}) to {newest}")
    return None


def run_client(port, prefix, shared, number):
    try:
        random.seed()
        with Connection(port, timeout=120) as connection:
            while not shared.stopped.is_set():
                wrong = ask(connection, prefix, shared, number)
                if wrong:
                    shared.failures.put(wrong)
    except Exception as error:
        if not shared.stopped.is_set():
            shared.failures.put(f"client {number}: {error!r}")


def run_clients(port, prefix, shared, numbers):
    threads = [threading.Thread(target=run_client,
                                args=(port, prefix, shared, number))
               for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def start_clients(server, shared):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(
        target=run_clients, args=(server.port, server.site.url(), shared,
                                  range(first, CLIENTS, PROCESSES)))
        for first in range(PROCESSES)]
    for process in processes:
        process.start()
    return processes


# ---- the editor -------------------------------------------------------------

def edit(server, shared, connection):
    which = random.randrange(len(SITES))
    site = SITES[which]
    path = server.site.path(site.name)
    state = shared.done[which] + 1
    site.prepare(path, state, lambda: connection.get(
        server.site.url(f"{site.name}/x")))
    shared.begun[which] = state
    site.go_to(path, state)
    shared.done[which] = state


def collected(server, connection):
    """(kB RSS, census) of the child, after a collection."""
    response = connection.get(server.site.url("memory/x"))
    return meter.memory(server.child())["Rss"], response.text


def edit_until(server, shared, connection, seconds):
    """[(edits, kB RSS after a collection)], one every twentieth of the time.
    """
    samples = []
    edits = 0
    started = time.monotonic()
    while shared.failures.empty():
        edit(server, shared, connection)
        edits += 1
        passed = time.monotonic() - started
        if passed * 20 > (len(samples) + 1) * seconds:
            samples.append((edits, collected(server, connection)[0]))
        if passed > seconds:
            break
    return samples


# ---- the whole --------------------------------------------------------------

def take_failures(shared):
    failures = []
    while not shared.failures.empty():
        failures.append(shared.failures.get())
    return failures


def run(server, shared, seconds):
    """(samples, failures, census)"""
    with server.connect() as connection:
        processes = start_clients(server, shared)
        try:
            samples = edit_until(server, shared, connection, seconds)
        finally:
            shared.stopped.set()
            for process in processes:
                process.join(150)
        failures = take_failures(shared)
        # Answers to the last edits let go of what was before them.
        for site in SITES:
            connection.get(server.site.url(f"{site.name}/x"))
        return samples, failures, collected(server, connection)[1]


def grown(samples):
    """Bytes an edit, after the first fifth."""
    late = samples[len(samples) // 5:]
    count = min(TAIL, max(len(late) // 2, 1))
    first, last = ([sum(column) / count for column in zip(*part)]
                   for part in (late[:count], late[-count:]))
    return (last[1] - first[1]) * 1024 / max(last[0] - first[0], 1)


def start_server():
    config = rig.Bare(rig.ours(False) + DIRECTORIES, mpm="event",
                      threads=CLIENTS + 8)
    server = rig.BareServer(config, site_files())
    point(server.site.path("current"), "r1")
    server.site.directory.chmod(0o755)
    return server


def measure(_tools, arguments, claims):
    shared = Shared()
    seconds = arguments.seconds or SECONDS
    with start_server() as server:
        pid = server.child()
        for site in SITES:
            server.get(server.site.url(f"{site.name}/x"))
        samples, failures, census = run(server, shared, seconds)
        server.log.allow(EXPECTED)
        lines = list(map(str, server.log.unclaimed()))
        is_alive = server.children() == {pid}
    edits = sum(shared.done)
    print(f"     stress: {sum(shared.requests):,} requests of {CLIENTS} "
          f"clients, {edits:,} edits")
    print("".join(f"     {failure}\n" for failure in failures[:10]), end="")
    print("".join(f"     log: {line}\n" for line in lines[:20]), end="")
    claims.limit("stress: wrong answers", len(failures), 0, "", 0)
    claims.limit("stress: crashes", 0 if is_alive else 1, 0, "", 0)
    claims.limit("stress: lines of the log that nobody expects", len(lines),
                 0, "", 0)
    if len(samples) >= 5 and "MP_PRELOAD" not in os.environ:
        claims.limit("stress: RSS after a collection grows by",
                     grown(samples), LIMIT_BYTES, "bytes an edit", 0)
    claims.limit("stress: old versions in the census",
                 len(census.splitlines()), 0, "", 0)
    print(census, end="\n" if census else "")
