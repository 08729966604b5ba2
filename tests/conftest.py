"""Fixtures: `server`, `site` and `own_server` (see httpd/__init__.py), the
health check after each test, and a limit on the time of each."""

import faulthandler
import re
import signal
import sys

import pytest

from httpd import Configuration, Server, Site
from httpd.health import Health

SECONDS = 60  # of one test; @pytest.mark.seconds(n) says otherwise


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "seconds(n): the test may take up to n seconds")


@pytest.fixture(scope="session")
def session_server():
    server = Server(directory="server")
    server.start()
    yield server
    status = server.stop()
    left = server.log.unclaimed()
    server.remove()
    assert status == 0, f"httpd ended with status {status}"
    assert not left, "\n".join(map(str, left))


@pytest.fixture
def server(request, session_server):
    """The httpd of the session, healthy before and after the test."""
    health = Health(session_server)
    request.node.httpd = [session_server]
    yield session_server
    health.check()
    session_server.log.begin()


@pytest.fixture
def site(request, server):
    """A directory of its own, with its .htaccess, for one test."""
    name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_"))
    number = next(_numbers)
    site = Site(server, f"{number:03}-{name.strip('-')[:80]}")
    server.log.begin(mine=site.name)
    return site


@pytest.fixture
def own_server(request):
    """own_server(extra, files={}, **choices) starts an httpd for this test
    alone; the choices are those of httpd.Configuration. start=False leaves
    the start to the test. The URL prefix of its `.site` is /site/."""
    started = []
    request.node.httpd = started

    def make(extra="", files=None, start=True, **choices):
        server = Server(Configuration(extra=extra, **choices))
        started.append(server)
        server.site.write(files or {})
        if start:
            server.start()
        return server

    yield make
    wrong = []
    for server in started:
        wrong += _end(server)
    assert not wrong, "\n".join(wrong)


def _end(server):
    """Stop a server of one test; what was wrong with it."""
    wrong = []
    try:
        if server.is_running():
            alive = len(server.children())
            if alive < server.config.children:
                wrong.append(f"only {alive} children are alive")
            status = server.stop()
            if status:
                wrong.append(f"httpd ended with status {status}")
    except AssertionError as error:
        wrong.append(str(error))
    wrong += map(str, server.log.unclaimed())
    server.remove()
    return wrong


def _count():
    number = 0
    while True:
        number += 1
        yield number


_numbers = _count()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Fail a test that hangs, with the stacks of all threads."""
    marker = item.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else SECONDS

    def late(number, frame):
        faulthandler.dump_traceback(file=sys.__stderr__)
        raise TimeoutError(f"the test took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what httpd logged while it ran."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in getattr(item, "httpd", []):
            text = "\n".join(map(str, server.log.entries()))
            report.sections.append(("httpd's error log", text or "(empty)"))
