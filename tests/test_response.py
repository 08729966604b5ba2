"""Writing the response, and the other methods of the request object:
api.md 3.1."""

import ast
import base64
import email.utils
import random
import re
import socket

import pytest

from inline import serve, value

# write and flush

@pytest.mark.parametrize("data, sent", [
    ("'text'", b"text"), ("'\\u20ac\\xe9'", "\u20ac\xe9".encode()),
    ("'\\udcff\\udc80'", b"\xff\x80"), ("b'\\x00\\xff'", b"\x00\xff"),
    ("bytearray(b'abc')", b"abc"), ("memoryview(b'abcd')[1:3]", b"bc"),
    ("__import__('array').array('B', [1, 2])", b"\x01\x02"),
    ("type('T', (str,), {})('sub')", b"sub"), ("'a\\0b'", b"a\0b"),
    ("''", b""), ("b''", b""),
])
@pytest.mark.parametrize("flush", ["", ", 0", ", 1", ", flush=False"])
def test_write_sends_text_and_bytes(site, data, sent, flush):
    serve(site, f"""
        result = req.write({data}{flush})
        req.write("|%r|%d" % (result, req._bytes_queued))
        """)
    assert site.get().body == sent + b"|None|%d" % len(sent)


def test_write_takes_its_arguments_by_name(site):
    serve(site, """
        req.write(data="a", flush=0)
        req.write(flush=1, data=b"b")
        """)
    assert site.get().text == "ab"


def test_wrong_arguments_of_write_are_refused(site):
    assert value(site, """
        class Bad:
            def __bool__(self):
                raise KeyError("bad")
        return [kind(req.write, *wrong) for wrong in (
                    (), (1,), (None,), ([b"x"],), (1.0, 1), ("a", 1, 2),
                    (memoryview(b"abcd")[::2],), ("\\ud800",), ("x", Bad()))
                ] + [kind(req.write, "a", data="b"), kind(req.write, flush=1),
                     kind(req.write, "a", other=1), req._bytes_queued]
        """) == ["TypeError"] * 6 + ["BufferError", "ValueError", "KeyError"
                                     ] + ["TypeError"] * 3 + [0]


def test_flushed_data_arrive_while_the_handler_runs(site):
    serve(site, """
        import harness
        req.write("now", 0)
        req.flush()
        harness.wait(__file__, "flushed")
        """)
    with site.server.connect() as connection:
        connection.send(site.url())
        data = b""
        while b"now" not in data:
            data += connection.socket.recv(1000)
        site.wait_parked("flushed")
        site.open_gate("flushed")


def test_many_small_writes_do_not_grow_the_child(own_server):
    server = own_server(children=1)
    serve(server.site, """
        def size():
            gc.collect()
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096
        for _ in range(1000):
            req.write("# warm up\\n")
        before = size()
        for _ in range(100_000):
            req.write("#\\n", 0)
            req.flush()
        grown = size() - before
        return grown < 1_000_000 or grown, req._bytes_queued
        """)
    response = server.site.get()
    assert response.text.rpartition("#\n")[2] == repr((True, 210_000))


@pytest.mark.seconds(120)
def test_more_than_an_int_of_bytes_is_written_at_once(own_server):
    """D21. The bytes are pages of zeros that take no memory."""
    server = own_server(children=1)
    serve(server.site, """
        import mmap
        with mmap.mmap(-1, 3 << 30, prot=mmap.PROT_READ,
                       flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as zeros:
            req.write(zeros, 0)
            req.write(str(req._bytes_queued))
        """)
    size = 0
    with socket.create_connection(("127.0.0.1", server.port), 60) as stream:
        stream.sendall(b"GET /site/ HTTP/1.0\r\n\r\n")
        buffer = memoryview(bytearray(1 << 20))
        last = b""
        got = stream.recv_into(buffer)
        header = bytes(buffer[:got]).index(b"\r\n\r\n") + 4
        while got:
            size += got
            last = (last + bytes(buffer[max(0, got - 20):got]))[-20:]
            got = stream.recv_into(buffer)
    assert size - header == (3 << 30) + len(str(3 << 30))
    assert last.endswith(str(3 << 30).encode())


