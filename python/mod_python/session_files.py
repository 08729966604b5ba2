"""Files of sessions: where they may be, and the store of FileSession.

A pickle is a program, so nothing is read that another user could have put
there: not from a directory that others can write to, or that belongs to
somebody else, and not through a symbolic link.
"""

import contextlib
import errno
import os
import secrets
import stat
import tempfile
import time

import _apache
import _web

_OTHERS = 0o022  # the bits of a mode that let others write
_STALE = 3600    # seconds after which a lock file is nobody's


def _refuse(path, why):
    raise PermissionError(
        errno.EPERM, f"sessions cannot be kept here: {why}; use PythonOption "
        "mod_python.session.database_directory with a directory of this "
        f"server's user (uid {os.geteuid()})", path)


def _check(path, status, mine=False):
    """Refuse what others may have made. mine: also what only root has made,
    and what others may read."""
    if stat.S_ISLNK(status.st_mode):
        _refuse(path, "it is a symbolic link")
    if status.st_uid not in ((os.geteuid(),) if mine else (os.geteuid(), 0)):
        _refuse(path, f"it belongs to uid {status.st_uid}")
    if mine and status.st_mode & 0o077 and stat.S_ISDIR(status.st_mode):
        _refuse(path, "others have access to it")
    if status.st_mode & _OTHERS:
        _refuse(path, "others can write to it")


