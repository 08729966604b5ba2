"""Which application answers, and what start_response and write() do (api.md
6.7, D24). What applications are told is in test_wsgi_environ.py, what they
return in test_wsgi_bodies.py and test_wsgi_files.py."""

import ast
import re

import pytest

from wsgi_site import option, serve, write_application

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


def test_every_status_reaches_the_client_with_its_reason(site):
    """D24. The reasons are not those that httpd has for these numbers."""
    serve(site, """
        def application(environ, start_response):
            status = environ["QUERY_STRING"]
            start_response(f"{status} Reason of {status}", [])
            return [b"body"]
        """)
    with site.server.connect() as connection:
        for status in range(200, 600):
            response = connection.get(site.url(f"?{status}"))
            assert (response.status, response.reason) == (
                status, f"Reason of {status}")
            assert response.body == (
                b"" if status in (204, 304) else b"body"), status


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