@pytest.mark.parametrize("call, what", [
    ("req.write('x' * 100_000)", "Write"), ("req.sendfile(__file__)", "Write"),
    ("req.write('x', 0), req.flush()", "Flush"),
])
def test_a_client_that_is_gone_raises_oserror(site, call, what):
    serve(site, f"""
        import harness
        req.write("x")
        harness.wait(__file__, "closed")
        seen = {{outcome(lambda: ({call})) for _ in range(20)}}
        req.log_error(repr(seen), apache.APLOG_NOTICE)
        """)
    with site.server.connect() as connection:
        connection.send(site.url())
        connection.socket.recv(10)
        site.wait_parked("closed")
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     b"\1\0\0\0\0\0\0\0")
    site.open_gate("closed")
    site.log.expect(f"OSError: {what} failed, client closed connection")


def test_writing_does_not_stop_other_threads(site):
    """While one client does not read, Python goes on."""
    if site.server.config.mpm == "prefork":
        pytest.skip("a child of prefork has one thread")
    serve(site, """
        if req.args:
            req.write(bytes(20_000_000))
        req.write("done")
        """)
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.settimeout(20)
        stream.sendall(b"GET /%s/?big HTTP/1.0\r\n\r\n" % site.name.encode())
        stream.recv(1)
        for response in site.get_from_each_child().values():
            assert response.text == "done"
        answer = b"".join(iter(lambda: stream.recv(1 << 20), b""))
    assert answer.endswith(b"\0done")


@pytest.mark.parametrize("phase", ["PythonLogHandler",
                                   "PythonCleanupHandler"])
def test_nothing_is_written_when_the_response_is_complete(site, phase):
    name = phase.removeprefix("Python").lower()
    site.write({"late.py": f"""
        from mod_python import apache

        def handler(req):
            req.write("x")
            return apache.OK

        def {name}(req):
            seen = 0
            for call in (lambda: req.write("late"), req.flush,
                         lambda: req.sendfile(__file__),
                         lambda: req.internal_redirect("/")):
                try:
                    call()
                except RuntimeError:
                    seen += 1
            req.log_error("seen %d" % seen, apache.APLOG_NOTICE)
            return apache.OK
        """})
    site.serve("late", f"{phase} late")
    with site.server.connect() as connection:
        assert connection.get(site.url()).text == "x"
        assert connection.get(site.url()).text == "x"
    site.log.expect("^seen 4$", count=2)


# sendfile

def test_sendfile_sends_every_part_of_a_file(site):
    """D21."""
    body = b"0123456789"
    site.write({"data.bin": body})
    calls = [(offset, length) for offset in range(12)
             for length in (None, -1, 0, 1, 5, 100)]
    serve(site, f"""
        path = os.path.join(os.path.dirname(__file__), "data.bin")
        sent = []
        for offset, length in {calls}:
            req.write("<")
            more = () if length is None else (length,)
            sent.append(req.sendfile(path, offset, *more))
        req.write("|")
        return sent, req._bytes_queued
        """)
    parts, _, result = site.get().body.partition(b"|")
    expected = [body[offset:] if length in (None, -1)
                else body[offset:offset + length]
                for offset, length in calls]
    assert parts == b"".join(b"<" + part for part in expected)
    sent, queued = ast.literal_eval(result.decode())
    assert sent == [len(part) for part in expected]
    assert queued == len(parts) + 1


def test_a_large_file_is_sent_in_order_with_writes(site):
    body = random.Random(3).randbytes(500_000)
    site.write({"data.bin": body})
    serve(site, """
        path = os.path.join(os.path.dirname(__file__), "data.bin")
        req.write("a", 0)
        one = req.sendfile(path)
        req.write("b", 0)
        two = req.sendfile(path.encode(), 100_000, 300_000)
        req.write("c", 0)
        assert (one, two) == (500_000, 300_000)
        """)
    assert site.get().body == (b"a" + body + b"b" + body[100_000:400_000]
                               + b"c")


@pytest.mark.parametrize("directive", ["EnableSendfile On", "EnableMMAP Off"])
def test_sendfile_obeys_httpds_directives(site, directive):
    body = random.Random(4).randbytes(300_000)
    site.write({"data.bin": body})
    serve(site, """
        import pathlib
        req.sendfile(pathlib.Path(__file__).with_name("data.bin"), 1)
        """, directive)
    assert site.get().body == body[1:]


