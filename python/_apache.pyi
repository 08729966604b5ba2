"""What the package itself takes from the built-in module _apache.

Programs use mod_python.apache, whose stub has all types and constants; those
of them that are not named here are Any.
"""

from collections.abc import Callable
from typing import Any

from mod_python.apache import (
    APLOG_CRIT as APLOG_CRIT,
    APLOG_DEBUG as APLOG_DEBUG,
    APLOG_ERR as APLOG_ERR,
    APLOG_INFO as APLOG_INFO,
    APLOG_WARNING as APLOG_WARNING,
    ExpiredError as ExpiredError,
    SERVER_RETURN as SERVER_RETURN,
    SharedDict as SharedDict,
    log_here as log_here,
    mp_conn as mp_conn,
    mp_finfo as mp_finfo,
    mp_hlist as mp_hlist,
    mp_request as mp_request,
    mp_server as mp_server,
    table as table,
)

def register_cleanup(
    interpreter: str,
    server: mp_server,
    callable: Callable[[Any], object],
    data: Any = None,
) -> None: ...

# Locks among all processes (src/objects/global_lock.c); docs/sharing.md.
def _global_lock(server: mp_server, key: Any, index: int = -1) -> None: ...
def _global_trylock(server: mp_server, key: Any, index: int = -1) -> bool: ...
def _global_unlock(server: mp_server, key: Any, index: int = -1) -> None: ...
def _current_request() -> mp_request | None: ...

# For mod_python.modules and mod_python.census only (src/importer/report.c).
def _module_facts(instance: object, /) -> dict[str, Any]: ...
def _generation_seen(
    globals: dict[str, Any] | None, /,
) -> tuple[int, dict[str, Any], dict[str, BaseException]]: ...
def _generation_committed() -> tuple[
    int, dict[str, Any], dict[str, BaseException],
]: ...
def _tables_in_use() -> list[dict[str, Any]]: ...
def _reload_history() -> list[Any]: ...
def _request_module() -> str | None: ...
def _references(
    objects: list[Any], targets: list[Any], /,
) -> tuple[list[tuple[Any, int]], list[int]]: ...
def _types() -> tuple[Any, Any, Any]: ...
def __getattr__(name: str) -> Any: ...
