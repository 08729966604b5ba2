"""req.log_items in the access log, and the levels of the error log."""

import pathlib

import pytest

from httpd import page

PAGE = pathlib.Path(__file__).parent.parent / "docs/services.md"

FORMAT = 'CustomLog items.log "%{name}^py|%{other}^py|%U"\n'
HANDLER = """
    from mod_python import apache

    def handler(req):
        req.log_items["name"] = req.args or "none"
        return apache.OK
    """


def lines(server):
    """What the requests before this moment have logged."""
    server.stop()
    text = (server.root / "items.log").read_bytes().decode("latin-1")
    server.start()
    return text.splitlines()


def serving(own_server, text, more="", **choices):
    server = own_server(FORMAT + more, files={"app.py": text}, **choices)
    server.site.serve("app")
    return server


def test_item_is_shown_in_the_access_log(own_server):
    server = serving(own_server, HANDLER)
    server.site.get("a?spam")
    server.site.get("b")
    assert lines(server) == ["spam|-|/site/a", "none|-|/site/b"]


def test_request_without_python_shows_a_dash(own_server):
    server = own_server(FORMAT, files={"page.txt": "static"})
    server.site.get("page.txt")
    assert lines(server) == ["-|-|/site/page.txt"]


def test_item_of_a_log_handler_is_shown(own_server):
    server = own_server(FORMAT, files={"page.txt": "static", "late.py": """
        from mod_python import apache

        def loghandler(req):
            req.log_items["name"] = f"{req.status} {req.bytes_sent}"
            return apache.OK
        """})
    server.site.htaccess("PythonLogHandler late")
    server.site.get("page.txt")
    assert lines(server) == ["200 6|-|/site/page.txt"]


@pytest.mark.parametrize("result", ["apache.HTTP_FORBIDDEN", "apache.DONE",
                                    "apache.DECLINED", "1 / 0"])
def test_access_is_logged_whatever_a_log_handler_does(own_server, result):
    server = own_server(FORMAT, files={"page.txt": "static", "late.py": f"""
        from mod_python import apache

        def loghandler(req):
            return {result}
        """})
    server.site.htaccess("PythonLogHandler late")
    server.site.get("page.txt")
    assert lines(server) == ["-|-|/site/page.txt"]
    server.log.allow("MPY0401")


def test_items_of_both_ends_of_a_redirect_are_shown(own_server):
    server = serving(own_server, """
        from mod_python import apache

        def handler(req):
            req.log_items["name"] = req.uri[-1]
            if req.uri.endswith("/a"):
                req.log_items["other"] = "first"
                req.internal_redirect("/site/b")
            return apache.OK
        """)
    server.site.get("a")
    assert lines(server) == ["b|first|/site/a"]


def test_item_cannot_forge_a_line(own_server):
    server = serving(own_server, """
        from mod_python import apache

        def handler(req):
            req.log_items["name"] = 'a"\\r\\nb\\x01\\u00e9'
            return apache.OK
        """)
    server.site.get("x")
    assert lines(server) == [r'a\"\r\nb\x01\xc3\xa9|-|/site/x']


def test_items_are_a_table_that_refuses_what_is_no_text(own_server):
    server = serving(own_server, """
        from mod_python import apache

        def kind(value):
            try:
                req_items["name"] = value
            except Exception as error:
                return type(error).__name__

        def handler(req):
            global req_items
            req_items = req.log_items
            req.write(f"{kind(5)} {kind('a' + chr(0))} {kind(b'bytes')} "
                      f"{req.log_items['NAME']}")
            return apache.OK
        """)
    assert server.site.get("x").text == "TypeError ValueError None bytes"


# EMERG is 0, which log_error() takes for ERR; NOTICE is always logged.
LEVELS = ["ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG",
          *(f"TRACE{number}" for number in range(1, 9))]
TALK = f"""
    from mod_python import apache

    def handler(req):
        for name in {LEVELS!r}:
            req.log_error("says " + name, getattr(apache, "APLOG_" + name))
        return apache.OK
    """


@pytest.mark.parametrize("level, last", [
    ("trace8", "TRACE8"), ("trace1", "TRACE1"), ("debug", "DEBUG"),
    ("notice", "NOTICE")])
def test_log_level_of_the_module_decides_what_programs_log(
        own_server, level, last):
    server = own_server(f"LogLevel warn python:{level}",
                        files={"app.py": TALK})
    server.site.serve("app")
    server.site.get("x")
    said = [entry.text.removeprefix("says ")
            for entry in server.log.matching("^says ")]
    assert said == LEVELS[:LEVELS.index(last) + 1]
    server.log.allow("^says ")


def test_log_level_of_a_directory_decides_for_its_requests(own_server):
    server = own_server(
        "LogLevel python:info\n<Location /site/loud>\n"
        "LogLevel python:trace2\n</Location>", files={"app.py": TALK})
    server.site.serve("app")
    server.site.get("x")
    assert not server.log.matching("^says (DEBUG|TRACE)")
    server.site.get("loud")
    assert len(server.log.matching("^says TRACE")) == 2
    server.log.allow("^says ")


def test_page_that_leaves_something_behind_is_found(own_server):
    """docs/services.md, "Which page makes a process grow"."""
    part = PAGE.read_text("utf-8").split("### Which page")[1]
    module = part.split("```python\n")[1].split("```")[0]
    server = own_server(
        'LogFormat "%U %{blocks}^py" growth\nCustomLog items.log growth\n',
        mpm="prefork", children=1, files={"growth.py": module, "app.py": """
            kept = []

            def handler(req):
                if req.path_info == "/leaks":
                    kept.append([[] for _ in range(500)])
                req.write("here")
                return 0
            """})
    server.site.serve("app", "PythonInitHandler growth\n"
                      "PythonLogHandler growth\n")
    for _ in range(10):
        server.site.get("page/leaks")
        server.site.get("page/keeps-nothing")
    logged = [line.split() for line in lines(server)]
    counts = {name: [int(blocks) for path, blocks in logged
                     if path.endswith(name)][5:]
              for name in ("leaks", "nothing")}
    assert min(counts["leaks"]) > 400
    assert max(counts["nothing"]) < 100
