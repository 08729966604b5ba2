"""WSGI on other connections (TLS, HTTP/2), as a part of other pages, behind
httpd's filters, and under load while it is edited."""

import ast
import gzip
import socket
import threading
import time

import pytest

from httpd import together
from test_http2 import HTTP2, PROTOCOLS, Client
from test_tls import connect, start, TLS
from wsgi_site import option, serve, serve_value, write_application


def test_over_tls_the_scheme_is_https(own_server):
    server = start(own_server, TLS)
    serve_value(server.site, """
        return environ["wsgi.url_scheme"], environ["HTTPS"], \\
            environ["REQUEST_SCHEME"]
        """)
    with (socket.create_connection(("127.0.0.1", server.port), 20) as plain,
          connect(server, plain) as stream):
        stream.sendall(b"GET /site/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b""
        while part := stream.recv(65536):
            answer += part
    assert ast.literal_eval(answer.partition(b"\r\n\r\n")[2].decode()) == (
        "https", "on", "https")


def test_files_go_out_over_tls(own_server):
    server = start(own_server, TLS)
    data = bytes(range(256)) * 2000
    server.site.write({"data.bin": data})
    serve(server.site, """
        import os

        def application(environ, start_response):
            plain(start_response)
            return environ["wsgi.file_wrapper"](open(os.path.join(
                os.path.dirname(__file__), "data.bin"), "rb"))
        """)
    with (socket.create_connection(("127.0.0.1", server.port), 20) as plain,
          connect(server, plain) as stream):
        stream.sendall(b"GET /site/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b""
        while part := stream.recv(65536):
            answer += part
    assert answer.partition(b"\r\n\r\n")[2] == data


def test_streams_of_http2_do_not_mix(own_server):
    server = own_server(PROTOCOLS, **HTTP2)
    serve(server.site, """
        def application(environ, start_response):
            body = environ["wsgi.input"].read()
            plain(start_response, ("X-Query", environ["QUERY_STRING"]))
            yield environ["SERVER_PROTOCOL"].encode() + b" "
            yield environ["QUERY_STRING"].encode() + b" " + body
        """)
    with Client(server.port) as client:
        streams = {}
        for number in range(50):
            streams[number] = client.send(
                f"/site/?q{number}", body=b"b%d" % number)
        client.finish(*streams.values())
        for number, stream in streams.items():
            assert client.bodies[stream] == b"HTTP/2.0 q%d b%d" % (number,
                                                                   number)
            assert dict(client.headers[stream])["x-query"] == f"q{number}"


def test_an_application_can_be_a_part_of_a_page(site):
    """By mod_include: a sub-request."""
    name = write_application(site, """
        def application(environ, start_response):
            start_response("404 Whatever", [("Content-Length", "4"),
                                            ("X-Inner", "1")])
            return [b"part"]
        """)
    site.write({"page.shtml": "<p><!--#include virtual=\"app/x\" --></p>"})
    site.write({f"app/{name}.py": site.text(name + ".py")})
    site.serve("mod_python.wsgi", option(name), "app")
    site.htaccess("Options +Includes\nAddOutputFilter INCLUDES .shtml\n")
    response = site.get("page.shtml")
    assert (response.status, response.text) == (200, "<p>part</p>")
    assert "X-Inner" not in response.headers


@pytest.mark.parametrize("returned", ["[b'x' * 50_000]",
                                      "iter([b'x' * 25_000] * 2)"])
def test_responses_can_be_compressed(site, returned):
    serve(site, f"""
        def application(environ, start_response):
            plain(start_response, ("Content-Length", "50000"))
            return {returned}
        """, "SetOutputFilter DEFLATE")
    response = site.get(headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.body) == b"x" * 50_000


def test_a_python_filter_sees_the_response(site):
    site.write({"upper.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.register_output_filter("UP", outputfilter)
            req.add_output_filter("UP")
            return apache.OK

        def outputfilter(filter):
            data = filter.read()
            while data:
                filter.write(data.upper())
                data = filter.read()
            if data is None:
                filter.close()
        """})
    serve(site, """
        def application(environ, start_response):
            plain(start_response)
            if environ["QUERY_STRING"]:
                return environ["wsgi.file_wrapper"](open(__file__, "rb"))
            return iter([b"some ", b"text"])
        """, "PythonFixupHandler upper")
    assert site.get().text == "SOME TEXT"
    assert "DEF APPLICATION(ENVIRON" in site.get("?file").text


def test_with_reload_failure_error_a_broken_edit_is_500(site):
    site.write({"app.py": """
        import part

        def application(environ, start_response):
            start_response("200 OK", [])
            return [part.text]
        """, "part.py": "text = b'one'\n"})
    site.serve("mod_python.wsgi", option("app")
               + "PythonReloadFailure error\n")
    assert site.texts() == {"one"}
    site.edit("part.py", "text = b'two\n")
    assert {response.status for response
            in site.get_from_each_child().values()} == {500}
    site.edit("part.py", "text = b'three'\n")
    assert site.texts() == {"three"}
    site.log.expect("SyntaxError")
    site.log.allow("MPY")


def test_with_autoreload_off_the_application_stays(own_server):
    server = own_server("PythonAutoReload Off")
    server.site.write({"app.py": """
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"one"]
        """})
    server.site.serve("mod_python.wsgi", option("app"))
    assert server.site.texts() == {"one"}
    server.site.replace("app.py", "one", "two")
    assert server.site.texts() == {"one"}


@pytest.mark.seconds(120)
def test_under_load_and_edits_nobody_sees_old_or_mixed_code(site):
    """Three clients for five seconds; versions are never older than what was
    saved when the request was sent, and their two halves are the same."""
    def text(number):
        return f"number = {number}\n"

    site.write({"app.py": """
        import first
        import second

        def application(environ, start_response):
            start_response("200 OK", [])
            yield b"%d " % first.number
            yield b"%d" % second.get().number
        """, "first.py": "from number import number\n",
        "second.py": "def get():\n    import number\n    return number\n",
        "number.py": text(0)})
    site.serve("mod_python.wsgi", option("app"))
    assert site.texts() == {"0 0"}
    saved, begun = [0], [0]
    ends = time.monotonic() + 5

    def edit():
        while time.monotonic() < ends:
            begun[0] += 1
            site.edit("number.py", text(begun[0]), "rename")
            saved[0] = begun[0]
            time.sleep(0.03)

    def ask(number):
        answers = 0
        with site.server.connect() as connection:
            while time.monotonic() < ends:
                least = saved[0]
                one, two = connection.get(site.url()).text.split()
                assert one == two
                assert least <= int(one) <= begun[0]
                answers += 1
        return answers

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        assert min(together(ask, 3)) > 20
    finally:
        editor.join()
    assert begun[0] > 50


def test_a_megabyte_each_way_through_an_application(site):
    serve(site, """
        def application(environ, start_response):
            plain(start_response)
            data = environ["wsgi.input"]
            return iter(lambda: data.read(10_000), b"")
        """)
    body = bytes(range(256)) * 4096
    assert site.post("", body).body == body
    assert site.post("", [body[i:i + 70_000] for i in range(
        0, len(body), 70_000)]).body == body
