"""The types of mod_python.apache: what _apache makes, and apache.py adds.

An attribute of type "str | None" is None when httpd has no value. Objects over
httpd's structures expire with them: later use raises ExpiredError.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from types import ModuleType
from typing import Any, Final, TypeAlias, TypeVar, final, overload

from _typeshed import ReadableBuffer

from mod_python.census import Survivor
from mod_python.Session import BaseSession
from mod_python.modules import ModuleInfo, Refresh
from mod_python.util import parse_qs as parse_qs, parse_qsl as parse_qsl

_T = TypeVar("_T")
_Text: TypeAlias = str | bytes  # written to httpd; a NUL is ValueError
_Path: TypeAlias = _Text | PathLike[str] | PathLike[bytes]
_Address: TypeAlias = tuple[str, int]  # (ip, port)
_ConfigTree: TypeAlias = list[tuple[str, str] | _ConfigTree]

interpreter: str
main_server: mp_server

# Status codes of HTTP.
HTTP_CONTINUE: Final = 100
HTTP_SWITCHING_PROTOCOLS: Final = 101
HTTP_PROCESSING: Final = 102
HTTP_EARLY_HINTS: Final = 103
HTTP_OK: Final = 200
HTTP_CREATED: Final = 201
HTTP_ACCEPTED: Final = 202
HTTP_NON_AUTHORITATIVE: Final = 203
HTTP_NO_CONTENT: Final = 204
HTTP_RESET_CONTENT: Final = 205
HTTP_PARTIAL_CONTENT: Final = 206
HTTP_MULTI_STATUS: Final = 207
HTTP_ALREADY_REPORTED: Final = 208
HTTP_IM_USED: Final = 226
HTTP_MULTIPLE_CHOICES: Final = 300
HTTP_MOVED_PERMANENTLY: Final = 301
HTTP_MOVED_TEMPORARILY: Final = 302
HTTP_SEE_OTHER: Final = 303
HTTP_NOT_MODIFIED: Final = 304
HTTP_USE_PROXY: Final = 305
HTTP_TEMPORARY_REDIRECT: Final = 307
HTTP_PERMANENT_REDIRECT: Final = 308
HTTP_BAD_REQUEST: Final = 400
HTTP_UNAUTHORIZED: Final = 401
HTTP_PAYMENT_REQUIRED: Final = 402
HTTP_FORBIDDEN: Final = 403
HTTP_NOT_FOUND: Final = 404
HTTP_METHOD_NOT_ALLOWED: Final = 405
HTTP_NOT_ACCEPTABLE: Final = 406
HTTP_PROXY_AUTHENTICATION_REQUIRED: Final = 407
HTTP_REQUEST_TIME_OUT: Final = 408
HTTP_CONFLICT: Final = 409
HTTP_GONE: Final = 410
HTTP_LENGTH_REQUIRED: Final = 411
HTTP_PRECONDITION_FAILED: Final = 412
HTTP_REQUEST_ENTITY_TOO_LARGE: Final = 413
HTTP_REQUEST_URI_TOO_LARGE: Final = 414
HTTP_UNSUPPORTED_MEDIA_TYPE: Final = 415
HTTP_RANGE_NOT_SATISFIABLE: Final = 416
HTTP_EXPECTATION_FAILED: Final = 417
HTTP_IM_A_TEAPOT: Final = 418
HTTP_MISDIRECTED_REQUEST: Final = 421
HTTP_UNPROCESSABLE_ENTITY: Final = 422
HTTP_LOCKED: Final = 423
HTTP_FAILED_DEPENDENCY: Final = 424
HTTP_UPGRADE_REQUIRED: Final = 426
HTTP_PRECONDITION_REQUIRED: Final = 428
HTTP_TOO_MANY_REQUESTS: Final = 429
HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE: Final = 431
HTTP_UNAVAILABLE_FOR_LEGAL_REASONS: Final = 451
HTTP_INTERNAL_SERVER_ERROR: Final = 500
HTTP_NOT_IMPLEMENTED: Final = 501
HTTP_BAD_GATEWAY: Final = 502
HTTP_SERVICE_UNAVAILABLE: Final = 503
HTTP_GATEWAY_TIME_OUT: Final = 504
HTTP_VERSION_NOT_SUPPORTED: Final = 505
HTTP_VARIANT_ALSO_VARIES: Final = 506
HTTP_INSUFFICIENT_STORAGE: Final = 507
HTTP_LOOP_DETECTED: Final = 508
HTTP_NOT_EXTENDED: Final = 510
HTTP_NETWORK_AUTHENTICATION_REQUIRED: Final = 511

# Results of handlers.
OK: Final = 0
DECLINED: Final = -1
DONE: Final = -2
REQ_PROCEED: Final = 0
REQ_NOACTION: Final = -1
REQ_ABORTED: Final = 500

# Answers of PythonAuthnProvider and of Require python.
AUTH_DENIED: Final = 0
AUTH_GRANTED: Final = 1
AUTH_USER_FOUND: Final = 2
AUTH_USER_NOT_FOUND: Final = 3
AUTH_GENERAL_ERROR: Final = 4
AUTHZ_DENIED: Final = 0
AUTHZ_GRANTED: Final = 1
AUTHZ_NEUTRAL: Final = 2
AUTHZ_GENERAL_ERROR: Final = 3
AUTHZ_DENIED_NO_USER: Final = 4

# Levels of the error log.
APLOG_EMERG: Final = 0
APLOG_ALERT: Final = 1
APLOG_CRIT: Final = 2
APLOG_ERR: Final = 3
APLOG_WARNING: Final = 4
APLOG_NOTICE: Final = 5
APLOG_INFO: Final = 6
APLOG_DEBUG: Final = 7
APLOG_TRACE1: Final = 8
APLOG_TRACE2: Final = 9
APLOG_TRACE3: Final = 10
APLOG_TRACE4: Final = 11
APLOG_TRACE5: Final = 12
APLOG_TRACE6: Final = 13
APLOG_TRACE7: Final = 14
APLOG_TRACE8: Final = 15
APLOG_NOERRNO: Final = 0

# req.method_number; bits of req.allowed.
M_GET: Final = 0
M_PUT: Final = 1
M_POST: Final = 2
M_DELETE: Final = 3
M_CONNECT: Final = 4
M_OPTIONS: Final = 5
M_TRACE: Final = 6
M_PATCH: Final = 7
M_PROPFIND: Final = 8
M_PROPPATCH: Final = 9
M_MKCOL: Final = 10
M_COPY: Final = 11
M_MOVE: Final = 12
M_LOCK: Final = 13
M_UNLOCK: Final = 14
M_VERSION_CONTROL: Final = 15
M_CHECKOUT: Final = 16
M_UNCHECKOUT: Final = 17
M_CHECKIN: Final = 18
M_UPDATE: Final = 19
M_LABEL: Final = 20
M_REPORT: Final = 21
M_MKWORKSPACE: Final = 22
M_MKACTIVITY: Final = 23
M_BASELINE_CONTROL: Final = 24
M_MERGE: Final = 25
M_INVALID: Final = 26

# Indices of mp_finfo.
FINFO_MODE: Final = 0
FINFO_INO: Final = 1
FINFO_DEV: Final = 2
FINFO_NLINK: Final = 3
FINFO_UID: Final = 4
FINFO_USER: Final = 4
FINFO_GID: Final = 5
FINFO_GROUP: Final = 5
FINFO_SIZE: Final = 6
FINFO_ATIME: Final = 7
FINFO_MTIME: Final = 8
FINFO_CTIME: Final = 9
FINFO_FNAME: Final = 10
FINFO_NAME: Final = 11
FINFO_FILETYPE: Final = 12

# Indices of req.parsed_uri.
URI_SCHEME: Final = 0
URI_HOSTINFO: Final = 1
URI_USER: Final = 2
URI_PASSWORD: Final = 3
URI_HOSTNAME: Final = 4
URI_PORT: Final = 5
URI_PATH: Final = 6
URI_QUERY: Final = 7
URI_FRAGMENT: Final = 8

# req.get_remote_host(type).
REMOTE_HOST: Final = 0
REMOTE_NAME: Final = 1
REMOTE_NOLOOKUP: Final = 2
REMOTE_DOUBLE_REV: Final = 3

# req.proxyreq.
PROXYREQ_NONE: Final = 0
PROXYREQ_PROXY: Final = 1
PROXYREQ_REVERSE: Final = 2
PROXYREQ_RESPONSE: Final = 3

# req.used_path_info.
AP_REQ_ACCEPT_PATH_INFO: Final = 0
AP_REQ_REJECT_PATH_INFO: Final = 1
AP_REQ_DEFAULT_PATH_INFO: Final = 2

# req.read_body.
REQUEST_NO_BODY: Final = 0
REQUEST_CHUNKED_ERROR: Final = 1
REQUEST_CHUNKED_DECHUNK: Final = 2

# conn.keepalive.
AP_CONN_UNKNOWN: Final = 0
AP_CONN_CLOSE: Final = 1
AP_CONN_KEEPALIVE: Final = 2

# mpm_query(code): codes, then answers of some.
AP_MPMQ_MAX_DAEMON_USED: Final = 1
AP_MPMQ_IS_THREADED: Final = 2
AP_MPMQ_IS_FORKED: Final = 3
AP_MPMQ_HARD_LIMIT_DAEMONS: Final = 4
AP_MPMQ_HARD_LIMIT_THREADS: Final = 5
AP_MPMQ_MAX_THREADS: Final = 6
AP_MPMQ_MIN_SPARE_DAEMONS: Final = 7
AP_MPMQ_MIN_SPARE_THREADS: Final = 8
AP_MPMQ_MAX_SPARE_DAEMONS: Final = 9
AP_MPMQ_MAX_SPARE_THREADS: Final = 10
AP_MPMQ_MAX_REQUESTS_DAEMON: Final = 11
AP_MPMQ_MAX_DAEMONS: Final = 12
AP_MPMQ_NOT_SUPPORTED: Final = 0
AP_MPMQ_STATIC: Final = 1
AP_MPMQ_DYNAMIC: Final = 2

# mp_finfo.filetype.
APR_NOFILE: Final = 0
APR_REG: Final = 1
APR_DIR: Final = 2
APR_CHR: Final = 3
APR_BLK: Final = 4
APR_PIPE: Final = 5
APR_LNK: Final = 6
APR_SOCK: Final = 7
APR_UNKFILE: Final = 127

# stat(fname, wanted).
APR_FINFO_LINK: Final = 0x1
APR_FINFO_MTIME: Final = 0x10
APR_FINFO_CTIME: Final = 0x20
APR_FINFO_ATIME: Final = 0x40
APR_FINFO_SIZE: Final = 0x100
APR_FINFO_CSIZE: Final = 0x200
APR_FINFO_DEV: Final = 0x1000
APR_FINFO_INODE: Final = 0x2000
APR_FINFO_NLINK: Final = 0x4000
APR_FINFO_TYPE: Final = 0x8000
APR_FINFO_USER: Final = 0x10000
APR_FINFO_GROUP: Final = 0x20000
APR_FINFO_UPROT: Final = 0x100000
APR_FINFO_GPROT: Final = 0x200000
APR_FINFO_WPROT: Final = 0x400000
APR_FINFO_ICASE: Final = 0x1000000
APR_FINFO_NAME: Final = 0x2000000
APR_FINFO_MIN: Final = 0x8170
APR_FINFO_IDENT: Final = 0x3000
APR_FINFO_OWNER: Final = 0x30000
APR_FINFO_PROT: Final = 0x700000
APR_FINFO_NORM: Final = 0x73b170
APR_FINFO_DIRENT: Final = 0x2000000

# Others.
REQ_EXIT: Final = "REQ_EXIT"
CGI_MAGIC_TYPE: Final = "application/x-httpd-cgi"
INCLUDES_MAGIC_TYPE: Final = "text/x-server-parsed-html"
INCLUDES_MAGIC_TYPE3: Final = "text/x-server-parsed-html3"
DIR_MAGIC_TYPE: Final = "httpd/unix-directory"
MODULE_MAGIC_NUMBER_MAJOR: int
MODULE_MAGIC_NUMBER_MINOR: int

class SERVER_RETURN(Exception):
    """Raise it to end a handler with a result, from any depth.

    SERVER_RETURN(result) is the same as returning result;
    SERVER_RETURN(result, status) also sets req.status if status is true.
    """

    def __init__(self, result: int, status: int = ..., /) -> None: ...

class ExpiredError(RuntimeError):
    """Use of an object whose request, connection or table is gone."""

class table:
    """httpd's table: keys compare without regard to case and may repeat.

    headers_in and its like are live views; table() makes one of its own.
    """

    def __init__(
        self,
        source: Mapping[str, Any] | Iterable[tuple[str, Any]] = ...,
        /,
    ) -> None: ...
    # str; a list of str when the key occurs more than once.
    def __getitem__(self, key: _Text, /) -> Any: ...
    def __setitem__(self, key: _Text, value: _Text, /) -> None: ...
    def __delitem__(self, key: _Text, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    __hash__: None  # type: ignore[assignment]
    def add(self, key: _Text, value: _Text, /) -> None: ...
    def clear(self) -> None: ...
    def copy(self) -> table: ...
    @overload
    def get(self, __key: _Text) -> str | None: ...
    @overload
    def get(self, __key: _Text, __default: _T) -> str | _T: ...
    def has_key(self, key: _Text, /) -> int: ...
    def items(self) -> list[tuple[str, str]]: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[str]: ...
    def iteritems(self) -> Iterator[tuple[str, str]]: ...
    def iterkeys(self) -> Iterator[str]: ...
    def itervalues(self) -> Iterator[str]: ...
    def popitem(self) -> tuple[str, str]: ...
    def setdefault(self, key: _Text, default: _Text = "", /) -> str: ...
    def update(self, mapping: Mapping[Any, Any], /) -> None: ...

make_table = table
mp_table = table

@final
class mp_finfo:
    """What is known about a file: req.finfo, or stat().

    Times are whole seconds. An attribute is None when it was not determined,
    and all but fname and filetype are when there is no such file (filetype is
    APR_NOFILE). Also a sequence of 13, with the indices FINFO_*.
    """

    @property
    def fname(self) -> str | None: ...
    @property
    def filetype(self) -> int: ...
    @property
    def valid(self) -> int | None: ...
    @property
    def protection(self) -> int | None: ...
    @property
    def user(self) -> int | None: ...
    @property
    def group(self) -> int | None: ...
    @property
    def inode(self) -> int | None: ...
    @property
    def device(self) -> int | None: ...
    @property
    def nlink(self) -> int | None: ...
    @property
    def size(self) -> int | None: ...
    @property
    def atime(self) -> int | None: ...
    @property
    def mtime(self) -> int | None: ...
    @property
    def ctime(self) -> int | None: ...
    @property
    def name(self) -> str | None: ...
    @overload
    def __getitem__(self, index: int, /) -> Any: ...
    @overload
    def __getitem__(self, index: slice, /) -> tuple[Any, ...]: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...

@final
class mp_hlist:
    """Cursor over the handlers of the running phase: req.hlist, conn.hlist.

    Past the end every attribute is None.
    """

    def next(self) -> None:
        """Move on to the next handler; harmless past the end."""
    @property
    def handler(self) -> str | Callable[..., object] | None: ...
    @property
    def silent(self) -> int | None: ...
    @property
    def is_location(self) -> int | None: ...
    @property
    def directory(self) -> str | None: ...
    @property
    def location(self) -> str | None:
        """The matched part of the URL, for a handler of a Location."""
    @property
    def parent(self) -> mp_hlist | None:
        """The handler that added this one with req.add_handler()."""
    @property
    def object(self) -> Callable[..., Any] | None:
        """The callable, for a handler that was added as one."""

@final
class mp_server:
    """A server of the configuration: the main one or a virtual host.

    Programs may set further attributes.
    """

    @property
    def next(self) -> mp_server | None: ...
    @property
    def defn_name(self) -> str | None: ...
    @property
    def defn_line_number(self) -> int: ...
    @property
    def server_admin(self) -> str | None: ...
    @property
    def server_hostname(self) -> str | None: ...
    @property
    def port(self) -> int: ...
    @property
    def error_fname(self) -> str | None: ...
    @property
    def loglevel(self) -> int: ...
    @property
    def is_virtual(self) -> int: ...
    @property
    def timeout(self) -> float: ...
    @property
    def keep_alive_timeout(self) -> float: ...
    @property
    def keep_alive_max(self) -> int: ...
    @property
    def keep_alive(self) -> int: ...
    @property
    def path(self) -> str | None: ...
    @property
    def pathlen(self) -> int: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def wild_names(self) -> tuple[str, ...]: ...
    @property
    def limit_req_line(self) -> int: ...
    @property
    def limit_req_fieldsize(self) -> int: ...
    @property
    def limit_req_fields(self) -> int: ...
    @property
    def my_generation(self) -> int: ...
    @property
    def restart_time(self) -> float: ...
    @property
    def _server_rec(self) -> object: ...
    def get_config(self) -> table:
        """The directives at this server's scope; a live table."""
    def get_options(self) -> table:
        """The PythonOptions at this server's scope; a live table."""
    def log_error(self, message: _Text | None, level: int = 3) -> None: ...
    def register_cleanup(
        self, req: mp_request, callable: Callable[[Any], object],
        data: Any = None, /,
    ) -> None:
        """Call callable(data) at child exit, in the interpreter of req.

        ValueError for a wrong first or second argument. Never pass a request
        in data.
        """
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

