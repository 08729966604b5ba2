"""Sessions: a dict for each visitor that lasts from request to request.

    def handler(req):
        session = req.get_session()
        session["visits"] = session.get("visits", 0) + 1
        session.save()

The id, the cookie, the lock, and SharedSession, which keeps sessions in shared
memory, are made by the built-in module ``_web``. The classes here say where
else sessions are kept. docs/sessions.md says how to use them.
"""

import contextlib
import dbm
import os
import pickle
import threading
import time

try:
    from _web import BaseSession, Session, SharedSession
except ImportError as absent:
    raise ImportError(
        "mod_python.Session exists only inside httpd: it needs the built-in "
        "module _web, which mod_python.so brings along",
        name="mod_python.Session") from absent

import _apache

from mod_python import session_files as _files

COOKIE_NAME = "pysid"
DFT_TIMEOUT = 1800
DFT_LOCK = True
CLEANUP_CHANCE = 1000
DFT_FAST_CLEANUP = True
DFT_VERIFY_CLEANUP = True
DFT_GRACE_PERIOD = 240
DFT_CLEANUP_TIME_LIMIT = 2

_GENERAL = "mod_python.session."


def _option(options, *keys, default=None):
    """The first of these PythonOptions that is given."""
    for key in keys:
        if key in options:
            return options[key]
    return default


_FLAGS = {"yes": True, "true": True, "1": True, "on": True,
          "no": False, "false": False, "0": False, "off": False}


def _flag(options, *keys, default):
    """The same as a bool: yes or no, true or false, 1 or 0, on or off."""
    text = _option(options, *keys)
    if text is None:
        return default
    if text.lower() not in _FLAGS:
        raise ValueError(f"PythonOption {keys[0]} must be yes or no, not "
                         f"{text!r}")
    return _FLAGS[text.lower()]


def _number(options, *keys, default):
    text = _option(options, *keys)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"PythonOption {keys[0]} must be a number of "
                         f"seconds, not {text!r}") from None


def _is_over(stored, now):
    return now - stored["_accessed"] > stored["_timeout"]


@contextlib.contextmanager
def _number_0(server):
    """Under the lock for files that everybody shares."""
    _apache._global_lock(server, None, 0)
    try:
        yield
    finally:
        _apache._global_unlock(server, None, 0)


class FileSession(BaseSession):
    """A session in a file of its own.

    The files are below <directory>/mp_sess, by the first two digits of their
    ids. fast_cleanup: believe the time of a file (its last save, against the
    timeout and a grace period) and do not read it. verify_cleanup: read what
    looks old, and go by the timeout that it has itself. A negative number
    means what the options say.
    """

    def __init__(self, req, sid=0, secret=None, timeout=0, lock=1,
                 fast_cleanup=-1, verify_cleanup=-1, readonly=0):
        options = req.get_options()
        own = "mod_python.file_session."
        self._fast = bool(fast_cleanup) if fast_cleanup >= 0 else _flag(
            options, own + "enable_fast_cleanup", "session_fast_cleanup",
            default=DFT_FAST_CLEANUP)
        self._verify = not self._fast or (
            bool(verify_cleanup) if verify_cleanup >= 0 else _flag(
                options, own + "verify_session_timeout",
                "session_verify_cleanup", default=DFT_VERIFY_CLEANUP))
        self._grace = _number(
            options, own + "cleanup_grace_period", "session_grace_period",
            default=DFT_GRACE_PERIOD)
        self._limit = _number(
            options, own + "cleanup_time_limit",
            "session_cleanup_time_limit", default=DFT_CLEANUP_TIME_LIMIT)
        self._files = _files.Store(_option(
            options, own + "database_directory",
            _GENERAL + "database_directory", "session_directory"))
        BaseSession.__init__(self, req, sid=sid, secret=secret, lock=lock,
                             timeout=timeout, readonly=readonly)

    def do_load(self):
        text = self._files.read(self._sid)
        return None if text is None else self._undump(text)

    def do_save(self, dict, /):
        self._files.write(self._sid, pickle.dumps(dict))

    def do_delete(self):
        self._files.remove(self._sid)

    def do_cleanup(self):
        self._after(_Sweep(self))


