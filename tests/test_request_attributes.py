"""The attributes of the request object: api.md 3.2."""

import ast
import base64
import email.utils

import pytest

from inline import parsed, serve, value

ALL_BYTES = bytes(range(0x80, 0x100))

TEXTS = ("uri", "content_type", "user", "ap_auth_type", "filename",
         "canonical_filename", "path_info", "status_line", "handler", "args")
NUMBERS = ("status", "assbackwards", "proxyreq", "no_cache", "no_local_copy",
           "used_path_info", "chunked")
READ_ONLY_TEXTS = (
    "the_request", "protocol", "hostname", "method", "range",
    "content_encoding", "vlist_validator", "unparsed_uri", "useragent_ip",
    "interpreter", "phase", "extension")
READ_ONLY_NUMBERS = (
    "header_only", "proto_num", "method_number", "allowed", "sent_bodyct",
    "bytes_sent", "clength", "remaining", "read_length", "read_body",
    "read_chunked", "expecting_100", "eos_sent", "_bytes_queued",
    "_content_type_set")
TIMES = ("request_time", "mtime")
TUPLES = ("allowed_xmethods", "allowed_methods", "content_languages",
          "parsed_uri", "useragent_addr")
OBJECTS = ("connection", "server", "next", "prev", "main", "hlist",
           "_request_rec")
TABLES = ("headers_in", "headers_out", "err_headers_out", "subprocess_env",
          "notes")
READ_ONLY = (READ_ONLY_TEXTS + READ_ONLY_NUMBERS + TIMES + TUPLES + OBJECTS
             + TABLES)
BUILT_IN = TEXTS + NUMBERS + ("finfo",) + READ_ONLY


# reading

def test_texts_of_a_request_line(site):
    names = ("the_request", "method", "protocol", "unparsed_uri", "uri",
             "args", "hostname", "phase", "interpreter", "extension",
             "handler")
    seen = value(site, f"return [getattr(req, name) for name in {names}]",
                 "a%20b/c?x=1&y=%20")
    prefix = f"/{site.name}/"
    assert seen == [
        f"GET {prefix}a%20b/c?x=1&y=%20 HTTP/1.1", "GET", "HTTP/1.1",
        f"{prefix}a%20b/c?x=1&y=%20", f"{prefix}a b/c", "x=1&y=%20",
        "127.0.0.1", "PythonHandler", "main_interpreter", None, "mod_python"]


def test_an_absent_text_is_none(site):
    names = ("args", "user", "ap_auth_type", "range",
             "content_encoding", "vlist_validator", "status_line")
    assert value(site, f"return [getattr(req, name) for name in {names}]"
                 ) == [None] * len(names)


def test_an_empty_path_info_is_an_empty_text(site):
    assert value(site, "return req.path_info") == ""


def test_path_info_and_filename_split_the_url(site):
    filename, path_info = value(site, "return req.filename, req.path_info",
                                "page/more/still")
    assert filename == str(site.path("page"))
    assert path_info == "/more/still"


