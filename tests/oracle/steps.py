"""Edits of a tree of files: what they are, and making them."""

import ctypes
import dataclasses
import os
import shutil

from httpd import edits


@dataclasses.dataclass(frozen=True)
class Step:
    """What happens between two requests.

    files   {name: new text, or None to delete it}; in this order
    how     the way of saving files that are there: a name of httpd.SAVES
    touch   names of files that get a new time and nothing else
    switch  None: the files are edited in place. "link", "rename": a copy of
            the tree is edited and then takes the old one's place in one step,
            by a symbolic link that flips, or by exchanging the directories.
    asked   who answers afterwards: numbers of children of the server
    """

    files: dict = dataclasses.field(default_factory=dict)
    how: str = "inplace"
    touch: tuple = ()
    switch: str | None = None
    asked: tuple = (0, 1)

    def __repr__(self):
        """Without what is as usual."""
        shown = [f"{field.name}={getattr(self, field.name)!r}"
                 for field in dataclasses.fields(self)
                 if getattr(self, field.name) != Step.usual(field)]
        return f"Step({', '.join(shown)})"

    @staticmethod
    def usual(field):
        if field.default is not dataclasses.MISSING:
            return field.default
        return field.default_factory()


class Tree:
    """A tree of files below a directory: `path` is where it is found, under
    the same name whatever becomes of it. is_linked: a symbolic link."""

    def __init__(self, directory, files, is_linked):
        self.directory = directory
        self.path = directory / "current"
        self._copies = 0
        first = self._next_copy() if is_linked else self.path
        _make_directory(first)
        for name, text in files.items():
            _save(first, name, text, "inplace")
        if is_linked:
            edits.point(self.path, first.name)

    def apply(self, step):
        place = self.path
        if step.switch:
            place = self._next_copy()
            shutil.copytree(self.path, place)
        for name, text in step.files.items():
            if text is None:
                _remove(place, name)
            else:
                _save(place, name, text, step.how)
        for name in step.touch:
            if (place / name).exists():
                os.utime(place / name)
        if step.switch:
            self._switch(place)

    def _switch(self, place):
        if self.path.is_symlink():
            edits.point(self.path, place.name)
        else:
            exchange(self.path, place)
            shutil.rmtree(place)

    def _next_copy(self):
        self._copies += 1
        return self.directory / f"release-{self._copies}"


def exchange(one, other):
    """Two directories take each other's place in one step: renameat2 with
    RENAME_EXCHANGE."""
    at_cwd, flag = -100, 2
    if ctypes.CDLL(None, use_errno=True).renameat2(
            at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), flag):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(one))


def _save(top, name, text, how):
    path = top / name
    _make_directory(path.parent)
    if path.exists():
        edits.save(path, text.encode(), how)
    else:
        path.write_text(text)
        path.chmod(0o644)


def _remove(top, name):
    """Directories that are empty then go, too."""
    path = top / name
    path.unlink(missing_ok=True)
    while path.parent != top:
        path = path.parent
        try:
            path.rmdir()
        except OSError:
            break


def _make_directory(path):
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for path in reversed(missing):
        path.mkdir()
        path.chmod(0o755)
