"""WSGI applications and their responses (api.md 6.7, D24). What they are told
is in test_wsgi_environ.py."""

import ast
import json
import re
import socket

import pytest

from httpd import SAVES, together
from wsgi_site import option, serve, value, write_application

# which application

def test_application_is_the_default_callable(site):
    serve(site, """
        def application(environ, start_response):
            plain(start_response)
            return [b"default"]
        """)
    assert site.get().text == "default"


@pytest.mark.parametrize("name", ["other", "instance", "Namespace.inner",
                                  "bound"])
def test_any_callable_of_the_module_can_be_named(site, name):
    serve(site, """
        def other(environ, start_response):
            plain(start_response)
            return [b"called"]

        class Application:
            __call__ = staticmethod(other)

            def method(self, environ, start_response):
                return other(environ, start_response)

        instance = Application()
        bound = instance.method

        class Namespace:
            inner = staticmethod(other)
        """, callable=name)
    assert site.get().text == "called"


def test_a_class_can_be_the_application(site):
    """Its instance is the iterable: PEP 3333's own example."""
    serve(site, """
        class application:
            def __init__(self, environ, start_response):
                self.start = start_response

            def __iter__(self):
                plain(self.start)
                yield b"from a class"
        """)
    assert site.get().text == "from a class"


@pytest.mark.parametrize("form", ["{0}", "./{0}.py", "~/{0}.py",
                                  "{directory}/{0}.py"])
def test_the_module_is_named_in_every_way_of_handlers(site, form):
    name = write_application(site, """
        def application(environ, start_response):
            plain(start_response)
            return [b"found"]
        """)
    site.serve("mod_python.wsgi", option(
        form.format(name, directory=site.directory)))
    assert site.get().text == "found"


def test_a_file_of_any_extension_can_be_the_application(site):
    """As other servers have them: something.wsgi."""
    site.write({"site.wsgi": """
        import part

        def application(environ, start_response):
            start_response("200 OK", [])
            return [part.text]
        """, "part.py": "text = b'one'\n"})
    site.serve("mod_python.wsgi", option("./site.wsgi"))
    assert site.texts() == {"one"}
    site.edit("part.py", "text = b'two'\n")
    assert site.texts() == {"two"}
    site.replace("site.wsgi", "part.text", "b'three'")
    assert site.texts() == {"three"}


def test_an_installed_module_can_be_the_application(site):
    """wsgiref comes with Python: cold, and as good."""
    site.serve("mod_python.wsgi", option("wsgiref.simple_server::demo_app"))
    assert site.get().text.startswith("Hello world!\n")


@pytest.mark.parametrize("name, missing", [
    ("nowhere", "module"), ("nowhere::application", "module"),
    ("./nowhere.py", "module"), ("/nowhere/x.py::a", "module"),
    ("no/where", "module"), ("nowhere.inside", "module"),
    ("there::nothing", "object"), ("there", "object"),
    ("there::thing.nothing", "object")])
def test_an_application_that_is_not_there_declines(site, name, missing):
    site.write({"there.py": "thing = 1\n", "file.txt": "a file"})
    site.serve("mod_python.wsgi", option(name))
    response = site.get("file.txt")
    assert (response.status, response.text) == (200, "a file")
    assert site.get("none").status == 404
    site.log.expect(f"MPY0572.*no such {missing} .*{name}", "warn", count=2)


def test_without_the_option_the_handler_declines(site):
    """D24: it was a KeyError and 500."""
    site.write({"file.txt": "a file"})
    site.serve("mod_python.wsgi")
    assert site.get("file.txt").text == "a file"
    site.log.expect("MPY0570", "warn")


@pytest.mark.parametrize("text, error", [
    ("import nowhere_at_all\n", "ModuleNotFoundError"),
    ("def f(:\n", "SyntaxError"), ("1 / 0\n", "ZeroDivisionError"),
    ("application = 5\n", "TypeError: 'application' .* is not callable")])