def test_sendfile_follows_symbolic_links(site):
    site.write({"data.txt": "linked"})
    site.point("link.txt", "data.txt")
    serve(site, """
        req.sendfile(os.path.join(os.path.dirname(__file__), "link.txt"))
        """)
    assert site.get().text == "linked"


def test_sendfile_tells_what_is_wrong_with_a_file(site):
    assert value(site, """
        here = os.path.dirname(__file__)
        return [outcome(req.sendfile, here + "/absent"),
                kind(req.sendfile, here), kind(req.sendfile, "/dev/zero"),
                kind(req.sendfile, "/etc/shadow"),
                [kind(req.sendfile, *wrong) for wrong in (
                    (), (None,), (5,), ("a\\0b",), (__file__, -1),
                    (__file__, "0"), (__file__, 0, 1.5), (__file__, 2**70),
                    ([],), (__file__, 0, 1, 2))], req._bytes_queued]
        """)[1:] == [
            "IsADirectoryError", "OSError", "PermissionError",
            ["TypeError"] * 3 + ["ValueError"] * 2 + ["TypeError"] * 2
            + ["OverflowError"] + ["TypeError"] * 2, 0]


def test_the_error_of_sendfile_names_the_file(site):
    message = value(site, "return outcome(req.sendfile, '/nowhere/x')")
    assert message == ("FileNotFoundError: [Errno 2] No such file or "
                       "directory: '/nowhere/x'")


def test_many_small_files_leave_none_open(site):
    site.write({"data.txt": "x"})
    serve(site, """
        path = os.path.join(os.path.dirname(__file__), "data.txt")
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(2000):
            req.sendfile(path)
        req.write("|%d" % (len(os.listdir("/proc/self/fd")) - before))
        """)
    assert site.get().text == "x" * 2000 + "|0"


# headers

def test_the_content_length_is_sent(site):
    serve(site, """
        req.set_content_length(5)
        req.write("12345")
        """)
    response = site.get()
    assert response.headers["Content-Length"] == "5"
    assert response.headers["Transfer-Encoding"] is None


def test_wrong_lengths_are_refused(site):
    assert value(site, """
        seen = [kind(req.set_content_length, wrong)
                for wrong in (-1, 1.5, "1", None, 2**70)]
        return seen, req.clength, kind(req.set_content_length)
        """) == (["ValueError"] + ["TypeError"] * 3 + ["OverflowError"], 0,
                 "TypeError")


def test_etag_and_modification_time_are_sent(site):
    site.write({"page.txt": "x"})
    serve(site, """
        before = req.mtime
        req.update_mtime(1_000_000_000.5)
        req.update_mtime(5)
        req.set_last_modified()
        req.set_etag()
        return before <= 1e9, req.mtime
        """)
    response = site.get("page.txt")
    assert ast.literal_eval(response.text) == (True, 1_000_000_000.5)
    assert email.utils.parsedate_to_datetime(
        response.headers["Last-Modified"]).timestamp() == 1_000_000_000
    assert response.headers["ETag"]


def test_wrong_times_are_refused(site):
    assert value(site, """
        return [kind(req.update_mtime, wrong) for wrong in (
            "1", None, float("nan"), float("inf"), 1e13, -1e13)], req.mtime
        """) == (["TypeError", "TypeError", "ValueError"]
                 + ["OverflowError"] * 3, 0.0)


def test_conditions_are_met_or_give_a_status(site):
    serve(site, """
        req.update_mtime(1_000_000_000)
        req.set_last_modified()
        status = req.meets_conditions()
        if status != apache.OK:
            raise apache.SERVER_RETURN(status)
        req.write("new")
        """)
    assert site.get().text == "new"
    assert site.get(headers={
        "If-Modified-Since": email.utils.formatdate(1_000_000_000, usegmt=True)
    }).status == 304
    assert site.get(headers={
        "If-Unmodified-Since": email.utils.formatdate(1, usegmt=True)
    }).status == 412


def test_send_http_header_does_nothing(site):
    assert value(site, "return [req.send_http_header()]") == [None]


