"""The directives that switch reloading, alone and mixed over directories, and
freezing: no request ever disagrees with itself."""

import time

import pytest

from httpd import counted, later, page, processes, together

ONE = {"mpm": "worker", "children": 1}
HTACCESS = "SetHandler mod_python\nPythonHandler hello\n"
CHILD = {"hello.py": page("child.value", "import child"),
         "child.py": "value = 1\n", ".htaccess": HTACCESS}


def soon(site, text, path=""):
    """Every child answers with the text, if not at once."""
    processes.wait_until(lambda: site.texts(path) == {text},
                         f"{text!r} from every child")


# On, Off and Background over directories

SHARED = {
    "lib/shared.py": "value = 1\n",
    **{f"{name}/hello.py": """
        import harness
        from mod_python import apache
        shared = apache.import_module("~/../lib/shared.py")
        import other

        def late():
            return apache.import_module("~/../lib/shared.py").value

        def handler(req):
            got = [shared.value, other.value, late()]
            if req.args == "park":
                harness.wait(__file__, "middle")
            if req.args and req.args.startswith("/") and req.main is None:
                req.write(repr(got) + " ")
                req.internal_redirect(req.args)
                return apache.OK
            got += [late(), other.late()]
            req.write(repr(set(got)))
            return apache.OK
        """ for name in ("on", "off", "background")},
    **{f"{name}/other.py": """
        from mod_python import apache
        value = apache.import_module("~/../lib/shared.py").value

        def late():
            return apache.import_module("~/../lib/shared.py").value
        """ for name in ("on", "off", "background")},
    **{f"{name}/.htaccess": HTACCESS + f"PythonAutoReload {name}\n"
       for name in ("on", "off", "background")},
}


def test_directories_with_different_settings_each_keep_theirs(own_server):
    site = own_server(**ONE, files=SHARED).site
    for name in ("on", "off", "background"):
        assert site.get(f"{name}/").text == "{1}"
    site.edit("lib/shared.py", "value = 2\n")
    assert site.get("off/").text in ("{1}", "{2}")
    assert site.get("on/").text == "{2}"
    # What another request has refreshed is there for everybody.
    assert site.get("off/").text == "{2}"
    assert site.get("background/").text == "{2}"
    site.edit("lib/shared.py", "value = 3\n")
    processes.wait_until(lambda: site.get("background/").text == "{3}",
                         "the background's refresh")
    assert site.get("off/").text == "{3}"


def test_setting_off_alone_never_looks(own_server):
    site = own_server(**ONE, files=SHARED).site
    assert site.get("off/").text == "{1}"
    for number in range(2, 6):
        site.edit("lib/shared.py", f"value = {number}\n")
        site.edit("off/other.py", site.text("off/other.py") + "#\n")
        assert site.get("off/").text == "{1}"
    site.log.refuse("reimporting")


def test_request_between_mixed_directories_never_disagrees_with_itself(
        own_server):
    server = own_server(**ONE, threads=16, files=SHARED)
    site = server.site
    names = ("on", "off", "background")
    for name in names:
        site.get(f"{name}/")
    stop = []

    def ask(number):
        while not stop:
            name, to = names[number % 3], names[number // 3 % 3]
            response = site.get(f"{name}/?/site/{to}/")
            assert response.status == 200
            first, second = response.text.split(" {")
            assert len(set(eval(first)) | eval("{" + second)) == 1

    clients = [later(ask, number) for number in range(9)]
    for number in range(2, 60):
        site.edit("lib/shared.py", f"value = {number}\n", "rename")
        assert site.get("on/").text == f"{{{number}}}"
    stop.append(True)
    for client in clients:
        client.result(20)


@pytest.mark.parametrize("name", ["on", "off", "background"])
def test_parked_request_keeps_its_version_whatever_others_do(own_server,
                                                             name):
    site = own_server(**ONE, files=SHARED).site
    assert site.get(f"{name}/").text == site.get("on/").text == "{1}"
    parked = site.later(f"{name}/?park")
    site.wait_parked("middle")
    site.edit("lib/shared.py", "value = 2\n")
    assert site.get("on/").text == "{2}"
    site.open_gate("middle")
    assert parked.result(20).text == "{1}"
    assert site.get(f"{name}/").text == "{2}"


def test_first_load_under_off_is_of_the_file_as_it_is_then(site):
    site.write({**CHILD, ".htaccess": HTACCESS + "PythonAutoReload Off\n"
                "<Files second>\nPythonHandler second\n</Files>\n",
                "second.py": page("child.value", "import child")})
    assert site.texts("first") == {"1"}
    site.edit("child.py", "value = 2\n")
    site.edit("second.py", page("-child.value", "import child"))
    assert site.texts("second") == {"-1"}
    assert site.texts("first") == {"1"}


def test_off_heals_a_first_load_that_failed(site):
    site.write({**CHILD, "child.py": "1 / 0\n",
                ".htaccess": HTACCESS + "PythonAutoReload Off\n"})
    assert site.get().status == 500
    site.log.expect("ZeroDivisionError")
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}
    site.edit("child.py", "value = 3\n")
    assert site.texts() == {"2"}


