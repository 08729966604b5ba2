"""The constants of apache, against the values that programs rely on."""

from inline import value

# Prefix -> names in the order of their values, from 0; "" skips a value.
NUMBERED = {
    "APLOG_": "EMERG ALERT CRIT ERR WARNING NOTICE INFO DEBUG TRACE1 TRACE2 "
              "TRACE3 TRACE4 TRACE5 TRACE6 TRACE7 TRACE8",
    "AUTH_": "DENIED GRANTED USER_FOUND USER_NOT_FOUND GENERAL_ERROR",
    "AUTHZ_": "DENIED GRANTED NEUTRAL GENERAL_ERROR DENIED_NO_USER",
    "M_": "GET PUT POST DELETE CONNECT OPTIONS TRACE PATCH PROPFIND "
          "PROPPATCH MKCOL COPY MOVE LOCK UNLOCK VERSION_CONTROL CHECKOUT "
          "UNCHECKOUT CHECKIN UPDATE LABEL REPORT MKWORKSPACE MKACTIVITY "
          "BASELINE_CONTROL MERGE INVALID",
    "FINFO_": "MODE INO DEV NLINK UID GID SIZE ATIME MTIME CTIME FNAME NAME "
              "FILETYPE",
    "URI_": "SCHEME HOSTINFO USER PASSWORD HOSTNAME PORT PATH QUERY FRAGMENT",
    "REMOTE_": "HOST NAME NOLOOKUP DOUBLE_REV",
    "PROXYREQ_": "NONE PROXY REVERSE RESPONSE",
    "AP_REQ_": "ACCEPT_PATH_INFO REJECT_PATH_INFO DEFAULT_PATH_INFO",
    "REQUEST_": "NO_BODY CHUNKED_ERROR CHUNKED_DECHUNK",
    "AP_CONN_": "UNKNOWN CLOSE KEEPALIVE",
    "AP_MPMQ_": "NOT_SUPPORTED STATIC DYNAMIC",
    "APR_": "NOFILE REG DIR CHR BLK PIPE LNK SOCK",
}
QUERIES = (
    "MAX_DAEMON_USED IS_THREADED IS_FORKED HARD_LIMIT_DAEMONS "
    "HARD_LIMIT_THREADS MAX_THREADS MIN_SPARE_DAEMONS MIN_SPARE_THREADS "
    "MAX_SPARE_DAEMONS MAX_SPARE_THREADS MAX_REQUESTS_DAEMON MAX_DAEMONS")
FILE_BITS = {
    "LINK": 0x1, "MTIME": 0x10, "CTIME": 0x20, "ATIME": 0x40, "SIZE": 0x100,
    "CSIZE": 0x200, "DEV": 0x1000, "INODE": 0x2000, "NLINK": 0x4000,
    "TYPE": 0x8000, "USER": 0x10000, "GROUP": 0x20000, "UPROT": 0x100000,
    "GPROT": 0x200000, "WPROT": 0x400000, "ICASE": 0x1000000,
    "NAME": 0x2000000, "MIN": 0x8170, "IDENT": 0x3000, "OWNER": 0x30000,
    "PROT": 0x700000, "NORM": 0x73b170, "DIRENT": 0x2000000,
}
STATUSES = {
    100: "CONTINUE", 101: "SWITCHING_PROTOCOLS", 102: "PROCESSING",
    103: "EARLY_HINTS",
    200: "OK", 201: "CREATED", 202: "ACCEPTED", 203: "NON_AUTHORITATIVE",
    204: "NO_CONTENT", 205: "RESET_CONTENT", 206: "PARTIAL_CONTENT",
    207: "MULTI_STATUS", 208: "ALREADY_REPORTED", 226: "IM_USED",
    300: "MULTIPLE_CHOICES", 301: "MOVED_PERMANENTLY",
    302: "MOVED_TEMPORARILY", 303: "SEE_OTHER", 304: "NOT_MODIFIED",
    305: "USE_PROXY", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT",
    400: "BAD_REQUEST", 401: "UNAUTHORIZED", 402: "PAYMENT_REQUIRED",
    403: "FORBIDDEN", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE", 407: "PROXY_AUTHENTICATION_REQUIRED",
    408: "REQUEST_TIME_OUT", 409: "CONFLICT", 410: "GONE",
    411: "LENGTH_REQUIRED", 412: "PRECONDITION_FAILED",
    413: "REQUEST_ENTITY_TOO_LARGE", 414: "REQUEST_URI_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE", 416: "RANGE_NOT_SATISFIABLE",
    417: "EXPECTATION_FAILED", 418: "IM_A_TEAPOT", 421: "MISDIRECTED_REQUEST",
    422: "UNPROCESSABLE_ENTITY", 423: "LOCKED", 424: "FAILED_DEPENDENCY",
    426: "UPGRADE_REQUIRED", 428: "PRECONDITION_REQUIRED",
    429: "TOO_MANY_REQUESTS", 431: "REQUEST_HEADER_FIELDS_TOO_LARGE",
    451: "UNAVAILABLE_FOR_LEGAL_REASONS",
    500: "INTERNAL_SERVER_ERROR", 501: "NOT_IMPLEMENTED", 502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE", 504: "GATEWAY_TIME_OUT",
    505: "VERSION_NOT_SUPPORTED", 506: "VARIANT_ALSO_VARIES",
    507: "INSUFFICIENT_STORAGE", 508: "LOOP_DETECTED", 510: "NOT_EXTENDED",
    511: "NETWORK_AUTHENTICATION_REQUIRED",
}
OTHERS = {
    "OK": 0, "DECLINED": -1, "DONE": -2,
    "REQ_PROCEED": 0, "REQ_NOACTION": -1, "REQ_ABORTED": 500,
    "REQ_EXIT": "REQ_EXIT",
    "APLOG_NOERRNO": 0, "APR_UNKFILE": 127,
    "FINFO_USER": 4, "FINFO_GROUP": 5,
    "CGI_MAGIC_TYPE": "application/x-httpd-cgi",
    "INCLUDES_MAGIC_TYPE": "text/x-server-parsed-html",
    "INCLUDES_MAGIC_TYPE3": "text/x-server-parsed-html3",
    "DIR_MAGIC_TYPE": "httpd/unix-directory",
    "MODULE_MAGIC_NUMBER_MAJOR": 20120211,
}


def expected():
    values = dict(OTHERS)
    values.update({"HTTP_" + name: number
                   for number, name in STATUSES.items()})
    for prefix, names in NUMBERED.items():
        values.update({prefix + name: number
                       for number, name in enumerate(names.split())})
    values.update({"AP_MPMQ_" + name: number
                   for number, name in enumerate(QUERIES.split(), 1)})
    values.update({"APR_FINFO_" + name: bits
                   for name, bits in FILE_BITS.items()})
    return values


def test_every_constant_has_its_value(site):
    names = sorted(expected())
    seen = value(site, f"""
        return {{name: getattr(apache, name, "missing") for name in {names}}}
        """)
    assert seen == expected()


def test_there_is_no_other_constant_than_the_minor_magic_number(site):
    names = value(site, """
        return [name for name, constant in vars(apache).items()
                if name.isupper() and isinstance(constant, (int, str))]
        """)
    assert set(names) - set(expected()) == {"MODULE_MAGIC_NUMBER_MINOR"}