def test_allow_methods_fills_allow(site):
    """D19: names outlive the strings they came from."""
    serve(site, """
        req.allow_methods(["WRONG"])
        req.allow_methods(["".join(["P", "OST"]), b"PYTHON" + b"IZE"], 1)
        req.allow_methods(("GET",), reset=0)
        gc.collect()
        req.err_headers_out["X-Seen"] = repr(req.allowed_methods)
        raise apache.SERVER_RETURN(apache.HTTP_METHOD_NOT_ALLOWED)
        """)
    response = site.get()
    assert response.status == 405
    allowed = set(re.split(", *", response.headers["Allow"]))
    assert {"GET", "POST", "PYTHONIZE"} <= allowed
    assert "WRONG" not in allowed
    assert response.headers["X-Seen"] == repr(("GET", "POST", "PYTHONIZE"))


def test_methods_that_a_module_has_registered_are_allowed(own_server):
    """D19: those that httpd knows by a number of its own, and others."""
    server = own_server("RegisterHttpMethod FROBNICATE", children=1)
    serve(server.site, """
        req.allow_methods(["".join(name) for name in (
            ("PRO", "PFIND"), ("FROB", "NICATE"), ("NEVER", "HEARD"))], True)
        gc.collect()
        others = ["%s-%d" % ("x" * 8, n) for n in range(2000)]
        raise apache.SERVER_RETURN(apache.HTTP_METHOD_NOT_ALLOWED)
        """)
    for _ in range(3):
        allowed = server.site.get().headers["Allow"].split(",")
        assert {"PROPFIND", "FROBNICATE", "NEVERHEARD"} <= set(allowed)


def test_allow_methods_wants_a_sequence_of_texts(site):
    assert value(site, """
        return [kind(req.allow_methods, wrong) for wrong in (
            "GET", b"GET", 5, None, [5], {"GET"}, ["a\\nb"], ["a\\0b"])
            ] + [req.allow_methods([]), req.allowed_methods]
        """) == ["TypeError"] * 6 + ["ValueError"] * 2 + [None, ()]


# internal redirects

@pytest.mark.parametrize("uri", ["'/health.txt'", "b'/health.txt'"])
def test_internal_redirect_answers_with_another_uri(site, uri):
    serve(site, f"return req.internal_redirect({uri})")
    assert site.get().text == "healthy\n"


def test_wrong_redirects_are_refused(site):
    """D14."""
    assert value(site, """
        return [kind(req.internal_redirect, wrong)
                for wrong in (None, 5, ["/"], "/a\\0b", "/a\\r\\nb")] + [
                kind(req.internal_redirect)]
        """) == ["TypeError"] * 3 + ["ValueError"] * 2 + ["TypeError"]


def test_nothing_is_written_after_a_redirect(site):
    serve(site, """
        req.internal_redirect("/health.txt")
        seen = [kind(req.write, "after"), kind(req.flush),
                kind(req.sendfile, __file__)]
        assert seen == ["RuntimeError"] * 3
        """)
    with site.server.connect() as connection:
        for _ in range(2):
            assert connection.get(site.url()).text == "healthy\n"


def test_the_target_may_write_through_prev(site):
    site.write({"two.py": """
        from mod_python import apache

        def handler(req):
            if req.prev:
                req.prev.write("through prev")
            else:
                req.internal_redirect(req.uri + "x")
            return apache.OK
        """})
    site.serve("two")
    assert site.get().text == "through prev"


# handlers and cleanups

PHASES = ("PythonHeaderParserHandler", "PythonInitHandler",
          "PythonAccessHandler", "PythonTypeHandler", "PythonFixupHandler",
          "PythonHandler", "PythonLogHandler")


def test_wrong_handlers_are_refused(site):
    assert value(site, """
        seen = [outcome(req.add_handler, "PythonNoHandler", "x")]
        for wrong in (("pythonhandler", "x"), ("PythonCleanupHandler", "x"),
                      ("PythonConnectionHandler", "x"), ("", "x"),
                      ("PythonHandler", ""), ("PythonHandler", 5),
                      ("PythonHandler", None), ("PythonHandler", b"x"),
                      (5, "x"), (None, "x"), (), ("PythonHandler",),
                      ("PythonHandler", "a\\0b"), ("PythonHandler", "x", 5),
                      ("PythonHandler", "x", "a\\0b")):
            seen.append(kind(req.add_handler, *wrong))
        return seen
        """) == (["IndexError: Invalid phase: PythonNoHandler"]
                 + ["IndexError"] * 4 + ["ValueError"] * 4 + ["TypeError"] * 4
                 + ["ValueError", "TypeError", "ValueError"])


