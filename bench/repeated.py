"""The page of operations.py: each function below is an operation, with the
errors that it may end in. "?name&times" in a URL does one so many times."""

import gc
import json
import sys

import _apache
import memory_in_use
from mod_python import Cookie, apache, util

HERE = __file__
KEEP = [("a", "1"), ("b", "2"), ("A", "3")]


def refused(errors, function, *words, **more):
    """The call ends with one of these errors."""
    try:
        function(*words, **more)
    except errors:
        return
    raise AssertionError(f"{function} took {words} {more}")


def table(req):
    t = apache.table(KEEP)
    t["c"] = b"4"
    t.add("c", "5")
    t.setdefault("d", "6")
    t.setdefault("d")
    t.update({"e": 7})
    copy = t.copy()
    del t["a"], t["nosuch"]
    assert t["c"] == ["4", "5"] and t.get("x") is None and t.get("x", t) is t
    assert len(copy) == 6 and copy != t and copy != 1 and "b" in t
    list(t), t.keys(), t.values(), t.items(), list(t.iteritems()), repr(t)
    assert t.has_key("C") and copy == copy.copy()
    t.popitem()
    t.clear()


def table_errors(req):
    t = req.headers_out
    t["X-Header"] = "value"
    del t["X-Header"]
    refused(KeyError, t.__getitem__, "nosuch")
    refused(TypeError, t.__setitem__, "a", None)
    refused(TypeError, t.__setitem__, 1, "a")
    refused(ValueError, t.__setitem__, "a", "b\r\nc")
    refused(ValueError, t.__setitem__, "a\0", "b")
    refused(TypeError, t.add, "a")
    refused(AttributeError, t.update, 3)
    refused(KeyError, apache.table().popitem)
    refused((TypeError, ValueError), apache.table, [("a",)])
    refused((TypeError, ValueError), apache.table, 3)
    refused(TypeError, hash, t)
    walk = iter(t)
    t["X-More"] = "value"
    refused(RuntimeError, list, walk)
    del t["X-More"]


def stat(req):
    info = apache.stat(HERE, apache.APR_FINFO_NORM)
    assert info.size and len(tuple(info)) == 13 and repr(info)
    assert info[apache.FINFO_FNAME] == info.fname == HERE
    assert apache.stat("/no/such", apache.APR_FINFO_MIN).filetype == 0
    assert [getattr(info, name, None) for name in dir(info)]
    refused(OSError, apache.stat, HERE + "/below", apache.APR_FINFO_MIN)
    refused(TypeError, apache.stat, None, 1)
    refused(TypeError, apache.stat, HERE, "x")
    refused(ValueError, apache.stat, "a\0b", 1)
    refused(IndexError, info.__getitem__, 13)


def finfo(req):
    req.finfo = apache.stat(HERE, apache.APR_FINFO_NORM)
    assert req.finfo.size
    refused(TypeError, setattr, req, "finfo", 1)
    refused((TypeError, AttributeError), delattr, req, "finfo")


def sendfile(req):
    assert req.sendfile(HERE, 3, 10) == 10
    assert req.sendfile(HERE, 10 ** 6) == 0
    refused(OSError, req.sendfile, "/no/such")
    refused(OSError, req.sendfile, "/")
    refused((ValueError, OSError), req.sendfile, HERE, -1)
    refused(TypeError, req.sendfile, None)
    refused(ValueError, req.sendfile, "a\0b")


def body(req):
    "Eight lines of the body."
    req.readlines(1)
    req.readlines(sizehint=8)
    req.readline(3), req.readline()
    req.read(2), req.readline()
    next(iter(req))
    next(req.__iter__())
    req.readline(0), req.read(0)
    refused(TypeError, req.read, "x")
    refused(TypeError, req.readlines, None)
    refused(TypeError, req.readline, 1, 2)
    refused(OverflowError, req.read, 1 << 70)


def rest_of_body(req):
    assert req.readlines()[-1] == b"the last line"
    assert req.readlines() == [] and req.discard_request_body() == 0


