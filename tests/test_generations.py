"""What a generation is: all that one request sees, to its end, however long
that takes and whatever is committed meanwhile; and that it goes away."""

import os

import pytest

from httpd import counted, page, processes

ONE = {"mpm": "worker", "children": 1}
HTACCESS = "SetHandler mod_python\nPythonHandler hello\n"
CHILD = {"hello.py": page("child.value", "import child"),
         "child.py": "value = 1\n", ".htaccess": HTACCESS}


# To the end of the request

def test_request_goes_on_with_its_code_over_ten_commits(own_server):
    server = own_server(**ONE, files={
        "hello.py": """
            import harness
            from mod_python import apache
            import child, pkg.part

            class Mine(child.Base):
                pass

            def late():
                import lazy
                from pkg import other
                return lazy.value, other.value

            def stream():
                yield child.value
                yield child.call()
                yield pkg.part.value
                yield from late()
                yield isinstance(Mine(), child.Base)
                yield Mine().get()

            def handler(req):
                late()
                for number, word in enumerate(stream()):
                    req.write(f"{word} ")
                    if req.args == "park":
                        harness.wait(__file__, f"word{number}")
                return apache.OK
            """,
        "child.py": "value = 1\n\ndef call():\n    return value\n\n"
                    "class Base:\n    def get(self):\n        return value\n",
        "lazy.py": "value = 1\n", "pkg/__init__.py": "",
        "pkg/part.py": "value = 1\n", "pkg/other.py": "value = 1\n",
        ".htaccess": HTACCESS})
    site = server.site

    def words(number):
        return f"{number} {number} {number} {number} {number} True {number} "

    assert site.get().text == words(1)
    parked = site.later("?park")
    for number in range(7):
        site.wait_parked(f"word{number}")
        for name in ("child.py", "lazy.py", "pkg/part.py", "pkg/other.py"):
            site.replace(name, f"value = {number + 1}",
                         f"value = {number + 2}")
        assert site.get().text == words(number + 2)
        site.open_gate(f"word{number}")
    assert parked.result(20).text == words(1)
    assert site.get().text == words(8)


def test_late_module_stays_loaded_while_generations_come_quickly(own_server):
    """Two are made before the first has come to its late import."""
    site = own_server(**ONE).site
    handler = page("' '.join(map(str, numbers(req)))", """
        import leaf, harness

        def numbers(req):
            harness.wait(__file__, req.args or "open")
            import late
            return [leaf.number, late.number]
        """)
    for n in range(4):
        site.write({f"r{n}/hello.py": handler, f"r{n}/.htaccess": HTACCESS,
                    f"r{n}/leaf.py": f"number = {n}\n",
                    f"r{n}/late.py": f"number = {n}\n"})
    site.point("current", "r0")
    site.open_gate("open")
    assert site.get("current/").text == "0 0"
    site.point("current", "r1")
    first = site.later("current/?first")
    site.wait_parked("first")
    site.point("current", "r2")
    second = site.later("current/?second")
    site.wait_parked("second")
    site.point("current", "r3")
    site.open_gate("first")
    site.open_gate("second")
    assert first.result(20).text == "1 1"
    assert second.result(20).text == "2 2"


def test_old_request_sees_the_old_parts_of_a_namespace_package(own_server):
    site = own_server(**ONE, files={
        "hello.py": page("late(req)", """
            import harness, f.t

            def late(req):
                if req.args == "park":
                    harness.wait(__file__, "middle")
                return f.t.value
            """),
        "f/t.py": "value = 1\n", ".htaccess": HTACCESS}).site
    assert site.get().text == "1"
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("f/t.py", "value = 2\n")
    assert site.get().text == "2"
    site.open_gate("middle")
    assert parked.result(20).text == "1"
    assert site.get().text == "2"


def test_module_imported_late_by_an_old_request_is_bound_to_its_generation(
        own_server):
    """And what it brought in is not what new requests get."""
    server = own_server(**ONE, files={
        "hello.py": page("late(req)", """
            import harness, child

            def late(req):
                if req.args == "park":
                    harness.wait(__file__, "middle")
                if req.args:
                    import lazy
                    return lazy.seen, lazy.again(), child.value
                return child.value
            """),
        "child.py": "value = 1\n",
        "lazy.py": "import child\nseen = child.value\n\n"
                   "def again():\n    return child.value\n",
        ".htaccess": HTACCESS})
    site = server.site
    assert site.get().text == "1"
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "2"
    site.open_gate("middle")
    assert parked.result(20).text == "(1, 1, 1)"
    assert site.get("?lazy").text == "(2, 2, 2)"
    site.edit("child.py", "value = 3\n")
    assert site.get("?lazy").text == "(3, 3, 3)"


