"""The harness itself: what the other tests lean on."""

import os
import signal

import pytest

from httpd import SAVES, save, together
from httpd.health import Health
from httpd.log import Log, parse
from httpd.processes import wait_until

HELLO = """
    from mod_python import apache

    def handler(req):
        req.write("hello")
        return apache.OK
    """

LINE = ("[Fri Nov 20 07:30:34.643667 2026] [python:{level}] "
        "[pid 71:tid {tid}] [client 127.0.0.1:5555] {text}\n")


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path / "error.log", "/htdocs")
    log.path.touch()
    return log


def append(log, text, level="error", tid=72):
    with open(log.path, "a") as file:
        file.write(LINE.format(level=level, tid=tid, text=text))


def test_a_line_of_httpd_is_taken_apart():
    entry = parse(LINE.format(level="error", tid=72,
                              text="  File \"x.py\", line 1")[:-1])
    assert (entry.module, entry.level, entry.pid, entry.tid) == (
        "python", "error", 71, 72)
    assert entry.text == '  File "x.py", line 1'


def test_a_line_of_another_form_is_severe():
    assert parse("Fatal Python error: no").is_severe


def test_a_claim_covers_the_traceback_below_it(log):
    append(log, "MPY0001 boom")
    append(log, "unrelated", level="info")
    append(log, "Traceback (most recent call last):")
    append(log, "MPY0002 other thread", tid=73)
    append(log, "  File \"x.py\", line 1")
    append(log, "ValueError: x")
    append(log, "more")
    append(log, "MPY0003 next")
    log.expect("MPY0001")
    assert [entry.text for entry in log.unclaimed()] == [
        "MPY0002 other thread", "more", "MPY0003 next"]


def test_a_new_test_forgets_old_lines_and_claims(log):
    append(log, "MPY0001 boom")
    log.allow("MPY0001")
    log.begin()
    assert log.unclaimed() == []
    append(log, "MPY0001 boom")
    assert len(log.unclaimed()) == 1


def test_lines_about_another_site_belong_to_another_test(log):
    log.begin(mine="mine")
    append(log, "MPY0001 boom")
    append(log, '  File "/htdocs/other/x.py", line 1')
    append(log, "MPY0002 boom")
    append(log, '  File "/htdocs/mine/x.py", line 1, of /htdocs/other/y.py')
    append(log, "importing '/htdocs/other/x.py'", level="warn")
    assert [entry.text for entry in log.unclaimed()] == [
        "MPY0002 boom",
        '  File "/htdocs/mine/x.py", line 1, of /htdocs/other/y.py']
    assert log.matching("MPY0001") == []


@pytest.mark.parametrize("how", SAVES)
def test_a_save_leaves_exactly_the_new_bytes(tmp_path, how):
    directory = tmp_path / "site"
    directory.mkdir()
    path = directory / "a.py"
    path.write_bytes(b"old and longer")
    path.chmod(0o644)
    save(path, b"new", how)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(directory.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == [directory]


def test_a_handler_answers(site):
    site.write({"hello.py": HELLO})
    site.serve("hello")
    response = site.get("anything", headers={"X-Test": "1"})
    assert (response.status, response.text) == (200, "hello")


def test_each_child_is_reached(site):
    site.write({"pid.py": """
        import os
        from mod_python import apache

        def handler(req):
            req.write(str(os.getpid()))
            return apache.OK
        """})
    site.serve("pid")
    answers = site.get_from_each_child()
    assert set(answers) == site.server.children()
    assert all(str(pid) == answer.text for pid, answer in answers.items())


def test_parked_handlers_wait_for_the_gate(site):
    site.write({"parked.py": """
        import harness
        from mod_python import apache

        def handler(req):
            harness.wait(__file__, "here")
            req.write("through")
            return apache.OK
        """})
    site.serve("parked")
    waiting = [site.later() for _ in range(2)]
    site.wait_parked("here", 2)
    assert not any(future.done() for future in waiting)
    site.open_gate("here")
    assert [future.result(20).text for future in waiting] == ["through"] * 2


def test_requests_run_together(site):
    site.write({"hello.py": HELLO})
    site.serve("hello")
    assert together(lambda number: site.get().text, 8) == ["hello"] * 8


def test_an_unclaimed_error_is_unhealthy(site):
    site.write({"loud.py": """
        from mod_python import apache

        def handler(req):
            req.log_error("all is lost", apache.APLOG_ERR)
            return apache.OK
        """})
    site.serve("loud")
    health = Health(site.server)
    site.get()
    with pytest.raises(AssertionError, match="all is lost"):
        health.check()
    site.log.expect("all is lost")
    health.check()


def test_a_killed_child_is_unhealthy(own_server):
    server = own_server()
    health = Health(server)
    killed = min(server.children())
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: killed not in server.children()
               and len(server.children()) == server.config.children,
               "a new child")
    with pytest.raises(AssertionError, match="children were"):
        health.check()


def test_a_graceful_restart_changes_every_child(own_server):
    server = own_server()
    old = server.children()
    server.graceful()
    assert len(server.children()) == len(old)
    assert not server.children() & old


def test_a_graceful_stop_ends_well(own_server):
    assert own_server().stop(graceful=True) == 0


def test_a_wrong_configuration_is_told(own_server):
    server = own_server("NoSuchDirective 1", start=False)
    status, said = server.check()
    assert status != 0
    assert "NoSuchDirective" in said