def options(req):
    assert req.get_options()["spam"] == "eggs" and len(req.get_config())
    assert apache.get_current_options() == req.get_options()
    req.server.get_options(), req.server.get_config()
    apache.get_current_config()
    req.get_options()["written"] = "here"
    refused(TypeError, req.get_options, 1)


def server(req):
    for name in dir(req.server):
        getattr(req.server, name)
    assert apache.config_tree() and apache.server_root()
    assert apache.mpm_query(apache.AP_MPMQ_IS_FORKED)
    assert not apache.exists_config_define("NOSUCH")
    refused((AttributeError, TypeError), setattr, req.server, "port", 1)
    refused(TypeError, apache.mpm_query, "x")
    refused(ValueError, req.server.register_cleanup, 1, None)
    refused(ValueError, req.server.register_cleanup, req, None)
    req.server.mine = req


def attributes(req):
    for name in dir(req):
        getattr(req, name)
    refused(AttributeError, getattr, req, "nosuch")
    req.user, req.handler, req.args = "u", "mod_python", req.args
    req.filename = req.filename + ""
    req.mine = [req]
    del req.mine
    refused((AttributeError, TypeError), setattr, req, "the_request", "")
    refused((AttributeError, TypeError), delattr, req, "uri")
    refused(TypeError, setattr, req, "uri", 1)
    refused(ValueError, setattr, req, "uri", "\0")
    refused(TypeError, setattr, req, "status", "x")


def connection(req):
    here = req.connection
    for name in set(dir(here)) - {"hlist", "remote_addr", "remote_ip"}:
        getattr(here, name)
    refused(AttributeError, getattr, here, "hlist")
    refused(AttributeError, setattr, here, "mine", 1)
    here.notes["a"] = "b"
    del here.notes["a"]
    here.base_server.get_options()
    here.log_error("not written", apache.APLOG_DEBUG)


def connections(req):
    "With a connection for each request, and a connection handler before."
    assert req.connection.notes["seen"] == "yes"
    connection(req)


def connectionhandler(conn):
    conn.notes["seen"] = "yes"
    conn.hlist.handler, conn.base_server, conn.client_addr, repr(conn.hlist)
    return apache.DECLINED


def log(req):
    req.log_error("operations", apache.APLOG_CRIT)
    apache.log_error("not written", apache.APLOG_DEBUG, req.server)
    req.server.log_error("not\nwritten", apache.APLOG_DEBUG)
    req.log_error(None)
    refused(ValueError, req.log_error, "a\0b")
    refused(TypeError, req.log_error, "a", "b")
    refused(TypeError, apache.log_error, "a", 3, "b")


def cleanups(req):
    req.register_cleanup(lambda data: [data], req)
    req.register_cleanup(req.log_error)
    refused(ValueError, req.register_cleanup, None)
    refused(TypeError, req.register_cleanup)


def failing_cleanups(req):
    req.register_cleanup(lambda data: 1 / 0, [req])


def handlers(req):
    req.add_handler("PythonLogHandler", loghandler)
    req.add_handler("PythonLogHandler", "repeated", "/tmp/")
    req.hlist.next()
    repr(req.hlist), req.hlist.handler, req.hlist.parent, req.hlist.object
    refused(IndexError, req.add_handler, "Nosuch", "a")
    refused(ValueError, req.add_handler, "PythonLogHandler", "")
    refused(ValueError, req.add_handler, "PythonLogHandler", 3)
    refused(TypeError, req.add_handler, "PythonLogHandler")


def loghandler(req):
    assert req.hlist.parent
    return apache.OK


def redirect(req):
    refused(TypeError, req.internal_redirect, None)
    refused((TypeError, ValueError), req.internal_redirect, "a\0b")
    req.internal_redirect(req.uri + "?nothing&1")


def nothing(req):
    assert req.prev.server and req.prev.next is req


def filters(req):
    req.register_output_filter("UPPER", outputfilter)
    req.register_input_filter("LOWER", "repeated::outputfilter", "/tmp/")
    req.add_output_filter("UPPER")
    req.add_input_filter("LOWER")
    refused(ValueError, req.register_output_filter, "X", None)
    refused(ValueError, req.register_output_filter, "X", "")
    refused(ValueError, req.add_output_filter, "no such filter")
    refused(TypeError, req.add_input_filter, None)


