"""What WSGI applications return: bodies, their length, errors in them, and
close() (api.md 6.7, D24)."""

import socket

import pytest

from wsgi_site import closed, serve

# what applications return

@pytest.mark.parametrize("code, body", [
    ("[b'one', b'two']", b"onetwo"), ("(b'one', b'', b'two')", b"onetwo"),
    ("[]", b""), ("iter([b'a', b'b'])", b"ab"), ("{b'only': 1}", b"only"),
    ("(part for part in (b'a', b'', b'b'))", b"ab"), ("[b'']", b""),
    ("['\\u20ac', 'x']", "€x".encode()), ("'text'", b"text"),
    ("b'bytes'", b"bytes"), ("[bytearray(b'abc')]", b"abc"),
    ("[memoryview(b'abcd')[1:3]]", b"bc"), ("[b'x' * 300_000] * 3",
                                            b"x" * 900_000),
    ("map(bytes, [b'a', b'b'])", b"ab"), ("Old()", b"01")])
def test_iterables_of_bytes_are_the_body(site, code, body):
    serve(site, f"""
        class Old:
            def __getitem__(self, index):
                if index == 2:
                    raise IndexError
                return b"%d" % index

        def application(environ, start_response):
            start_response("200 OK", [])
            return {code}
        """)
    response = site.get()
    assert (response.status, response.body) == (200, body)


@pytest.mark.parametrize("code, error", [
    ("None", "TypeError: the application has returned None"),
    ("5", "TypeError: 'int' object is not iterable"),
    ("[5]", "TypeError: a chunk of the response must be"),
    ("[None]", "TypeError: a chunk of the response must be"),
    ("[[b'x']]", "TypeError: a chunk of the response must be")])
def test_anything_else_is_500(site, code, error):
    serve(site, f"""
        def application(environ, start_response):
            start_response("200 OK", [("X-Mine", "1")])
            return {code}
        """)
    response = site.get()
    assert response.status == 500
    assert "X-Mine" not in response.headers
    site.log.expect(f"MPY0401.*{error}")


def test_each_chunk_of_an_iterator_is_sent_before_the_next_is_made(site):
    serve(site, """
        def application(environ, start_response):
            plain(start_response)
            yield b"first"
            harness.wait(__file__, "between")
            yield b"second"
        """)
    with site.server.connect() as connection:
        connection.send(site.url())
        data = b""
        while b"first" not in data:
            data += connection.socket.recv(1000)
        assert b"second" not in data
        site.wait_parked("between")
        site.open_gate("between")


def test_a_list_is_one_response_with_a_length(site):
    """Nothing runs between its chunks, so nothing need be flushed."""
    serve(site, """
        def application(environ, start_response):
            plain(start_response)
            return [b"one", b"two", b"three"]
        """)
    response = site.get()
    assert response.headers["Content-Length"] == "11"
    assert "Transfer-Encoding" not in response.headers


@pytest.mark.parametrize("returned", ["[b'body']", "iter([b'bo', b'dy'])"])
def test_head_has_the_headers_and_no_body(site, returned):
    serve(site, f"""
        def application(environ, start_response):
            start_response("200 OK", [("X-Method", environ["REQUEST_METHOD"]),
                                      ("Content-Length", "4")])
            return {returned}
        """)
    with site.server.connect() as connection:
        for _ in range(3):
            response = connection.request(site.url(), "HEAD")
            assert (response.status, response.body) == (200, b"")
            assert response.headers["X-Method"] == "HEAD"
            assert response.headers["Content-Length"] == "4"
            assert connection.get(site.url()).text == "body"


def test_head_may_be_answered_without_a_body(site):
    serve(site, """
        def application(environ, start_response):
            start_response("200 OK", [("Content-Length", "1000")])
            return []
        """)
    response = site.request(method="HEAD")
    assert (response.status, response.headers["Content-Length"]) == (200,
                                                                     "1000")


# Content-Length

def test_more_than_content_length_is_left_out(site):
    """It would be the beginning of the next response."""
    serve(site, """
        def application(environ, start_response):
            start_response("200 OK", [("Content-Length", "5")])
            return {"list": [b"abc", b"defg", b"h"],
                    "once": [b"abcdefgh"],
                    "iter": iter([b"abc", b"defg", b"h"]),
                    "exact": [b"abcde", b"fgh"]}[environ["QUERY_STRING"]]
        """)
    with site.server.connect() as connection:
        for way in ("list", "once", "iter", "exact") * 2:
            assert connection.get(site.url("?" + way)).text == "abcde"


def test_an_iterator_is_used_up_though_content_length_is_reached(site):
    serve(site, """
        ended = []

        def application(environ, start_response):
            plain(start_response, ("Content-Length", "2"))
            yield b"%d\\n" % len(ended)
            ended.append(1)
        """)
    with site.server.connect() as connection:
        assert [connection.get(site.url()).text for _ in range(3)] == [
            "0\n", "1\n", "2\n"]


def test_write_beyond_content_length_is_refused(site):
    serve(site, """
        def application(environ, start_response):
            write = plain(start_response, ("Content-Length", "60"))
            said = outcome(write, b"x" * 70)
            return [said[:60].ljust(60).encode()]
        """)
    assert site.get().text.strip() == (
        "ValueError: write() goes beyond Content-Length by 10 bytes")


@pytest.mark.parametrize("returned", ["[b'abc']", "[]", "iter([b'abc'])",
                                      "[b'x' * 100_000]"])