# Background

BACKGROUND = {**CHILD, ".htaccess": HTACCESS + "PythonAutoReload Background\n"}


def test_background_sees_edits_in_every_child(own_server):
    site = own_server().site
    site.write(BACKGROUND)
    assert site.texts() == {"1"}
    for number in (2, 3):
        site.edit("child.py", f"value = {number}\n")
        soon(site, str(number))


def test_background_executes_once_for_each_change(own_server):
    site = own_server(**ONE, threads=16, files={
        **BACKGROUND, "child.py": counted("value = 1\n")}).site
    assert site.get().text == "1"
    site.forget_executions()
    site.edit("child.py", counted("import time\ntime.sleep(0.05)\nvalue = 2"))
    together(lambda number: [site.get().text for _ in range(20)], 12)
    soon(site, "2")
    assert site.each_child_ran() == {"child.py": 1}


def test_background_keeps_the_old_version_of_a_broken_file_and_heals(
        own_server):
    site = own_server().site
    site.write(BACKGROUND)
    assert site.texts() == {"1"}
    site.edit("child.py", "value = = 2\n")
    site.log.expect("MPY0202.*SyntaxError")
    assert site.texts() == {"1"}
    site.edit("child.py", "1 / 0\n")
    site.log.expect("MPY0202.*ZeroDivisionError")
    assert site.texts() == {"1"}
    site.edit("child.py", "value = 2\n")
    soon(site, "2")


def test_background_tells_the_error_where_that_is_wanted(own_server):
    site = own_server().site
    site.write({**BACKGROUND, ".htaccess": BACKGROUND[".htaccess"]
                + "PythonReloadFailure error\n"})
    assert site.texts() == {"1"}
    site.edit("child.py", "1 / 0\n")
    site.log.expect("MPY0202.*ZeroDivisionError")
    site.log.allow("MPY0401.*ZeroDivisionError")
    processes.wait_until(
        lambda: {r.status for r in site.get_from_each_child().values()}
        == {500}, "the error in every child")
    site.edit("child.py", "value = 2\n")
    soon(site, "2")


def test_background_finds_what_appears_and_what_goes_away(own_server):
    site = own_server().site
    site.write({**BACKGROUND, "hello.py": page("value", """
        try:
            from extra import value
        except ImportError:
            value = "without"
        """)})
    assert site.texts() == {"without"}
    site.write({"extra.py": "value = 'with'\n"})
    soon(site, "with")
    site.remove("extra.py")
    soon(site, "without")


def test_background_works_in_each_interpreter(own_server):
    site = own_server().site
    site.write({**BACKGROUND, ".htaccess": BACKGROUND[".htaccess"]
                + "<Files one>\nPythonInterpreter background_one\n</Files>\n"
                  "<Files two>\nPythonInterpreter background_two\n</Files>\n"})
    assert site.texts("one") == site.texts("two") == {"1"}
    site.edit("child.py", "value = 2\n")
    soon(site, "2", "one")
    soon(site, "2", "two")