def test_an_application_that_fails_to_load_is_500(site, text, error):
    site.write({"broken.py": text})
    site.serve("mod_python.wsgi", option("broken"))
    assert site.get().status == 500
    site.log.expect(f"MPY0401.*{error}")


# start_response

@pytest.mark.parametrize("status", [
    "200 OK", "201 Made Up", "202 ", "299 x", "302 Found", "400 Bad  Request",
    "404 Nichts da", "418 I'm a teapot", "451 Caf\xe9", "499 x",
    "500 Internal Server Error", "503 Try (again): 1", "599 Last"])
def test_status_and_reason_reach_the_client(site, status):
    """D24: everything was 200."""
    serve(site, f"""
        def application(environ, start_response):
            start_response({status!r}, [("Content-Length", "4")])
            return [b"body"]
        """)
    response = site.get()
    code, _, reason = status.partition(" ")
    assert (response.status, response.reason) == (int(code), reason.strip())
    assert response.text == "body"


@pytest.mark.parametrize("status", [204, 304])
def test_responses_without_a_body_have_none(site, status):
    serve(site, f"""
        def application(environ, start_response):
            start_response("{status} Some Reason", [("ETag", '"x"')])
            return [] if environ["QUERY_STRING"] else [b"not to be sent"]
        """)
    with site.server.connect() as connection:
        for path in ("", "?empty") * 2:
            response = connection.get(site.url(path))
            assert (response.status, response.body) == (status, b"")
            assert response.headers["ETag"] == '"x"'


def test_headers_are_sent_as_they_are(site):
    serve(site, """
        def application(environ, start_response):
            start_response("200 OK", [
                ("X-B", "2"), ("X-A", "1"), ("x-b", "again"), ("X-Empty", ""),
                ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2"),
                ("X-Latin", "caf\\xe9"), ("X-Tab", "a\\tb"),
                ("Content-Type", "text/x; charset=utf-8"),
                ("CONTENT-LENGTH", "2")])
            return [b"ok"]
        """)
    headers = site.get().headers
    assert headers.get_all("X-B") == ["2", "again"]
    assert headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2"]
    assert [headers[name] for name in (
        "X-A", "X-Empty", "X-Latin", "X-Tab", "Content-Type",
        "Content-Length")] == ["1", "", "caf\xe9", "a\tb",
                               "text/x; charset=utf-8", "2"]


def test_without_a_content_type_there_is_none(site):
    """Whatever httpd thinks of the name of the file."""
    site.write({"page.html": ""})
    serve(site, """
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"x"]
        """)
    assert "Content-Type" not in site.get("page.html").headers


