"""Promises under load: no answer that is too old, none mixed, none lost, and
memory that does not grow. Children that are killed and graceful restarts
change nothing about it."""

import ctypes
import http.client
import os
import random
import signal
import threading
import time

import pytest

from httpd import later, page, processes
from httpd.configuration import MPMS
from httpd.processes import wait_until

SOAK = int(os.environ.get("MP_SOAK", "1"))  # times the work of soak tests
CLIENTS = 8

# For tests that look at the size of a process.
no_sanitizer = pytest.mark.skipif(
    "MP_PRELOAD" in os.environ, reason="a sanitizer keeps what was freed")

# Every level takes the number in its own way: copied at import, computed at
# import, looked up at call, imported late.
LEVELS = {
    "hello.py": page("' '.join(map(str, levels()))", """
        import top, pkg.part
        from middle import number as copied

        def levels():
            import late, leaf
            return [top.number, copied, pkg.part.number, late.number,
                    leaf.number, leaf.again()]
        """),
    "top.py": "import middle\nnumber = middle.number + 0\n",
    "middle.py": "from leaf import number\n",
    "pkg/__init__.py": "",
    "pkg/part.py": "import leaf\nnumber = leaf.number\n",
    "late.py": "from middle import number\n",
}


def leaf(number):
    return f"number = {number}\n\ndef again():\n    return number\n"


class Load:
    """Clients that ask again and again while something else edits."""

    def __init__(self, ask):
        self.ask = ask
        self.stopped = threading.Event()
        self.clients = [later(self._run) for _ in range(CLIENTS)]

    def _run(self):
        count = 0
        while not self.stopped.is_set():
            self.ask()
            count += 1
        return count

    def stop(self):
        """How many requests each client made; raises what they raised."""
        self.stopped.set()
        return [client.result(60) for client in self.clients]

    def check(self):
        """Stop and raise at once when a client has failed."""
        if any(client.done() for client in self.clients):
            self.stop()


@pytest.mark.seconds(60 + 60 * SOAK)
@pytest.mark.parametrize("how", ["rename", "inplace"])
def test_edits_under_load_are_never_answered_old_or_mixed(site, how):
    """An edit counts as done when the save has returned; a request may run
    anything newer than what was done when it was sent."""
    site.write({**LEVELS, "leaf.py": leaf(0)})
    site.serve("hello")
    assert site.texts() == {" ".join("0" * 6)}
    done, begun = 0, 0

    def ask():
        oldest = done
        response = site.get()
        newest = begun
        assert response.status == 200, response.text
        numbers = {int(word) for word in response.text.split()}
        assert len(numbers) == 1, f"mixed: {response.text}"
        assert oldest <= numbers.pop() <= newest, (
            f"{response.text}: not between {oldest} and {newest}")

    random.seed(how)
    load = Load(ask)
    for begun in range(1, 250 * SOAK + 1):
        site.edit("leaf.py", leaf(begun), how)
        done = begun
        load.check()
        time.sleep(random.random() * 0.02)
    counts = load.stop()
    assert min(counts) > 0
    assert site.texts() == {" ".join([str(done)] * 6)}


@pytest.mark.seconds(60 + 60 * SOAK)
def test_release_flipped_under_load_is_never_mixed(site):
    names = ("r1", "r2", "r3")
    for name in names:
        site.write({f"{name}/{file}": text for file, text in LEVELS.items()})
        site.write({f"{name}/leaf.py": leaf(int(name[1]))})
        for file in ("top.py", "late.py", "pkg/part.py"):
            site.write({f"{name}/{file}": LEVELS[file] + f"# {name}\n"})
        site.serve("hello", directory=name)
    site.point("current", "r1")
    assert site.texts("current/") == {" ".join("1" * 6)}
    releases = [number % 3 + 1 for number in range(60 * SOAK)]
    done, begun = 0, 0

    def ask():
        oldest = done
        response = site.get("current/")
        allowed = set(releases[oldest:begun + 1])
        assert response.status == 200, response.text
        numbers = {int(word) for word in response.text.split()}
        assert len(numbers) == 1, f"mixed: {response.text}"
        assert numbers <= allowed, f"{numbers} is none of {allowed}"

    load = Load(ask)
    for begun in range(1, len(releases)):
        site.point("current", f"r{releases[begun]}")
        done = begun
        load.check()
        time.sleep(random.random() * 0.05)
    load.stop()


@pytest.mark.seconds(60 + 60 * SOAK)
def test_many_files_saved_at_once_end_up_all_new(site):
    files = {f"m{n}.py": "value = VERSION\n" for n in range(20)}
    site.write({name: text.replace("VERSION", "0")
                for name, text in files.items()})
    site.write({"hello.py": page(
        "sorted({%s})" % ", ".join(f"m{n}.value" for n in range(20)),
        "import " + ", ".join(f"m{n}" for n in range(20)))})
    site.serve("hello")
    assert site.texts() == {"[0]"}
    load = Load(lambda: site.get().status)
    for version in range(1, 21):
        for name, text in files.items():
            site.edit(name, text.replace("VERSION", str(version)), "rename")
        load.check()
        assert site.get().text == f"[{version}]"
    load.stop()
    assert site.texts() == {"[20]"}