def test_less_than_content_length_does_not_look_complete(site, returned):
    serve(site, f"""
        def application(environ, start_response):
            start_response("200 OK", [("Content-Length", "1000000")])
            return {returned}
        """)
    answer = site.server.raw(f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n"
                             .encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " in head.split(b"\r\n")[0]:
        assert b"Content-Length: 1000000" in head
        assert len(body) < 1000000
    else:
        assert b" 50" in head.split(b"\r\n")[0]
    site.log.expect("RuntimeError: the application has sent .* had announced")


# errors

def test_an_error_before_output_is_500_without_the_applications_headers(site):
    serve(site, """
        def application(environ, start_response):
            start_response("201 Created", [("X-Mine", "1"),
                                           ("Content-Encoding", "gzip")])
            raise ValueError("before")
        """)
    response = site.get()
    assert (response.status, response.reason) == (500, "Internal Server Error")
    assert "X-Mine" not in response.headers
    assert "Content-Encoding" not in response.headers
    assert "ValueError" not in response.text
    site.log.expect("MPY0401: PythonHandler mod_python.wsgi .*ValueError: bef")


def test_with_pythondebug_the_client_sees_the_error(site):
    serve(site, """
        def application(environ, start_response):
            start_response("201 Created", [("X-Mine", "1")])
            raise ValueError("<shown>")
        """, "PythonDebug On")
    response = site.get()
    assert response.status == 500
    assert "ValueError: &lt;shown&gt;" in response.text
    site.log.expect("MPY0401")


@pytest.mark.parametrize("length", ["", "('Content-Length', '1000')"])
def test_an_error_after_output_does_not_look_complete(site, length):
    """No final chunk, no more bytes, and the connection ends."""
    serve(site, f"""
        def application(environ, start_response):
            start_response("200 OK", [{length}])
            yield b"begun"
            raise ValueError("in the middle")
        """)
    answer = site.server.raw(f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n"
                             .encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == (b"begun" if length else b"5\r\nbegun\r\n")
    site.log.expect("MPY0401.*ValueError: in the middle")


def test_server_return_is_for_wsgi_too(site):
    serve(site, """
        def application(environ, start_response):
            raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN)
        """)
    assert site.get().status == 403


def test_what_a_response_has_set_is_undone_when_it_is_given_up(site):
    """The application declines after all: httpd serves the file."""
    site.write({"file.txt": "a file"})
    serve(site, """
        def application(environ, start_response):
            start_response("404 Not Here", [("X-Mine", "1")])
            raise apache.SERVER_RETURN(apache.DECLINED)
        """)
    response = site.get("file.txt")
    assert (response.status, response.reason, response.text) == (
        200, "OK", "a file")
    assert "X-Mine" not in response.headers


# close

CLOSING = """
    class Body:
        def __init__(self, parts, error=None):
            self.parts = parts
            self.error = error

        def __iter__(self):
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                yield part

        def close(self):
            harness.note(__file__)
            if self.error:
                raise self.error
"""


@pytest.mark.parametrize("parts, method, status", [
    ("[b'a', b'b']", "GET", 200), ("[]", "GET", 200), ("[b'a']", "HEAD", 200),
    ("[ValueError('raised')]", "GET", 500), ("[5]", "GET", 500)])
def test_close_is_called_once_whatever_happens(site, parts, method, status):
    serve(site, CLOSING + f"""
    def application(environ, start_response):
        start_response("200 OK", [])
        return Body({parts})
    """)
    site.forget_executions()
    assert site.request(method=method).status == status
    assert closed(site) == 1
    site.log.allow("MPY0401")


def test_close_is_called_when_start_response_was_not(site):
    serve(site, CLOSING + """
    def application(environ, start_response):
        return Body([b"x"])
    """)
    site.forget_executions()
    assert site.get().status == 500
    assert closed(site) == 1
    site.log.expect("MPY0401")


def test_close_is_called_when_content_length_ends_the_response(site):
    serve(site, CLOSING + """
    def application(environ, start_response):
        start_response("200 OK", [("Content-Length", "3")])
        return Body([b"abc", b"def", b"ghi"])
    """)
    site.forget_executions()
    assert site.get().text == "abc"
    assert closed(site) == 1


def test_an_error_of_close_is_logged_and_the_response_stays_whole(site):
    serve(site, CLOSING + """
    def application(environ, start_response):
        plain(start_response)
        return Body([b"whole"], KeyError("of close"))
    """)
    with site.server.connect() as connection:
        for _ in range(2):
            assert connection.get(site.url()).text == "whole"
    site.log.expect("MPY0574.*KeyError: 'of close'", count=2)


def test_both_errors_are_logged(site):
    serve(site, CLOSING + """
    def application(environ, start_response):
        start_response("200 OK", [])
        return Body([ValueError("of the body")], KeyError("of close"))
    """)
    assert site.get().status == 500
    site.log.expect("MPY0401.*KeyError: 'of close'")
    site.log.expect("ValueError: of the body")


def test_a_client_that_goes_away_ends_the_iteration(site):
    serve(site, CLOSING + """
    def parts():
        yield b"begun"
        harness.wait(__file__, "gone")
        while True:
            yield b"x" * 100_000

    def application(environ, start_response):
        start_response("200 OK", [])
        return Body(parts())
    """)
    site.forget_executions()
    with site.server.connect() as connection:
        connection.send(site.url())
        connection.socket.recv(10)
        site.wait_parked("gone")
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     b"\1\0\0\0\0\0\0\0")
    site.open_gate("gone")
    site.log.expect("mod_python.wsgi: the client went away", "info")
    assert closed(site) == 1