def test_module_that_old_and_new_requests_load_at_once_is_one_for_each(
        own_server):
    server = own_server(**ONE, files={
        "hello.py": page("late(req)", """
            import harness, child

            def late(req):
                if req.args == "park":
                    harness.wait(__file__, "middle")
                if req.args:
                    import lazy
                    return lazy.seen, child.value
            """),
        "child.py": "value = 1\n",
        "lazy.py": counted("import harness, child\n"
                           "harness.wait(__file__, 'lazy')\n"
                           "seen = child.value\n"),
        ".htaccess": HTACCESS})
    site = server.site
    site.get()
    old = site.later("?park")
    site.wait_parked("middle")
    site.edit("child.py", "value = 2\n")
    new = site.later("?new")
    site.wait_parked("lazy")
    site.open_gate("middle")
    site.open_gate("lazy")
    assert old.result(20).text == "(1, 1)"
    assert new.result(20).text == "(2, 2)"
    assert site.get("?new").text == "(2, 2)"


def test_module_first_loaded_by_an_old_request_is_loaded_for_all(own_server):
    """What it depends on is the same in both generations."""
    server = own_server(**ONE, files={
        "hello.py": page("work(req)", """
            import harness

            def work(req):
                if req.args == "park":
                    harness.wait(__file__, "middle")
                import late
                return id(late), late.same.value
            """),
        "late.py": counted("import same\n"), "same.py": counted("value = 1\n"),
        "other/hello.py": page("1"), "other/.htaccess": HTACCESS,
        ".htaccess": HTACCESS})
    site = server.site
    assert site.get("other/").text == "1"
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("other/hello.py", page("2"))
    assert site.get("other/").text == "2"
    site.open_gate("middle")
    first = parked.result(20).text
    assert site.get().text == first
    assert site.get().text == first
    assert site.each_child_ran() == {"late.py": 1, "same.py": 1}


def test_handler_first_loaded_while_others_reload_is_not_forgotten(
        own_server):
    """It was answered once, so that it has a good version to go on with."""
    server = own_server(**ONE, files={
        "hello.py": counted("import harness\n"
                            "harness.wait(__file__, 'body')\n" + page("'good'")
                            ),
        "other/hello.py": page("1"), "other/.htaccess": HTACCESS,
        ".htaccess": HTACCESS + "<Files early>\nPythonFixupHandler early\n"
        "</Files>\n", "early.py": """
            import harness
            from mod_python import apache

            def fixuphandler(req):
                harness.wait(__file__, "early")
                return apache.OK
            """})
    site = server.site
    assert site.get("other/").text == "1"
    parked = site.later("early")
    site.wait_parked("early")
    site.edit("other/hello.py", page("2"))
    assert site.get("other/").text == "2"
    site.open_gate("early")
    site.open_gate("body")
    assert parked.result(20).text == "good"
    site.edit("hello.py", "value = = 1\n")
    assert site.get("x").text == "good"
    site.log.expect("MPY0202.*SyntaxError")


def test_deleted_module_is_there_for_old_requests_only(own_server):
    server = own_server(**ONE, files={
        "hello.py": page("late(req)", """
            import harness

            def late(req):
                if req.args == "park":
                    import child
                    harness.wait(__file__, "middle")
                try:
                    import child
                    return child.value
                except ImportError:
                    return "gone"
            """),
        "child.py": "value = 1\n", ".htaccess": HTACCESS})
    site = server.site
    assert site.get().text == "1"
    parked = site.later("?park")
    site.wait_parked("middle")
    site.remove("child.py")
    assert site.get().text == "gone"
    site.open_gate("middle")
    assert parked.result(20).text == "1"
    assert site.get().text == "gone"


