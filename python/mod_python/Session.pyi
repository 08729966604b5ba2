"""The types of mod_python.Session: what the built-in module _web makes, and
Session.py adds. Sessions are dicts; times are seconds since the epoch."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from mod_python.Cookie import Cookie
from mod_python.apache import mp_request

_Text: TypeAlias = str | bytes
_Secret: TypeAlias = _Text | Sequence[_Text] | None
_Sid: TypeAlias = _Text | int | None  # 32 hex digits; None or 0: the cookie's

COOKIE_NAME: str
DFT_TIMEOUT: float
DFT_LOCK: bool
CLEANUP_CHANCE: int
DFT_FAST_CLEANUP: bool
DFT_VERIFY_CLEANUP: bool
DFT_GRACE_PERIOD: float
DFT_CLEANUP_TIME_LIMIT: float

def Session(req: mp_request, sid: _Sid = 0, secret: _Secret = None,
            timeout: float = 0, lock: int = 1,
            readonly: int = 0) -> BaseSession: ...

class BaseSession(dict[Any, Any]):
    """A dict that lasts from request to request, found again by a cookie."""

    @property
    def _req(self) -> mp_request | None: ...
    _sid: Any
    _secret: Any
    _created: float
    _accessed: float
    _timeout: float
    _lock: bool
    @property
    def _locked(self) -> bool: ...
    _new: bool
    _invalid: bool
    @property
    def _readonly(self) -> bool: ...
    @property
    def _application(self) -> str: ...

    def __init__(self, req: mp_request, sid: _Sid = None,
                 secret: _Secret = None, lock: int = 1, timeout: float = 0,
                 readonly: int = 0) -> None: ...
    def is_new(self) -> bool: ...
    def id(self) -> str | None: ...
    def created(self) -> float: ...
    def last_accessed(self) -> float: ...
    def timeout(self) -> float: ...
    def set_timeout(self, secs: float, /) -> None: ...
    def load(self) -> int: ...
    def save(self) -> None: ...
    def delete(self) -> None: ...
    def invalidate(self) -> None: ...
    def renew(self) -> str: ...
    def lock(self) -> None: ...
    def unlock(self) -> None: ...
    def init_lock(self) -> None: ...
    def cleanup(self) -> None: ...
    def make_cookie(self) -> Cookie: ...
    def do_load(self) -> dict[str, Any] | None: ...
    def do_save(self, dict: dict[str, Any], /) -> None: ...
    def do_delete(self) -> None: ...
    def do_cleanup(self) -> None: ...
    def _after(self, callable: Callable[[], object], /) -> None: ...
    def _undump(self, pickle: bytes, /) -> dict[str, Any] | None: ...

class SharedSession(BaseSession):
    """A session in memory that all processes of the server share."""

class FileSession(BaseSession):
    """A session in a file of its own."""

    def __init__(self, req: mp_request, sid: _Sid = 0, secret: _Secret = None,
                 timeout: float = 0, lock: int = 1, fast_cleanup: int = -1,
                 verify_cleanup: int = -1, readonly: int = 0) -> None: ...

class DbmSession(BaseSession):
    """A session in a dbm file that all sessions share."""

    def __init__(self, req: mp_request, dbm: str | None = None, sid: _Sid = 0,
                 secret: _Secret = None, dbmtype: ModuleType = ...,
                 timeout: float = 0, lock: int = 1,
                 readonly: int = 0) -> None: ...

class MemorySession(BaseSession):
    """A session in the memory of this process and interpreter."""

    def __init__(self, req: mp_request, sid: _Sid = 0, secret: _Secret = None,
                 timeout: float = 0, lock: int = 1,
                 readonly: int = 0) -> None: ...

class SqliteSession(BaseSession):
    """A session in a database of sqlite that all sessions share."""

    def __init__(self, req: mp_request, sid: _Sid = 0, secret: _Secret = None,
                 timeout: float = 0, lock: int = 1,
                 readonly: int = 0) -> None: ...

class RedisSession(BaseSession):
    """A session in Redis, for several machines."""

    def __init__(self, req: mp_request, sid: _Sid = 0, secret: _Secret = None,
                 timeout: float = 0, lock: int = 1,
                 readonly: int = 0) -> None: ...