def outputfilter(filter):
    filter.name, filter.is_input, filter.handler, filter.dir, filter.parent
    refused((AttributeError, TypeError), setattr, filter, "name", 1)
    refused(TypeError, filter.write, None)
    data = filter.read()
    while data:
        filter.write(data)
        data = filter.readline()
    if data is None:
        filter.flush()
        filter.close()
        refused(ValueError, filter.write, "x")


def expressions(req):
    assert req.expr("%{REQUEST_METHOD} == 'GET'")
    assert req.expr_str("%{REQUEST_METHOD}") == "GET"
    refused(ValueError, req.expr, "1 ==")
    refused(ValueError, req.expr_str, "%{nosuch:a}")
    refused(TypeError, req.expr, 1)
    refused(ValueError, req.expr, "a\0")


def tls(req):
    assert req.ssl_var_lookup("REQUEST_METHOD") == "GET"
    assert not req.ssl_var_lookup("NOSUCH") and not req.is_https()
    refused(TypeError, req.ssl_var_lookup, 1)
    refused(ValueError, req.ssl_var_lookup, "a\0")


def shared(req):
    d = apache.SharedDict()
    d["text"], d["bytes"], d["number"] = "x" * 100, b"y", 1
    assert d["text"] and d["bytes"] == b"y" and d.incr("number", 2) == 3
    assert "text" in d and not d.add("text", "1") and d.get("no", d) is d
    d.set("brief", "x", ttl=60)
    assert d.ttl("brief") and d.delete("brief")
    del d["text"]
    refused(KeyError, d.__getitem__, "text")
    refused(KeyError, d.__delitem__, "text")
    refused(TypeError, d.set, "a", None)
    refused(TypeError, d.set, 1, "a")
    refused(TypeError, d.incr, "bytes")
    refused(ValueError, d.set, "k" * 2000, "a")
    refused(ValueError, d.set, "a", "v" * 70000)
    refused((KeyError, ValueError), apache.SharedDict, "nosuch")


def locks(req):
    lock, unlock = _apache._global_lock, _apache._global_unlock
    for key in ("key", b"key", 3, None, 1.5):
        lock(req.server, key)
        unlock(req.server, key)
    assert _apache._global_trylock(req.server, "x", 1)
    unlock(req.server, "x", 1)
    refused(ValueError, lock, req.server, "x", 1000)
    refused(ValueError, unlock, req.server, "x")
    refused(TypeError, lock, None, "x")
    refused(TypeError, lock, req.server)
    refused(ZeroDivisionError, lock, req.server, Unlucky())


class Unlucky:
    def __repr__(self):
        return str(1 / 0)


def query(req):
    text = "a=1&b=%41+%ff%zz&c&=d&a=%00&long=" + "x" * 100
    assert util.parse_qs(text)["b"] and util.parse_qs(text.encode(), 1)
    assert util.parse_qsl(text, 1) and util.parse_qsl(text.encode())
    assert util.parse_header('text/html; charset="x"; y')[0]
    refused(TypeError, util.parse_qs, 1)
    refused(TypeError, util.parse_qsl, None)
    refused(TypeError, util.parse_header, 1)


def form(req):
    fields = util.FieldStorage(req, keep_blank_values=1)
    assert fields.getfirst(req.args.partition("&")[0]) == ""
    fields.add_field("a", "b")
    fields["c"] = "d"
    assert fields["a"].value == "b" and fields.list.table()
    fields["a"].file.read(), list(fields), fields.items(), repr(fields)
    del fields["a"]
    refused(KeyError, fields.__getitem__, "a")
    refused(TypeError, util.FieldStorage, None)


