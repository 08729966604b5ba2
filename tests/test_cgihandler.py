"""mod_python.cgihandler: scripts as CGI programs inside the process (api.md
6.6, D30)."""

import ast

import pytest

HTACCESS = """
    AddHandler mod_python .cgi .py
    PythonHandler mod_python.cgihandler
    """
SEEN = """
    import os
    import sys

    from mod_python import apache

    def handler(req):
        req.write(repr((os.getcwd(), dict(os.environ), type(os.environ).__name__,
                        repr(sys.stdin), repr(sys.stdout), sys.argv,
                        list(sys.path))))
        return apache.OK
    """


def scripts(site, **files):
    """Scripts by their names without .py, and a handler in state/ that tells
    what belongs to the process."""
    site.htaccess(HTACCESS)
    site.write({f"{name}.py": text for name, text in files.items()})
    site.write({"state/seen.py": SEEN})
    site.serve("seen", "RemoveHandler .py", directory="state")
    return site


def process_state(site):
    response = site.get("state/")
    assert response.status == 200, response.text
    return ast.literal_eval(response.text)


@pytest.fixture
def single(own_server):
    """The site of a server with one child."""
    return own_server(children=1).site


# what scripts see

def test_a_script_answers(site):
    scripts(site, hello="""
        print("Status: 203 Whatever")
        print("Content-Type: text/x-hello")
        print("X-One: 1")
        print("X-One: 2")
        print()
        print("Hello")
        """)
    response = site.get("hello.py")
    assert (response.status, response.text) == (203, "Hello\n")
    assert response.headers["Content-Type"] == "text/x-hello"
    assert response.headers.get_all("X-One") == ["1", "2"]


def test_it_runs_afresh_each_time(site):
    scripts(site, count="""
        import sys
        counter = globals().get("counter", 0) + 1
        print("Content-Type: text/plain\\n")
        print(counter, __name__, sys.modules[__name__].counter)
        """)
    assert {site.get("count.py").text for _ in range(5)} == {"1 count 1\n"}


def test_the_environment_is_that_of_cgi(site):
    scripts(site, env="""
        import os
        import sys
        print("Content-Type: text/plain\\n")
        names = ("REQUEST_METHOD", "QUERY_STRING", "SCRIPT_NAME", "PATH_INFO",
                 "SCRIPT_FILENAME", "GATEWAY_INTERFACE", "SERVER_PROTOCOL",
                 "HTTP_X_MINE", "HTTP_AUTHORIZATION", "CONTENT_TYPE")
        print(repr(([os.environ.get(name) for name in names],
                    type(os.environ).__name__, os.getcwd(), sys.argv,
                    __file__, os.environ.get("PATH") is not None)))
        """)
    answer = ast.literal_eval(site.post(
        "env.py/more?a=b", b"x", headers={
            "X-Mine": "yes", "Authorization": "Basic eDp5",
            "Content-Type": "a/b"}).text)
    path = str(site.path("env.py"))
    assert answer == ([
        "POST", "a=b", site.url("env.py"), "/more", path, "Python-CGI/1.1",
        "HTTP/1.1", "yes", "Basic eDp5", "a/b"], "_Environ",
        str(site.directory), [path], path, True)


def test_programs_that_a_script_starts_inherit_the_environment(site):
    """D30: os.environ was a plain dict."""
    scripts(site, child="""
        import os
        import subprocess
        os.environ["MINE"] = "set"
        done = subprocess.run(["sh", "-c", "echo $MINE $QUERY_STRING; pwd"],
                              capture_output=True, text=True)
        print("Content-Type: text/plain\\n")
        print(done.stdout, end="")
        """)
    assert site.get("child.py?query").text == (
        f"set query\n{site.directory}\n")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_binary_body_is_echoed_exactly(site, chunked):
    """D30."""
    scripts(site, echo="""
        import sys
        data = sys.stdin.buffer.read()
        sys.stdout.buffer.write(b"Content-Type: application/x-raw\\n\\n")
        sys.stdout.buffer.write(data)
        """)
    data = bytes(range(256)) * 1000 + b"\r\n\r\n\n\n"
    for body in (data, b"", b"\n", b"\xff\xfe"):
        sent = [body[:7], body[7:]] if chunked and len(body) > 7 else body
        assert site.post("echo.py", sent).body == body