@final
class mp_filter:
    """A filter, as its handler gets it for one call."""

    req: mp_request
    softspace: int
    @property
    def name(self) -> str: ...
    @property
    def is_input(self) -> int: ...
    @property
    def handler(self) -> str | Callable[[mp_filter], object] | None: ...
    @property
    def dir(self) -> str | None: ...
    @property
    def closed(self) -> int: ...
    @property
    def parent(self) -> mp_hlist | None: ...
    def read(self, len: int = -1) -> bytes | None:
        """What is there; b"" when there is no more now, None at the end."""
    def readline(self, len: int = -1) -> bytes | None: ...
    def write(self, data: str | ReadableBuffer, /) -> None:
        """Write in place of what was read. OSError if the client is gone."""
    def flush(self) -> None: ...
    def close(self) -> None: ...
    def pass_on(self) -> None:
        """Hand on unchanged what is there and was not read."""
    def disable(self) -> None:
        """Pass everything unchanged from now on."""

@final
class mp_conn:
    """A connection. It expires when the connection is closed."""

    keepalive: int
    @property
    def base_server(self) -> mp_server: ...
    @property
    def local_addr(self) -> _Address: ...
    @property
    def client_addr(self) -> _Address: ...
    @property
    def client_ip(self) -> str: ...
    @property
    def local_ip(self) -> str: ...
    @property
    def remote_addr(self) -> _Address:
        """Old name of client_addr; each use logs a warning."""
    @property
    def remote_ip(self) -> str:
        """Old name of client_ip; each use logs a warning."""
    @property
    def remote_host(self) -> str | None:
        """None: not looked up; "": looked up and not found."""
    @property
    def local_host(self) -> str | None: ...
    @property
    def remote_logname(self) -> str | None: ...
    @property
    def aborted(self) -> int: ...
    @property
    def keepalives(self) -> int: ...
    @property
    def double_reverse(self) -> int:
        """1: verified, 0: not done, -1: failed."""
    @property
    def id(self) -> int: ...
    @property
    def notes(self) -> table: ...
    @property
    def hlist(self) -> mp_hlist:
        """In a connection handler only, else AttributeError."""
    @property
    def _conn_rec(self) -> object: ...
    def log_error(self, message: _Text | None, level: int = 3) -> None: ...
    def read(self, len: int = 0, /) -> bytes | None:
        """At most len bytes (0: one buffer's worth, -1: until the peer
        closes); None at end of stream. For connection handlers only, like
        readline() and write()."""
    def readline(self, len: int = 0, /) -> bytes | None: ...
    def write(self, data: str | ReadableBuffer, /) -> None: ...