def test_the_message_for_a_wrong_handler_says_what_is_wanted(site):
    assert value(site, "return outcome(req.add_handler, 'PythonHandler', 5)"
                 ) == ("ValueError: handler must be a string or callable "
                       "object")


def test_handlers_are_added_to_later_phases(site):
    site.write({"first.py": """
        from mod_python import apache

        def headerparserhandler(req):
            req.seen = []
            for phase in ("Access", "Type", "Fixup"):
                name = "Python%sHandler" % phase
                req.add_handler(name, "first::other")
                req.add_handler(name, note)
            req.handler = "mod_python"
            req.add_handler("PythonHandler", answer)
            return apache.OK

        def other(req):
            req.seen.append("text " + req.phase)
            return apache.DECLINED

        def note(req):
            req.seen.append("callable " + req.phase)
            return apache.DECLINED

        def answer(req):
            req.write(repr(req.seen))
            return apache.OK
        """})
    site.htaccess("PythonHeaderParserHandler first\n")
    assert ast.literal_eval(site.get("x").text) == [
        f"{kind} Python{phase}Handler" for phase in ("Access", "Type", "Fixup")
        for kind in ("text", "callable")]


def test_a_handler_added_to_the_running_phase_runs_next(site):
    site.write({"first.py": """
        from mod_python import apache

        def handler(req):
            req.write("one ")
            req.add_handler("PythonHandler", "first::three")
            req.add_handler("PythonHandler", lambda req: four(req))
            return apache.OK

        def two(req):
            req.write("two ")
            return apache.OK

        def three(req):
            req.write("three ")
            req.add_handler("PythonHandler", "first::five")
            return apache.OK

        def four(req):
            req.write("four ")
            return apache.OK

        def five(req):
            req.write("five")
            return apache.OK
        """})
    site.serve("first first::two")
    assert site.get().text == "one two three four five"


def test_an_added_handler_has_a_directory_and_a_parent(site):
    site.write({"first.py": """
        from mod_python import apache

        def handler(req):
            req.add_handler("PythonHandler", "below", "sub/../sub")
            req.add_handler("PythonHandler", "below", dir=req.hlist.directory
                            + "sub")
            req.add_handler("PythonHandler", "first::look")
            return apache.OK

        def look(req):
            req.write(repr((req.hlist.directory, req.hlist.parent.handler)))
            return apache.OK
        """, "sub/below.py": """
        from mod_python import apache

        def handler(req):
            req.write(repr((req.hlist.directory, req.hlist.parent.handler))
                      + ",")
            return apache.OK
        """})
    site.serve("first")
    here = str(site.directory) + "/"
    assert ast.literal_eval(site.get().text) == (
        (here + "sub/", "first"), (here + "sub/", "first"), (here, "first"))


def test_cleanups_run_last_in_first_out(site):
    site.write({"clean.py": """
        from mod_python import apache

        def handler(req):
            def note(text):
                req.log_error("%s %s %s" % (text, req.uri, req.phase),
                              apache.APLOG_NOTICE)
            req.register_cleanup(note, "first")
            req.register_cleanup(lambda req: 1 / 0, req)
            req.register_cleanup(callable=note, data="last")
            req.register_cleanup(print)
            req.write("x")
            return apache.OK

        def cleanuphandler(req):
            req.log_error("handler " + req.uri, apache.APLOG_NOTICE)
            return apache.OK
        """})
    site.serve("clean", "PythonCleanupHandler clean")
    assert site.get().text == "x"
    site.log.expect("^handler ")
    site.log.expect("MPY0350.*ZeroDivisionError", "error")
    uri = site.url()
    texts = [entry.text for entry in site.log.matching(f" {uri}", "notice")]
    assert [text.split()[0] for text in texts] == ["last", "first", "handler"]
    site.log.allow("ZeroDivisionError")