def test_background_body_that_hangs_holds_nobody_up(own_server):
    server = own_server("PythonReloadTimeout 1", **ONE, files={
        **BACKGROUND, "other/hello.py": page("'other'"),
        "other/.htaccess": BACKGROUND[".htaccess"]})
    site = server.site
    assert site.get().text == "1" and site.get("other/").text == "other"
    site.edit("child.py", "import harness\nharness.wait(__file__, 'body')\n"
                          "value = 2\n")
    site.wait_parked("body")
    began = time.monotonic()
    for _ in range(50):
        assert site.get().text == "1"
        assert site.get("other/").text == "other"
    assert time.monotonic() - began < 1
    site.open_gate("body")
    soon(site, "2")


def test_child_ends_while_the_background_executes(own_server):
    server = own_server(**ONE, files=BACKGROUND)
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", "import harness\nharness.wait(__file__, 'body')\n"
                          "value = 2\n")
    site.wait_parked("body")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 8


def test_children_of_a_graceful_restart_go_on_in_the_background(own_server):
    server = own_server(files=BACKGROUND)
    assert server.site.texts() == {"1"}
    server.graceful()
    server.site.edit("child.py", "value = 2\n")
    soon(server.site, "2")
    server.site.edit("child.py", "value = 3\n")
    soon(server.site, "3")


# PythonReloadFailure

def test_each_directory_answers_a_failure_in_its_own_way(site):
    files = {"lib/shared.py": "value = 1\n"}
    for name in ("keep", "error"):
        files[f"{name}/hello.py"] = page(
            "shared.value",
            "shared = apache.import_module('~/../lib/shared.py')")
        files[f"{name}/.htaccess"] = (
            HTACCESS + f"PythonReloadFailure {name}\n")
    site.write(files)
    assert site.texts("keep/") == site.texts("error/") == {"1"}
    site.edit("lib/shared.py", "value = = 2\n")
    for _ in range(3):
        assert site.texts("keep/") == {"1"}
        assert {r.status for r in
                site.get_from_each_child("error/").values()} == {500}
    site.log.expect("MPY0401.*SyntaxError")
    site.log.expect("MPY0202.*SyntaxError")
    site.edit("lib/shared.py", "value = 2\n")
    assert site.texts("keep/") == site.texts("error/") == {"2"}


def test_failure_is_shown_only_to_what_depends_on_it(site):
    site.write({**CHILD, "aside.py": page("'aside'"), ".htaccess": HTACCESS
                + "PythonReloadFailure error\n"
                  "<Files aside>\nPythonHandler aside\n</Files>\n"})
    assert site.texts() == {"1"} and site.texts("aside") == {"aside"}
    site.edit("child.py", "1 / 0\n")
    assert site.get().status == 500
    site.log.expect("MPY0401.*ZeroDivisionError")
    site.log.expect("MPY0202")
    assert site.texts("aside") == {"aside"}
    assert site.get().status == 500
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_error_is_the_same_until_the_file_is_mended(site):
    site.write({**CHILD, ".htaccess": HTACCESS + "PythonDebug On\n"})
    assert site.texts() == {"1"}
    site.edit("child.py", "raise ValueError('number %d' % 5)\n")
    site.log.allow("MPY0[24]0")
    end = time.monotonic() + 2.5  # longer than the pause between attempts
    while time.monotonic() < end:
        response = site.get()
        assert response.status == 500
        assert "ValueError: number 5" in response.text
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_failure_that_mends_itself_heals_without_an_edit(own_server):
    """What a body needs may lie outside of all roots."""
    server = own_server(**ONE, files=CHILD)
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", "import os\nvalue = 2\n"
                          f"os.stat({str(server.root)!r} + '/needed')\n")
    assert site.get().text == "1"
    server.log.expect("MPY0202.*FileNotFoundError")
    (server.root / "needed").touch()
    processes.wait_until(lambda: site.get().text == "2", "another attempt")


# Freezing

