"""req.send_interim_response(): what goes out before the response."""

import socket

import pytest

from h2client import exchange
from inline import serve, value


def body_of(answer):
    """The body of the last response in a text of several."""
    head, _, rest = answer.rpartition("HTTP/1.1 200 ")[2].partition(
        "\r\n\r\n")
    if "Transfer-Encoding: chunked" not in head:
        return rest
    body = ""
    while rest:
        size, _, rest = rest.partition("\r\n")
        body += rest[:int(size, 16)]
        rest = rest[int(size, 16) + 2:]
    return body


def ask(site, version=b"1.1", more=b"", method=b"GET"):
    """The heads of all responses that come back, and the last one's body."""
    answer = site.server.raw(
        method + b" " + site.url("x").encode() + b" HTTP/" + version
        + b"\r\nHost: localhost\r\nConnection: close\r\n" + more + b"\r\n"
    ).decode("latin-1")
    heads = [part for part in answer.split("\r\n\r\n")
             if part.startswith("HTTP/1.1 ")]
    return [*heads, body_of(answer)]


def read_all(stream):
    rest = b""
    while part := stream.recv(4096):
        rest += part
    return rest.decode("latin-1")


def test_early_hints_go_out_before_the_response(site):
    serve(site, """
        req.content_type = "text/plain"
        req.headers_out["X-Own"] = "kept"
        assert req.send_interim_response(103, {
            "Link": "</style.css>; rel=preload"}) is True
        assert req.status == 200 and dict(req.headers_out) == {
            "X-Own": "kept"}, dict(req.headers_out)
        req.write("body")
        """)
    interim, head, body = ask(site)
    assert interim.split("\r\n") == ["HTTP/1.1 103 Early Hints",
                                     "Link: </style.css>; rel=preload"]
    lines = head.split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "X-Own: kept" in lines and "Link" not in head
    assert body == "body"


def test_client_gets_early_hints_while_the_handler_works(site):
    site.write({"slow.py": """
        from mod_python import apache
        import harness

        def handler(req):
            req.send_interim_response(headers={"Link": "</a>"})
            harness.wait(__file__, "work")
            req.write("done")
            return apache.OK
        """})
    site.serve("slow")
    with socket.create_connection(("127.0.0.1", site.server.port),
                                  20) as stream:
        stream.sendall(f"GET {site.url('x')} HTTP/1.1\r\nHost: localhost\r\n"
                       "Connection: close\r\n\r\n".encode())
        first = stream.recv(4096)
        assert first.startswith(b"HTTP/1.1 103 ") and b"done" not in first
        assert first.endswith(b"\r\n\r\n")
        site.open_gate("work")
        rest = read_all(stream)
    assert rest.startswith("HTTP/1.1 200 ")
    assert body_of(rest) == "done"


def test_several_interim_responses_and_several_headers_of_one_name(site):
    serve(site, """
        req.send_interim_response(102)
        req.send_interim_response(103, [("Link", "</a>"), ("Link", b"</b>")])
        table = apache.table({"Link": "</c>"})
        req.send_interim_response(headers=table)
        req.write("body")
        """)
    parts = ask(site)
    assert len(parts) == 5
    assert parts[0] == "HTTP/1.1 102 Processing"
    assert parts[1].split("\r\n")[1:] == ["Link: </a>", "Link: </b>"]
    assert parts[2].split("\r\n")[1:] == ["Link: </c>"]
    assert parts[3].startswith("HTTP/1.1 200 ")


def test_client_of_http_1_0_gets_none(site):
    serve(site, "return req.send_interim_response(103)")
    head, body = ask(site, version=b"1.0")
    assert "200" in head.split("\r\n")[0]
    assert body == "False"


def test_100_is_sent_to_a_client_that_waits_for_it_only(site):
    serve(site, "return [req.send_interim_response(100) for _ in range(2)]")
    assert ask(site)[-1] == "[False, False]"
    interim, head, body = ask(site, method=b"POST", more=(
        b"Expect: 100-continue\r\nContent-Length: 0\r\n"))
    assert interim == "HTTP/1.1 100 Continue"
    assert body == "[True, False]"


def test_client_that_waits_for_100_still_gets_it_after_early_hints(site):
    serve(site, """
        req.send_interim_response(103)
        return req.read()
        """)
    with socket.create_connection(("127.0.0.1", site.server.port),
                                  20) as stream:
        stream.sendall(f"POST {site.url('x')} HTTP/1.1\r\nHost: localhost\r\n"
                       "Connection: close\r\nExpect: 100-continue\r\n"
                       "Content-Length: 4\r\n\r\n".encode())
        got = b""
        while b"100 Continue\r\n\r\n" not in got:
            part = stream.recv(4096)
            assert part, got
            got += part
        assert got.startswith(b"HTTP/1.1 103 ")
        stream.sendall(b"eggs")
        rest = read_all(stream)
    assert body_of(rest) == "b'eggs'"


@pytest.mark.parametrize("begin", ["req.write('a', 0)", "req.write('a')",
                                   "req.flush()"])
def test_it_is_refused_after_output_began(site, begin):
    serve(site, f"""
        {begin}
        text = outcome(req.send_interim_response)
        req.log_error("got " + text, apache.APLOG_INFO)
        """)
    assert ask(site)[0].startswith("HTTP/1.1 200 ")
    assert "RuntimeError: the response has begun" in (
        site.log.expect("^got").text)


def test_it_is_refused_in_the_log_phase(site):
    site.write({"late.py": """
        from mod_python import apache

        def loghandler(req):
            try:
                req.send_interim_response()
            except RuntimeError:
                req.log_error("refused", apache.APLOG_INFO)
            return apache.OK
        """, "page.txt": "static"})
    site.htaccess("PythonLogHandler late")
    assert len(ask(site)) == 2
    site.log.expect("^refused")


def test_what_is_no_interim_response_is_refused(site):
    assert value(site, """
        send = req.send_interim_response
        return [kind(send, status) for status in (200, 99, 101, 0, -1)] + [
            kind(send, 103, headers) for headers in (
                {"A": "b\\r\\nC: d"}, {"A\\n": "b"}, {"A B": "c"}, {"": "c"},
                {"A:": "b"}, {"A": "\\x01"}, [("A",)], 5, {"A": 5}, "ab")]
        """) == ["ValueError"] * 11 + ["TypeError"] * 4


def test_refused_headers_send_nothing(site):
    serve(site, """
        outcome(req.send_interim_response, 103, [("A", "b"), ("C", "d\\n")])
        """)
    assert ask(site)[0].startswith("HTTP/1.1 200 ")


def test_early_hints_reach_a_client_of_http_2_where_it_is_allowed(own_server):
    """httpd leaves them out unless H2EarlyHints is On."""
    server = own_server("Protocols h2c http/1.1\nH2EarlyHints On",
                        mpm="event", modules=("http2",))
    serve(server.site, """
        req.headers_out["X-Own"] = "kept"
        return req.send_interim_response(103, {"Link": "</a>"})
        """)
    with socket.create_connection(("127.0.0.1", server.port), 20) as stream:
        (interim, head), body = exchange(stream, "/site/x")
    assert interim == {":status": "103", "link": "</a>"}
    assert head[":status"] == "200" and head["x-own"] == "kept"
    assert "link" not in head
    assert body == "True"