def private_directory(configured=None):
    """The directory for files of sessions: the one that was configured (by
    default that of temporary files), or, if others can write to that, a
    directory in it that is nobody else's. PermissionError when there is none
    to be trusted."""
    path = configured or tempfile.gettempdir()
    if not os.path.isabs(path):
        path = os.path.join(_apache.server_root(), path)
    path = path.rstrip("/") or "/"
    status = os.lstat(path)
    if not stat.S_ISLNK(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR),
                                 path)
    if stat.S_ISLNK(status.st_mode) or not status.st_mode & _OTHERS:
        _check(path, status)
        return path
    path = os.path.join(path, f"mod_python-{os.geteuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    status = os.lstat(path)
    if not stat.S_ISLNK(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        _refuse(path, "it is no directory")
    _check(path, status, mine=True)
    return path


def database_path(path):
    """Where a database file that was configured really is: in a private
    directory, if others can write to its own. PermissionError for a file that
    others may have made."""
    directory, name = os.path.split(path)
    path = os.path.join(private_directory(directory or "."), name)
    for suffix in ("", ".db", ".dat", ".dir", ".pag", ".bak"):
        with contextlib.suppress(FileNotFoundError):
            _check(path + suffix, os.lstat(path + suffix))
    return path


def make_private(path):
    """Make an empty file that nobody else can read, unless there is one. It
    is never open under this name: closing it would undo the locks that other
    threads have on it (fcntl(2))."""
    if os.path.lexists(path):
        return
    name = f"{path}.{secrets.token_hex(8)}"
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL
                     | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)


class Store:
    """The files of FileSession: mp_sess/<two digits>/<id>. Every directory is
    opened by the one above it, and looked at when it is open, so that nobody
    can exchange it meanwhile."""

    def __init__(self, configured):
        self.path = os.path.join(private_directory(configured), "mp_sess")

    # directories

    @staticmethod
    def _open_directory(name, path, make, dir_fd=None):
        """A descriptor, or None when there is none and none is to be made."""
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=dir_fd)
        try:
            opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY
                             | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        except FileNotFoundError:
            if make:
                raise
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                _refuse(path, "it is a symbolic link or no directory")
            raise
        try:
            _check(path, os.fstat(opened))
        except BaseException:
            os.close(opened)
            raise
        return opened

    @contextlib.contextmanager
    def _top(self, make):
        opened = self._open_directory(self.path, self.path, make)
        try:
            yield opened
        finally:
            if opened is not None:
                os.close(opened)

    @contextlib.contextmanager
    def _part(self, name, make):
        """The directory of the files that begin with these two digits."""
        with self._top(make) as top:
            opened = None if top is None else self._open_directory(
                name, os.path.join(self.path, name), make, top)
            try:
                yield opened
            finally:
                if opened is not None:
                    os.close(opened)

    # files

    @staticmethod
    def _check_id(sid):
        if len(sid) != 32 or set(sid) - set("0123456789abcdef"):
            raise ValueError(f"{sid!r} is no session id")

    def read(self, sid):
        """The bytes of a session, or None."""
        self._check_id(sid)
        with self._part(sid[:2], make=False) as part:
            if part is None:
                return None
            try:
                opened = os.open(sid, os.O_RDONLY | os.O_NOFOLLOW
                                 | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=part)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno == errno.ELOOP:
                    _refuse(os.path.join(self.path, sid[:2], sid),
                            "it is a symbolic link")
                raise
            with open(opened, "rb") as file:
                status = os.fstat(opened)
                _check(os.path.join(self.path, sid[:2], sid), status)
                return file.read() if stat.S_ISREG(status.st_mode) else None

    def write(self, sid, text):
        """Store bytes: whoever reads gets the old ones or the new ones."""
        self._check_id(sid)
        with self._part(sid[:2], make=True) as part:
            name = f"{sid}.{secrets.token_hex(8)}"
            opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL
                             | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600,
                             dir_fd=part)
            try:
                with open(opened, "wb") as file:
                    file.write(text)
                os.rename(name, sid, src_dir_fd=part, dst_dir_fd=part)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=part)
                raise

    def remove(self, sid):
        self._check_id(sid)
        with self._part(sid[:2], make=False) as part:
            if part is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(sid, dir_fd=part)

    # clean-up

    def sweep(self, is_over, limit):
        """Remove the files that is_over(sid, time of its last save) wants.

        One process does it at a time. After limit seconds (0: never) it stops
        behind the directory that it is in, and the next one goes on there.
        Sessions that somebody has locked are left alone. How many went.
        """
        with self._top(make=True) as top:
            if not self._take_lock(top):
                return 0
            try:
                return self._sweep_from(top, is_over, limit)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(".mp_sess.lck", dir_fd=top)

    @staticmethod
    def _take_lock(top):
        for _ in range(2):
            try:
                os.close(os.open(".mp_sess.lck", os.O_WRONLY | os.O_CREAT
                                 | os.O_EXCL | os.O_CLOEXEC, 0o600,
                                 dir_fd=top))
                return True
            except FileExistsError:
                pass
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(".mp_sess.lck", dir_fd=top,
                                 follow_symlinks=False)
                if time.time() - status.st_mtime < _STALE:
                    return False
                os.unlink(".mp_sess.lck", dir_fd=top)
        return False

    def _sweep_from(self, top, is_over, limit):
        first = self._read_status(top)
        end = time.monotonic() + limit
        removed = 0
        for number in range(first, 256):
            removed += self._sweep_part(f"{number:02x}", is_over)
            if limit and time.monotonic() >= end:
                self._write_status(top, (number + 1) % 256)
                return removed
        self._write_status(top, 0)
        return removed

    def _sweep_part(self, name, is_over):
        removed = 0
        with self._part(name, make=False) as part:
            for sid in [] if part is None else os.listdir(part):
                try:
                    modified = os.stat(sid, dir_fd=part,
                                       follow_symlinks=False).st_mtime
                    if len(sid) != 32:
                        # what is left of a process that died while it wrote
                        if time.time() - modified > _STALE:
                            os.unlink(sid, dir_fd=part)
                    else:
                        removed += self._remove_if(part, sid, modified,
                                                   is_over)
                except FileNotFoundError:
                    pass
        return removed

    @staticmethod
    def _remove_if(part, sid, modified, is_over):
        if not is_over(sid, modified):
            return 0
        held = _web._hold_session(sid)
        if held is None or not is_over(sid, os.stat(
                sid, dir_fd=part).st_mtime):  # saved in between
            return 0
        os.unlink(sid, dir_fd=part)
        return 1

    @staticmethod
    def _read_status(top):
        try:
            opened = os.open("fs_status.txt", os.O_RDONLY | os.O_NOFOLLOW
                             | os.O_CLOEXEC, dir_fd=top)
        except OSError:
            return 0
        with open(opened, "rb") as file:
            text = file.read(20).split()
        number = int(text[0]) if text and text[0].isdigit() else 0
        return number if number < 256 else 0

    @staticmethod
    def _write_status(top, number):
        opened = os.open("fs_status.txt", os.O_WRONLY | os.O_CREAT
                         | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600,
                         dir_fd=top)
        with open(opened, "wb") as file:
            file.write(b"%d\n" % number)
