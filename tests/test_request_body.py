"""Reading the body of a request: api.md 3.1, Input."""

import gzip
import hashlib
import random
import re
import socket
import time

import pytest

from inline import serve, value

LINES = b"one\ntwo\r\n\nfour with more in it\n" + bytes(range(256)) + b"\nlast"


def chunks(body, size=7):
    """The body as an iterable: it is sent chunked."""
    return [body[i:i + size] for i in range(0, len(body), size)]


@pytest.fixture(params=["plain", "chunked"])
def sent(request):
    """How a body is sent: a function that makes the argument for body=."""
    return bytes if request.param == "plain" else chunks


# whole bodies

@pytest.mark.parametrize("body", [b"", b"x", LINES, bytes(200_000)],
                         ids=["empty", "byte", "lines", "long"])
def test_read_gives_the_whole_body(site, body, sent):
    serve(site, """
        body = req.read()
        req.write(body)
        req.write("|%r%r%r" % (req.read(), req.read(5), req.readline()))
        """)
    assert site.post(body=sent(body)).body == body + b"|b''b''b''"


def test_read_of_a_get_is_empty(site):
    assert value(site, """
        return [req.read(), req.read(0), req.read(10), req.readline(),
                req.readlines(), list(req), req.discard_request_body()]
        """) == [b"", b"", b"", b"", [], [], 0]


def test_read_waits_for_what_was_asked_for(site):
    serve(site, "return req.read(4), req.read(4), req.read(4)")
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.settimeout(20)
        stream.sendall(b"POST /%s/ HTTP/1.0\r\nContent-Length: 10\r\n\r\n"
                       % site.name.encode())
        for piece in (b"ab", b"cdef", b"g", b"hij"):
            time.sleep(0.02)
            stream.sendall(piece)
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    assert answer.endswith(repr((b"abcd", b"efgh", b"ij")).encode())


def test_a_large_body_arrives(site, sent):
    body = random.Random(1).randbytes(3_000_000)
    serve(site, """
        import hashlib
        body = req.read()
        return len(body), hashlib.sha256(body).hexdigest(), req.read_length
        """)
    data = body if sent is bytes else chunks(body, 50_000)
    assert site.post(body=data).text == repr(
        (len(body), hashlib.sha256(body).hexdigest(), len(body)))


def test_a_body_is_read_in_small_pieces(site, sent):
    serve(site, """
        pieces = list(iter(lambda: req.read(3), b""))
        return b"".join(pieces), {len(piece) for piece in pieces[:-1]}
        """)
    assert site.post(body=sent(LINES)).text == repr((LINES, {3}))


# lines

def test_readline_ends_after_the_newline(site, sent):
    serve(site, "return list(iter(req.readline, b''))")
    assert site.post(body=sent(LINES)).text == repr(
        re.findall(rb"[^\n]*\n|[^\n]+", LINES))


def test_readline_obeys_its_limit(site, sent):
    serve(site, """
        return [req.readline(0), req.readline(2), req.readline(5),
                req.readline(4), req.readline(3), req.readline(100)]
        """)
    assert site.post(body=sent(b"one\ntwo\nlong line")).text == repr(
        [b"", b"on", b"e\n", b"two\n", b"lon", b"g line"])


def test_iteration_gives_lines(site, sent):
    serve(site, "return list(req), list(req), iter(req) is req")
    assert site.post(body=sent(b"a\nb\n\nc")).text == repr(
        ([b"a\n", b"b\n", b"\n", b"c"], [], True))


def test_readlines_stops_after_the_line_that_reaches_the_hint(site, sent):
    serve(site, """
        return [req.readlines(1), req.readlines(4), req.readlines(sizehint=5),
                req.readlines()]
        """)
    assert site.post(body=sent(b"one\ntwo\nthree\n4\n5\n")).text == repr(
        [[b"one\n"], [b"two\n"], [b"three\n"], [b"4\n", b"5\n"]])


@pytest.mark.parametrize("hint", [-1, 0])
def test_readlines_without_a_hint_takes_all(site, hint):
    serve(site, f"return req.readlines({hint})")
    assert site.post(body=b"a\nb\nc").text == repr([b"a\n", b"b\n", b"c"])