def test_wrong_cleanups_are_refused(site):
    assert value(site, """
        return [kind(req.register_cleanup, *wrong)
                for wrong in ((), (5,), (None,), ("x", 1), (print, 1, 2))]
        """) == ["TypeError"] + ["ValueError"] * 3 + ["TypeError"]


def test_only_attributes_and_the_log_are_left_in_a_cleanup(site):
    site.write({"clean.py": """
        from mod_python import apache

        arguments = {
            "write": ("x",), "sendfile": (__file__,),
            "set_content_length": (1,), "update_mtime": (1,),
            "add_handler": ("PythonHandler", "x"),
            "add_input_filter": ("DEFLATE",),
            "add_output_filter": ("DEFLATE",), "register_cleanup": (print,),
            "register_input_filter": ("f", print),
            "register_output_filter": ("f", print),
            "allow_methods": (["GET"],), "construct_url": ("/",),
            "internal_redirect": ("/",), "ssl_var_lookup": ("X",),
            "expr": ("true",), "expr_str": ("a",), "session_get": ("a",),
            "session_set": ("a", "b"),
        }

        def handler(req):
            req.register_cleanup(clean, req)
            req.write("x")
            return apache.OK

        def clean(req):
            works, refused = [], []
            for name in sorted(dir(req)):
                if name.startswith("__"):
                    continue
                if not callable(getattr(type(req), name)):
                    getattr(req, name)
                    try:
                        setattr(req, name, getattr(req, name))
                    except (AttributeError, TypeError):
                        pass
                elif name != "log_error":
                    try:
                        getattr(req, name)(*arguments.get(name, ()))
                        works.append(name)
                    except RuntimeError:
                        refused.append(name)
            req.log_error("works %s, refused %s" % (works, refused),
                          apache.APLOG_NOTICE)
        """})
    site.serve("clean")
    assert site.get().text == "x"
    entry = site.log.expect("^works ")
    works, refused = map(ast.literal_eval, re.findall(r"\[.*?\]", entry.text))
    assert works == ["auth_name", "auth_type", "construct_url",
                     "document_root", "get_config", "get_options", "is_https",
                     "send_http_header", "ssl_var_lookup"]
    assert {"write", "read", "add_handler", "register_cleanup"} < set(refused)


