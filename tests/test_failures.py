"""All or nothing: what does not load changes nothing, the log says why, and
mending the file heals the next request. Errors of handlers stay theirs."""

import os
import socket
import struct
import time

import pytest

from httpd import SAVES, counted, page, together
from httpd.processes import wait_until

CHILD = {"hello.py": page("child.value", "import child"),
         "child.py": "value = 1\n"}

# Texts for child.py that do not load, and what the log must say of them.
BROKEN = {
    "syntax": ("value = = 2\n", "SyntaxError"),
    "indentation": ("if 1:\nvalue = 2\n", "IndentationError"),
    "exception": ("value = 2\n1 / 0\n", "ZeroDivisionError"),
    "missing-import": ("import no_such_module\n",
                       "ModuleNotFoundError.*no_such_module"),
    "missing-name": ("from hello import nothing\n", "ImportError"),
    "sys-exit": ("import sys\nsys.exit(3)\n", "SystemExit"),
    "interrupt": ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
    "base-exception": ("class B(BaseException):\n    pass\nraise B('x')\n",
                       r"\bB\b"),
    "encoding": (b"value = '\xff'\n", "SyntaxError"),
    "zero-byte": (b"value = '\0'\n", "SyntaxError|ValueError"),
    "recursion": ("def f():\n    f()\nf()\n", "RecursionError"),
}


# Keeping the last good version

@pytest.mark.parametrize("kind", BROKEN)
def test_broken_edit_keeps_the_old_version_and_mending_heals(site, kind):
    text, logged = BROKEN[kind]
    site.write(CHILD)
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("child.py", text)
    assert site.texts() == {"1"}
    entry = site.log.expect(rf"MPY\d{{4}}.*({logged})")
    assert str(site.path("child.py")) in site.log.block(entry)
    assert site.texts() == {"1"}
    site.edit("child.py", "value = 3\n")
    assert site.texts() == {"3"}


@pytest.mark.parametrize("how", SAVES)
def test_syntax_error_in_the_handler_heals_with_every_way_to_save(site, how):
    site.write({"hello.py": page("1")})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("hello.py", "def handler(req:\n", how)
    assert site.texts() == {"1"}
    site.log.expect("SyntaxError")
    site.edit("hello.py", page("2"), how)
    assert site.texts() == {"2"}


def test_file_that_breaks_at_first_and_is_put_back_executes_nothing(site):
    site.write({"hello.py": counted(page("child.value", "import child")),
                "child.py": counted("value = 1\n")})
    site.serve("hello")
    site.texts()
    site.forget_executions()
    site.edit("child.py", "value = = 2\n")
    site.texts()
    site.log.expect("SyntaxError")
    site.edit("child.py", counted("value = 1\n"))
    assert site.texts() == {"1"}
    assert site.executions() == []


def test_log_names_the_line_of_a_syntax_error(site):
    site.write(CHILD)
    site.serve("hello")
    site.get()
    site.edit("child.py", "value = 1\n\nvalue = = 2\n")
    site.get()
    block = site.log.block(site.log.expect("SyntaxError"))
    assert f'{site.path("child.py")}", line 3' in block
    assert "value = = 2" in block
    site.replace("child.py", "= =", "=")
    assert site.texts() == {"2"}


def test_failure_in_the_third_of_four_modules_leaves_all_old(site):
    site.write({
        "hello.py": page("(a.value, a.tag, b.tag, c.tag, d.tag)",
                         "import a, b, c, d"),
        "a.py": "from b import value\ntag = 'a1'\n",
        "b.py": "from c import value\ntag = 'b1'\n",
        "c.py": "from d import value\ntag = 'c1'\n",
        "d.py": "value = 1\ntag = 'd1'\n"})
    site.serve("hello")
    old = {"(1, 'a1', 'b1', 'c1', 'd1')"}
    assert site.texts() == old
    for name in "acd":
        site.replace(f"{name}.py", f"{name}1", f"{name}2")
    site.replace("b.py", "tag", "1 / 0\ntag")
    assert site.texts() == old
    site.log.expect("ZeroDivisionError")
    assert site.texts() == old
    site.replace("b.py", "1 / 0\n", "")
    assert site.texts() == {"(1, 'a2', 'b1', 'c2', 'd2')"}


