"""Requests that a refresh does not concern: they neither wait for it nor do
its work, and still see one generation and the newest files."""

import threading
import time

import pytest

from httpd import SAVES, counted, later, page, together

ONE = {"mpm": "worker", "children": 1}
APPLICATION = "PythonModulePath ${SITE}/app"
HELLO = "SetHandler mod_python\nPythonHandler hello\n"
LEAF = """
    import harness
    if {value} > 1:
        harness.wait(__file__, "body")
    value = {value}
    """
# Two pages: one imports what changes, the other only if it is asked to.
FILES = {
    "app/leaf.py": counted(LEAF.format(value=1)),
    "app/other.py": counted("value = 1\n"),
    "large/large.py": counted(page("leaf.value", "import leaf")),
    "large/.htaccess": "SetHandler mod_python\nPythonHandler large\n",
    "small/small.py": counted(page("work(req)", """
        import other
        import harness

        def late():
            import leaf
            return leaf.value

        def work(req):
            if req.args == "park":
                harness.wait(__file__, "middle")
            return late() if req.args else other.value
        """)),
    "small/.htaccess": "SetHandler mod_python\nPythonHandler small\n",
}


@pytest.fixture
def site(own_server):
    site = own_server(APPLICATION, **ONE, threads=16, files=FILES).site
    assert site.get("large/").text == "1"
    assert site.get("small/").text == "1"
    return site


def save_leaf(site, value, how="inplace"):
    site.edit("app/leaf.py", counted(LEAF.format(value=value)), how)


def begin_stage(site, value=2):
    """A request that hangs in the body of leaf."""
    save_leaf(site, value)
    large = site.later("large/")
    site.wait_parked("body")
    return large


def test_request_that_the_stage_does_not_concern_goes_on(site):
    large = begin_stage(site)
    assert together(lambda number: site.get("small/").text, 30) == ["1"] * 30
    site.open_gate("body")
    assert large.result(20).text == "2"
    assert site.get("small/?late").text == "2"


def test_request_that_the_stage_concerns_waits_for_it(site):
    large = begin_stage(site)
    another = site.later("large/")
    assert site.get("small/").text == "1"
    assert not another.done()
    site.open_gate("body")
    assert large.result(20).text == another.result(20).text == "2"


@pytest.mark.parametrize("how", SAVES)
def test_changes_that_nobody_asks_for_are_not_executed(site, how):
    site.open_gate("body")
    site.forget_executions()
    for value in range(2, 5):
        save_leaf(site, value, how)
        assert site.get("small/").text == "1"
    assert site.executions() == []
    assert site.get("large/").text == "4"
    assert site.each_child_ran() == {"app/leaf.py": 1, "large/large.py": 1}


def test_late_import_of_what_is_being_executed_gets_the_new_version(site):
    large = begin_stage(site)
    late = site.later("small/?late")
    assert site.get("small/").text == "1"
    assert not late.done()
    site.open_gate("body")
    assert large.result(20).text == late.result(20).text == "2"


def test_late_import_in_the_middle_of_a_request_gets_the_new_version(site):
    large = begin_stage(site)
    parked = site.later("small/?park")
    site.wait_parked("middle")
    site.open_gate("body")
    assert large.result(20).text == "2"
    site.open_gate("middle")
    assert parked.result(20).text == "2"


def test_late_import_of_what_nobody_has_asked_for_executes_it(site):
    site.open_gate("body")
    save_leaf(site, 2)
    assert site.get("small/").text == "1"
    assert site.get("small/?late").text == "2"
    assert site.get("large/").text == "2"


def test_late_import_that_waits_in_vain_gets_the_old_version(own_server):
    site = own_server(f"{APPLICATION}\nPythonReloadTimeout 1", **ONE,
                      threads=16, files=FILES).site
    site.get("large/")
    site.get("small/")
    large = begin_stage(site)
    assert site.get("small/?late").text == "1"
    site.open_gate("body")
    assert large.result(20).text == "2"
    assert site.get("small/?late").text == "2"


def test_edit_during_a_stage_that_concerns_the_request_is_seen(site):
    large = begin_stage(site)
    site.edit("app/other.py", counted("value = 2\n"))
    small = site.later("small/")
    time.sleep(0.1)
    assert not small.done()
    site.open_gate("body")
    assert large.result(20).text == small.result(20).text == "2"


def test_edits_of_both_pages_reach_both(site):
    site.open_gate("body")
    for value in range(2, 6):
        save_leaf(site, value)
        assert site.get("small/").text == str(value - 1)
        site.edit("app/other.py", counted(f"value = {value}\n"))
        assert site.get("small/").text == str(value)
        assert site.get("large/").text == str(value)
        assert site.get("small/?late").text == str(value)


def test_broken_change_that_nobody_asks_for_is_told_when_somebody_does(site):
    site.edit("app/leaf.py", "1 / 0\n")
    for _ in range(3):
        assert site.get("small/").text == "1"
    assert site.log.matching("ZeroDivisionError") == []
    assert site.get("large/").text == "1"
    site.log.expect("MPY0202.*leaf.py")
    site.edit("app/leaf.py", "value = 3\n")
    assert site.get("large/").text == "3"