def test_a_long_line_takes_linear_time(site, sent):
    size = 4_000_000
    serve(site, "return len(req.readline()), req.read()")
    body = b"x" * size + b"\nrest"
    data = body if sent is bytes else chunks(body, 100_000)
    begun = time.monotonic()
    assert site.post(body=data).text == repr((size + 1, b"rest"))
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_of_reads_reassembles_the_body(site, sent, seed):
    """D12."""
    chance = random.Random(seed)
    body = b"".join(
        chance.choice((b"\n", b"x", bytes(chance.randrange(256)
                                          for _ in range(5)),
                       b"y" * chance.choice((10, 1000, 9000)) + b"\n"))
        for _ in range(chance.randrange(1, 120)))
    serve(site, f"""
        import random
        chance = random.Random({seed} + 1)
        parts = []
        while True:
            how = chance.randrange(5)
            if how == 0:
                part = req.read(chance.choice((1, 2, 100, 8192, 20000)))
            elif how == 1:
                part = req.readline()
            elif how == 2:
                part = req.readline(chance.choice((1, 5, 500)))
                assert part.count(b"\\n") == part.endswith(b"\\n")
            elif how == 3:
                part = b"".join(req.readlines(chance.choice((1, 50, 5000))))
            else:
                part = next(req, b"")
            if not part:
                break
            parts.append(part)
        req.write(b"".join(parts))
        """)
    data = body if sent is bytes else chunks(body, chance.randrange(1, 5000))
    assert site.post(body=data).body == body


# what is refused

def test_wrong_arguments_are_refused(site):
    assert value(site, """
        seen = []
        for method in (req.read, req.readline, req.readlines):
            for wrong in ((1.0,), ("1",), (None,), ([],), (1, 2), (2**70,)):
                seen.append(kind(method, *wrong))
            seen.append(kind(method, size=1))
            seen.append(kind(method, 1, len=1))
        return seen, req.read(len=2), req.readline(len=1)
        """, method="POST", body=b"abc") == (
            (["TypeError"] * 5 + ["OverflowError"] + ["TypeError"] * 2) * 3,
            b"ab", b"c")


@pytest.mark.parametrize("call", ["read()", "read(10000)", "readline()",
                                  "readlines()", "discard_request_body()"])
def test_a_body_over_limitrequestbody_ends_as_413(site, call, sent):
    serve(site, f"""
        result = req.{call}
        if result and req.status == 413:
            raise apache.SERVER_RETURN(result)
        """, "LimitRequestBody 1000\n")
    response = site.post(body=sent(bytes(5000)))
    assert response.status == 413
    assert response.text.count("</html>") == 1


def test_413_can_be_caught(site):
    serve(site, """
        seen = []
        for _ in range(2):
            try:
                req.read()
            except apache.SERVER_RETURN as error:
                seen.append(error.args)
        return seen
        """, "LimitRequestBody 1000\n")
    assert site.post(body=bytes(5000)).text == repr([(413,), (413,)])


def test_an_unknown_transfer_encoding_ends_as_501(site):
    serve(site, "return req.read()")
    answer = site.server.raw(
        b"POST /%s/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: strange\r\n"
        b"Connection: close\r\n\r\nabc" % site.name.encode())
    assert re.match(rb"HTTP/1\.1 (501|400)", answer)


@pytest.mark.parametrize("call", ["read()", "read(50)", "readline()",
                                  "readlines()", "list(req)"])
@pytest.mark.parametrize("body", [
    b"Content-Length: 100\r\n\r\n", b"Content-Length: 100\r\n\r\nhalf a li",
    b"Content-Length: 100\r\n\r\nline\nhalf a li",
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nab\nde\r\n",
], ids=["0 of 100", "half", "line", "no chunk", "part of chunk", "no last"])
def test_an_abort_of_the_client_raises_oserror(site, call, body):
    expression = call if "req" in call else f"req.{call}"
    serve(site, f"""
        seen = []
        for _ in range(3):
            seen.append(outcome(lambda: {expression}))
        req.log_error(repr(seen[-2:]), apache.APLOG_NOTICE)
        """)
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.sendall(b"POST /%s/ HTTP/1.1\r\nHost: x\r\n%s"
                       % (site.name.encode(), body))
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(65536):
            pass
    error = "OSError: Client read error (Timeout?)"
    site.log.expect(re.escape(repr([error, error])))