def test_error_document_log_and_cleanup_see_the_generation_of_the_request(
        site):
    site.write({
        "hello.py": """
            import harness
            from mod_python import apache
            import child

            def handler(req):
                req.register_cleanup(cleanup, req)
                if req.args == "park":
                    harness.wait(__file__, "middle")
                return apache.HTTP_NOT_FOUND

            def note(req, what):
                import late
                req.log_error("%s: %s %s %s" % (
                    what, req.args, child.value, late.value),
                    apache.APLOG_INFO)

            def cleanup(req):
                note(req, "cleanup")

            def loghandler(req):
                note(req.main or req, "log")
                return apache.OK
            """,
        "errors.py": """
            from mod_python import apache
            import child

            def handler(req):
                import late
                req.write("sorry %s %s" % (child.value, late.value))
                return apache.OK
            """,
        "child.py": "value = 1\n", "late.py": "value = 1\n"})
    site.htaccess(f"""
        SetHandler mod_python
        PythonHandler hello
        PythonLogHandler hello
        ErrorDocument 404 {site.url('missing.error')}
        <Files missing.error>
            PythonHandler errors
        </Files>
        """)
    assert site.texts("x") == {"sorry 1 1"}
    parked = site.later("x?park")
    site.wait_parked("middle")
    site.edit("child.py", "value = 2\n")
    site.edit("late.py", "value = 2\n")
    assert site.get("x?new").text == "sorry 2 2"
    site.open_gate("middle")
    response = parked.result(20)
    assert (response.status, response.text) == (404, "sorry 1 1")
    site.log.expect("^cleanup: park 1 1")
    site.log.expect("^log: .* 1 1")
    site.log.expect("^cleanup: new 2 2")
    assert not site.log.matching("^(cleanup|log): park .*2")


def test_sub_requests_see_the_generation_of_the_request(site):
    site.write({
        "hello.py": """
            import harness
            from mod_python import apache
            import child

            def fixuphandler(req):
                if req.main is None and req.args == "park":
                    harness.wait(__file__, "middle")
                return apache.OK

            def handler(req):
                req.write(str(child.value))
                return apache.OK
            """,
        "child.py": "value = 1\n",
        "whole.shtml": '<!--#include virtual="part" -->-'
                       '<!--#include virtual="part" -->\n'})
    site.htaccess("""
        Options +Includes
        PythonFixupHandler hello
        <Files part>
            SetHandler mod_python
            PythonHandler hello
        </Files>
        <Files *.shtml>
            SetOutputFilter INCLUDES
        </Files>
        """)
    assert site.get("whole.shtml").text == "1-1\n"
    parked = site.later("whole.shtml?park")
    site.wait_parked("middle")
    site.edit("child.py", "value = 2\n")
    assert site.get("whole.shtml").text == "2-2\n"
    site.open_gate("middle")
    assert parked.result(20).text == "1-1\n"


@pytest.mark.parametrize("call", [
    "asyncio.run(asyncio.to_thread(late))",
    "asyncio.run(in_executor())",
    "contextvars.copy_context().run(late)",
    "pool.submit(late).result()",
    "asyncio.run(tasks())"])
def test_tasks_and_threads_of_a_request_see_its_generation(own_server, call):
    server = own_server(**ONE, files={
        "hello.py": page(f"park(req) or {call}", """
            import asyncio, concurrent.futures, contextvars
            import harness, child
            pool = concurrent.futures.ThreadPoolExecutor(1)

            def late():
                import lazy
                return (lazy.value, child.value)

            async def in_executor():
                return await asyncio.get_running_loop().run_in_executor(
                    pool, late)

            async def one():
                await asyncio.sleep(0)
                return late()

            async def tasks():
                return (await asyncio.gather(*[one() for _ in range(20)]))[-1]

            def park(req):
                late()
                if req.args == "park":
                    harness.wait(__file__, "middle")
            """),
        "child.py": "value = 1\n", "lazy.py": "value = 1\n",
        ".htaccess": HTACCESS})
    site = server.site
    assert site.get().text == "(1, 1)"
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("child.py", "value = 2\n")
    site.edit("lazy.py", "value = 2\n")
    assert site.get().text == "(2, 2)"
    site.open_gate("middle")
    assert parked.result(20).text == "(1, 1)"


def test_traceback_of_old_code_shows_the_lines_that_ran(site):
    site.write({
        "hello.py": page("work(req)", """
            import harness, child

            def work(req):
                if req.args == "park":
                    harness.wait(__file__, "middle")
                return child.fail()
            """),
        "child.py": "def fail():\n    return 1 / 0  # the first\n",
        ".htaccess": HTACCESS})
    assert site.get().status == 500
    site.log.expect("MPY0401.*ZeroDivisionError")
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("child.py", "# more\n# lines\n"
                          "def fail():\n    return 2 / 0  # the second\n")
    assert site.get().status == 500
    count = len(site.log.matching("MPY0401"))
    site.open_gate("middle")
    assert parked.result(20).status == 500
    site.log.expect("MPY0401", count=count + 1)
    block = site.log.block(site.log.matching("MPY0401")[-1])
    assert "the first" in block and "the second" not in block


# What is old goes away

@pytest.mark.skipif("MP_PRELOAD" in os.environ,
                    reason="a sanitizer keeps what was freed")
