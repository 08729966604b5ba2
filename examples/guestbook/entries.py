"""The entries, in a database."""

import contextlib
import os
import sqlite3
import stat
import tempfile


def latest(req, most=50):
    """The last entries, newest first: (name, text, date)."""
    with opened(req) as database:
        return database.execute(
            "select name, text, date from entries order by id desc limit ?",
            (most,)).fetchall()


def add(req, name, text):
    with opened(req) as database, database:
        database.execute("insert into entries (name, text) values (?, ?)",
                         (name, text))


@contextlib.contextmanager
def opened(req):
    database = sqlite3.connect(os.path.join(directory(req), "entries.db"),
                               timeout=10)
    try:
        database.execute("""
            create table if not exists entries (
                id integer primary key, name text not null,
                text text not null, date text default current_timestamp)""")
        yield database
    finally:
        database.close()


def directory(req):
    """Where the database is. In a place that everybody may write to only a
    directory of our own will do."""
    chosen = req.get_options().get("guestbook.directory")
    if chosen:
        return chosen
    path = os.path.join(tempfile.gettempdir(), f"guestbook-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    status = os.lstat(path)
    if (not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid()
            or status.st_mode & 0o077):
        raise PermissionError(f"{path} is not ours alone")
    return path
