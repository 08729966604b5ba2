"""httpd's error log: its lines as entries, and the claims that tests make.

A test claims what it provokes; health.py fails it for every severe entry that
nobody claimed. A claim covers the traceback below the claimed line. Entries
about the files of other sites belong to other tests and are passed over: a
module that a failed test left broken is tried again and again."""

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

# httpd saying that all of its few workers are busy, which tests make them.
_HARMLESS = re.compile(r"(AH0016[12]|AH0028[678]|AH0048[45]|AH10159)\b")


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


_INSIDE = re.compile(r"\s|Traceback \(most recent|During handling of|"
                     r"The above exception was|$")


def _continues(block, entry):
    """Is it a line of the traceback that block began or contains?"""
    return not entry.is_coded and bool(
        _INSIDE.match(entry.text) or _INSIDE.match(block[-1].text)
        or (block[0].is_coded and entry.text in block[0].text))


class Log:
    """The error log of one httpd, since the running test began. Documents:
    the directory whose subdirectories are the sites."""

    def __init__(self, path, documents):
        self.path = path
        self._site = re.compile(re.escape(f"{documents}/") + r"([^/'\":]+)")
        self._position = 0
        self._entries = []
        self._claims = []
        self._mine = None

    def begin(self, mine=None):
        """Forget what is there: a new test begins, whose site is `mine`."""
        self._read()
        self._entries.clear()
        self._claims.clear()
        self._mine = mine

    def entries(self):
        """All entries of this test."""
        self._read()
        return [entry for block in self._blocks()
                if not self._is_of_another_site(block) for entry in block]

    def unclaimed(self):
        """Severe entries that no claim covers."""
        self._read()
        return [entry for block in self._blocks()
                if not self._is_of_another_site(block)
                and not self._is_claimed(block[0])
                for entry in block
                if entry.is_severe and not self._is_claimed(entry)]

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
        for block in self._blocks():
            for position, one in enumerate(block):
                if one is entry:
                    return "\n".join(line.text for line in block[position:])
        raise ValueError(f"not of this test: {entry}")

    def _blocks(self):
        """The entries in lists: one, and those that continue it."""
        blocks = []
        last = {}
        for entry in self._entries:
            thread = (entry.pid, entry.tid, entry.module, entry.level)
            block = last.get(thread)
            if block and _continues(block, entry):
                block.append(entry)
            else:
                last[thread] = [entry]
                blocks.append(last[thread])
        return blocks

    def _is_of_another_site(self, block):
        named = {name for entry in block
                 for name in self._site.findall(entry.text)}
        return bool(self._mine and named and self._mine not in named)

    def _is_claimed(self, entry):
        return any(claim.search(entry.text) for claim in self._claims)

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
