"""mod_python.testhandler (api.md 6.8, D32)."""

import re

import pytest

EVIL = "<script>alert('x')</script>&\"'"
MARKS = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;&#x27;"


def serve(site, more=""):
    site.serve("mod_python.testhandler", more)
    return site


def row(page, name):
    """The value beside a name, as the page has it."""
    found = re.search(rf"<th>{re.escape(name)}</th><td>(.*?)</td>", page,
                      re.DOTALL)
    assert found, f"no {name} in the page"
    return found.group(1)


def test_the_page_tells_of_server_and_request(site):
    response = serve(site).get("some/path?with=query",
                               headers={"X-Mine": "here"})
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    page = response.text
    for name, value in (
            ("mod_python", r"4\."), ("Python", r"3\."), ("httpd", "Apache"),
            ("interpreter", "main_interpreter"), ("process", r"\d+"),
            ("threads", "static|no"), ("forks", "dynamic|static"),
            ("server root", "/"), ("document root", "/"),
            ("package", ".*/mod_python"), ("sys.path", "/"),
            ("method", "GET"), ("args", "with=query"), ("X-Mine", "here"),
            ("HTTP_X_MINE", "here"), ("REQUEST_METHOD", "GET"),
            ("client", "127.0.0.1"), ("phase", "PythonHandler")):
        assert re.match(value, row(page, name)), name


def test_directives_options_and_notes_are_shown(site):
    site.write({"note.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.notes["a note"] = "noted"
            req.headers_out["X-Out"] = "sent"
            return apache.OK
        """})
    page = serve(site, "PythonFixupHandler note\nPythonOption mine 'is set'\n"
                       "PythonReloadFailure keep\n").get().text
    assert row(page, "mine") == "is set"
    assert row(page, "a note") == "noted"
    assert row(page, "X-Out") == "sent"
    assert row(page, "PythonReloadFailure") == "keep"


def test_everything_is_escaped(site):
    """D32."""
    site.write({"note.py": f"""
        from mod_python import apache

        def fixuphandler(req):
            req.notes[{EVIL!r}] = {EVIL!r}
            req.get_options()[{EVIL!r}] = {EVIL!r}
            req.subprocess_env[{EVIL!r}] = {EVIL!r}
            req.user = {EVIL!r}
            return apache.OK
        """})
    serve(site, "PythonFixupHandler note\nPythonDebug On")
    answer = site.server.raw(
        f"GET {site.url()}%3Cscript%3Ealert('x')%3C/script%3E?<script>"
        f"alert('x')</script> HTTP/1.0\r\nX-Evil: {EVIL}\r\n"
        f"User-Agent: \xff{EVIL}\r\n\r\n".encode("latin-1")).decode()
    assert answer.startswith("HTTP/1.1 200")
    assert "<script" not in answer
    assert answer.count(MARKS) >= 8


def test_log_and_configuration_are_for_pythondebug(site):
    """D32."""
    page = serve(site).get().text
    for text in ("DocumentRoot ", "Listen 127", "view_log",
                 "Environment of the process"):
        assert text not in page
    assert site.get("?view_log=1").text.count("Error log") == 0

    page = serve(site, "PythonDebug On").get().text
    for text in ("DocumentRoot ", "Listen 127.0.0.1:", "view_log",
                 "Environment of the process"):
        assert text in page


def test_the_end_of_the_log_is_shown_escaped(site):
    site.write({"say/say.py": """
        from mod_python import apache

        def handler(req):
            for number in range(200):
                req.log_error(f"line {number} <script>", apache.APLOG_NOTICE)
            return apache.HTTP_NO_CONTENT
        """})
    site.serve("say", directory="say")
    site.get("say/")
    site.server.log.path.chmod(0o644)
    page = serve(site, "PythonDebug On").get("?view_log=1").text
    lines = re.search("<pre>(.*)</pre>", page, re.DOTALL).group(1)
    assert "line 199 &lt;script&gt;" in lines
    assert "line 99 " not in lines
    assert 90 < lines.count("\n") <= 100
    assert "<script" not in page


def test_a_log_that_cannot_be_read_says_so(own_server):
    server = own_server()
    serve(server.site, "PythonDebug On")
    aside = server.log.path.with_suffix(".aside")
    server.log.path.rename(aside)
    try:
        page = server.site.get("?view_log=1").text
    finally:
        aside.rename(server.log.path)
    assert "The log cannot be read" in page


@pytest.mark.parametrize("query", ["view_log=2", "view_log=1&x", "view_log"])
def test_other_queries_show_the_page(site, query):
    serve(site, "PythonDebug On")
    assert "mod_python works" in site.get("?" + query).text
    assert "Versions" in site.get("?" + query).text