def test_release_flipped_while_other_changes_wait_is_new(own_server):
    """What the others left out says nothing of what changed since."""
    site = own_server(APPLICATION, **ONE, threads=16, files={
        **FILES, "r1/hello.py": page("1"), "r1/.htaccess": HELLO,
        "r2/hello.py": "import harness\nharness.wait(__file__, 'flip')\n"
                       + page("2"), "r2/.htaccess": HELLO}, start=False)
    site.site.point("current", "r1")
    site.start()
    site = site.site
    assert site.get("current/").text == "1"
    assert site.get("large/").text == site.get("small/").text == "1"
    site.edit("app/leaf.py", "value = 2\n")
    assert site.get("small/").text == "1"
    site.point("current", "r2")
    first = site.later("current/")
    site.wait_parked("flip")
    second = site.later("current/")
    time.sleep(0.1)
    assert not second.done()
    site.open_gate("flip")
    assert first.result(20).text == second.result(20).text == "2"


def test_change_that_concerns_what_is_only_now_executed_is_seen(own_server):
    """It concerned nobody when it was looked at."""
    site = own_server(APPLICATION, **ONE, threads=16, files={
        **FILES, "page/.htaccess": HELLO, "page/extra.py": "name = 'extra'\n",
        "page/hello.py": page("found and found.name", """
            import harness
            try:
                import extra as found
            except ImportError:
                try:
                    import spare as found
                except ImportError:
                    found = None
                harness.wait(__file__, "hello")
            """)}).site
    assert site.get("page/").text == "extra"
    assert site.get("large/").text == site.get("small/").text == "1"
    site.path("page/extra.py").rename(site.path("page/spare.py"))
    first = site.later("page/")
    site.wait_parked("hello")
    assert site.get("small/").text == "1"
    site.remove("page/spare.py")
    assert site.get("small/").text == "1"
    site.open_gate("hello")
    assert first.result(20).status == 200
    large = begin_stage(site)
    second = site.later("page/")
    site.open_gate("body")
    assert second.result(20).text == "None"
    assert large.result(20).text == "2"


def test_later_phase_that_changes_concern_sees_them(own_server):
    site = own_server(APPLICATION, **ONE, files={
        **FILES,
        "app/leaf.py": "value = 1\n",
        "large/gate.py": "def accesshandler(req):\n    return 0\n",
        "large/.htaccess": "SetHandler mod_python\nPythonHandler large\n"
                           "PythonAccessHandler gate\n"}).site
    for value in range(1, 5):
        site.edit("app/leaf.py", f"value = {value}\n")
        assert site.get("large/").text == str(value)


def test_thousands_of_saves_that_nobody_asks_for_are_no_burden(site):
    site.open_gate("body")
    for value in range(2, 1202):
        save_leaf(site, value, "rename")
        if value % 2 == 0:
            assert site.get("small/").text == "1"
    assert site.get("large/").text == "1201"


def test_requests_and_saves_of_another_page_do_not_disturb_each_other(site):
    site.open_gate("body")

    def work(number):
        for value in range(100 * number, 100 * number + 50):
            if number == 0:
                save_leaf(site, value + 2)
                assert site.get("large/").text == str(value + 2)
            else:
                assert site.get("small/").text == "1"

    together(work, 6)
    assert site.get("small/?late").text == "51"


@pytest.mark.parametrize("pause", [0, 0.02])
@pytest.mark.parametrize("file", ["child.py", "data.txt"])
def test_file_that_is_rewritten_all_the_time_holds_up_no_other_directory(
        own_server, file, pause):
    server = own_server(**ONE, files={
        "a/hello.py": page("child.value", "import child"),
        "a/child.py": "import os\nvalue = open(os.path.dirname(__file__)"
                      " + '/data.txt').read()\n",
        "a/data.txt": "1", "a/.htaccess": HELLO,
        "b/hello.py": page("(child.value, extra)", """
            import child
            try:
                from added import extra
            except ImportError:
                extra = 0
            """),
        "b/child.py": "value = 1\n", "b/.htaccess": HELLO})
    site = server.site
    assert site.get("a/").text == "1" and site.get("b/").text == "(1, 0)"
    site.log.allow(f"MPY0209.*{file}")
    stop = threading.Event()
    text = site.text("a/" + file)

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            site.edit("a/" + file, text + f"#{number}\n")
            time.sleep(pause)

    writer = later(write)
    try:
        for number in range(2, 8):
            site.edit("b/child.py", f"value = {number}\n")
            assert site.get("b/").text == f"({number}, 0)"
            site.write({"b/added.py": "extra = 1\n"})
            assert site.get("b/").text == f"({number}, 1)"
            site.remove("b/added.py")
            assert site.get("b/").text == f"({number}, 0)"
    finally:
        stop.set()
        writer.result(20)
    assert site.get("a/").status == 200


def test_request_whose_first_handler_is_not_hot_waits_for_what_it_may_ask(
        own_server):
    """mod_python.publisher and the like say later which page they are for."""
    site = own_server(
        APPLICATION + "\nPythonPath \"sys.path + ['${SITE}/cold']\"", **ONE,
        threads=16, files={**FILES, "cold/dispatcher.py": """
            import harness
            from mod_python import apache

            def handler(req):
                if req.args == "park":
                    harness.wait(req.filename, "dispatcher")
                return apache.DECLINED
            """, "third/third.py": page("leaf.value", "import leaf"),
            "third/.htaccess": "SetHandler mod_python\n"
                               "PythonHandler dispatcher third\n"}).site
    site.open_gate("body")
    assert site.get("third/").text == site.get("small/").text == "1"
    save_leaf(site, 2)
    parked = site.later("third/?park")
    site.wait_parked("dispatcher")
    site.edit("app/other.py", counted("value = 3\n"))
    assert site.get("small/").text == "3"
    site.open_gate("dispatcher")
    assert parked.result(20).text == "2"