@final
class mp_request:
    """A request; every phase sees the same object.

    It expires when the request ends, and belongs to the thread that runs its
    phases. Programs may set further attributes to hand data from one phase to
    the next.
    """

    uri: str
    content_type: str | None
    user: str | None
    ap_auth_type: str | None
    filename: str | None
    canonical_filename: str | None
    path_info: str | None
    status_line: str | None
    handler: str | None
    args: str | None
    status: int
    assbackwards: int
    proxyreq: int
    no_cache: int
    no_local_copy: int
    used_path_info: int
    chunked: int
    finfo: mp_finfo

    @property
    def the_request(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def hostname(self) -> str | None: ...
    @property
    def method(self) -> str: ...
    @property
    def range(self) -> str | None: ...
    @property
    def content_encoding(self) -> str | None: ...
    @property
    def vlist_validator(self) -> str | None: ...
    @property
    def unparsed_uri(self) -> str: ...
    @property
    def useragent_ip(self) -> str: ...
    @property
    def interpreter(self) -> str: ...
    @property
    def phase(self) -> str | None:
        """Directive name of the running phase: "PythonHandler", ..."""
    @property
    def extension(self) -> str | None:
        """The extension that chose the running handlers ("| .ext")."""
    @property
    def header_only(self) -> int: ...
    @property
    def proto_num(self) -> int: ...
    @property
    def method_number(self) -> int: ...
    @property
    def allowed(self) -> int: ...
    @property
    def sent_bodyct(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...
    @property
    def clength(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def read_length(self) -> int: ...
    @property
    def read_body(self) -> int: ...
    @property
    def read_chunked(self) -> int: ...
    @property
    def expecting_100(self) -> int: ...
    @property
    def eos_sent(self) -> int: ...
    @property
    def _bytes_queued(self) -> int: ...
    @property
    def _content_type_set(self) -> int: ...
    @property
    def request_time(self) -> float: ...
    @property
    def mtime(self) -> float: ...
    @property
    def allowed_xmethods(self) -> tuple[str, ...]: ...
    @property
    def allowed_methods(self) -> tuple[str, ...]: ...
    @property
    def content_languages(self) -> tuple[str, ...]: ...
    @property
    def parsed_uri(self) -> tuple[
        str | None, str | None, str | None, str | None, str | None,
        int | None, str | None, str | None, str | None,
    ]:
        """Parts of the URI, with the indices URI_*."""
    @property
    def useragent_addr(self) -> _Address: ...
    @property
    def connection(self) -> mp_conn: ...
    @property
    def server(self) -> mp_server: ...
    @property
    def next(self) -> mp_request | None: ...
    @property
    def prev(self) -> mp_request | None: ...
    @property
    def main(self) -> mp_request | None: ...
    @property
    def hlist(self) -> mp_hlist | None: ...
    @property
    def _request_rec(self) -> object: ...
    @property
    def headers_in(self) -> table: ...
    @property
    def headers_out(self) -> table: ...
    @property
    def err_headers_out(self) -> table: ...
    @property
    def trailers_in(self) -> table: ...
    @property
    def trailers_out(self) -> table: ...
    @property
    def subprocess_env(self) -> table: ...
    @property
    def notes(self) -> table: ...
    @property
    def log_items(self) -> table: ...

    def write(self, data: str | ReadableBuffer, flush: int = 1) -> None:
        """Send data: str as UTF-8, or bytes. OSError if the client is gone."""
    def flush(self) -> None: ...
    def sendfile(self, path: _Path, offset: int = 0, len: int = -1) -> int:
        """Send a part of a file (-1: to its end); the bytes sent."""
    def set_content_length(self, length: int, /) -> None: ...
    def set_etag(self) -> None: ...
    def set_last_modified(self) -> None: ...
    def update_mtime(self, seconds: float, /) -> None: ...
    def meets_conditions(self) -> int: ...
    def send_http_header(self) -> None:
        """Does nothing; for old programs."""
    def read(self, len: int = -1) -> bytes:
        """Up to len bytes of the body (negative: the rest); b"" at its end.

        OSError on a timeout or when the client is gone.
        """
    def readline(self, len: int = -1) -> bytes: ...
    def readlines(self, sizehint: int = -1) -> list[bytes]: ...
    def discard_request_body(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def get_config(self) -> table: ...
    def get_options(self) -> table: ...
    def document_root(self) -> str: ...
    def get_addhandler_exts(self) -> str: ...
    def auth_name(self) -> str | None: ...
    def auth_type(self) -> str | None: ...
    def add_handler(
        self, phase: str, handler: str | Callable[..., Any],
        dir: str | None = None,
    ) -> None:
        """Add a handler to a phase of this request ("PythonLogHandler")."""
    def add_input_filter(self, name: str, /) -> None:
        """Put a filter in front of the body, before the first read."""
    def add_output_filter(self, name: str, /) -> None:
        """Put a filter behind the response, before the first write."""
    def register_input_filter(
        self, name: str, handler: str | Callable[[mp_filter], object],
        dir: str | None = None,
    ) -> None:
        """Make an input filter for this request; add_input_filter() adds it.
        """
    def register_output_filter(
        self, name: str, handler: str | Callable[[mp_filter], object],
        dir: str | None = None,
    ) -> None:
        """Make an output filter for this request; add_output_filter() adds it.
        """
    def register_cleanup(
        self, callable: Callable[[Any], object], data: Any = None,
    ) -> None:
        """Call callable(data) when the request ends, last one first."""
    def allow_methods(
        self, methods: Sequence[str], reset: int = 0,
    ) -> None: ...
    def get_basic_auth_pw(self) -> str | None: ...
    def construct_url(self, uri: str, /) -> str: ...
    @overload
    def get_remote_host(self, type: int = 1) -> str | None: ...
    @overload
    def get_remote_host(
        self, type: int, str_is_ip: object,
    ) -> tuple[str, int] | str | None: ...
    def internal_redirect(self, uri: str, /) -> None: ...
    def is_https(self) -> int: ...
    def ssl_var_lookup(self, name: _Text, /) -> str | None: ...
    def expr(self, text: _Text, /) -> bool: ...
    def expr_str(self, text: _Text, /) -> str: ...
    def send_interim_response(
        self,
        status: int = 103,
        headers: (
            Mapping[str, _Text] | table | Iterable[tuple[_Text, _Text]] | None
        ) = None,
    ) -> bool: ...
    def get_session(self, secret: _Text | Sequence[_Text] | None = None,
                    timeout: float = 0, lock: int = 1,
                    readonly: int = 0) -> BaseSession: ...
    def session_get(self, key: _Text, /) -> str | None: ...
    def session_set(self, key: _Text, value: _Text | None, /) -> None: ...
    def log_error(self, message: _Text | None, level: int = 3) -> None: ...
    def add_common_vars(self) -> None: ...
    def add_cgi_vars(self) -> None: ...
    def build_wsgi_env(self) -> dict[str, Any] | None: ...
    def wsgi_start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None,
        /) -> Callable[[str | ReadableBuffer], None]: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...

def log_error(
    message: _Text | None, level: int = 3, server: mp_server | None = None,
) -> None:
    """Write to the main error log, or to server's."""

def log_here(message: str | ReadableBuffer, level: int = 3, /) -> None:
    """Write to the log of the request or connection whose handler runs in
    this thread, else to the main server's."""

def config_tree() -> _ConfigTree:
    """The configuration as read: (directive, arguments) tuples; a list that
    follows one holds its children."""

def server_root() -> str: ...
def mpm_query(code: int, /) -> int: ...
def exists_config_define(name: _Text, /) -> bool:
    """Was httpd started with -D name, or does its configuration Define it?"""

exists_config = exists_config_define

def stat(fname: _Path, wanted: int, /) -> mp_finfo:
    """wanted: APR_FINFO_* bits. OSError, except that a missing file gives an
    object with filetype APR_NOFILE."""

def register_cleanup(
    callable: Callable[[Any], object], data: Any = None,
) -> None:
    """Call callable(data) when this child process ends."""

def import_module(
    module_name: str,
    autoreload: bool | int | None = None,
    log: bool | int | None = None,
    path: Sequence[str] | None = None,
) -> ModuleType:
    """Import by name, "dir/name" or path: absolute, "./x.py", "../x.py",
    "~/x.py". The leaf of a dotted name."""

def keep(name: str, factory: Callable[[], _T]) -> _T:
    """The object that the calling module keeps over its reloads under this
    name, made by factory() the first time. RuntimeError if the caller is not
    reloadable."""

def freeze_modules() -> None:
    """No more reloading in this interpreter for the life of the process."""

def get_handler_root() -> str | None:
    """Directory of the active handler directive; None outside a request."""

def module_info(label: str | PathLike[str] | ModuleType) -> ModuleInfo:
    """What is known of a reloadable module, given by its full name, by its
    file, or itself. KeyError if it is not reloadable or not loaded."""

def modules_graph(verbose: int = 0) -> str:
    """All reloadable modules and what they import, in the DOT language."""

def request_modules_graph(verbose: int = 0) -> str:
    """The same of those that the running request uses."""

def reload_history() -> list[Refresh]:
    """The last refreshes of this interpreter, newest last."""

def census(seconds: float = 5.0) -> list[Survivor]:
    """Replaced versions of modules that are alive all the same, and what
    holds them. Searches for at most so many seconds."""

def module_mtime(module: ModuleType) -> float: ...
def resolve_object(
    module: ModuleType, obj_str: str, arg: Any = None, silent: int = 0,
) -> Any:
    """The object that a handler string names after "::"."""

def get_current_config() -> table: ...
def get_current_options() -> table:
    """Of the running request; outside of requests of the main server."""

def allow_methods(*args: int | str) -> None:
    """M_* or names, for the header Allow of the running request."""

class PROG_TRACEBACK(Exception):
    """raise PROG_TRACEBACK(*sys.exc_info()) raises that exception again."""

    def __new__(
        cls, type: Any, value: Any = None, traceback: Any = None,
    ) -> Any: ...

@final
class SharedDict:
    """Data that all processes of this server share (PythonSharedDict).

    Keys are str, at most 1024 bytes; values str and bytes of at most 65535
    bytes, and int of 64 bits. ttl: seconds; None: no end; left out: what
    SharedDict() was given. OSError when the provider fails.
    """

    def __init__(
        self, name: str = "default", ttl: float | None = None,
    ) -> None: ...
    def __getitem__(self, key: str, /) -> str | bytes | int: ...
    def __setitem__(self, key: str, value: str | bytes | int, /) -> None: ...
    def __delitem__(self, key: str, /) -> None: ...
    def __contains__(self, key: str, /) -> bool: ...
    @overload
    def get(self, __key: str) -> str | bytes | int | None: ...
    @overload
    def get(self, __key: str, __default: _T) -> str | bytes | int | _T: ...
    def set(
        self, key: str, value: str | bytes | int, ttl: float | None = ...,
    ) -> None: ...
    def add(
        self, key: str, value: str | bytes | int, ttl: float | None = ...,
    ) -> bool: ...
    def delete(self, key: str, /) -> bool: ...
    def incr(
        self,
        key: str,
        delta: int = 1,
        initial: int = 0,
        ttl: float | None = ...,
    ) -> int: ...
    def ttl(self, key: str, /) -> float | None: ...

from mod_python.cgi import (
    CGIStdin as CGIStdin,
    CGIStdout as CGIStdout,
    NullIO as NullIO,
    build_cgi_env as build_cgi_env,
    restore_nocgi as restore_nocgi,
    setup_cgi as setup_cgi,
)

def init(name: str, server: mp_server) -> None:
    """Called by the server, once in each interpreter."""