class _Sweep:
    """The clean-up of FileSession, to be called after the response."""

    def __init__(self, session):
        self.files = session._files
        self.fast = session._fast
        self.verify = session._verify
        self.oldest = time.time() - session.timeout() - session._grace
        self.limit = session._limit

    def __call__(self):
        self.files.sweep(self.is_over, self.limit)

    def is_over(self, name, modified):
        """Is the session of this file, last saved then, to go?"""
        if self.fast and modified >= self.oldest:
            return False
        if not self.verify:
            return True
        text = self.files.read(name)
        if text is None:
            return False
        try:
            return _is_over(pickle.loads(text), time.time())
        except Exception:
            # Nobody can read it. It goes when it is old.
            return modified < self.oldest


class DbmSession(BaseSession):
    """A session in a dbm file that all sessions share.

    dbm: its path, by default PythonOption
    mod_python.dbm_session.database_filename, else mp_sess.dbm in the session
    directory. dbmtype: a module like dbm. Whatever is done to the file is done
    under the global lock number 0.
    """

    def __init__(self, req, dbm=None, sid=0, secret=None, dbmtype=dbm,
                 timeout=0, lock=1, readonly=0):
        self._module = dbmtype
        self._path = _files.database_path(
            dbm or self._find_path(req.get_options()))
        BaseSession.__init__(self, req, sid=sid, secret=secret, lock=lock,
                             timeout=timeout, readonly=readonly)

    @staticmethod
    def _find_path(options):
        path = _option(options, "mod_python.dbm_session.database_filename",
                       "session_dbm")
        return path or os.path.join(_files.private_directory(_option(
            options, "mod_python.dbm_session.database_directory",
            _GENERAL + "database_directory", "session_directory")),
            "mp_sess.dbm")

    @contextlib.contextmanager
    def _opened(self, server):
        with _number_0(server), contextlib.closing(
                self._module.open(self._path, "c", 0o640)) as database:
            yield database

    def do_load(self):
        with self._opened(self._req.server) as database:
            text = database.get(self._sid.encode())
        return None if text is None else self._undump(text)

    def do_save(self, dict, /):
        text = pickle.dumps(dict)
        with self._opened(self._req.server) as database:
            database[self._sid.encode()] = text

    def do_delete(self):
        with self._opened(self._req.server) as database:
            if self._sid.encode() in database:
                del database[self._sid.encode()]

    def do_cleanup(self):
        server = self._req.server

        def sweep():
            now = time.time()
            with self._opened(server) as database:
                for key in list(database.keys()):
                    try:
                        is_over = _is_over(pickle.loads(database[key]), now)
                    except Exception:
                        continue  # its reader will say what is wrong
                    if is_over:
                        del database[key]

        self._after(sweep)


class MemorySession(BaseSession):
    """A session in the memory of this process and interpreter.

    Other children of httpd do not see it. What pickle can store is stored as a
    pickle, so that objects are of the newest version of their class; what it
    cannot is kept as it is.
    """

    _sessions = {}  # id -> (when it is over, pickle or dict)
    _guard = threading.Lock()

    def __init__(self, req, sid=0, secret=None, timeout=0, lock=1,
                 readonly=0):
        BaseSession.__init__(self, req, sid=sid, secret=secret, lock=lock,
                             timeout=timeout, readonly=readonly)

    def do_load(self):
        stored = self._sessions.get(self._sid)
        if stored is None:
            return None
        if isinstance(stored[1], bytes):
            return self._undump(stored[1])
        return stored[1]

    def do_save(self, dict, /):
        try:
            kept = pickle.dumps(dict)
        except Exception:
            kept = dict
        with self._guard:
            self._sessions[self._sid] = (
                dict["_accessed"] + dict["_timeout"], kept)

    def do_delete(self):
        with self._guard:
            self._sessions.pop(self._sid, None)

    def do_cleanup(self):
        self._after(self._sweep)

    @classmethod
    def _sweep(cls):
        now = time.time()
        with cls._guard:
            for sid in [sid for sid, (end, _) in cls._sessions.items()
                        if end < now]:
                del cls._sessions[sid]