def test_commits_beside_a_request_that_stays_keep_memory_flat(own_server):
    rounds = 300
    server = own_server(**ONE, files={
        "hello.py": page("park(req) or m0.value", """
            import harness, m0

            def park(req):
                if req.args == "park":
                    harness.wait(__file__, "middle")
            """),
        **{f"m{n}.py": f"from m{n + 1} import value\n\nclass C:\n"
                       "    def f(self):\n        return [1] * 100\n"
           for n in range(9)},
        "m9.py": "value = 0\n", ".htaccess": HTACCESS})
    site = server.site
    pid, = server.children()
    assert site.get().text == "0"
    parked = site.later("?park")
    site.wait_parked("middle")
    sizes = []
    with server.connect() as connection:
        for number in range(1, rounds + 1):
            site.edit("m9.py", f"value = {number}\n")
            assert connection.get(site.url()).text == str(number)
            if number % (rounds // 10) == 0:
                sizes.append(processes.memory(pid))
    site.open_gate("middle")
    assert parked.result(20).text == "0"
    assert sizes[-1] - sizes[3] < 2 << 20, sizes


# Roots beside sys.path

OVERLAP = {
    "hello.py": page("(child.value, child.__name__[:4],"
                     " harness.load('child').value,"
                     " harness.load('child') is child)",
                     "import harness, child"),
    "child.py": "value = 1\n", ".htaccess": HTACCESS}


def test_root_on_sys_path_changes_nothing_for_its_own_code(own_server):
    """Code that is not reloadable has a copy of its own, which stays."""
    server = own_server("PythonPath \"['${SITE}'] + sys.path\"", **ONE,
                        files=OVERLAP)
    site = server.site
    server.log.allow("MPY0208")
    assert site.get().text == "(1, '_mp_', 1, False)"
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "(2, '_mp_', 1, False)"
    assert len(server.log.matching("MPY0208.*/site' is on sys.path")) == 1


def test_application_root_on_sys_path_is_reloadable_for_everybody(own_server):
    server = own_server("""
        PythonPath "['${SITE}/app'] + sys.path"
        PythonModulePath ${SITE}/app
        """, **ONE, files={
            "hello.py": page("(shop.value, shop.__name__,"
                             " harness.load('shop').value)",
                             "import harness, shop"),
            "app/shop.py": "value = 1\n", ".htaccess": HTACCESS})
    site = server.site
    server.log.allow("MPY0208")
    assert site.get().text == "(1, 'shop', 1)"
    site.edit("app/shop.py", "value = 2\n")
    assert site.get().text == "(2, 'shop', 2)"


# Any extension, any engine

def test_servlet_of_any_extension_and_its_helper_reload(site):
    site.write({"page.msp": page("helper.value + mine",
                                 "import helper\nmine = 10"),
                "helper.py": "value = 1\n"})
    site.serve("./page.msp")
    assert site.texts() == {"11"}
    site.edit("helper.py", "value = 2\n")
    assert site.texts() == {"12"}
    site.replace("page.msp", "mine = 10", "mine = 20")
    assert site.texts() == {"22"}


def test_imports_that_a_template_engine_generates_take_part(own_server):
    """A library compiles templates to code, which the page executes with its
    own globals or builtins."""
    server = own_server("PythonPath \"sys.path + ['${SITE}/cold']\"", **ONE,
                        files={
        "cold/engine.py": """
            def compile_template(text):
                return compile("import tags\\nresult = tags.show(" +
                               repr(text) + ")", "<template>", "exec")

            def render(code, space):
                exec(code, space)
                return space["result"]
            """,
        "hello.py": page("render(template, {'__builtins__': __builtins__})"
                         " + render(template, dict(globals()))", """
            from engine import compile_template, render
            template = compile_template("x")
            """),
        "tags.py": "def show(text):\n    return '<' + text + '>'\n",
        ".htaccess": HTACCESS})
    site = server.site
    assert site.get().text == "<x><x>"
    site.replace("tags.py", "'<'", "'[' ")
    assert site.get().text == "[x>[x>"


# Registrations

def test_cleanup_registered_by_each_version_of_a_module_runs_once(own_server):
    server = own_server(**ONE, files={**CHILD, "child.py": """
        from mod_python import apache
        value = 0

        def at_end(data):
            apache.log_error("at end %s" % value)

        apache.register_cleanup(at_end)
        """})
    site = server.site
    for number in range(5):
        assert site.get().text == str(number)
        site.replace("child.py", f"value = {number}", f"value = {number + 1}")
    assert site.get().text == "5"
    server.stop()
    server.log.expect("at end 5")
    assert len(server.log.matching("at end")) == 1
