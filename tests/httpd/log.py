"""httpd's error log: its lines as entries, and the claims that tests make.

A test claims what it provokes; health.py fails it for every severe entry that
nobody claimed. A claim covers the lines that continue the claimed one: the
traceback that the same thread writes below it, up to its next line that begins
with a code."""

import collections
import dataclasses
import re

from .processes import wait_until

_LINE = re.compile(
    r"\[[^\]]+\] \[(?P<module>[\w-]*):(?P<level>\w+)\] "
    r"\[pid (?P<pid>\d+)(?::tid (?P<tid>\d+))?\] ?"
    r"(?:\S+\(\d+\): )?(?:\(\d+\)[^:]+: )?"
    r"(?:\[(?:client|remote) (?P<client>[^\]]+)\] )?(?P<text>.*)")
_CODED = re.compile(r"(?:MPY|AH)\d{4,5}\b")
_SEVERE = {"emerg", "alert", "crit", "error", "warn", "raw"}
_SUSPICIOUS = re.compile(r"exit signal|^Traceback|Assertion|AddressSanitizer"
                         r"|runtime error:|Fatal Python error")

# httpd on its own account: all of its few workers are busy, as tests make
# them; a worker was still closing a connection when SIGTERM ended the child.
_HARMLESS = re.compile(r"AH0016[12]\b|AH0048[45]\b|AH10159\b|AH03092\b")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line. A line that httpd did not format (a crash, the runtime of a
    sanitizer) has the level "raw"."""

    module: str
    level: str
    pid: int
    tid: int
    text: str

    @property
    def is_severe(self):
        return (self.level in _SEVERE or bool(_SUSPICIOUS.search(self.text))
                ) and not _HARMLESS.match(self.text)

    @property
    def is_coded(self):
        return bool(_CODED.match(self.text))

    def __str__(self):
        return f"[{self.module}:{self.level}] [pid {self.pid}] {self.text}"


def parse(line):
    match = _LINE.fullmatch(line)
    if not match:
        return Entry("", "raw", 0, 0, line)
    pid = int(match["pid"])
    return Entry(match["module"], match["level"], pid,
                 int(match["tid"] or pid), match["text"])


class Log:
    """The error log of one httpd, since the running test began."""

    def __init__(self, path):
        self.path = path
        self._position = 0
        self._entries = []
        self._claims = []

    def begin(self):
        """Forget what is there: a new test begins."""
        self._read()
        self._entries.clear()
        self._claims.clear()

    def entries(self):
        """All entries of this test."""
        self._read()
        return list(self._entries)

    def matching(self, pattern, level=None):
        """The entries of this test whose text has a match of pattern."""
        return [entry for entry in self.entries()
                if re.search(pattern, entry.text)
                and level in (None, entry.level)]

    def expect(self, pattern, level=None, count=1, seconds=10.0):
        """Wait until there are at least `count` such entries, claim them and
        all that still come, and return the first. `level`: "error", ..."""
        wait_until(lambda: len(self.matching(pattern, level)) >= count,
                   f"{count} x {pattern!r} at level {level or 'any'} in the "
                   "error log", seconds)
        self.allow(pattern)
        return self.matching(pattern, level)[0]

    def allow(self, pattern):
        """Claim such entries if there are any."""
        self._claims.append(re.compile(pattern))

    def refuse(self, pattern):
        """Fail if there is such an entry."""
        found = self.matching(pattern)
        assert not found, "\n".join(map(str, found))

    def block(self, entry):
        """The text of the entry and of the lines that continue it."""
        lines = []
        for one in self.entries():
            if one is entry:
                lines.append(one)
            elif lines and (one.pid, one.tid) == (entry.pid, entry.tid):
                if one.is_coded or one.level != entry.level:
                    break
                lines.append(one)
        return "\n".join(one.text for one in lines)

    def unclaimed(self):
        """Severe entries that no claim covers."""
        left = []
        covered = collections.defaultdict(lambda: None)
        for entry in self.entries():
            thread = (entry.pid, entry.tid, entry.module, entry.level)
            if any(claim.search(entry.text) for claim in self._claims):
                covered[thread] = entry
            elif entry.is_coded or not covered[thread]:
                covered[thread] = None
                if entry.is_severe:
                    left.append(entry)
        return left

    def _read(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[:data.rfind(b"\n") + 1]
        self._position += len(whole)
        self._entries += [
            parse(line)
            for line in whole.decode("utf-8", "backslashreplace").split("\n")
            if line.strip()]