def test_a_timeout_raises_oserror(own_server):
    server = own_server("Timeout 1\n<IfModule reqtimeout_module>\n"
                        "RequestReadTimeout body=0\n</IfModule>")
    serve(server.site, "return req.read(3), outcome(req.read)")
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.settimeout(20)
        stream.sendall(b"POST /site/ HTTP/1.0\r\n"
                       b"Content-Length: 9\r\n\r\nabcd")
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    assert answer.endswith(
        repr((b"abc", "OSError: Client read error (Timeout?)")).encode())


def test_a_broken_chunk_ends_as_400(site):
    """httpd sends the page; nothing can be written after it."""
    serve(site, """
        try:
            req.read()
        except apache.SERVER_RETURN:
            req.log_error(repr(kind(req.write, "x")), apache.APLOG_NOTICE)
            raise
        """)
    answer = site.server.raw(
        b"POST /%s/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"zz\r\nabc\r\n" % site.name.encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"</html>") == 1
    site.log.expect("'RuntimeError'")


def test_an_announced_length_takes_no_memory(own_server):
    """D12: Content-Length: 10000000000 with 10 bytes sent."""
    server = own_server("LimitRequestBody 0", children=1)
    serve(server.site, """
        def size():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[0]) * 4096
        before = size()
        seen = outcome(req.read), outcome(req.read, 10**10)
        req.log_error(repr((seen, size() - before < 50_000_000)),
                      apache.APLOG_NOTICE)
        """)
    with socket.create_connection(("127.0.0.1", server.port)) as stream:
        stream.sendall(b"POST /site/ HTTP/1.1\r\nHost: x\r\n"
                       b"Content-Length: 10000000000\r\n\r\n0123456789")
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(65536):
            pass
    error = "OSError: Client read error (Timeout?)"
    server.log.expect(re.escape(repr(((error, error), True))))


# the rest of the body

def test_discarding_leaves_nothing(site, sent):
    serve(site, """
        return (req.readline(), req.read(3), req.discard_request_body(),
                req.read(), req.readline(), req.readlines(),
                req.discard_request_body())
        """)
    assert site.post(body=sent(b"line\nand more and more\n")).text == repr(
        (b"line\n", b"and", 0, b"", b"", [], 0))


@pytest.mark.parametrize("read", ["", "req.read(3)", "req.readline()",
                                  "req.discard_request_body()"])
def test_the_next_request_of_the_connection_is_not_touched(site, read, sent):
    serve(site, f"{read or 'None'}; req.write(req.method)")
    with site.server.connect() as connection:
        for _ in range(3):
            response = connection.request(site.url(), method="POST",
                                          body=sent(LINES * 20))
            assert response.body == b"POST"
            assert connection.get(site.url()).body == b"GET"


def test_100_continue_is_sent_when_the_body_is_read(site):
    serve(site, """
        before = req.expecting_100
        return before, req.read(), req.expecting_100
        """)
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.settimeout(20)
        stream.sendall(b"POST /%s/ HTTP/1.1\r\nHost: x\r\nConnection: close"
                       b"\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
                       % site.name.encode())
        assert stream.recv(65536).startswith(b"HTTP/1.1 100 ")
        stream.sendall(b"abc")
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    assert b"(1, b'abc', 0)" in answer


def test_what_is_known_about_the_body(site):
    names = "req.read_body, req.read_chunked, req.read_length, req.remaining"
    serve(site, f"""
        first = req.read(1)
        seen = {names}
        rest = req.read()
        return seen, ({names}), apache.REQUEST_CHUNKED_DECHUNK
        """)
    plain = site.post(body=b"12345").text
    assert plain == repr(((2, 0, 1, 5), (2, 0, 5, 0), 2))
    assert site.post(body=chunks(b"12345", 1)).text == repr(
        ((2, 1, 1, 0), (2, 1, 5, -1), 2))


def test_an_early_phase_may_read_and_a_later_one_go_on(site):
    site.write({"two.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.first = req.readline()
            return apache.OK

        def handler(req):
            req.write(req.first + b"|" + req.read())
            return apache.OK
        """})
    site.serve("two", "PythonFixupHandler two")
    assert site.post(body=b"one\ntwo\nthree").body == b"one\n|two\nthree"


def test_an_exact_read_leaves_the_rest_to_others(site):
    """A redirect hands the filters on; what read(n) did not ask for is
    still there."""
    site.write({"two.py": """
        from mod_python import apache

        def handler(req):
            if req.prev is None:
                req.first = req.read(4)
                req.internal_redirect(req.uri + "/again")
                return apache.OK
            rest = req.prev.read()
            req.write(repr((req.prev.first, rest, req.read())))
            return apache.OK
        """})
    site.serve("two")
    assert site.post("x", body=b"abcdefgh").text == repr(
        (b"abcd", b"efgh", b""))


def test_a_decompressed_body_is_read(site):
    body = b"line\n" + random.Random(2).randbytes(200_000)
    serve(site, "return len(req.readline()), len(req.read())",
          "SetInputFilter DEFLATE\n")
    assert site.post(body=gzip.compress(body),
                     headers={"Content-Encoding": "gzip"}).text == repr(
                         (5, len(body) - 5))


def test_reading_does_not_stop_other_threads(site):
    """While one request waits for its body, Python goes on."""
    if site.server.config.mpm == "prefork":
        pytest.skip("a child of prefork has one thread")
    serve(site, "return req.read()")
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.settimeout(20)
        stream.sendall(b"POST /%s/ HTTP/1.0\r\nContent-Length: 2\r\n\r\n"
                       % site.name.encode())
        time.sleep(0.1)
        for response in site.get_from_each_child().values():
            assert response.text == "b''"
        stream.sendall(b"ok")
        assert b"".join(iter(lambda: stream.recv(65536), b"")).endswith(
            b"b'ok'")


@pytest.mark.parametrize("phase", ["PythonLogHandler",
                                   "PythonCleanupHandler"])
def test_reading_is_refused_when_the_response_is_complete(site, phase):
    name = phase.removeprefix("Python").lower()
    site.write({"late.py": f"""
        from mod_python import apache

        def handler(req):
            req.write("x")
            return apache.OK

        def {name}(req):
            seen = []
            for call in (req.read, req.readline, req.readlines,
                         req.discard_request_body, lambda: next(req)):
                try:
                    call()
                except RuntimeError as error:
                    seen.append(type(error).__name__)
            req.log_error("seen %d" % len(seen), apache.APLOG_NOTICE)
            return apache.OK
        """})
    site.serve("late", f"{phase} late")
    assert site.post(body=b"abc").body == b"x"
    site.log.expect("^seen 5$")


def test_many_small_reads_do_not_grow_the_child(own_server):
    server = own_server(children=1, threads=1, mpm="worker")
    serve(server.site, """
        def size():
            gc.collect()
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096
        for _ in range(1000):
            req.read(2)
        before = size()
        for _ in range(100_000):
            req.read(1)
            req.readline(1)
        return size() - before < 1_000_000, len(req.read())
        """)
    body = b"ab\n" * 80_000
    response = server.site.post(body=body)
    assert response.text == repr((True, len(body) - 202_000))


def test_trailers_are_there_when_the_body_was_read(site):
    serve(site, """
        before = dict(req.trailers_in)
        body = req.read()
        return before, body, dict(req.trailers_in)
        """)
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.settimeout(20)
        stream.sendall(b"POST /%s/ HTTP/1.1\r\nHost: x\r\nConnection: close"
                       b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
                       b"0\r\nX-Sum: 3\r\n\r\n" % site.name.encode())
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    assert repr(({}, b"abc", {"X-Sum": "3"})).encode() in answer