@pytest.mark.seconds(60 + 60 * SOAK)
def test_broken_and_mended_under_load_is_always_answered(site):
    site.write({**LEVELS, "leaf.py": leaf(0)})
    site.serve("hello")
    site.log.allow("SyntaxError|ZeroDivisionError")
    site.texts()

    def ask():
        response = site.get()
        assert response.status == 200, response.text
        assert len(set(response.text.split())) == 1, response.text

    load = Load(ask)
    for number in range(1, 40 * SOAK):
        site.edit("leaf.py", random.choice(["number = = 1\n", "1 / 0\n"]),
                  "rename")
        time.sleep(random.random() * 0.02)
        site.edit("leaf.py", leaf(number), "rename")
        load.check()
        assert site.get().text == " ".join([str(number)] * 6)
    load.stop()


# Faults: the same promises while children are killed or replaced. Each test
# edits all the time, and the fault comes at some moment of that.

in_all_shapes = pytest.mark.parametrize("mpm, children", [
    pytest.param(mpm, children, id=f"{mpm}-{children}")
    for mpm in MPMS for children in (1, 4)])
BROKEN = (ConnectionError, http.client.BadStatusLine,
          http.client.IncompleteRead)


class Edited:
    """A server with the modules of LEVELS, and what is known of leaf.py: the
    last edit that is done, and the last one begun."""

    def __init__(self, own_server, mpm, children):
        self.server = own_server(mpm=mpm, children=children, threads=4, files={
            **LEVELS, "leaf.py": leaf(0),
            ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
        self.done = self.begun = 0
        self.answers = 0
        self.check_each_child()

    def edit(self):
        """By renaming: a new child must never find half a file."""
        self.begun = self.done + 1
        self.server.site.edit("leaf.py", leaf(self.begun), "rename")
        self.done = self.begun
        time.sleep(random.random() * 0.02)

    def ask(self):
        oldest = self.done
        response = self.server.site.get()
        newest = self.begun
        assert response.status == 200, response.text
        words = response.text.split()
        assert len(words) == 6, f"incomplete: {response.text}"
        assert len(set(words)) == 1, f"mixed: {response.text}"
        assert oldest <= int(words[0]) <= newest, (
            f"{response.text}: not between {oldest} and {newest}")
        self.answers += 1

    def edit_beside(self, load, fault=None):
        """Edit while there is load until the fault is over, and the children
        that are there then have answered."""
        while fault and not fault.done():
            self.edit()
            load.check()
        enough = self.answers + 10 * CLIENTS
        while self.answers < enough:
            self.edit()
            load.check()

    def check_each_child(self):
        """The children that there should be agree on the last edit."""
        wait_until(lambda: len(self.server.children())
                   == self.server.config.children, "the usual children")
        assert self.server.site.texts() == {" ".join([str(self.done)] * 6)}


@in_all_shapes
@pytest.mark.seconds(60 + 60 * SOAK)
def test_killed_children_take_their_connections_and_nothing_else(
        own_server, mpm, children):
    edited = Edited(own_server, mpm, children)
    server = edited.server
    server.log.allow("AH00052: child pid .* exit signal Killed")
    killing, killed, broken = [], [], []

    def ask():
        before = len(killed)
        try:
            edited.ask()
        except BROKEN as error:
            broken.append(error)
            assert len(killing) > before, f"nobody was killed, but {error!r}"

    def kill():
        pid = random.choice(sorted(server.children()))
        killing.append(pid)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in server.children(), f"the end of {pid}")
        killed.append(pid)

    random.seed(f"{mpm} {children}")
    load = Load(ask)
    for _ in range(SOAK if children == 1 else 2 * SOAK):
        edited.edit_beside(load)
        fault = later(kill)
        edited.edit_beside(load, fault)
        fault.result()
    counts = load.stop()
    assert min(counts) > 0
    assert len(broken) <= CLIENTS * len(killed)
    edited.check_each_child()


@in_all_shapes
@pytest.mark.seconds(60 + 60 * SOAK)
def test_graceful_restarts_lose_no_request_and_no_edit(own_server, mpm,
                                                       children):
    edited = Edited(own_server, mpm, children)
    random.seed(f"{mpm} {children}")
    load = Load(edited.ask)
    for _ in range(SOAK):
        edited.edit_beside(load)
        fault = later(edited.server.graceful)
        edited.edit_beside(load, fault)
        fault.result()
    counts = load.stop()
    assert min(counts) > 0
    edited.check_each_child()


# Several files at once: a package whose files all hold the same number.

RELEASE = {
    "__init__.py": "number = NUMBER\n",
    "part.py": "from release import number as copied\n"
               "from release.deep.leaf import number as below\n"
               "number = NUMBER\n",
    "deep/__init__.py": "number = NUMBER\n",
    "deep/leaf.py": "number = NUMBER\n",
    "other.py": "from release.part import number\n",
}
RELEASED = page("' '.join(map(str, numbers()))", """
    import release.deep.leaf, release.other
    from release import number, part
    from release.deep import number as deep

    def numbers():
        return [number, deep, part.number, part.copied, part.below,
                release.other.number, release.deep.leaf.number]
    """)
EXCHANGE = 2  # RENAME_EXCHANGE of renameat2()


def flip_link(site, number):
    """release is a link; the old directory stays."""
    site.point("release", f"r{number % 3}")


def exchange_directories(site, number):
    """release is a directory; it and the new one change places."""
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.fspath(site.directory).encode()
    new, old = (os.path.join(here, name)
                for name in (b"r%d" % (number % 3), b"release"))
    if libc.renameat2(-100, new, -100, old, EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def replace_directory(site, number):
    """release is a directory; it goes, and the new one comes."""
    spare = site.path(f"old{number}")
    site.path("release").rename(spare)
    site.path(f"r{number % 3}").rename(site.path("release"))


@pytest.mark.seconds(60 + 60 * SOAK)
@pytest.mark.parametrize("change", [flip_link, exchange_directories,
                                    replace_directory])
def test_files_that_change_together_are_answered_together(site, change):
    """Between two renames there is no release: the last one goes on."""
    rounds = 25 * SOAK

    def write(name, number):
        site.write({f"{name}/{file}": text.replace("NUMBER", str(number))
                    for file, text in RELEASE.items()})

    site.write({"hello.py": RELEASED})
    site.serve("hello")
    write("r0" if change is flip_link else "release", 0)
    if change is flip_link:
        site.point("release", "r0")
    if change is replace_directory:
        site.log.allow("MPY0202.*No module named 'release'")
    assert site.texts() == {" ".join("0" * 7)}
    done, begun = 0, 0

    def ask():
        oldest = done
        response = site.get()
        newest = begun
        assert response.status == 200, response.text
        numbers = {int(word) for word in response.text.split()}
        assert len(numbers) == 1, f"mixed: {response.text}"
        assert oldest <= numbers.pop() <= newest, (
            f"{response.text}: not between {oldest} and {newest}")

    load = Load(ask)
    for number in range(1, rounds):
        name = f"r{number % 3}"
        if site.path(name).exists():
            site.remove(name)
        write(name, number)
        begun = number
        change(site, number)
        done = begun
        load.check()
        time.sleep(random.random() * 0.02)
    counts = load.stop()
    assert min(counts) > 0
    assert site.texts() == {" ".join([str(done)] * 7)}


@no_sanitizer
@pytest.mark.seconds(60 + 120 * SOAK)
def test_reloads_of_a_graph_keep_memory_flat(own_server):
    rounds = 500 * SOAK
    names = [f"m{n}" for n in range(20)]
    files = {f"{name}.py": f"from {below} import value\n\n"
                           "class Thing:\n    def method(self):\n"
                           "        return [value] * 100\n"
             for name, below in zip(names, names[1:])}
    server = own_server(children=1, files={
        **files, f"{names[-1]}.py": "value = 0\n",
        "hello.py": page("m0.value", "import m0"),
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    site = server.site
    pid, = server.children()
    sizes = []
    with server.connect() as connection:
        for number in range(1, rounds + 1):
            site.edit(f"{names[-1]}.py", f"value = {number}\n")
            assert connection.get(site.url()).text == str(number)
            if number % (rounds // 10) == 0:
                sizes.append(processes.memory(pid))
    assert sizes[-1] - sizes[3] < 2 << 20, sizes


@no_sanitizer
def test_requests_keep_memory_flat(own_server):
    server = own_server(children=1, files={
        "hello.py": page("len(req.headers_in)"),
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    pid, = server.children()
    sizes = []
    with server.connect() as connection:
        for number in range(1, 5001):
            assert connection.get(server.site.url()).status == 200
            if number % 1000 == 0:
                sizes.append(processes.memory(pid))
    assert sizes[-1] - sizes[1] < 1 << 20, sizes


def test_old_generations_are_let_go(own_server):
    server = own_server(children=1, files={
        "hello.py": page("alive()", """
            import gc, harness, weakref

            class Marker:
                pass

            marker = Marker()
            if not hasattr(harness, "markers"):
                harness.markers = []
            harness.markers.append(weakref.ref(marker))

            def alive():
                gc.collect()
                return sum(ref() is not None for ref in harness.markers)
            """),
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    for number in range(20):
        server.site.edit("hello.py",
                         server.site.text("hello.py") + f"# {number}\n")
        server.site.get()
    assert int(server.site.get().text) <= 2
