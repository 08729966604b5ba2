"""What WSGI applications are told: environ and wsgi.input (api.md 6.7, D24)."""

import ast

import pytest

from wsgi_site import option, serve_value, value, write_application

# types

def test_environ_is_an_exact_dict_of_exact_str(site):
    assert value(site, """
        strange = [(name, type(what).__name__) for name, what
                   in environ.items()
                   if type(name) is not str or (
                       not name.startswith("wsgi.") and type(what) is not str)]
        return type(environ) is dict, strange
        """) == (True, [])


def test_each_request_gets_a_dict_of_its_own(site):
    serve_value(site, """
        before = environ.get("mark"), len(environ)
        environ["mark"] = "x"
        environ["SERVER_NAME"] = "other"
        environ.pop("wsgi.errors")
        return before
        """)
    first, *others = [site.get().text for _ in range(10)]
    assert first.startswith("(None")
    assert set(others) == {first}


# the variables of CGI

@pytest.mark.parametrize("headers", [{}, {
    "User-Agent": "some/1.0", "X-Forwarded-For": "a,,b", "Cookie": "a=b; c=d",
    "Accept": "*/*", "If-None-Match": '"x"', "Content-Type": "a/b"}])
def test_environ_has_what_httpd_gives_to_cgi_programs(site, headers):
    """httpd's own list is the reference."""
    different = value(site, """
        req = environ["wsgi.input"]
        req.add_common_vars()
        return {name: (what, environ.get(name)) for name, what
                in req.subprocess_env.items() if environ.get(name) != what}
        """, "some/path?with=query", headers=headers)
    assert different == {}


def test_environ_has_the_facts_of_the_request(site):
    assert value(site, """
        return [environ[name] for name in (
            "REQUEST_METHOD", "QUERY_STRING", "SERVER_PROTOCOL",
            "GATEWAY_INTERFACE", "REQUEST_URI", "SERVER_PORT", "REMOTE_ADDR",
            "REQUEST_SCHEME", "CONTENT_LENGTH", "CONTENT_TYPE")]
        """, "a%20b?c=%20d", method="PUT", body=b"abc",
        headers={"Content-Type": "text/x"}) == [
            "PUT", "c=%20d", "HTTP/1.1", "CGI/1.1",
            site.url("a%20b?c=%20d"), str(site.server.port), "127.0.0.1",
            "http", "3", "text/x"]


def test_a_request_without_query_and_body_says_so(site):
    assert value(site, """
        return (environ["QUERY_STRING"], "CONTENT_TYPE" in environ,
                "CONTENT_LENGTH" in environ)
        """) == ("", False, False)


def test_headers_are_there_by_their_cgi_names(site):
    assert value(site, """
        return {name: what for name, what in environ.items()
                if name.startswith("HTTP_X")}
        """, headers={"x-one": "1", "X-Two-Three": "2 3", "X4": "",
                      "X-LONG-" + "a" * 300: "b" * 3000}) == {
        "HTTP_X_ONE": "1", "HTTP_X_TWO_THREE": "2 3", "HTTP_X4": "",
        "HTTP_X_LONG_" + "A" * 300: "b" * 3000}


def test_authorization_is_always_passed_on(site):
    assert value(site, "return environ['HTTP_AUTHORIZATION']", headers={
        "Authorization": "Bearer secret"}) == "Bearer secret"


def test_headers_that_would_mean_something_else_are_left_out(site):
    """Proxy would be HTTP_PROXY; X_User would look like X-User."""
    assert value(site, """
        return [name for name in environ if "PROXY" in name or "X_" in name
                or name in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")]
        """, headers={"Proxy": "http://evil/", "X_User": "admin",
                      "Content-Type": "a/b"}, method="POST", body=b"x") == []


def test_variables_of_setenv_are_there_and_replace_no_fact(site):
    assert value(site, """
        return (environ["MY_FLAG"], environ["REMOTE_ADDR"],
                environ["HTTP_HOST"], environ["wsgi.url_scheme"])
        """, more="""
        SetEnv MY_FLAG on
        SetEnv REMOTE_ADDR 1.2.3.4
        SetEnv HTTP_HOST evil
        SetEnv wsgi.url_scheme ftp
        """) == ("on", "127.0.0.1", f"127.0.0.1:{site.server.port}", "http")