def test_numbers_of_a_get(site):
    names = ("status", "assbackwards", "proxyreq", "header_only", "proto_num",
             "method_number", "allowed", "clength", "read_chunked",
             "expecting_100", "eos_sent", "_bytes_queued",
             "_content_type_set", "no_cache", "no_local_copy", "chunked")
    assert value(site, f"return [getattr(req, name) for name in {names}]"
                 ) == [200, 0, 0, 0, 1001, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_head_request_is_header_only(site):
    serve(site, "req.headers_out['X-Seen'] = str(req.header_only)")
    assert site.request(method="HEAD").headers["X-Seen"] == "1"


def test_every_attribute_has_its_type(site):
    kinds = {"str": TEXTS + READ_ONLY_TEXTS,
             "int": NUMBERS + READ_ONLY_NUMBERS, "float": TIMES,
             "tuple": TUPLES, "mp_table": TABLES}
    serve(site, f"""
        req.allow_methods(["GET", "SPAM"])
        req.get_basic_auth_pw()
        req.read()
        return {{name: type(getattr(req, name)).__name__
                for name in {sum(kinds.values(), ())}}}
        """, "AuthType Basic\nAuthName x\nAddEncoding x-y .y\n"
          "AddLanguage fr .fr\n")
    site.write({"page.txt.fr.y": ""})
    seen = ast.literal_eval(site.post("page.txt.fr.y?a=b", b"body", headers={
        "Authorization": "Basic dTpw", "Range": "bytes=0-"}).text)
    wrong = {name: seen[name] for kind, names in kinds.items()
             for name in names if seen[name] != kind}
    # Texts that httpd has none of in this request.
    absent = {"range", "vlist_validator", "status_line", "extension"}
    assert wrong == dict.fromkeys(absent & set(wrong), "NoneType")


def test_times_are_seconds(site):
    begun, mtime, now = value(
        site, "import time; return req.request_time, req.mtime, time.time()")
    assert now - 20 < begun <= now
    assert mtime == 0.0


def test_bytes_sent_grows_with_flushed_writes(site):
    assert value(site, """
        before = req.bytes_sent
        req.write("")
        req.write("# 12345\\n")
        return before, req.bytes_sent, req._bytes_queued
        """) == (0, 8, 8)


def test_parsed_uri_has_nine_parts(site):
    port = site.server.port
    serve(site, "return req.parsed_uri")
    answer = site.server.raw(
        f"GET http://localhost:{port}/{site.name}/x?q=1 HTTP/1.0\r\n\r\n"
        .encode())
    assert ast.literal_eval(answer.partition(b"\r\n\r\n")[2].decode()) == (
        "http", f"localhost:{port}", None, None, "localhost", port,
        f"/{site.name}/x", "q=1", None)


def test_addresses_are_pairs(site):
    ip, (address, port), own = value(site, """
        return (req.useragent_ip, req.useragent_addr,
                req.connection.local_addr)
        """)
    assert ip == address == "127.0.0.1"
    assert isinstance(port, int)
    assert own == ("127.0.0.1", site.server.port)


def test_languages_are_a_tuple(site):
    site.write({"page.fr.xyz": "x"})
    assert value(site, "return req.content_languages", "page.fr.xyz",
                 "AddLanguage fr .fr\nAddLanguage en .en") == ("fr",)


def test_the_capsule_has_no_name(site):
    assert "capsule object NULL" in value(site, """
        return repr(req._request_rec)
        """)


def test_objects_of_a_plain_request(site):
    assert value(site, """
        return [type(getattr(req, name)).__name__ for name in
                ("connection", "server", "next", "prev", "main", "hlist",
                 "finfo", "headers_in", "notes")]
        """) == ["mp_conn", "mp_server", "NoneType", "NoneType", "NoneType",
                 "mp_hlist", "mp_finfo", "mp_table", "mp_table"]


def test_every_attribute_is_listed_and_described(site):
    listed, described = value(site, """
        return dir(req), {name: (attribute.__doc__ or "")
                          for name, attribute in vars(type(req)).items()}
        """)
    assert set(BUILT_IN) <= set(listed)
    assert not [name for name in BUILT_IN if ":" not in described[name]
                and "mp_" not in described[name]
                and "capsule" not in described[name]]


def test_every_method_has_a_signature(site):
    without = value(site, """
        import inspect
        methods = [name for name in dir(req) if not name.startswith("__")
                   and callable(getattr(type(req), name))]
        return [name for name in methods
                if kind(inspect.signature, getattr(req, name)) == "ValueError"
                or not getattr(req, name).__doc__]
        """)
    assert without == []


def test_the_type_shows_no_module(site):
    assert value(site, "return str(type(req))") == "<class 'mp_request'>"


def test_the_type_makes_no_instances(site):
    assert value(site, "return kind(type(req))") == "TypeError"


def test_repr_names_the_uri(site):
    assert value(site, "return repr(req)", "a%FF") == (
        f"<mp_request '/{site.name}/a\\udcff'>")


# raw bytes

def test_every_byte_of_a_header_is_read_and_written_back(site):
    serve(site, """
        req.headers_out["X-Back"] = req.headers_in["X-Raw"]
        req.write("ok")
        """)
    answer = site.server.raw(
        b"GET /%s/ HTTP/1.0\r\nX-Raw: <%s>\r\n\r\n"
        % (site.name.encode(), ALL_BYTES))
    assert b"X-Back: <%s>\r\n" % ALL_BYTES in answer


def test_every_byte_of_path_and_query_is_read_and_written_back(site):
    escaped = "".join(f"%{byte:02X}" for byte in ALL_BYTES)
    uri, path_info, again = value(site, """
        before = req.uri, req.path_info, req.filename
        req.uri, req.path_info, req.filename = before
        return (os.fsencode(req.uri), os.fsencode(req.path_info),
                before == (req.uri, req.path_info, req.filename))
        """, f"page/{escaped}")
    assert uri.endswith(ALL_BYTES)
    assert path_info == b"/" + ALL_BYTES
    assert again


def test_a_raw_query_is_read(site):
    serve(site, "return os.fsencode(req.args), os.fsencode(req.the_request)")
    answer = site.server.raw(b"GET /%s/?%s HTTP/1.0\r\n\r\n"
                             % (site.name.encode(), ALL_BYTES))
    assert answer.startswith(b"HTTP/1.1 200") or b" 400 " in answer


def test_user_is_latin_1_both_ways(site):
    seen = value(site, """
        password = req.get_basic_auth_pw()
        first = req.user
        req.user = "\\xe9\\xff"
        return (password, first, req.user,
                outcome(setattr, req, "user", "\\u20ac"))
        """, more="AuthType Basic\nAuthName there\n", headers={
            "Authorization": "Basic " + base64.b64encode(
                b"us\xe9r:p\xe4ss").decode()})
    assert seen[:3] == ("p\xe4ss", "us\xe9r", "\xe9\xff")
    assert seen[3].startswith("ValueError: user ")


def test_every_byte_of_a_user_is_read_and_written_back(site):
    """D34. X-User is what httpd itself holds after the handler."""
    serve(site, """
        req.get_basic_auth_pw()
        user, req.user = req.user, "somebody"
        req.user = user
        req.headers_out["X-Back"] = user.encode("latin-1")
        return user
        """, "AuthType Basic\nAuthName there\n"
             "Header set X-User expr=<%{REMOTE_USER}>\n")
    answer = site.server.raw(
        b"GET /%s/ HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n"
        % (site.name.encode(), base64.b64encode(ALL_BYTES + b":x")))
    assert b"X-User: <%s>\r\n" % ALL_BYTES in answer
    assert b"X-Back: %s\r\n" % ALL_BYTES in answer
    seen = parsed(answer.partition(b"\r\n\r\n")[2].decode())
    assert seen == ALL_BYTES.decode("latin-1")


# setting

@pytest.mark.parametrize("name", TEXTS)
def test_a_text_takes_str_subclasses_and_bytes(site, name):
    serve(site, f"""
        class Text(str):
            pass
        seen = []
        for text in ("one", Text("two"), b"three"):
            before = req.{name}
            req.{name} = text
            seen.append(req.{name})
            if before is not None:
                req.{name} = before
        req.status_line = "200 OK"
        req.content_type = "text/plain"
        return seen
        """)
    assert site.get().text == "['one', 'two', 'three']"


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_refuses_what_is_no_text(site, name):
    numbers, nul, deleted, none = value(site, f"""
        before = req.{name}
        seen = [[kind(setattr, req, {name!r}, wrong)
                 for wrong in (5, 1.5, [], bytearray(b"x"), object())],
                outcome(setattr, req, {name!r}, "a\\0b"),
                kind(delattr, req, {name!r})]
        assert req.{name} == before
        return seen + [kind(setattr, req, {name!r}, None)]
        """)
    assert numbers == ["TypeError"] * 5
    assert nul == f"ValueError: {name} must not contain NUL"
    assert deleted == "AttributeError"
    assert none == (None if name in ("handler", "args") else "TypeError")


@pytest.mark.parametrize("name", ["content_type", "status_line"])
def test_a_text_of_the_header_block_refuses_line_ends(site, name):
    assert value(site, f"""
        return [kind(setattr, req, {name!r}, "a" + end + "b")
                for end in ("\\r", "\\n", "\\r\\n")]
        """) == ["ValueError"] * 3


def test_other_texts_may_hold_line_ends(site):
    assert value(site, "req.uri = '/a\\nb'; return req.uri") == "/a\nb"


def test_content_type_reaches_the_client(site):
    serve(site, """
        req.content_type = "text/x-test"
        req.write(str(req._content_type_set))
        """)
    response = site.get()
    assert response.headers["Content-Type"] == "text/x-test"
    assert response.text == "1"


def test_filename_takes_canonical_filename_along(site):
    assert value(site, """
        req.filename = "/some/where"
        return req.canonical_filename
        """) == "/some/where"


def test_args_can_be_set_for_what_comes_behind(site):
    assert value(site, """
        from mod_python import util
        req.args = "a=b&c=%41"
        req.add_cgi_vars()
        return (req.args, str(util.FieldStorage(req).getfirst("c")),
                req.subprocess_env["QUERY_STRING"])
        """, "?x=y") == ("a=b&c=%41", "A", "a=b&c=%41")


def test_handler_and_args_take_none(site):
    assert value(site, """
        req.args = "a=b"
        req.args = None
        req.handler = None
        return req.args, req.handler
        """, "?x=y") == (None, None)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_takes_ints_only(site, name):
    assert value(site, f"""
        class Index:
            def __index__(self):
                return 3
        before = req.{name}
        seen = []
        for number in (7, -2, True, Index(), 2**31 - 1, -2**31):
            req.{name} = number
            seen.append(req.{name})
        for wrong in (2**31, -2**31 - 1, 2**80, 1.0, "1", b"1", None):
            seen.append(kind(setattr, req, {name!r}, wrong))
        seen.append(kind(delattr, req, {name!r}))
        req.{name} = before
        return seen
        """) == [7, -2, 1, 3, 2**31 - 1, -2**31, "OverflowError",
                 "OverflowError", "OverflowError", "TypeError", "TypeError",
                 "TypeError", "TypeError", "AttributeError"]


def test_status_and_status_line_reach_the_client(site):
    serve(site, """
        req.status = 299
        req.status_line = "299 Quite Well"
        req.write("x")
        """)
    response = site.get()
    assert (response.status, response.reason) == (299, "Quite Well")


def test_no_cache_expires_the_response(site):
    serve(site, "req.no_cache = 1; req.write('x')")
    headers = site.get().headers
    expires, date = [email.utils.parsedate_to_datetime(headers[name])
                     for name in ("Expires", "Date")]
    assert expires <= date


def test_finfo_takes_what_stat_gives(site):
    site.write({"other.txt": "12345"})
    assert value(site, """
        found = apache.stat(os.path.join(os.path.dirname(__file__),
                                         "other.txt"), apache.APR_FINFO_NORM)
        req.finfo = found
        del found
        gc.collect()
        return (req.finfo.size, os.path.basename(req.finfo.fname),
                [kind(setattr, req, "finfo", wrong)
                 for wrong in (None, 5, "x", (1, 2))],
                kind(delattr, req, "finfo"), req.finfo.size)
        """) == (5, "other.txt", ["TypeError"] * 4, "AttributeError", 5)


@pytest.mark.parametrize("name", READ_ONLY)
def test_read_only_attributes_stay(site, name):
    assert value(site, f"""
        return [kind(setattr, req, {name!r}, new)
                for new in (None, 1, "x", req.{name})] + [
                kind(delattr, req, {name!r})]
        """) == ["AttributeError"] * 5


# attributes of programs

def test_programs_set_attributes_of_their_own(site):
    assert value(site, """
        req.form = {"a": 1}
        seen = [req.form, dict(vars(req)), "form" in dir(req)]
        del req.form
        return seen + [kind(getattr, req, "form"), kind(delattr, req, "form"),
                       kind(getattr, req, "nothing")]
        """) == [{"a": 1}, {"form": {"a": 1}}, True, "AttributeError",
                 "AttributeError", "AttributeError"]


def test_attributes_pass_from_phase_to_phase(site):
    site.write({"two.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.left = id(req), req.phase
            return apache.OK

        def handler(req):
            req.write(repr((req.left[0] == id(req), req.left[1], req.phase)))
            return apache.OK
        """})
    site.serve("two", "PythonFixupHandler two")
    assert site.get().text == repr((True, "PythonFixupHandler",
                                    "PythonHandler"))


def test_a_request_can_be_referred_to_weakly(site):
    assert value(site, """
        import weakref
        return weakref.ref(req)() is req
        """) is True


def test_a_request_is_its_own_in_dicts_and_comparisons(site):
    assert value(site, """
        return req == req, req != req, {req: 1}[req], req == 5
        """) == (True, False, 1, False)


# expiry and threads

KEEPER = """
    import gc
    from mod_python import apache

    kept = []

    def handler(req):
        if req.args == "keep":
            req.mine = "yes"
            kept.append((req, req.headers_in, req.notes, req.get_options()))
            req.write("kept")
            return apache.OK
        old, *tables = kept.pop()
        seen = [repr(old), old.mine]
        for name in dir(old):
            if name.startswith("__") or name == "mine":
                continue
            try:
                if callable(getattr(type(old), name)):
                    getattr(old, name)(*arguments.get(name, ()))
                else:
                    getattr(old, name)
            except apache.ExpiredError:
                continue
            seen.append(name)
        for table in tables:
            try:
                len(table)
            except apache.ExpiredError:
                continue
            seen.append("a table")
        try:
            old.uri = "/x"
        except apache.ExpiredError:
            seen.append("refused")
        req.write(repr(seen))
        return apache.OK

    arguments = {
        "write": ("x",), "sendfile": (__file__,), "set_content_length": (1,),
        "update_mtime": (1,), "add_handler": ("PythonHandler", "x"),
        "add_input_filter": ("DEFLATE",), "add_output_filter": ("DEFLATE",),
        "register_input_filter": ("f", print),
        "register_output_filter": ("f", print),
        "register_cleanup": (print,), "allow_methods": (["GET"],),
        "construct_url": ("/",), "internal_redirect": ("/",),
        "ssl_var_lookup": ("X",), "log_error": ("expired",),
        "expr": ("true",), "expr_str": ("a",), "session_get": ("a",),
        "session_set": ("a", "b"),
    }
    """


def test_a_kept_request_expires(own_server):
    server = own_server(children=1, files={"keeper.py": KEEPER})
    server.site.serve("keeper")
    assert server.site.get("?keep").text == "kept"
    seen = ast.literal_eval(server.site.get().text)
    assert seen == ["<mp_request expired>", "yes", "refused"]


def test_another_thread_is_refused(site):
    assert value(site, """
        seen = []
        def use():
            seen.append(repr(req))
            seen.append(kind(lambda: req.uri))
            seen.append(kind(req.write, "x"))
            seen.append(kind(setattr, req, "uri", "/"))
            req.own = 5
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
        return seen + [req.own, repr(req) != seen[0]]
        """) == ["<mp_request of another thread>", "RuntimeError",
                 "RuntimeError", "RuntimeError", 5, True]


# tables

def test_tables_are_live(site):
    serve(site, """
        req.headers_out["X-One"] = "1"
        req.headers_out["X-One"] = "2"
        req.err_headers_out.add("X-Many", "a")
        req.err_headers_out.add("X-Many", "b")
        req.notes["a"] = "b\\nc"
        req.subprocess_env["E"] = "f"
        return (req.headers_out["x-one"], req.notes["A"],
                req.subprocess_env["e"], req.headers_in["x-sent"])
        """)
    response = site.get(headers={"X-Sent": "yes"})
    assert ast.literal_eval(response.text) == ("2", "b\nc", "f", "yes")
    assert response.headers["X-One"] == "2"
    assert response.headers.get_all("X-Many") == ["a", "b"]


@pytest.mark.parametrize("name", ["headers_in", "headers_out",
                                  "err_headers_out"])
def test_header_tables_refuse_line_ends(site, name):
    assert value(site, f"""
        return [kind(req.{name}.__setitem__, "X", wrong)
                for wrong in ("a\\nb", "a\\rb", "a\\0b", 5, None)]
        """) == ["ValueError"] * 3 + ["TypeError"] * 2


def test_tables_follow_an_internal_fast_redirect(site):
    """DirectoryIndex replaces the tables inside the request."""
    site.write({"sub/index.html": "x", "two.py": """
        from mod_python import apache

        def headerparserhandler(req):
            if not hasattr(req, "held"):
                req.held = req.headers_out, req.notes
                req.notes["early"] = "seen"
            return apache.OK

        def handler(req):
            out, notes = req.held
            out["X-Held"] = "yes"
            req.write(repr((notes.get("early"), req.notes.get("early"),
                            req.filename.endswith("index.html"))))
            return apache.OK
        """})
    site.serve("two", "PythonHeaderParserHandler two\n"
               "DirectoryIndex index.html\n")
    response = site.get("sub/")
    assert response.headers["X-Held"] == "yes"
    assert ast.literal_eval(response.text)[:2] == ("seen", "seen")


# related requests

def test_an_internal_redirect_links_prev_and_next(site):
    site.write({"two.py": """
        from mod_python import apache

        def handler(req):
            if req.prev is None:
                req.mine = "first"
                req.internal_redirect(req.uri + "x")
                return apache.OK
            req.prev.seen = 1
            req.write(repr((req.prev.mine, req.prev.next is req,
                            req.prev is req.prev, req.main, req.next,
                            req.prev.prev, req.uri == req.prev.uri + "x")))
            return apache.OK
        """})
    site.serve("two")
    assert ast.literal_eval(site.get().text) == (
        "first", True, True, None, None, None, True)


def test_a_sub_request_knows_its_main_request(site):
    site.write({"page.shtml": '<!--#include virtual="inner" -->',
                "two.py": """
        from mod_python import apache

        def handler(req):
            if req.filename.endswith(".shtml"):
                return apache.DECLINED
            req.write(repr((req.main.uri, req.main is req.main, req.prev,
                            req.main.main, req.protocol)))
            return apache.OK
        """})
    site.serve("two", "<Files *.shtml>\nSetHandler default-handler\n"
               "SetOutputFilter INCLUDES\n</Files>\nOptions +Includes\n")
    assert ast.literal_eval(site.get("page.shtml").text) == (
        f"/{site.name}/page.shtml", True, None, None, "INCLUDED")


def test_related_requests_in_cleanups_are_alive_or_none(site):
    """The redirected request ends before the one that it came from."""
    site.write({"two.py": """
        from mod_python import apache

        kept = []

        def handler(req):
            req.register_cleanup(clean, req)
            if req.prev is None:
                req.internal_redirect(req.uri + "x")
            else:
                req.write("x")
            return apache.OK

        def clean(req):
            kept.append((req.prev, req.next, req.main))
            req.log_error("%s: %r %r" % (
                req.prev and req.prev.uri, req.next, req.main),
                apache.APLOG_NOTICE)

        def loghandler(req):
            while kept:
                for old in kept.pop():
                    try:
                        assert old is None or not old.uri
                    except apache.ExpiredError:
                        pass
            return apache.OK
        """})
    site.serve("two", "PythonLogHandler two")
    for _ in range(4):
        assert site.get().text == "x"
    site.log.expect(f"^{site.url()}: None None$", count=4)
    site.log.expect("^None: None None$", count=4)


# configuration

def test_get_options_holds_the_options_in_force(site):
    assert value(site, "return dict(req.get_options())",
                 more="PythonOption a 1\nPythonOption b 2\n"
                 'PythonOption b ""\nPythonOption c ""\n') == {"a": "1"}


def test_options_read_by_many_threads_at_once_do_not_change(own_server):
    """D18: 32 threads; entries that unset something lie side by side."""
    server = own_server("PythonOption a server\nPythonOption b server\n"
                        "PythonOption c server\nPythonOption d server\n",
                        mpm="event", children=1, threads=32)
    serve(server.site, """
        import harness
        if req.args == "all":
            harness.wait(__file__, "all")
        return {tuple(sorted(options().items())) for _ in range(200)
                for options in (req.get_options, req.server.get_options)}
        """, 'PythonOption b ""\nPythonOption c ""\nPythonOption e own\n')
    wanted = repr({(("a", "server"), ("d", "server"), ("e", "own")),
                   tuple((name, "server") for name in "abcd")})
    waiting = [server.site.later("?all") for _ in range(32)]
    server.site.wait_parked("all", 32)
    server.site.open_gate("all")
    assert {frozenset(ast.literal_eval(answer.result(40).text))
            for answer in waiting} == {frozenset(ast.literal_eval(wanted))}
    assert ast.literal_eval(server.site.get().text) == ast.literal_eval(wanted)


def test_written_options_last_for_the_request_only(site):
    serve(site, """
        before = dict(req.get_options())
        req.get_options()["a"] = "written"
        req.get_options()["new"] = "n"
        return before, dict(req.get_options())
        """, "PythonOption a 1\n")
    for _ in range(3):
        assert ast.literal_eval(site.get().text) == (
            {"a": "1"}, {"a": "written", "new": "n"})


def test_options_of_an_early_phase_grow_into_those_of_the_directory(
        own_server):
    server = own_server("""
        PythonOption where server
        PythonOption only server
        PythonPostReadRequestHandler ${SITE}/early.py
        <Location /site/>
            SetHandler mod_python
            PythonHandler ${SITE}/early.py
            PythonOption where location
            PythonOption here 1
        </Location>
        """, files={"early.py": """
        from mod_python import apache

        def postreadrequesthandler(req):
            options = req.get_options()
            req.early = dict(options)
            req.held = options
            options["written"] = "w"
            del options["only"]
            return apache.OK

        def handler(req):
            req.write(repr((req.early, dict(req.get_options()),
                            dict(req.held))))
            return apache.OK
        """})
    early, late, held = ast.literal_eval(server.site.get().text)
    assert early == {"where": "server", "only": "server"}
    assert late == held == {"where": "location", "here": "1", "written": "w"}


def test_get_config_is_a_copy(site):
    serve(site, """
        config = req.get_config()
        seen = config.get("PythonDebug"), "PythonHandler" in config
        config["PythonDebug"] = "changed"
        return seen
        """, "PythonDebug On\n")
    for _ in range(3):
        assert ast.literal_eval(site.get().text) == ("1", False)


def test_texts_about_authentication(site):
    assert value(site, """
        return req.auth_name(), req.auth_type()
        """) == (None, None)
    assert value(site, """
        return req.auth_name(), req.auth_type()
        """, more='AuthType Basic\nAuthName "the \xe9 realm"\n') == (
            "the \xe9 realm", "Basic")


def test_document_root(site):
    assert value(site, "return req.document_root()") == str(
        site.server.documents)