FREEZER = {**CHILD, "freeze.py": page("apache.freeze_modules()"),
           ".htaccess": HTACCESS + "<Files freeze>\nPythonHandler freeze\n"
           "</Files>\n"}


def test_frozen_modules_stay_frozen(own_server):
    server = own_server(**ONE, files=FREEZER)
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "2"
    assert site.get("freeze").text == "None"
    lines = len(site.log.matching("importing"))
    for number in range(3, 6):
        site.edit("child.py", f"value = {number}\n")
        site.edit("hello.py", site.text("hello.py") + "#\n")
        assert site.get().text == "2"
    assert len(site.log.matching("importing")) == lines


def test_frozen_in_the_background_stays_frozen(own_server):
    server = own_server("PythonAutoReload Background", **ONE, files=FREEZER)
    site = server.site
    assert site.get().text == "1"
    assert site.get("freeze").text == "None"
    site.edit("child.py", "value = 2\n")
    end = time.monotonic() + 0.5  # ten times the background's pace
    while time.monotonic() < end:
        assert site.get().text == "1"


def test_frozen_interpreter_loads_what_it_has_not_loaded(own_server):
    server = own_server(
        "PythonImport mod_python.apache::freeze_modules main_interpreter",
        **ONE, files={**CHILD, "late.py": "value = 'as written'\n",
                      "hello.py": page("__import__(req.args).value")})
    site = server.site
    assert site.get("?child").text == "1"
    site.edit("late.py", "value = 'as edited'\n")
    assert site.get("?late").text == "as edited"
    site.edit("late.py", "value = 'again'\n")
    assert site.get("?late").text == "as edited"


def test_frozen_interpreter_heals_a_first_load_that_failed(own_server):
    server = own_server(
        "PythonImport mod_python.apache::freeze_modules main_interpreter",
        **ONE, files={**CHILD, "child.py": "1 / 0\n"})
    site = server.site
    assert site.get().status == 500
    server.log.expect("ZeroDivisionError")
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "2"
    site.edit("child.py", "value = 3\n")
    assert site.get().text == "2"


def test_module_may_freeze_its_interpreter_while_it_is_executed(own_server):
    server = own_server(**ONE, files={**CHILD, "child.py": """
        from mod_python import apache
        apache.freeze_modules()
        value = 1
        """})
    site = server.site
    assert site.get().text == "1"
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "1"


def test_freezing_one_interpreter_leaves_the_other_as_it_is(own_server):
    server = own_server(**ONE, files={**CHILD, "child.py": """
        from mod_python import apache
        if apache.interpreter == "cold":
            apache.freeze_modules()
        value = 1
        """, ".htaccess": HTACCESS + "".join(
            f"<Files {name}>\nPythonInterpreter {name}\n</Files>\n"
            for name in ("cold", "warm"))})
    site = server.site
    assert site.get("cold").text == site.get("warm").text == "1"
    site.replace("child.py", "value = 1", "value = 2")
    assert site.get("cold").text == "1"
    assert site.get("warm").text == "2"
    site.replace("child.py", "value = 2", "value = 3")
    assert site.get("cold").text == "1"
    assert site.get("warm").text == "3"


# sys.path

def test_concurrent_requests_never_see_a_half_built_path(own_server):
    server = own_server(**ONE, threads=16, files={
        "hello.py": page("(len(sys.path) == len(set(sys.path)),"
                         " len(sys.path), sys.path[-1] or None)",
                         "import sys"),
        **{f"{name}/.htaccess": HTACCESS.replace("hello", "../hello.py")
           + f"PythonPath \"sys.path + ['/nowhere/{name}']\"\n"
           for name in "abc"}})
    site = server.site
    server.log.allow("MPY0110")
    answers = together(lambda number: {
        site.get("abc"[number % 3] + "/").text for _ in range(50)}, 12)
    seen = set().union(*map(set, answers))
    assert len({eval(text)[:2] for text in seen}) == 1
    assert {eval(text)[2] for text in seen} == {
        f"/nowhere/{name}" for name in "abc"}