def test_text_is_utf_8_and_what_is_not_comes_back_unharmed(site):
    scripts(site, echo="""
        import sys
        text = sys.stdin.read()
        print("Content-Type: text/plain\\n")
        print(len(text), end=" ")
        sys.stdout.write(text)
        """)
    assert site.post("echo.py", "a€".encode() + b"\xff").body == (
        b"3 a\xe2\x82\xac\xff")


def test_lines_of_the_body_can_be_read_in_every_way(site):
    scripts(site, lines="""
        import sys
        print("Content-Type: text/plain\\n")
        print(repr((sys.stdin.readline(), sys.stdin.buffer.__class__.__name__,
                    next(sys.stdin), sys.stdin.readlines(), list(sys.stdin))))
        """)
    assert ast.literal_eval(site.post("lines.py", b"a\nb\nc\nd").text) == (
        "a\n", "BufferedReader", "b\n", ["c\n", "d"], [])


def test_text_and_bytes_come_out_in_the_order_they_were_written(site):
    """D30: bytes came out as b'...'."""
    scripts(site, mixed="""
        import sys
        print("Content-Type: text/plain\\n")
        sys.stdout.write("one ")
        sys.stdout.write(b"two ")
        sys.stdout.buffer.write(b"three ")
        print("four", end=" ")
        sys.stdout.writelines(["five ", "six "])
        sys.stdout.buffer.write(bytearray(b"\\xff"))
        """)
    assert site.get("mixed.py").body == b"one two three four five six \xff"


@pytest.mark.parametrize("code", [
    "import codecs; out = codecs.getwriter('latin-1')(sys.stdout.buffer)",
    "import io; out = io.TextIOWrapper(sys.stdout.buffer, 'latin-1')",
    "sys.stdout.reconfigure(encoding='latin-1'); out = sys.stdout",
    "import io; out = io.TextIOWrapper(sys.stdout.detach(), 'latin-1')"])
def test_scripts_may_change_the_encoding_of_their_output(site, code):
    scripts(site, coded=f"""
import sys
sys.stdout.write("Content-Type: text/plain\\n\\n")
sys.stdout.flush()
{code}
out.write("caf\\xe9")
out.flush()
""")
    assert site.get("coded.py").body == b"caf\xe9"


def test_the_coding_line_of_a_script_is_obeyed(site):
    scripts(site, coding="# -*- coding: latin-1 -*-\n"
            "print('Content-Type: text/plain\\n')\n"
            "print(ascii('caf\xe9'))\n".encode("latin-1"))
    assert site.get("coding.py").text == "'caf\\xe9'\n"


def test_headers_without_an_empty_line_are_headers(site):
    scripts(site, head="print('Status: 404 Not Found')\n"
                       "print('X-Mine: yes')\n")
    response = site.get("head.py")
    assert (response.status, response.headers["X-Mine"]) == (404, "yes")


def test_a_script_that_says_nothing_is_an_empty_page(site):
    scripts(site, empty="pass\n")
    response = site.get("empty.py")
    assert (response.status, response.text) == (200, "")


def test_a_body_without_headers_is_500(site):
    scripts(site, bare="print('<p>no headers</p>')\n")
    assert site.get("bare.py").status == 500
    site.log.expect("MPY0401.*ValueError: .*header without a colon")


def test_a_url_as_location_redirects_the_client(site):
    scripts(site, away="""
        print("Location: http://example.net/x")
        print()
        """)
    response = site.get("away.py")
    assert (response.status, response.headers["Location"]) == (
        302, "http://example.net/x")


def test_a_path_as_location_is_answered_with_that_page(site):
    scripts(site, there="print('Content-Type: text/plain\\n\\nthere', end='')",
            away=f"""
        print("Location: {site.url("there.py")}")
        print()
        print("never seen")
        """)
    response = site.get("away.py")
    assert (response.status, response.text) == (200, "there")


# how scripts end

@pytest.mark.parametrize("code", ["", "0", "1", "'with a word'", "None"])
def test_sys_exit_ends_a_script_normally(site, code):
    scripts(site, leave=f"""
        import sys
        print("Content-Type: text/plain\\n")
        print("before")
        sys.exit({code})
        print("after")
        """)
    response = site.get("leave.py")
    assert (response.status, response.text) == (200, "before\n")
    if "word" in code:
        site.log.expect("with a word")


