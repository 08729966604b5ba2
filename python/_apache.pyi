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
def __getattr__(name: str) -> Any: ...