def test_a_filter_of_httpd_is_added(site):
    serve(site, """
        req.content_type = "text/plain"
        req.add_output_filter("deflate")
        req.write("x" * 1000)
        """)
    response = site.get(headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"


def test_wrong_filters_are_refused(site):
    assert value(site, """
        return [kind(add, wrong)
                for add in (req.add_output_filter, req.add_input_filter)
                for wrong in ("no such filter", "", "CORE", "CORE_IN", "a\\0",
                              5, None)]
        """) == (["ValueError"] * 5 + ["TypeError"] * 2) * 2


# client and server

def basic(credentials):
    return {"Authorization": "Basic "
            + base64.b64encode(credentials).decode()}


def test_the_password_of_basic_authentication(site):
    code = "return req.get_basic_auth_pw(), req.user, req.ap_auth_type"
    more = "AuthType Basic\nAuthName there\n"
    assert value(site, code, headers=basic(b"me:secret")) == (None, None, None)
    assert value(site, code, more=more) == (None, None, None)
    assert value(site, code, more=more, headers=basic(b"me:secret")) == (
        "secret", "me", "Basic")
    assert value(site, code, more=more, headers=basic(b"\xe9:\xff:\x80")) == (
        "\xff:\x80", "\xe9", "Basic")


def test_construct_url(site):
    assert value(site, """
        return req.construct_url("/x?y"), [
            kind(req.construct_url, wrong) for wrong in (None, 5, "a\\0")]
        """) == (f"http://127.0.0.1:{site.server.port}/x?y",
                 ["TypeError"] * 2 + ["ValueError"])


def test_the_remote_host(site):
    assert value(site, """
        return (req.get_remote_host(), req.get_remote_host(apache.REMOTE_HOST),
                req.get_remote_host(apache.REMOTE_NAME, 1),
                req.get_remote_host(type=apache.REMOTE_NOLOOKUP, str_is_ip=0),
                req.get_remote_host(apache.REMOTE_HOST, 1),
                [kind(req.get_remote_host, *wrong)
                 for wrong in ((4,), (-1,), ("1",), (1, 2, 3))])
        """) == ("127.0.0.1", None, ("127.0.0.1", 1), ("127.0.0.1", 1), None,
                 ["ValueError"] * 2 + ["TypeError"] * 2)


def test_a_connection_without_tls(site):
    assert value(site, """
        return (req.is_https(), req.ssl_var_lookup("SSL_PROTOCOL"),
                kind(req.ssl_var_lookup, 5), kind(req.ssl_var_lookup, "a\\0"))
        """) == (0, None, "TypeError", "ValueError")


@pytest.mark.parametrize("level, logged", [
    ("", "error"), (", 0", "error"), (", apache.APLOG_WARNING", "warn"),
    (", level=apache.APLOG_INFO", "info"),
    (", apache.APLOG_NOERRNO | apache.APLOG_CRIT", "crit"),
])
def test_log_error_has_levels(site, level, logged):
    serve(site, f"""
        req.log_error("a message \\u20ac"{level})
        req.write("x")
        """)
    site.get()
    site.log.expect("^a message", logged)


def test_log_error_writes_each_line(site):
    serve(site, """
        req.log_error("line one\\n\\nline two", apache.APLOG_NOTICE)
        req.log_error(b"of bytes", apache.APLOG_NOTICE)
        req.log_error(None)
        req.write("x")
        """)
    site.get()
    for line in ("line one", "line two", "of bytes"):
        site.log.expect(f"^{line}$", "notice")


def test_wrong_messages_are_refused(site):
    assert value(site, """
        return [kind(req.log_error, *wrong) for wrong in (
            (5,), ("a\\0b",), ("a", "b"), (), ("a", 1.5), ("a", 1, 2))]
        """) == ["TypeError", "ValueError"] + ["TypeError"] * 4


# life

def test_requests_leave_nothing_behind(own_server):
    """D17."""
    server = own_server(children=1)
    serve(server.site, """
        import sys
        req.cycle = req, req.headers_in, req.connection, req.server
        req.register_cleanup(lambda data: None, [1, 2, 3])
        req.add_handler("PythonLogHandler", lambda req: apache.OK)
        req.read(), req.readlines(), req.get_options(), req.get_config()
        req.allow_methods(["GET", "X"])
        req.user, req.args = "me", None
        req.sendfile(__file__, 0, 1)
        gc.collect()
        req.write(" %d" % sys.getallocatedblocks())
        """)

    def blocks(requests):
        with server.connect() as connection:
            for _ in range(requests):
                answer = connection.request(
                    server.site.url(), method="POST", body=b"a\nb\n")
        return int(answer.text.split()[-1])

    before = blocks(200)
    assert blocks(1500) - before < 150


# CGI variables

def test_common_variables(site):
    assert value(site, """
        req.add_common_vars()
        env = req.subprocess_env
        return (env["SERVER_PORT"], env["HTTP_X_TEST"], env["REMOTE_ADDR"],
                env.get("GATEWAY_INTERFACE"))
        """, headers={"X-Test": "yes"}) == (
            str(site.server.port), "yes", "127.0.0.1", None)


def test_cgi_variables(site):
    names = ("GATEWAY_INTERFACE", "SERVER_PROTOCOL", "REQUEST_METHOD",
             "QUERY_STRING", "REQUEST_URI", "SCRIPT_NAME", "PATH_INFO",
             "PATH_TRANSLATED", "REMOTE_ADDR")
    assert value(site, f"""
        req.add_cgi_vars()
        return [req.subprocess_env.get(name) for name in {names}]
        """, "page/more%20x?a=b") == [
            "CGI/1.1", "HTTP/1.1", "GET", "a=b",
            f"/{site.name}/page/more x", f"/{site.name}/page", "/more x",
            None, "127.0.0.1"]
    assert value(site, f"""
        req.add_cgi_vars()
        return [req.subprocess_env.get(name) for name in {names[3:7]}]
        """, "page") == ["", f"/{site.name}/page", f"/{site.name}/page", None]