def test_failed_reload_does_not_touch_the_globals_of_the_old_modules(site):
    site.write({
        "hello.py": page("(child.items, child.extra())", "import child"),
        "child.py": "items = [1]\n\ndef extra():\n"
                    "    return sorted(n for n in globals() if n[0] == 'i')\n"
    })
    site.serve("hello")
    assert site.texts() == {"([1], ['items'])"}
    site.edit("child.py", "items = [2]\nintruder = 1\n1 / 0\n")
    assert site.texts() == {"([1], ['items'])"}
    site.log.expect("ZeroDivisionError")
    site.replace("child.py", "1 / 0", "def extra():\n    return 'new'")
    assert site.texts() == {"([2], 'new')"}


def test_broken_package_keeps_all_its_parts_old(site):
    site.write({"hello.py": page("(pkg.one.v, pkg.two.v)",
                                 "import pkg.one, pkg.two"),
                "pkg/__init__.py": "", "pkg/one.py": "v = 1\n",
                "pkg/two.py": "v = 1\n"})
    site.serve("hello")
    assert site.texts() == {"(1, 1)"}
    site.edit("pkg/one.py", "v = 2\n")
    site.edit("pkg/two.py", "v = = 2\n")
    assert site.texts() == {"(1, 1)"}
    site.log.expect("SyntaxError")
    site.edit("pkg/two.py", "v = 2\n")
    assert site.texts() == {"(2, 2)"}