def test_an_exception_is_500_and_shows_the_line(site):
    scripts(site, fails="""
        print("Content-Type: text/plain\\n")
        print("never sent")
        raise KeyError("the cause")  # this line
        """)
    response = site.get("fails.py")
    assert response.status == 500
    assert "never sent" not in response.text
    site.log.expect("MPY0401.*KeyError: 'the cause'")
    site.log.expect("this line")


@pytest.mark.parametrize("code", [
    "pass", "raise ValueError('x')", "sys.exit(3)", "os.chdir('/')",
    "os.environ.clear()", "os.environ['PATH'] = '/nowhere'",
    "sys.stdout.close()", "sys.stdout = sys.stdin = None", "sys.argv[:] = [1]",
    "sys.path.insert(0, '/nowhere'); sys.path.append('x')",
    "import shutil; os.mkdir('/tmp/mp-gone-%d' % os.getpid()); "
    "os.chdir('/tmp/mp-gone-%d' % os.getpid()); "
    "os.rmdir('/tmp/mp-gone-%d' % os.getpid())", "this is no Python"])
def test_everything_is_restored_whatever_happens(single, code):
    scripts(single, script=f"""
import os, sys
print("Content-Type: text/plain\\n")
{code}
""", ok="print('Content-Type: text/plain\\n\\nfine', end='')\n")
    before = process_state(single)
    assert before[2] == "_Environ"
    for _ in range(2):
        single.get("script.py")
        assert process_state(single) == before
    assert single.get("ok.py").text == "fine"
    single.log.allow("MPY0401")


def test_a_directory_that_cannot_be_entered_changes_nothing(single):
    """D30: it was a NameError, and nothing was restored."""
    scripts(single, ok="print('Content-Type: text/plain\\n\\nfine', end='')\n")
    single.write({"chosen/inner.py": """
        import os
        from mod_python import apache, cgihandler

        def handler(req):
            before = os.chdir
            def refuse(path):
                raise PermissionError(13, "no way in", path)
            os.chdir = refuse
            try:
                return cgihandler.handler(req)
            finally:
                os.chdir = before
        """, "chosen/x.cgi": "print('never')\n"})
    single.serve("inner", directory="chosen")
    before = process_state(single)
    assert single.get("chosen/x.cgi").status == 500
    single.log.expect("PermissionError: .*no way in")
    assert process_state(single) == before
    assert single.get("ok.py").text == "fine"


def test_one_script_runs_at_a_time(own_server):
    site = own_server(children=1, mpm="worker").site
    scripts(site, slow="""
        import harness
        import os
        harness.wait(__file__, "inside")
        print("Content-Type: text/plain\\n")
        print(os.environ["QUERY_STRING"])
        """)
    first = site.later("slow.py?1")
    site.wait_parked("inside")
    second = site.later("slow.py?2")
    assert site.get("state/").status == 200  # other handlers run
    assert len(list(site.server.gates.glob("*.inside.*.parked"))) == 1
    site.open_gate("inside")
    assert first.result(20).text == "1\n"
    assert second.result(20).text == "2\n"


def test_a_script_may_run_in_a_script(single):
    """By a sub-request of the same thread."""
    scripts(single, inner="import os\nprint('Content-Type: text/plain\\n\\n'"
                          "'inner', os.environ['QUERY_STRING'], end='')\n",
            outer=f"""
        import os
        import _apache
        query = os.environ["QUERY_STRING"]
        _apache._current_request().internal_redirect(
            {single.url("inner.py?x")!r})
        assert os.environ["QUERY_STRING"] == query
        """)
    before = process_state(single)
    assert single.get("outer.py?y").text == "inner x"
    assert process_state(single) == before


# which script

def test_a_script_that_is_not_there_is_404(site):
    scripts(site)
    site.write({"directory.py/x.txt": ""})
    assert site.get("none.py").status == 404


def test_script_filename_of_the_environment_wins(site):
    scripts(site, one="print('Content-Type: text/plain\\n\\none', end='')\n",
            two="print('Content-Type: text/plain\\n\\ntwo', end='')\n")
    site.htaccess(HTACCESS + f"""
    SetEnvIf Request_URI one\\.py SCRIPT_FILENAME={site.path("two.py")}
    """)
    assert site.get("one.py").text == "two"