def cookies(req):
    cookie = Cookie.Cookie("name", "value", path="/", max_age=3, expires=0)
    signed = Cookie.SignedCookie("signed", "value", "secret")
    marshalled = Cookie.MarshalCookie("object", [1, "a", {}], "secret")
    text = "; ".join(str(c).partition(";")[0]
                     for c in (cookie, signed, marshalled))
    assert len(Cookie.Cookie.parse(text)) == 3
    assert Cookie.SignedCookie.parse(text, "secret")["signed"].value
    assert Cookie.MarshalCookie.parse(text, "secret", names="object")
    Cookie.add_cookie(req, cookie)
    Cookie.get_cookies(req), Cookie.get_cookie(req, "name")
    refused(ValueError, str, Cookie.Cookie("a", "b\r\n"))
    refused(AttributeError, Cookie.Cookie, "a", "b", nosuch=1)
    refused(AttributeError, getattr, cookie, "domain")
    refused(ValueError, Cookie.Cookie, "a", "b", expires="never")
    refused(TypeError, Cookie.Cookie)
    refused(Cookie.CookieError, str, Cookie.SignedCookie("a", "b"))
    refused(Cookie.CookieError, Cookie.SignedCookie.parse, text, "other",
            mismatch=Cookie.EXCEPTION)
    refused(Cookie.CookieError, Cookie.MarshalCookie.parse,
            str(Cookie.SignedCookie("a", "%%", "secret")), "secret",
            mismatch=Cookie.EXCEPTION)
    del req.headers_out["Set-Cookie"]


def session(req):
    here = req.get_session()
    here["a"] = here.get("a", 0) + 1
    here.save()
    here.id(), here.is_new(), here.created(), here.timeout()
    here.invalidate()
    here.unlock()
    refused(TypeError, req.get_session, sid="no such id")


def variables(req):
    req.add_common_vars()
    req.add_cgi_vars()
    assert apache.build_cgi_env(req)["SERVER_PROTOCOL"]
    assert req.construct_url("/a") and req.document_root()
    assert req.get_remote_host(apache.REMOTE_NOLOOKUP, 1)
    req.auth_name(), req.auth_type(), req.get_addhandler_exts()
    req.get_basic_auth_pw()
    req.allow_methods(["GET", "SPAM"], 1)
    req.update_mtime(1.5)
    req.set_last_modified()
    req.set_etag()
    req.meets_conditions()
    refused(TypeError, req.allow_methods, 1)
    refused(TypeError, req.allow_methods, [1])
    refused(TypeError, req.construct_url, None)
    refused(TypeError, req.update_mtime, "x")
    refused(TypeError, req.get_remote_host, "x")


def write(req):
    "The pairs of a write and a flush that nobody may keep until the end."
    req.write("word ", 0)
    req.flush()
    req.write(b"more\n")
    req.write(memoryview(b""))
    refused(TypeError, req.write, 1)
    refused(TypeError, req.write)


def handler(req):
    """Writes "done" at the end."""
    name, times = req.args.split("&")
    operation = globals()[name]
    for _ in range(int(times)):
        operation(req)
    if operation is body:
        rest_of_body(req)
    if operation is not redirect:
        req.content_type = "text/plain"
        req.write("done")
    return apache.OK


def references():
    """Of objects that are there anyway, by name."""
    common = [None, True, False, NotImplemented, ..., 0, 1, "", b"", ()]
    types = [value for module in (_apache, Cookie, util)
             for value in vars(module).values() if isinstance(value, type)]
    found = {repr(value): sys.getrefcount(value) for value in common + types}
    if hasattr(sys, "gettotalrefcount"):
        found["all references"] = sys.gettotalrefcount()
    return found


def talk(conn):
    """Sends back each line of a connection."""
    line = conn.readline()
    while line:
        if line == b"count\n":
            conn.write(in_use() + "\n")
        else:
            conn.write(line[:3])
            conn.write(line[3:].decode())
            conn.write(b"")
            refused(TypeError, conn.write, None)
            refused(TypeError, conn.readline, "x")
            refused(AttributeError, setattr, conn, "mine", 1)
        line = conn.read(2)
        if line:
            line += conn.readline()
    return apache.OK


def in_use():
    """As JSON: what there is, and references."""
    gc.collect()
    found = {"Python objects": len(gc.get_objects()),
             "Python blocks": sys.getallocatedblocks(),
             "malloc, bytes": memory_in_use.malloc_bytes()}
    return json.dumps([found, references()])


def count(req):
    req.write(in_use())
    return apache.OK