def test_headers_of_earlier_phases_stay_unless_they_are_the_applications(site):
    site.write({"early.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.headers_out["X-Early"] = "early"
            req.headers_out["X-Both"] = "early"
            req.headers_out["Set-Cookie"] = "early=1"
            return apache.OK
        """})
    serve(site, """
        def application(environ, start_response):
            plain(start_response, ("X-Both", "late"), ("Set-Cookie", "l=1"))
            return [b"x"]
        """, "PythonFixupHandler early")
    headers = site.get().headers
    assert headers["X-Early"] == "early"
    assert headers.get_all("X-Both") == ["late"]
    assert headers.get_all("Set-Cookie") == ["early=1", "l=1"]


WRONG = [
    # arguments of start_response, what it raises
    ("", "TypeError: start_response\\(\\) takes 2 or 3"),
    ("'200 OK'", "TypeError: .*takes 2 or 3"),
    ("'200 OK', [], None, 4", "TypeError: .*takes 2 or 3"),
    ("'200 OK', [], other=1", "TypeError: .*exc_info by name"),
    ("200, []", "TypeError: status must be str, not int"),
    ("b'200 OK', []", "TypeError: status must be str, not bytes"),
    ("'', []", "ValueError: status must be three digits"),
    ("'200', []", "ValueError: status"), ("'OK', []", "ValueError: status"),
    ("'2000 x', []", "ValueError: status"),
    ("'20 OK', []", "ValueError: status"),
    ("'200OK', []", "ValueError: status"),
    ("'\\u0662\\u0660\\u0660 OK', []", "ValueError: status .*Latin-1"),
    ("'200 O\\u20acK', []", "ValueError: status .*Latin-1"),
    ("'200 O\\r\\nX: y', []", "ValueError: status"),
    ("'200 O\\nK', []", "ValueError: status"),
    ("'200 O\\0K', []", "ValueError: status"),
    ("'100 Continue', []", "ValueError: .*begin with 200"),
    ("'199 x', []", "ValueError: .*begin with 200"),
    ("'200 OK', None", "TypeError: headers must be a list"),
    ("'200 OK', {}", "TypeError: headers must be a list"),
    ("'200 OK', ()", "TypeError: headers must be a list"),
    ("'200 OK', iter([])", "TypeError: headers must be a list"),
    ("'200 OK', [('a',)]", "TypeError: headers must be tuples"),
    ("'200 OK', [('a', 'b', 'c')]", "TypeError: headers must be tuples"),
    ("'200 OK', [['a', 'b']]", "TypeError: headers must be tuples"),
    ("'200 OK', ['ab']", "TypeError: headers must be tuples"),
    ("'200 OK', [(b'a', 'b')]", "TypeError: the name of a header must be str"),
    ("'200 OK', [('a', b'b')]", "TypeError: the value of a header must be st"),
    ("'200 OK', [('a', 1)]", "TypeError: the value of a header must be str"),
    ("'200 OK', [('', 'b')]", "ValueError: '' is not the name of a header"),
    ("'200 OK', [('a b', 'c')]", "ValueError: 'a b' is not the name"),
    ("'200 OK', [('a:', 'c')]", "ValueError: 'a:' is not the name"),
    ("'200 OK', [('a\\0', 'c')]", "ValueError: .* is not the name"),
    ("'200 OK', [('\\xe9', 'c')]", "ValueError: .* is not the name"),
    ("'200 OK', [('a', 'b\\r\\nSet-Cookie: c')]", "ValueError: header a: "),
    ("'200 OK', [('a', 'b\\n')]", "ValueError: header a: .*control"),
    ("'200 OK', [('a', 'b\\0c')]", "ValueError: header a: .*control"),
    ("'200 OK', [('a', '\\u20ac')]", "ValueError: the value .*Latin-1"),
    ("'200 OK', [('Content-Length', 'x')]", "ValueError: Content-Length"),
    ("'200 OK', [('Content-Length', '-1')]", "ValueError: Content-Length"),
    ("'200 OK', [('content-length', '')]", "ValueError: Content-Length"),
    ("'200 OK', [('Content-Length', '9' * 40)]", "ValueError: Content-Leng"),
    ("'200 OK', [('Connection', 'close')]", "ValueError: header Connection"),
    ("'200 OK', [('transfer-encoding', 'chunked')]", "ValueError: header tr"),
    ("'200 OK', [('Upgrade', 'x')]", "ValueError: header Upgrade is about"),
    ("'200 OK', [], 5", "TypeError: exc_info must be"),
    ("'200 OK', [], (1, 2)", "TypeError: exc_info must be"),
    ("'200 OK', [], ValueError()", "TypeError: exc_info must be"),
]


def test_wrong_arguments_are_refused_and_leave_nothing(site):
    serve(site, """
        def application(environ, start_response):
            code = environ["wsgi.input"].read().decode()
            said = outcome(eval, f"start_response({code})", {
                "start_response": start_response})
            plain(start_response)
            return [repr(said).encode()]
        """)
    with site.server.connect() as connection:
        for code, error in WRONG:
            response = connection.request(site.url(), "POST", body=code)
            said = ast.literal_eval(response.text)
            assert re.match(error, said), (code, said)
            assert response.status == 200
            assert "X" not in response.headers
            assert "Set-Cookie" not in response.headers


def test_exc_info_of_none_is_no_exc_info(site):
    """D24: it was a SystemError."""
    name = serve(site, """
        def application(environ, start_response):
            start_response("200 OK", [("X-A", "1")], None)
            return [b"x"]

        def named(environ, start_response):
            start_response("200 OK", [("X-A", "1")], exc_info=None)
            return [b"x"]
        """)
    assert site.get().headers["X-A"] == "1"
    site.serve("mod_python.wsgi", option(name + "::named"))
    assert site.get().headers["X-A"] == "1"


def test_a_second_call_is_an_error(site):
    serve(site, """
        def application(environ, start_response):
            start_response("200 OK", [("X-First", "1")])
            said = outcome(start_response, "404 Not Found", [("X-Second", "")])
            return [said.encode()]
        """)
    response = site.get()
    assert response.status == 200
    assert "X-First" in response.headers
    assert "X-Second" not in response.headers
    assert response.text == ("RuntimeError: start_response() was called "
                             "before; a second call must have exc_info")


def test_with_exc_info_another_response_takes_the_place(site):
    serve(site, """
        import sys

        def application(environ, start_response):
            start_response("200 OK", [("X-First", "1"), ("Content-Length", "9"),
                                      ("Content-Type", "text/first")])
            try:
                1 / 0
            except ZeroDivisionError:
                start_response("500 Really Bad", [("X-Second", "2")],
                               sys.exc_info())
            return [b"sorry"]
        """)
    response = site.get()
    assert (response.status, response.reason) == (500, "Really Bad")
    assert response.headers["X-Second"] == "2"
    assert "X-First" not in response.headers
    assert "Content-Type" not in response.headers
    assert response.text == "sorry"


def test_empty_chunks_send_nothing(site):
    """So the headers can still be replaced."""
    serve(site, """
        import sys

        def application(environ, start_response):
            start_response("200 OK", [])
            yield b""
            yield ""
            try:
                raise ValueError
            except ValueError:
                start_response("503 Later", [], sys.exc_info())
            yield b"later"
        """)
    response = site.get()
    assert (response.status, response.text) == (503, "later")


def test_exc_info_after_output_is_raised_again(site):
    serve(site, """
        import sys

        def application(environ, start_response):
            start_response("200 OK", [])
            yield b"begun"
            try:
                raise KeyError("the application's own")
            except KeyError:
                start_response("500 Bad", [], sys.exc_info())
            yield b"never"
        """)
    answer = site.server.raw(f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n"
                             .encode())
    assert answer.endswith(b"5\r\nbegun\r\n")
    site.log.expect("MPY0401.*KeyError: \"the application's own\"")


def test_start_response_is_needed_before_the_first_chunk(site):
    serve(site, """
        def application(environ, start_response):
            if environ["QUERY_STRING"] == "nothing":
                return []
            if environ["QUERY_STRING"] == "late":
                return late(start_response)
            return [b"x"]

        def late(start_response):
            start_response("200 OK", [])
            yield b"in time"
        """)
    assert site.get("?late").text == "in time"
    assert site.get().status == 500
    site.log.expect("RuntimeError: the application must call start_response")
    assert site.get("?nothing").status == 500
    site.log.expect("RuntimeError: .* did not call start_response")


# write

def test_what_write_sends_comes_before_the_iterable(site):
    serve(site, """
        def application(environ, start_response):
            write = plain(start_response)
            said = [write(b"one "), write("\\u20ac "), write(b""),
                    write(bytearray(b"three "))]
            return [b"four ", repr(said).encode()]
        """)
    assert site.get().text == "one € three four [None, None, None, None]"


def test_wrong_data_of_write_are_refused(site):
    serve(site, """
        def application(environ, start_response):
            write = plain(start_response)
            said = [outcome(write, wrong) for wrong in (None, 5, [b"x"])]
            said += [outcome(write), outcome(write, b"", b"")]
            return [repr([text.partition(":")[0] for text in said]).encode()]
        """)
    assert site.get().text == repr(["TypeError"] * 5)


def test_what_write_sends_is_on_its_way_when_it_returns(site):
    serve(site, """
        def application(environ, start_response):
            write = plain(start_response)
            write(b"now")
            harness.wait(__file__, "written")
            return [b" later"]
        """)
    with site.server.connect() as connection:
        connection.send(site.url())
        data = b""
        while b"now" not in data:
            data += connection.socket.recv(1000)
        site.wait_parked("written")
        site.open_gate("written")


def test_after_the_response_nothing_can_be_started_or_written(site):
    name = serve(site, """
        kept = []

        def application(environ, start_response):
            if environ["QUERY_STRING"] == "said":
                plain(start_response)
                return [repr([outcome(kept[0], b"x"),
                              outcome(kept[1], "200 OK", [])]).encode()]
            kept[:] = plain(start_response), start_response
            return [b"x"]
        """)
    del name
    with site.server.connect() as connection:
        connection.get(site.url())
        said = ast.literal_eval(connection.get(site.url("?said")).text)
    assert [text.partition(":")[0] for text in said] == ["ExpiredError"] * 2


def test_a_later_handler_finds_the_response_over(site):
    site.write({"after.py": """
        from mod_python import apache
        import shared

        def handler(req):
            for call in shared.calls:
                try:
                    call()
                except RuntimeError as error:
                    req.write(f"; {error}")
            return apache.OK
        """, "shared.py": "calls = []\n"})
    name = write_application(site, """
        import shared

        def application(environ, start_response):
            write = plain(start_response)
            shared.calls[:] = (lambda: write(b"late"),
                               lambda: start_response("200 OK", []))
            return [b"whole"]
        """)
    site.serve("mod_python.wsgi after", option(name))
    assert site.get().text == ("whole" + "; the response is over: the "
                               "application has returned" * 2)


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


def closed(site):
    """How often since the last call."""
    count = len(site.executions())
    site.forget_executions()
    return count


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


# file_wrapper

DATA = bytes(range(256)) * 1000


def serve_file(site, code, more=""):
    site.write({"data.bin": DATA, "small.bin": DATA[:1000]})
    serve(site, f"""
        import os
        HERE = os.path.dirname(__file__)

        def application(environ, start_response):
            wrap = environ["wsgi.file_wrapper"]
            headers = []
            file = open(os.path.join(HERE, "data.bin"), "rb")
            small = os.path.join(HERE, "small.bin")
{code}
            start_response("200 OK", headers)
            return result
        """, more)


WRAPPED = [
    ("result = wrap(file)", DATA), ("result = wrap(file, 5)", DATA),
    ("result = wrap(open(small, 'rb'))", DATA[:1000]),
    ("result = wrap(open(small, 'rb', 0))", DATA[:1000]),
    ("file.seek(1000); result = wrap(file)", DATA[1000:]),
    ("file.read(10); result = wrap(file)", DATA[10:]),
    ("file.seek(0, 2); result = wrap(file)", b""),
    ("file.seek(10**9); result = wrap(file)", b""),
    ("result = wrap(file); headers.append(('Content-Length', '70000'))",
     DATA[:70000]),
    ("import io; result = wrap(io.BytesIO(b'memory'))", b"memory"),
    ("import tempfile; t = tempfile.NamedTemporaryFile(); t.write(b'temp');"
     " t.seek(1); result = wrap(t)", b"emp"),
    ("import tempfile; t = tempfile.TemporaryFile(); t.write(b'temp');"
     " t.seek(0); result = wrap(t)", b"temp"),
    ("import io; result = wrap(io.StringIO('t\\u20ac'))", "t€".encode()),
    ("result = iter(wrap(file, 1000))", DATA),
    ("result = [next(wrap(file, 10))]", DATA[:10])]


@pytest.mark.parametrize("number", range(len(WRAPPED)))
def test_a_wrapped_file_is_the_body(site, number):
    code, body = WRAPPED[number]
    serve_file(site, f"            {code}")
    for _ in range(2):
        assert site.get().body == body


def test_a_file_with_content_of_its_own_is_read_not_sent(site):
    """GzipFile has the fileno() of what it decompresses."""
    serve_file(site, """
            import gzip
            name = os.path.join(os.environ.get("TMPDIR", "/tmp"),
                                f"mp-{os.getpid()}-{id(environ)}.gz")
            with gzip.open(name, "wb") as packed:
                packed.write(b"unpacked" * 10)
            result = wrap(gzip.open(name))
            os.unlink(name)
""")
    assert site.get().body == b"unpacked" * 10


def test_a_pipe_is_read_not_sent(site):
    serve_file(site, """
            end, other = os.pipe()
            os.write(other, b"through a pipe")
            os.close(other)
            result = wrap(open(end, "rb"))
""")
    assert site.get().body == b"through a pipe"


@pytest.mark.parametrize("name", ["data.bin", "small.bin"])
def test_a_range_of_a_file_is_answered_by_httpd(site, name):
    serve_file(site, f"            result = wrap(open(os.path.join(HERE, "
                     f"{name!r}), 'rb'))")
    with site.server.connect() as connection:
        response = connection.get(site.url(), headers={"Range":
                                                       "bytes=100-199"})
        assert response.status == 206
        assert response.body == DATA[100:200]
        size = site.path(name).stat().st_size
        assert response.headers["Content-Range"] == f"bytes 100-199/{size}"
        assert connection.get(site.url(), headers={
            "Range": "bytes=-10"}).body == DATA[:size][-10:]
        assert connection.get(site.url(), headers={
            "Range": f"bytes={size}-"}).status == 416
        assert connection.get(site.url()).body == DATA[:size]


@pytest.mark.parametrize("sendfile", ["On", "Off"])
@pytest.mark.parametrize("mmap", ["On", "Off"])
def test_files_are_sent_with_and_without_sendfile_and_mmap(
        own_server, sendfile, mmap):
    server = own_server(f"EnableSendfile {sendfile}\nEnableMMAP {mmap}")
    serve_file(server.site, "            result = wrap(file)")
    with server.connect() as connection:
        for _ in range(3):
            assert connection.get(server.site.url()).body == DATA


def test_a_wrapped_file_has_a_length_and_keeps_the_connection(site):
    serve_file(site, "            result = wrap(file)")
    with site.server.connect() as connection:
        for _ in range(3):
            response = connection.get(site.url())
            assert response.headers["Content-Length"] == str(len(DATA))


def test_a_file_shorter_than_content_length_does_not_look_complete(site):
    serve_file(site, "            result = wrap(file)\n            "
                     "headers.append(('Content-Length', '1000000'))")
    answer = site.server.raw(f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n"
                             .encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 1000000" in head
    assert body == DATA
    site.log.expect("RuntimeError: the application has sent 256000 bytes")


def test_head_of_a_file_has_its_headers(site):
    serve_file(site, "            result = wrap(file)")
    with site.server.connect() as connection:
        for _ in range(2):
            response = connection.request(site.url(), "HEAD")
            assert (response.status, response.body) == (200, b"")
            assert response.headers["Content-Length"] == str(len(DATA))


def test_the_file_is_closed_also_through_its_own_close(site):
    serve(site, """
        class File:
            def __init__(self):
                self.left = [b"a", b"b"]

            def read(self, size):
                return self.left.pop(0) if self.left else b""

            def close(self):
                harness.note(__file__)

        def application(environ, start_response):
            plain(start_response)
            return environ["wsgi.file_wrapper"](File())
        """)
    site.forget_executions()
    assert site.get().text == "ab"
    assert closed(site) == 1


def test_the_program_may_close_the_file_before_it_has_gone_out(site):
    """httpd has a descriptor of its own."""
    large = DATA * 40
    serve_file(site, "            result = wrap(open(HERE + '/large', 'rb'))")
    site.write({"large": large})
    with site.server.connect() as connection:
        for _ in range(3):
            connection.send(site.url())
            site.server.get("/")  # until then the file may be closed
            assert connection.receive().body == large


def test_wrapper_has_what_pep_3333_gives_it(site):
    assert value(site, """
        import io
        wrap = environ["wsgi.file_wrapper"]
        file = io.BytesIO(b"abc")
        wrapper = wrap(file, 2)
        said = [list(wrapper), wrapper.filelike is file, wrapper.block_size,
                wrapper.close(), file.closed, wrap(object()).close()]
        return said + [outcome(wrap).partition(":")[0],
                       outcome(wrap, file, "x").partition(":")[0]]
        """) == [[b"ab", b"c"], True, 2, None, True, None, "TypeError",
                 "TypeError"]


# the standard validator

def test_the_standard_validator_accepts_the_server(site):
    """D24."""
    serve(site, """
        import warnings
        from wsgiref.validate import WSGIWarning, validator

        warnings.simplefilter("error", WSGIWarning)

        def inner(environ, start_response):
            if environ["QUERY_STRING"] == "write":
                start_response("200 OK", [("Content-Type", "a/b")])(b"w")
                return []
            data = environ["wsgi.input"]
            body = data.read(3) + data.readline() + b"".join(
                data.readlines(1)) + b"".join(data)
            environ["wsgi.errors"].write("")
            environ["wsgi.errors"].flush()
            length = [("Content-Length", str(len(body)))]
            start_response("200 OK", [("Content-Type", "a/b")] + length)
            return [body] if environ["QUERY_STRING"] else iter([body, b""])

        application = validator(inner)
        """)
    body = b"one\ntwo\nthree\nfour"
    for query in ("", "?list"):
        assert site.get(query).body == b""
        assert site.post(query, body).body == body
        assert site.post(query, [body[:5], body[5:]]).body == body
    assert site.get("?write").body == b"w"
    assert site.get("a%20b/%ff?x").status == 200
    assert site.request("?list", method="OPTIONS").status == 200


# reloading

def numbered(number):
    return f"""
        import parts

        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"{number} " + parts.text]
        """


@pytest.mark.parametrize("how", SAVES)
def test_an_edited_application_is_new_at_the_next_request(site, how):
    site.write({"app.py": numbered(0), "parts.py": "text = b'0'\n"})
    site.serve("mod_python.wsgi", option("app"))
    assert site.texts() == {"0 0"}
    for number in range(1, 4):
        site.edit("app.py", numbered(number), how)
        assert site.texts() == {f"{number} {number - 1}"}
        site.edit("parts.py", f"text = b'{number}'\n", how)
        assert site.texts() == {f"{number} {number}"}


def test_while_an_application_does_not_load_the_last_one_goes_on(site):
    site.write({"app.py": numbered(1), "parts.py": "text = b'1'\n"})
    site.serve("mod_python.wsgi", option("app"))
    assert site.texts() == {"1 1"}
    site.edit("parts.py", "text = b'2\n")
    assert site.texts() == {"1 1"}
    site.log.expect("SyntaxError", count=1)
    site.edit("parts.py", "text = b'3'\n")
    assert site.texts() == {"1 3"}
    site.log.allow("MPY02")


def test_an_application_that_appears_later_is_found(site):
    site.serve("mod_python.wsgi", option("app"))
    assert site.get().status == 404
    site.log.expect("MPY0572", "warn")
    site.write({"parts.py": "text = b'1'\n", "app.py": numbered(1)})
    assert site.texts() == {"1 1"}
    site.remove("app.py")
    site.log.allow("MPY02|MPY0572")


def test_an_application_of_an_application_root_reloads(own_server):
    server = own_server(f"""
        PythonModulePath ${{SITE}}/library
        <Location /app>
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            {option("shop.site::start")}
        </Location>
        """, files={
            "library/shop/__init__.py": "",
            "library/shop/site.py": """
                from shop import views

                def start(environ, start_response):
                    start_response("200 OK", [])
                    return [__name__.encode(), b" ", views.text()]
                """,
            "library/shop/views.py": "def text():\n    return b'one'\n"})
    for text in ("one", "two", "three"):
        server.site.write({"library/shop/views.py":
                           f"def text():\n    return b'{text}'\n"})
        texts = {response.text for response
                 in server.get_from_each_child("/app/").values()}
        assert texts == {f"shop.site {text}"}


def test_a_name_that_a_program_gives_to_another_object_is_followed(site):
    serve(site, """
        def first(environ, start_response):
            global application
            application = second
            plain(start_response)
            return [b"first"]

        def second(environ, start_response):
            plain(start_response)
            return [b"second"]

        application = first
        """)
    with site.server.connect() as connection:
        assert [connection.get(site.url()).text for _ in range(3)] == [
            "first", "second", "second"]


def test_two_directories_have_applications_of_the_same_name(site):
    for name in ("one", "two"):
        site.write({f"{name}/app.py": f"""
            def application(environ, start_response):
                start_response("200 OK", [])
                return [b"{name}"]
            """})
        site.serve("mod_python.wsgi", option("app"), name)
    for name in ("one", "two", "one"):
        assert site.get(f"{name}/").text == name


def test_two_hosts_have_applications_of_the_same_name(own_server):
    host = """
        <VirtualHost *>
            ServerName {0}.example
            DocumentRoot ${{SITE}}/{0}
            <Location />
                SetHandler mod_python
                PythonHandler mod_python.wsgi
                PythonOption mod_python.wsgi.application app
            </Location>
        </VirtualHost>
        """
    server = own_server(host.format("one") + host.format("two"), files={
        f"{name}/app.py": f"""
            def application(environ, start_response):
                start_response("200 OK", [])
                return [b"{name}"]
            """ for name in ("one", "two")})
    for name in ("one", "two", "one"):
        assert server.request("/", headers={
            "Host": f"{name}.example"}).text == name


def test_requests_at_the_same_time_do_not_mix(site):
    serve(site, """
        def application(environ, start_response):
            name = environ["QUERY_STRING"]
            body = environ["wsgi.input"].read()
            start_response("200 " + name, [("X-Name", name)])
            for part in (name.encode(), environ["HTTP_X_NAME"].encode(), body):
                yield part + b" "
        """)

    def ask(number):
        for turn in range(20):
            name = f"n{number}-{turn}"
            response = site.post("?" + name, name.encode(),
                                 headers={"X-Name": name})
            assert response.text == f"{name} {name} {name} "
            assert (response.reason, response.headers["X-Name"]) == (name,
                                                                     name)

    together(ask, 8)


def test_responses_leave_nothing_behind(own_server):
    """Objects, after a thousand responses of every kind."""
    server = own_server(children=1)
    serve(server.site, """
        import gc
        import sys

        def application(environ, start_response):
            kind = environ["QUERY_STRING"]
            if kind == "count":
                gc.collect()
                plain(start_response)
                return [b"%d" % len(gc.get_objects())]
            write = plain(start_response, ("X-A", "b"))
            if kind == "cycle":
                environ["me"] = environ, start_response, write
            elif kind == "write":
                write(b"x")
            elif kind == "again":
                try:
                    raise ValueError
                except ValueError:
                    start_response("200 OK", [], sys.exc_info())
            elif kind == "raise":
                raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN)
            elif kind == "iterate":
                return iter([b"a", b"b"])
            return [b"x"]
        """)
    counts = []
    with server.connect() as connection:
        for turns in (50, 500):
            for _ in range(turns):
                for kind in ("list", "cycle", "write", "again", "raise",
                             "iterate"):
                    connection.get(server.site.url("?" + kind))
            counts.append(json.loads(
                connection.get(server.site.url("?count")).text))
    assert counts[1] - counts[0] < 20, counts