@pytest.mark.parametrize("path, status", [
    ("{0}/ok.py", 200), ("{0}/in/../ok.py", 200), ("{0}x/ok.py", 404),
    ("{0}/../outside.py", 404), ("/etc/hostname", 404), ("{0}", 404)])
def test_a_script_outside_its_directory_is_404(site, path, status):
    """D30: /a/bc is not inside /a/b."""
    text = "print('Content-Type: text/plain\\n\\nran', end='')\n"
    site.write({"dir/ok.py": text, "dirx/ok.py": text, "outside.py": text,
                "dir/in/x": ""})
    target = path.format(site.path("dir"))
    site.htaccess(HTACCESS + f"""
    SetEnvIf Request_URI . SCRIPT_FILENAME={target}
    """, "dir")
    response = site.get("dir/ok.py")
    assert response.status == status
    assert (response.text == "ran") is (status == 200)


# modules

def test_modules_beside_the_script_are_found_and_reload(site):
    scripts(site, page="""
        import helper
        print("Content-Type: text/plain\\n")
        print(helper.text, end="")
        """)
    site.write({"helper.py": "from below import text\n",
                "below.py": "text = 'one'\n"})
    assert site.texts("page.py") == {"one"}
    site.edit("below.py", "text = 'two'\n")
    assert site.texts("page.py") == {"two"}


def test_modules_of_sys_path_are_read_again_when_they_change(site):
    scripts(site, page=f"""
        import sys
        sys.path.insert(0, {str(site.path("lib"))!r})
        import cgi_outer
        print("Content-Type: text/plain\\n")
        print(cgi_outer.text, id(cgi_outer), end="")
        """)
    site.write({"lib/cgi_outer.py": "from cgi_inner import text\n",
                "lib/cgi_inner.py": "text = 'one'\n"})
    with site.server.connect() as connection:
        first = connection.get(site.url("page.py")).text
        assert first.startswith("one ")
        assert connection.get(site.url("page.py")).text == first
        site.edit("lib/cgi_inner.py", "text = 'second'\n")
        assert connection.get(site.url("page.py")).text.startswith("second ")


def test_standard_and_compiled_modules_stay(site):
    """D30: they were thrown out of sys.modules."""
    scripts(site, page="""
        import json, _json, decimal, _decimal, email, array, sys
        from mod_python import apache
        print("Content-Type: text/plain\\n")
        print([id(module) for module in (json, _json, decimal, _decimal, email,
                                         array, apache)], end="")
        """)
    with site.server.connect() as connection:
        answers = {connection.get(site.url("page.py")).text for _ in range(4)}
    assert len(answers) == 1


def test_a_script_may_have_the_name_of_a_standard_module(site):
    scripts(site, json="""
        import sys
        print("Content-Type: text/plain\\n")
        print(__name__, sys.modules["json"].__file__ == __file__)
        """, other="""
        import json
        print("Content-Type: text/plain\\n")
        print(json.dumps([1]))
        """)
    site.write({"sub/.htaccess": HTACCESS, "sub/other.py": """
        import json
        print("Content-Type: text/plain\\n")
        print(json.dumps([1]))
        """})
    with site.server.connect() as connection:
        for _ in range(3):
            assert connection.get(site.url("sub/other.py")).text == "[1]\n"
            assert connection.get(site.url("json.py")).text == "json False\n"


def test_is_inside_counts_whole_names(site):
    site.write({"ask.py": """
        from mod_python import apache, cgihandler

        def handler(req):
            req.write(repr([cgihandler.is_inside(*pair) for pair in (
                ("/a/b/c", "/a/b"), ("/a/b/c", "/a/b/"), ("/a/bc", "/a/b"),
                ("/a/b", "/a/b"), ("/a/b/../c", "/a/b"), ("/x", "/"))]))
            return apache.OK
        """})
    site.serve("ask")
    assert site.get().text == repr([True, True, False, False, False, True])


def test_scripts_leave_no_descriptor_open(site):
    """The health check after each test counts them."""
    scripts(site, ok="print('Content-Type: text/plain\\n\\nfine', end='')\n",
            fails="1 / 0\n")
    for _ in range(30):
        assert site.get("ok.py").text == "fine"
        assert site.get("fails.py").status == 500
    site.log.expect("MPY0401", count=30)