def test_the_user_of_an_earlier_phase_is_remote_user(site):
    site.write({"login.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.user = "M\\xfcller"
            req.ap_auth_type = "Mine"
            return apache.OK
        """})
    assert value(site, "return environ['REMOTE_USER'], environ['AUTH_TYPE']",
                 more="PythonFixupHandler login") == ("M\xfcller", "Mine")


def test_after_an_internal_redirect_the_first_request_can_be_seen(site):
    site.write({"sub/.htaccess": "ErrorDocument 404 " + site.url("oops") + "\n"
                                 "SetHandler none\n"})
    serve_value(site, """
        return [environ.get(name) for name in (
            "REDIRECT_URL", "REDIRECT_QUERY_STRING", "REDIRECT_STATUS",
            "PATH_INFO")]
        """)
    response = site.get("sub/missing?a=b")
    assert response.status == 200
    assert ast.literal_eval(response.text) == [
        site.url("sub/missing"), "a=b", "404", site.url("oops")]


def test_any_byte_of_headers_path_and_query_is_taken_and_given_back(site):
    """D24, D34. As Latin-1, whatever it was meant to be."""
    every = bytes(range(0x80, 0x100))
    serve_value(site, """
        return (environ["HTTP_X_BYTES"], environ["PATH_INFO"][-128:],
                environ["QUERY_STRING"])
        """)
    quoted = b"".join(b"%%%02X" % byte for byte in every)
    answer = site.server.raw(
        b"GET " + site.url().encode() + quoted + b"?" + every
        + b" HTTP/1.0\r\nX-Bytes: " + every + b"\r\n\r\n")
    text = answer.partition(b"\r\n\r\n")[2].decode("utf-8")
    header, path, query = ast.literal_eval(text)
    assert header == path == query == every.decode("latin-1")


# what is remembered from one request to the next

def test_what_one_client_said_is_not_told_to_the_next(site):
    serve_value(site, """
        return {name: what for name, what in environ.items()
                if name.startswith(("HTTP_X", "HTTP_COOKIE", "HTTP_AUTH",
                                    "CONTENT_LENGTH", "QUERY"))}
        """)
    headers = {"X-A": "1", "Cookie": "secret", "Authorization": "secret"}
    with site.server.connect() as connection:
        for _ in range(3):
            full = connection.request(site.url("?q"), "POST", headers, b"body")
            assert ast.literal_eval(full.text) == {
                "HTTP_X_A": "1", "HTTP_COOKIE": "secret", "QUERY_STRING": "q",
                "HTTP_AUTHORIZATION": "secret", "CONTENT_LENGTH": "4"}
            bare = connection.get(site.url())
            assert ast.literal_eval(bare.text) == {"QUERY_STRING": ""}


def test_values_are_those_of_each_request_whatever_came_before(site):
    serve_value(site, """
        return (environ["HTTP_X_SAME"], environ["REQUEST_METHOD"],
                environ["HTTP_USER_AGENT"], environ["PATH_INFO"][-2:])
        """)
    with site.server.connect() as connection:
        for number in range(40):
            method = ("GET", "OPTIONS", "DELETE")[number % 3]
            agent = "ab"[number % 2] * (number % 5)
            path = f"{number % 10 + 10}"
            answer = connection.request(site.url(path), method, {
                "X-Same": str(number // 3), "User-Agent": agent})
            assert ast.literal_eval(answer.text) == (
                str(number // 3), method, agent, path)


def test_thousands_of_different_names_are_all_told_right(site):
    serve_value(site, """
        return {name: what for name, what in environ.items()
                if name.startswith("HTTP_N")}
        """)
    with site.server.connect() as connection:
        for begin in [*range(0, 2000, 50), *range(0, 200, 50)]:
            names = range(begin, begin + 50)
            answer = connection.get(site.url(), headers={
                f"N-{number}": str(number) for number in names})
            assert ast.literal_eval(answer.text) == {
                f"HTTP_N_{number}": str(number) for number in names}


def test_virtual_hosts_have_their_own_variables(own_server):
    server = own_server("""
        ServerAdmin one@example.net
        <VirtualHost *>
            ServerName two.example
            ServerAdmin two@example.net
            DocumentRoot ${ROOT}/htdocs
        </VirtualHost>
        <VirtualHost *>
            ServerName three.example
            ServerAdmin three@example.net
            DocumentRoot ${ROOT}/htdocs
        </VirtualHost>
        """)
    serve_value(server.site, """
        return environ["SERVER_NAME"], environ["SERVER_ADMIN"]
        """)
    for _ in range(3):
        for name in ("two", "three", "two"):
            answer = server.site.get(headers={"Host": f"{name}.example"})
            assert ast.literal_eval(answer.text) == (
                f"{name}.example", f"{name}@example.net")


# the keys of WSGI

def test_the_keys_of_wsgi_are_as_pep_3333_wants_them(site):
    assert value(site, """
        import sys
        from mod_python import wsgi
        return ([environ["wsgi." + name] for name in (
                    "version", "url_scheme", "run_once", "input_terminated")],
                type(environ["wsgi.input"]).__name__,
                environ["wsgi.errors"] is sys.stderr,
                environ["wsgi.file_wrapper"] is wsgi.FileWrapper)
        """) == ([(1, 0), "http", False, True], "mp_request", True, True)


def test_multithread_and_multiprocess_say_what_the_server_is(own_server):
    for mpm, children, answer in (
            ("prefork", 2, (False, True)), ("event", 2, (True, True)),
            ("worker", 1, (True, False)), ("prefork", 1, (False, False))):
        server = own_server(mpm=mpm, children=children)
        assert value(server.site, """
            return environ["wsgi.multithread"], environ["wsgi.multiprocess"]
            """) == answer, mpm
        server.stop()


def test_wsgi_errors_reaches_the_error_log(site):
    value(site, """
        environ["wsgi.errors"].write("a line of the application\\n")
        environ["wsgi.errors"].writelines(["an", "other\\n"])
        environ["wsgi.errors"].flush()
        print("and one more", file=environ["wsgi.errors"])
        """)
    for line in ("a line of the application", "another", "and one more"):
        site.log.expect(line)


def test_a_changed_sys_stderr_is_wsgi_errors(site):
    assert value(site, """
        import io, sys
        before, sys.stderr = sys.stderr, io.StringIO()
        try:
            return environ["wsgi.errors"] is before
        finally:
            sys.stderr = before
        """) is True


# the body

@pytest.mark.parametrize("body", [b"one\ntwo\n\nlast", [b"one\nt", b"wo\n\nla",
                                                       b"st"]])
def test_the_body_is_read_in_every_way(site, body):
    """Also chunked, which has no length."""
    serve_value(site, """
        data = environ["wsgi.input"]
        way = environ["QUERY_STRING"]
        if way == "read":
            return data.read(), data.read(), data.read(5)
        if way == "sizes":
            return data.read(2), data.read(0), data.read(3), data.read(99)
        if way == "lines":
            return list(data)
        if way == "readlines":
            return data.readlines()
        return data.readline(), data.readline(1), data.readlines(1), \\
            data.read(), data.readline()
        """)

    def ask(way):
        response = site.post("?" + way, body)
        return ast.literal_eval(response.text)

    assert ask("read") == (b"one\ntwo\n\nlast", b"", b"")
    assert ask("sizes") == (b"on", b"", b"e\nt", b"wo\n\nlast")
    assert ask("lines") == ask("readlines") == [
        b"one\n", b"two\n", b"\n", b"last"]
    assert ask("mixed") == (b"one\n", b"t", [b"wo\n"], b"\nlast", b"")


def test_a_body_that_nobody_reads_is_no_next_request(site):
    serve_value(site, "return environ['REQUEST_METHOD']")
    with site.server.connect() as connection:
        for _ in range(3):
            assert connection.request(
                site.url(), "POST", body=b"GET /evil HTTP/1.1\r\n\r\n" * 100
                ).text == "'POST'"
            assert connection.get(site.url()).text == "'GET'"


def test_a_body_over_the_limit_is_413(site):
    serve_value(site, "return len(environ['wsgi.input'].read())",
                "LimitRequestBody 1000")
    assert site.post("", b"x" * 1000).text == "1000"
    assert site.post("", b"x" * 1001).status == 413
    site.log.allow("AH00588|larger than the configured limit")


def test_a_body_that_is_announced_too_large_never_reaches_an_application(site):
    """Frameworks would make 500 of it."""
    serve_value(site, """
        try:
            return len(environ["wsgi.input"].read())
        except Exception:
            return "caught"
        """, "LimitRequestBody 1000")
    assert site.post("", b"x" * 1000).text == "1000"
    response = site.post("", b"x" * 1001)
    assert response.status == 413
    site.log.expect("the body is larger than LimitRequestBody allows", "info")


# where it stands

@pytest.fixture
def places(own_server):
    """Applications at several places of one server."""
    server = own_server(f"""
        PythonModulePath ${{SITE}}/library
        <Location /app>
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            {option("tell")}
        </Location>
        <Location /slash/>
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            {option("tell")}
        </Location>
        <LocationMatch ^/(red|green)(?=/|$)>
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            {option("tell")}
        </LocationMatch>
        <Location /base>
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            {option("tell")}
            PythonOption mod_python.wsgi.base_uri /base/inner
        </Location>
        <Location /ends>
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            {option("tell")}
            PythonOption mod_python.wsgi.base_uri /ends/
        </Location>
        """, files={"library/tell.py": """
            def application(environ, start_response):
                start_response("200 OK", [])
                return [repr((environ["SCRIPT_NAME"],
                              environ["PATH_INFO"])).encode()]
            """})
    return server


def where(server, path):
    response = server.request(path)
    assert response.status == 200, (path, response.status)
    return ast.literal_eval(response.text)


@pytest.mark.parametrize("path, script, info", [
    ("/app", "/app", ""), ("/app/", "/app", "/"), ("/app/a/b", "/app", "/a/b"),
    ("/app/a%2520b", "/app", "/a%20b"), ("/slash/x", "/slash", "/x"),
    ("/red/x", "/red", "/x"), ("/green", "/green", ""),
    ("/base/inner/x", "/base/inner", "/x"), ("/base/inner", "/base/inner", ""),
])
def test_script_name_and_path_info_make_the_uri(places, path, script, info):
    assert where(places, path) == (script, info)


def test_in_a_directory_the_whole_uri_is_path_info(site):
    serve_value(site, "return environ['SCRIPT_NAME'], environ['PATH_INFO']")
    assert ast.literal_eval(site.get("a/b").text) == ("", site.url("a/b"))


def test_a_location_at_the_root_has_no_script_name(own_server):
    server = own_server(f"""
        PythonModulePath ${{SITE}}
        <Location />
            SetHandler mod_python
            PythonHandler mod_python.wsgi
            {option("tell")}
        </Location>
        """, files={"tell.py": """
            def application(environ, start_response):
                start_response("200 OK", [])
                return [repr((environ["SCRIPT_NAME"],
                              environ["PATH_INFO"])).encode()]
            """})
    assert where(server, "/any/where") == ("", "/any/where")
    assert where(server, "/") == ("", "/")


@pytest.mark.parametrize("path, code", [
    ("/base/other", "MPY0571"), ("/base/innermost", "MPY0571"),
    ("/base", "MPY0571"), ("/ends/x", "MPY0571")])
def test_a_base_that_does_not_fit_declines(places, path, code):
    assert places.request(path).status == 404
    places.log.expect(code, "warn")


def test_a_base_is_whole_segments(site):
    """D24: /foo is no base of /foobar."""
    serve_value(site, "return 0",
                f"PythonOption mod_python.wsgi.base_uri {site.url('foo')}")
    assert site.get("foo/x").status == 200
    assert site.get("foobar").status == 404
    site.log.expect("MPY0571.*/foobar is not below", "warn")


# which application

def test_an_option_of_an_earlier_phase_counts(site):
    serve_value(site, "return 'configured'", "PythonFixupHandler choose\n")
    other = write_application(site, """
        def application(environ, start_response):
            plain(start_response)
            return [b"chosen"]
        """)
    site.write({"choose.py": f"""
        from mod_python import apache

        def fixuphandler(req):
            if req.args == "other":
                req.get_options()["mod_python.wsgi.application"] = "{other}"
            return apache.OK
        """})
    for _ in range(3):
        assert site.get().text == "'configured'"
        assert site.get("?other").text == "chosen"


def test_a_handler_may_call_it(site):
    name = write_application(site, """
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"from the application"]
        """)
    site.write({"front.py": """
        from mod_python import apache, wsgi

        def handler(req):
            if req.args == "direct":
                return apache.DECLINED
            return wsgi.handler(req)
        """})
    site.serve("front", option(name))
    assert site.get().text == "from the application"
    assert site.get("?direct").status == 404


def test_something_else_than_a_request_is_refused(site):
    assert value(site, """
        from mod_python import wsgi
        return [outcome(wsgi.handler, wrong) for wrong in (None, environ)]
        """) == ["TypeError: a request object is needed, not NoneType",
                 "TypeError: a request object is needed, not dict"]


def test_interpreters_share_no_object(own_server):
    server = own_server("""
        <Directory ${SITE}/one>
            PythonInterpreter one
        </Directory>
        <Directory ${SITE}/two>
            PythonInterpreter two
        </Directory>
        """, children=1)
    name = write_application(server.site, """
        def application(environ, start_response):
            plain(start_response)
            return [repr((apache.interpreter, id(environ["wsgi.file_wrapper"]),
                          id(type(start_response)))).encode()]
        """)
    for directory in ("one", "two"):
        server.site.write({f"{directory}/{name}.py":
                           server.site.text(name + ".py")})
        server.site.serve("mod_python.wsgi", option(name), directory)
    first, second = [ast.literal_eval(server.site.get(f"{directory}/").text)
                     for directory in ("one", "two")]
    assert (first[0], second[0]) == ("one", "two")
    assert first[1] != second[1]
    assert first[2] != second[2]
