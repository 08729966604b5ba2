"""req.build_wsgi_env() and req.wsgi_start_response(): handlers that call a
WSGI application themselves, as the classic module's own one did."""

import ast

import pytest

from inline import serve, value

BY_HAND = """
    from mod_python import apache

    import app

    def handler(req):
        environ = req.build_wsgi_env()
        if environ is None:
            return apache.DECLINED
        response = app.application(environ, req.wsgi_start_response)
        try:
            [req.write(token) for token in response]
        finally:
            if type(response) not in (list, tuple):
                getattr(response, "close", lambda: None)()
        return apache.OK
    """
APPLICATION = """
    def application(environ, start_response):
        write = start_response("201 Made Here", [("X-One", "1"),
                                                 ("Content-Type", "a/b")])
        write(b"written ")
        return [environ["PATH_INFO"].encode(), b" ",
                environ["wsgi.input"].read()]
    """


def test_handler_of_the_classic_module_serves_an_application(site):
    site.write({"hand.py": BY_HAND, "app.py": APPLICATION})
    site.serve("hand")
    with site.server.connect() as connection:
        for _ in range(3):
            response = connection.request(site.url("x"), "POST", body=b"body")
            assert (response.status, response.reason) == (201, "Made Here")
            assert response.headers["X-One"] == "1"
            assert response.headers["Content-Type"] == "a/b"
            assert response.text == f"written {site.url('x')} body"


def test_environ_is_that_of_the_handler(site):
    site.write({"app.py": """
        def application(environ, start_response):
            start_response("200 OK", [])
            environ = {name: value for name, value in environ.items()
                       if isinstance(value, (str, tuple, bool))
                       and not name.startswith("REMOTE_PORT")}
            return [repr(environ).encode()]
        """, "hand.py": BY_HAND})
    site.serve("hand")
    mine = ast.literal_eval(site.get("a?b=c").text)
    site.serve("mod_python.wsgi", "PythonOption mod_python.wsgi.application "
               "app\n")
    assert ast.literal_eval(site.get("a?b=c").text) == mine
    assert (mine["REQUEST_METHOD"], mine["QUERY_STRING"]) == ("GET", "b=c")


def test_uri_below_another_base_has_no_environ(site):
    assert value(site, """
        environ = req.build_wsgi_env()
        req.get_options()["mod_python.wsgi.base_uri"] = "/nowhere"
        return type(environ).__name__, req.build_wsgi_env()
        """) == ("dict", None)


def test_base_that_ends_in_a_slash_is_valueerror(site):
    assert value(site, "return kind(req.build_wsgi_env)",
                 more="PythonOption mod_python.wsgi.base_uri /x/") == (
                     "ValueError")


def test_second_start_is_an_error_unless_it_has_exc_info(site):
    serve(site, """
        import sys
        start = req.wsgi_start_response
        seen = [kind(start, "x", []), kind(start, "200 OK", [("A", "b\\n")])]
        start("200 OK", [("X-First", "1")])
        seen.append(kind(start, "404 No", []))
        try:
            1 / 0
        except ZeroDivisionError:
            start("500 Bad", [("X-Second", "2")], sys.exc_info())
        req.write(repr(seen))
        try:
            1 / 0
        except ZeroDivisionError:
            req.log_error(kind(start, "501 No", [], sys.exc_info()),
                          apache.APLOG_NOTICE)
        """)
    response = site.get()
    assert (response.status, response.reason) == (500, "Bad")
    assert response.headers["X-Second"] == "2"
    assert "X-First" not in response.headers
    assert response.text == str(["ValueError", "ValueError", "RuntimeError"])
    site.log.expect("^ZeroDivisionError$")


@pytest.mark.parametrize("keep", ["req.wsgi_start_response", "write"])
def test_what_is_kept_of_a_response_keeps_no_request(own_server, keep):
    server = own_server(children=1, files={"keep.py": "kept = []\n"})
    serve(server.site, f"""
        import weakref
        import keep
        gc.disable()
        alive = [ref() is not None for ref in keep.kept]
        keep.kept[:] = [weakref.ref(req)]
        write = req.wsgi_start_response("200 OK", [])
        {keep}
        write(repr(alive).encode())
        """)
    assert server.site.get().text == "[]"
    assert server.site.get().text == "[False]"