class SqliteSession(BaseSession):
    """A session in a database of sqlite that all sessions share.

    The file is PythonOption mod_python.sqlite_session.database_filename, else
    mp_sess.sqlite in the session directory.
    """

    def __init__(self, req, sid=0, secret=None, timeout=0, lock=1,
                 readonly=0):
        options = req.get_options()
        own = "mod_python.sqlite_session."
        path = _option(options, own + "database_filename")
        self._path = _files.database_path(path or os.path.join(
            _files.private_directory(_option(
                options, own + "database_directory",
                _GENERAL + "database_directory", "session_directory")),
            "mp_sess.sqlite"))
        BaseSession.__init__(self, req, sid=sid, secret=secret, lock=lock,
                             timeout=timeout, readonly=readonly)

    @contextlib.contextmanager
    def _opened(self):
        import sqlite3
        _files.make_private(self._path)
        with contextlib.closing(sqlite3.connect(
                self._path, timeout=30, isolation_level=None)) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, "
                "over REAL, stored BLOB) WITHOUT ROWID")
            yield database

    def do_load(self):
        with self._opened() as database:
            row = database.execute(
                "SELECT stored FROM session WHERE id = ?",
                (self._sid,)).fetchone()
        return row and self._undump(row[0])

    def do_save(self, dict, /):
        with self._opened() as database:
            database.execute(
                "INSERT OR REPLACE INTO session VALUES (?, ?, ?)",
                (self._sid, dict["_accessed"] + dict["_timeout"],
                 pickle.dumps(dict)))

    def do_delete(self):
        with self._opened() as database:
            database.execute("DELETE FROM session WHERE id = ?",
                             (self._sid,))

    def do_cleanup(self):
        def sweep():
            with self._opened() as database:
                database.execute("DELETE FROM session WHERE over < ?",
                                 (time.time(),))

        self._after(sweep)


class RedisSession(BaseSession):
    """A session in Redis, for several machines. Needs redis-py
    (python3-redis).

    Options, all below mod_python.redis_session: url ("redis://localhost",
    "rediss://...", "unix:///run/redis.sock"), prefix ("mod_python:"), and
    lock_expiry: after how many seconds Redis gives the lock of a machine that
    died to others (60). A request that takes longer loses the lock, and then
    save() raises.
    """

    _clients = {}  # url -> client, each with a pool of connections
    _guard = threading.Lock()
    _redis_lock = None

    def __init__(self, req, sid=0, secret=None, timeout=0, lock=1,
                 readonly=0):
        options = req.get_options()
        own = "mod_python.redis_session."
        self._client = self._find_client(_option(
            options, own + "url", default="redis://localhost"))
        self._prefix = _option(options, own + "prefix",
                               default="mod_python:")
        self._expiry = _number(options, own + "lock_expiry", default=60)
        self._patience = _number(
            options, _GENERAL + "lock_timeout", "mod_python.mutex_timeout",
            default=300)
        BaseSession.__init__(self, req, sid=sid, secret=secret, lock=lock,
                             timeout=timeout, readonly=readonly)

    @classmethod
    def _find_client(cls, url):
        import redis
        with cls._guard:
            if url not in cls._clients:
                cls._clients[url] = redis.Redis.from_url(url)
            return cls._clients[url]

    def lock(self):
        # First among the processes here, so that one of them asks Redis.
        BaseSession.lock(self)
        if not self._locked or self._redis_lock is not None:
            return
        lock = self._client.lock(
            f"{self._prefix}lock:{self._sid}", timeout=self._expiry,
            sleep=0.002, blocking_timeout=self._patience,
            thread_local=False)
        if not lock.acquire():
            BaseSession.unlock(self)
            raise TimeoutError("the session cannot be locked: another server "
                               f"kept it for more than {self._patience:g} s")
        self._redis_lock = lock

    def unlock(self):
        lock, self._redis_lock = self._redis_lock, None
        try:
            if lock is not None:
                lock.release()
        finally:
            BaseSession.unlock(self)

    def _key(self):
        return f"{self._prefix}session:{self._sid}"

    def do_load(self):
        text = self._client.get(self._key())
        return None if text is None else self._undump(text)

    def do_save(self, dict, /):
        if self._redis_lock is not None:
            self._redis_lock.reacquire()  # raises if it is another's by now
        end = dict["_accessed"] + dict["_timeout"]
        left = max(1, int((end - time.time()) * 1000))
        self._client.set(self._key(), pickle.dumps(dict), px=left)

    def do_delete(self):
        self._client.delete(self._key())

    def do_cleanup(self):
        """Nothing: Redis forgets by itself."""


# For programs that were written for the classic module.
def _check_sid(sid):
    return len(sid) == 32 and not set(sid) - set("0123456789abcdef")
