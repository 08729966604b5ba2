"""The laboratory: a real httpd to ask, and the reference to compare with."""

import itertools
import shutil

from httpd import Configuration, Server, processes

from .reference import Reference
from .steps import Tree

CHILDREN = 2
TREES_FOR_EACH_SERVER = 40
LOG_LINES = 20

# With PythonReloadFailure error, a page that does not load may keep others
# that the same edit reached from loading: those answer 500, or what they were.
TOLERANT = True


class Difference(AssertionError):
    """The tested server answered something else than a fresh one."""


class Lab:
    """Runs cases; close() it. failure: of PythonReloadFailure."""

    def __init__(self, failure="error"):
        self.failure = failure
        self.server = Server(Configuration(
            children=CHILDREN, extra="KeepAliveTimeout 600"))
        self.reference = Reference()
        self.trees = self.edits = self.checks = 0
        self._pids = []
        self._connections = {}  # process id -> Connection
        self._numbers = itertools.count(1)
        self._used = []

    def close(self):
        self.reference.close()
        self._disconnect()
        try:
            if self.server.is_running():
                self.check()
                self.server.stop()
                self.check_log()
        finally:
            self.server.remove()

    def run(self, pages, files, steps, is_linked=False):
        """Write files, ask, then make each step and ask. Raises Difference.
        pages: names of modules; each answers to a URL of its name."""
        self._make_ready()
        directory = self.server.documents / f"tree{next(self._numbers)}"
        directory.mkdir()
        directory.chmod(0o755)
        self._used.append(directory)
        tree = Tree(directory, {**files, ".htaccess": self._htaccess(pages)},
                    is_linked)
        run = _Run(self, tree, pages)
        run.check("at first", tuple(range(CHILDREN)))
        for number, step in enumerate(steps, 1):
            tree.apply(step)
            self.edits += 1
            run.check(f"after step {number}", step.asked)
        run.check("at last", tuple(range(CHILDREN)))
        self.trees += 1

    def ask(self, child, path):
        """(status, text) of one child; the text of an error is ""."""
        pid = self._pids[child]
        connection = self._connections.pop(pid, None) or self._connect_to(pid)
        response = connection.get(path)
        if response.headers["Connection"] == "close":
            connection.close()  # as httpd does after errors
        else:
            self._connections[pid] = connection
        return response.status, response.text * (response.status == 200)

    def pid(self, child):
        """The process id of the child with this number."""
        return self._pids[child]

    def check(self):
        """No child was lost, and the log has nothing but the errors in
        modules that we provoke."""
        children = sorted(self.server.children())
        assert children == self._pids, (
            f"children were {self._pids}, are {children}")
        self.check_log()

    def check_log(self):
        """Nothing crashed."""
        log = self.server.log
        log.allow(r"^(?!.*(exit signal|Assertion|Fatal Python|Sanitizer"
                  r"|runtime error:))")
        left = log.unclaimed()
        assert not left, "\n".join(map(str, left))

    def _htaccess(self, pages):
        return "\n".join([
            "SetHandler mod_python",
            f"PythonReloadFailure {self.failure}",
            *(f"<Files {page}>\nPythonHandler {page}\n</Files>"
              for page in pages), ""])

    def _make_ready(self):
        if self.server.is_running():
            if len(self._used) < TREES_FOR_EACH_SERVER:
                return
            self.restart()
        else:
            self.server.start()
        self._pids = sorted(self.server.children())

    def restart(self):
        """Old children, with all they know of old trees, go."""
        self._disconnect()
        self.check()
        self.server.restart()
        self.server.log.begin()
        for directory in self._used:
            shutil.rmtree(directory)
        self._used.clear()

    def _connect_to(self, pid):
        """Nobody else accepts it."""
        with processes.paused(set(self._pids) - {pid}):
            connection = self.server.connect()
            connection.get("/health.txt")
        return connection

    def _disconnect(self):
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


class _Run:
    """One tree, its edits, and what its pages answer."""

    def __init__(self, lab, tree, pages):
        self.lab = lab
        self.tree = tree
        self.pages = pages
        self.url = f"/{tree.directory.name}/current/"
        self.good = {}  # (child, page) -> the last answer with status 200

    def check(self, when, asked):
        """The children with these numbers answer as they should."""
        self.lab.reference.ask(self.tree.path, self.pages)
        first = {child: self._ask_all(child) for child in asked}
        reference = self.lab.reference.answer()
        second = first
        if not _is_simple(reference):
            # What is answered depends on which pages were asked for before:
            # so all are, in order, and then once more.
            second = {child: self._ask_all(child) for child in asked}
        for child in asked:
            for number, page in enumerate(self.pages):
                expected = [answers[number] for answers in reference.values()]
                if len(set(expected)) == 1:
                    self._compare(when, child, page, first[child][number],
                                  expected, reference)
                self._compare(when, child, page, second[child][number],
                              expected, reference)

    def _ask_all(self, child):
        return [self.lab.ask(child, self.url + page) for page in self.pages]

    def _compare(self, when, child, page, seen, expected, reference):
        self.lab.checks += 1
        last = self.good.get((child, page))
        if seen[0] == 200:
            self.good[child, page] = seen
        if _is_right(seen, expected, _is_broken(reference)):
            return
        if _is_broken(reference):
            if seen == last and (TOLERANT or self.lab.failure == "keep"):
                return
            if TOLERANT and seen[0] == 500:
                return
        raise Difference(
            f"{when}, child {child} answers for {page}:\n    {seen}\n"
            f"a fresh server answers:\n    {expected[1]}\n"
            + self._log(self.lab.pid(child)))

    def _log(self, pid):
        """What this child said of this tree last."""
        name = f"/{self.tree.directory.name}/"
        said = [entry.text.replace(str(self.tree.directory), "...")
                for entry in self.lab.server.log.entries()
                if entry.pid == pid and name in entry.text]
        return "\n".join(["it logged:", *said[-LOG_LINES:]])


def _is_simple(reference):
    """No page depends on what others have loaded before."""
    alone, *others = reference.values()
    return all(answers == alone for answers in others)


def _is_broken(reference):
    """Some page does not load."""
    return any(status != 200 for answers in reference.values()
               for status, _ in answers)


def _is_right(seen, expected, is_broken):
    alone, together, plain = expected
    if alone == together == plain:
        return seen == alone
    if is_broken:
        # Pages that load see what those that do not have left behind, or do
        # not: both are right, and so is half of it.
        return seen[0] in {status for status, _ in expected}
    return seen == together