def test_broken_edit_leaves_the_parts_of_a_namespace_package_old(site):
    """The new part was executed, and is nowhere to be seen."""
    site.write({"hello.py": page("o.see()", "import o"),
                "o.py": "import f.t\n\ndef see():\n    return f.t.v\n",
                "f/t.py": "v = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    broken = page("o.see()", "import o") + "\n1 / 0\n"
    site.write({"f/t.py": "v = 2\n", "hello.py": broken})
    assert site.texts() == {"1"}
    site.log.expect("ZeroDivisionError")
    site.edit("hello.py", page("o.see()", "import o"))
    assert site.texts() == {"2"}


def test_broken_file_that_nothing_imports_does_not_matter(site):
    site.write({**CHILD, "other.py": "value = = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("other.py", "still = = broken\n")
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_broken_page_does_not_block_the_edit_of_another_page(site):
    site.write({"a.py": page("'a1'"), "b.py": page("'b1'")})
    site.htaccess("""
        SetHandler mod_python
        <Files a>
            PythonHandler a
        </Files>
        <Files b>
            PythonHandler b
        </Files>
        """)
    assert site.texts("a") == {"a1"} and site.texts("b") == {"b1"}
    site.edit("a.py", "def handler(:\n")
    assert site.texts("a") == {"a1"}
    site.log.expect("SyntaxError")
    site.edit("b.py", page("'b2'"))
    assert site.texts("b") == {"b2"}
    assert site.texts("a") == {"a1"}
    site.edit("a.py", page("'a3'"))
    assert site.texts("a") == {"a3"}


@pytest.mark.parametrize("pause", [0, 1.3])
def test_edit_beside_a_broken_file_waits_for_it_whenever_it_comes(site,
                                                                  pause):
    site.write({"hello.py": page("(a.value, b.value)", "import a, b"),
                "a.py": "value = 1\n", "b.py": "value = 1\n"})
    site.serve("hello", "PythonReloadFailure keep")
    assert site.texts() == {"(1, 1)"}
    site.edit("a.py", "value = = 2\n")
    assert site.texts() == {"(1, 1)"}
    site.log.expect("SyntaxError")
    time.sleep(pause)  # what failed is tried again after a second, too
    site.edit("b.py", "value = 2\n")
    assert site.texts() == {"(1, 1)"}
    site.edit("a.py", "value = 2\n")
    assert site.texts() == {"(2, 2)"}


def test_broken_directory_does_not_block_another_directory(site):
    for name in "ab":
        site.write({f"{name}/hello.py": page("1")})
        site.serve("hello", directory=name)
        assert site.texts(f"{name}/") == {"1"}
    site.edit("a/hello.py", "def handler(:\n")
    site.edit("b/hello.py", page("2"))
    assert site.texts("b/") == {"2"}
    assert site.texts("a/") == {"1"}
    site.log.expect("SyntaxError")
    site.edit("a/hello.py", page("3"))
    assert site.texts("a/") == {"3"}


def test_edit_that_breaks_an_ancestor_keeps_the_leaf_old_too(site):
    site.write({"hello.py": page("value", "from child import value"),
                "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("child.py", "renamed = 2\n")
    assert site.texts() == {"1"}
    site.log.expect("ImportError.*value")
    site.edit("hello.py", page("value", "from child import renamed as value"))
    assert site.texts() == {"2"}


def test_failed_reload_is_logged_once_for_one_save(site):
    site.write(CHILD)
    site.serve("hello")
    with site.server.connect() as connection:
        assert connection.get(site.url()).text == "1"
        site.edit("child.py", "value = = 2\n")
        for _ in range(50):
            assert connection.get(site.url()).text == "1"
        pid = connection.child()
    site.log.expect("SyntaxError")
    said = [entry for entry in site.log.matching(r"MPY\d{4}.*SyntaxError")
            if entry.pid == pid]
    assert 1 <= len(said) <= 3, said  # at most once a second
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


# Deleted files

def test_deleted_module_keeps_the_old_version_and_the_log_says_why(site):
    site.write(CHILD)
    site.serve("hello")
    assert site.texts() == {"1"}
    site.remove("child.py")
    assert site.texts() == {"1"}
    block = site.log.block(site.log.expect(r"MPY\d{4}.*(No module|child)"))
    assert "child" in block
    site.write({"child.py": "value = 2\n"})
    assert site.texts() == {"2"}


def test_deleted_module_is_an_import_error_with_python_debug(site):
    site.write(CHILD)
    site.serve("hello", "PythonDebug On")
    assert site.texts() == {"1"}
    site.remove("child.py")
    response = site.get()
    assert response.status == 500
    assert "ModuleNotFoundError" in response.text
    assert "hello.py" in response.text
    site.log.expect("ModuleNotFoundError")
    site.write({"child.py": "value = 2\n"})
    assert site.texts() == {"2"}


def test_import_of_a_deleted_module_that_is_caught_takes_the_other_way(site):
    site.write({"hello.py": page("value", """
        try:
            from child import value
        except ImportError:
            value = "without"
        """), "child.py": "value = 'with'\n"})
    site.serve("hello")
    assert site.texts() == {"with"}
    site.remove("child.py")
    assert site.texts() == {"without"}


# PythonDebug and PythonReloadFailure

@pytest.mark.parametrize("kind", ["syntax", "exception", "sys-exit",
                                  "missing-import"])
def test_error_page_shows_why_the_new_version_does_not_load(site, kind):
    text, shown = BROKEN[kind]
    site.write(CHILD)
    site.serve("hello", "PythonDebug On")
    assert site.texts() == {"1"}
    site.edit("child.py", text)
    response = site.get()
    assert response.status == 500
    assert response.headers.get_content_type() == "text/html"
    assert "Mod_python error" in response.text
    assert shown.split(".")[0] in response.text
    assert "child.py" in response.text
    site.log.expect(rf"MPY\d{{4}}.*({shown})")
    assert site.get().status == 500
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_reload_failure_error_gives_500_without_the_traceback(site):
    site.write(CHILD)
    site.serve("hello", "PythonReloadFailure error")
    assert site.texts() == {"1"}
    site.edit("child.py", "value = = 2\n")
    for _ in range(5):
        response = site.get()
        assert response.status == 500
        assert "SyntaxError" not in response.text
    site.log.expect("SyntaxError")
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_reload_failure_keep_serves_the_old_version_under_debug(site):
    site.write(CHILD)
    site.serve("hello", "PythonDebug On\nPythonReloadFailure keep")
    assert site.texts() == {"1"}
    site.edit("child.py", "value = = 2\n")
    assert site.texts() == {"1"}
    site.log.expect("SyntaxError")
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


# First loads

@pytest.mark.parametrize("kind", BROKEN)
def test_first_load_that_fails_is_500_and_mending_heals(site, kind):
    text, logged = BROKEN[kind]
    site.write({**CHILD, "child.py": text})
    site.serve("hello")
    for _ in range(3):
        assert site.get().status == 500
    site.log.expect(logged)
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_missing_handler_module_is_500_and_creating_it_heals(site):
    site.write({"readme.txt": ""})
    site.serve("hello")
    assert site.get().status == 500
    site.log.expect(r"MPY\d{4}.*hello")
    site.write({"hello.py": page("1")})
    assert site.texts() == {"1"}


def test_handler_that_does_not_exist_is_500_and_the_log_names_it(site):
    site.write({"hello.py": "x = 1\n"})
    site.serve("hello")
    assert site.get().status == 500
    entry = site.log.expect("contains no 'handler'")
    assert str(site.path("hello.py")) in site.log.block(entry)
    site.edit("hello.py", page("1"))
    assert site.texts() == {"1"}


def test_every_waiter_of_a_failing_first_load_gets_the_real_error(own_server):
    server = own_server(mpm="worker", children=1, threads=24, files={
        "hello.py": page("1", "import child"),
        "child.py": counted(
            "import time\ntime.sleep(0.2)\nraise ValueError('real')\n"),
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"
                     "PythonDebug On\n"})
    answers = together(lambda number: server.site.get(), 20)
    server.log.expect("ValueError: real")
    assert {answer.status for answer in answers} == {500}
    assert all("ValueError: real" in answer.text for answer in answers)
    # Those who come when it has failed make a fresh attempt.
    assert len(server.site.executions()) <= 3


def test_failed_module_is_not_left_half_built(site):
    site.write({
        "hello.py": page("ask()", """
            def ask():
                said = []
                for _ in range(2):
                    try:
                        import child
                        said.append(child.value)
                    except ValueError as error:
                        said.append(str(error))
                return said
            """),
        "child.py": "value = 1\nraise ValueError('no')\n"})
    site.serve("hello")
    assert site.get().text == "['no', 'no']"
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "[2, 2]"


def test_failed_submodule_leaves_no_attribute_on_its_package(site):
    site.write({
        "hello.py": page("ask()", """
            import pkg

            def ask():
                try:
                    import pkg.sub as unused
                except ValueError:
                    pass
                return hasattr(pkg, "sub")
            """),
        "pkg/__init__.py": "", "pkg/sub.py": "raise ValueError('no')\n"})
    site.serve("hello")
    assert site.get().text == "False"


# Handlers that raise

def test_exception_in_a_handler_is_500_and_a_traceback_in_the_log(site):
    site.write({"hello.py": page("1 / 0")})
    site.serve("hello")
    response = site.get()
    assert response.status == 500
    assert "ZeroDivisionError" not in response.text
    entry = site.log.expect(
        r"MPY\d{4}.*PythonHandler.*hello.*ZeroDivisionError", level="error")
    block = site.log.block(entry)
    assert "Traceback (most recent call last):" in block
    assert f'File "{site.path("hello.py")}", line 5, in handler' in block


def test_log_of_an_exception_names_the_interpreter(site):
    site.write({"hello.py": page("1 / 0")})
    site.serve("hello", "PythonInterpreter elsewhere")
    site.get()
    entry = site.log.expect("ZeroDivisionError")
    assert "elsewhere" in site.log.block(entry)


def test_error_page_escapes_everything(site):
    site.write({"hello.py": """
        def handler(req):
            raise ValueError("<script>&" + req.uri)
        """})
    site.serve("hello", "PythonDebug On")
    response = site.get("<b>/x")
    assert response.status == 500
    assert response.headers.get_content_type() == "text/html"
    assert "<script>" not in response.text and "<b>" not in response.text
    assert "&lt;script&gt;&amp;" in response.text
    assert 'Mod_python error: &quot;PythonHandler hello' in response.text \
        or 'Mod_python error: "PythonHandler hello' in response.text
    site.log.expect("ValueError")


def test_chained_exceptions_are_logged_whole(site):
    site.write({"hello.py": """
        def handler(req):
            try:
                1 / 0
            except ZeroDivisionError:
                raise KeyError("second")
        """})
    site.serve("hello")
    site.get()
    block = site.log.block(site.log.expect("KeyError"))
    assert "ZeroDivisionError" in block
    assert "During handling of the above exception" in block


@pytest.mark.parametrize("text, logged", [
    ("raise SystemExit(3)", "SystemExit"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("import os; os.no_such", "AttributeError"),
    ("raise type('Odd', (Exception,), {'__str__': lambda s: 1 / 0})()",
     "Odd"),
    ("raise ValueError('x' * 100_000)", "ValueError"),
    ("raise ValueError('\\ud800 \\0 \\n')", "ValueError"),
    ("def f(): f()\n    f()", "RecursionError"),
    ("raise ExceptionGroup('many', [ValueError('one')])", "ExceptionGroup"),
])
def test_child_survives_any_exception(site, text, logged):
    site.write({"hello.py": f"def handler(req):\n    {text}\n"})
    site.serve("hello")
    for _ in range(5):
        assert site.get().status == 500
    site.log.expect(logged)


@pytest.mark.parametrize("result", ["None", "'OK'", "1.0", "[]", "10 ** 30"])
def test_result_that_is_no_status_is_500_and_told(site, result):
    site.write({"hello.py": f"def handler(req):\n    return {result}\n"})
    site.serve("hello")
    assert site.get().status == 500
    site.log.expect(r"MPY\d{4}.*hello")


@pytest.mark.parametrize("text", ["handler = None\n", "handler = 0\n",
                                  "handler = 'text'\n", "handler = ()\n"])
def test_object_that_is_not_callable_is_an_error(site, text):
    site.write({"hello.py": text})
    site.serve("hello")
    assert site.get().status == 500
    site.log.expect(r"MPY\d{4}.*hello")


# Clients

def test_client_that_goes_away_loses_nothing(site):
    site.write({"hello.py": """
        import harness
        from mod_python import apache

        def handler(req):
            if req.args == "long":
                harness.wait(__file__, "sending")
                for _ in range(2000):
                    req.write("x" * 10_000)
            req.write("done")
            return apache.OK
        """})
    site.serve("hello")
    site.log.allow("client closed|Connection reset|Broken pipe")
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.sendall(f"GET {site.url('?long')} HTTP/1.1\r\n"
                       "Host: x\r\n\r\n".encode())
        site.wait_parked("sending")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    site.open_gate("sending")
    assert site.texts() == {"done"}


def test_error_page_is_not_sent_to_a_client_that_has_gone(site):
    site.write({"hello.py": """
        import harness
        from mod_python import apache

        def handler(req):
            harness.wait(__file__, "sending")
            try:
                for _ in range(2000):
                    req.write("x" * 10_000)
            finally:
                harness.note(__file__)
            return apache.OK
        """})
    site.serve("hello", "PythonDebug On")
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.sendall(f"GET {site.url()} HTTP/1.1\r\n"
                       "Host: x\r\n\r\n".encode())
        site.wait_parked("sending")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    site.open_gate("sending")
    wait_until(site.executions, "the end of the handler")
    site.log.expect("^PythonHandler hello: the client went away$", "info")
    assert len(site.log.matching("PythonHandler|Traceback|OSError")) == 1


def test_body_that_ends_early_is_told_to_the_handler(site):
    site.write({"hello.py": """
        import harness
        from mod_python import apache

        def handler(req):
            try:
                req.read()
            except OSError:
                harness.note(__file__)
                raise
            return apache.OK
        """})
    site.serve("hello")
    site.log.allow("Client read error|OSError|AH01[0-9]{3}")
    with socket.create_connection(("127.0.0.1", site.server.port)) as stream:
        stream.sendall(f"POST {site.url()} HTTP/1.1\r\nHost: x\r\n"
                       "Content-Length: 100\r\n\r\nshort".encode())
        stream.shutdown(socket.SHUT_WR)
        stream.settimeout(20)
        while stream.recv(65536):
            pass
    wait_until(site.executions, "an OSError in the handler")


def test_oversized_header_never_reaches_python(site):
    site.write({"hello.py": counted(page("1"))})
    site.serve("hello")
    site.log.allow("AH0056[0-9]")
    response = site.get(headers={"X-Long": "x" * 9000})
    assert response.status == 400
    assert site.executions() == []


def test_oversized_body_is_413_and_the_child_lives(site):
    site.write({"hello.py": """
        from mod_python import apache

        def handler(req):
            req.write(str(len(req.read())))
            return apache.OK
        """})
    site.serve("hello", "LimitRequestBody 1000")
    site.log.allow("AH015|AH0158|Request body|larger than")
    assert site.post(body=b"x" * 500).text == "500"
    assert site.post(body=b"x" * 5000).status == 413
    assert site.post(body=[b"x" * 600] * 5).status == 413
    assert site.post(body=b"x" * 500).text == "500"


@pytest.mark.parametrize("target", [
    b"/%00", b"/%2f..%2f..", b"/%ff%fe", b"/" + b"a/" * 2000, b"/;|`$(x)",
    b"/x?%00=%00", b"/x?" + b"a=b&" * 1000])
def test_odd_request_targets_harm_nobody(site, target):
    site.write({"hello.py": page("'ok'")})
    site.serve("hello")
    site.log.allow(r"AH\d{5}")
    answer = site.server.raw(b"GET " + site.url().rstrip("/").encode()
                             + target + b" HTTP/1.1\r\nHost: x\r\n"
                             b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 ")
    assert site.texts() == {"ok"}


# Files

@pytest.mark.skipif(os.geteuid() != 0,
                    reason="httpd runs as the user who owns the files")
def test_unreadable_module_keeps_the_old_version_and_heals(site):
    site.write(CHILD)
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("child.py", "value = 2\n")
    site.path("child.py").chmod(0o600)
    assert site.texts() == {"1"}
    site.log.expect(r"MPY\d{4}.*child|Permission denied")
    site.path("child.py").chmod(0o644)
    assert site.texts() == {"2"}


def test_directory_in_place_of_a_module_keeps_the_old_version(site):
    site.write(CHILD)
    site.serve("hello")
    assert site.texts() == {"1"}
    site.remove("child.py")
    site.write({"child.py/readme.txt": ""})
    assert site.texts() == {"1"}
    site.log.expect(r"MPY\d{4}.*child|No module")
    site.remove("child.py")
    site.write({"child.py": "value = 2\n"})
    assert site.texts() == {"2"}


HANDLER_IN_PLACE = """
    import sys

    class Odd:
        limit = 1

        def handler(self, req):
            req.write(str(self.limit))
            return 0

    sys.modules[__name__] = Odd()
    """


@pytest.mark.parametrize("policy", ["keep", "error"])
@pytest.mark.parametrize("where", ["server", "htaccess"])
def test_handler_that_puts_an_object_in_its_modules_place_is_refreshed(
        own_server, where, policy):
    lines = ("SetHandler mod_python\nPythonHandler hello\n"
             f"PythonReloadFailure {policy}\n")
    server = own_server(f"<Directory ${{SITE}}>\n{lines}</Directory>"
                        if where == "server" else "",
                        files={"hello.py": HANDLER_IN_PLACE})
    server.log.allow("MPY0202|MPY0401")
    site = server.site
    if where == "htaccess":
        site.htaccess(lines)
    assert site.texts() == {"1"}
    site.replace("hello.py", "limit = 1", "limit = 2")
    assert site.texts() == {"2"}
    site.replace("hello.py", "limit = 2", "limit = ")
    answer = site.request()
    assert (answer.status, answer.text == "2") == (
        (500, False) if policy == "error" else (200, True))
    site.replace("hello.py", "limit = ", "limit = 3")
    assert site.texts() == {"3"}
