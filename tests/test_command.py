"""The command mod_python (api.md 8, D33): `python3 -m mod_python`."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import pytest

from httpd.configuration import module_under_test, program

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = pathlib.Path(os.environ.get("MP_PACKAGE") or CHECKOUT / "python")


@pytest.fixture
def place():
    """A directory that httpd's children may enter, with the package in it."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="mod_python-command-"))
    root.chmod(0o755)
    shutil.copytree(PACKAGE / "mod_python", root / "package" / "mod_python",
                    ignore=shutil.ignore_patterns("__pycache__"))
    yield root
    for conf in root.glob("*/conf/httpd.conf"):
        if list(conf.parent.parent.glob("logs/httpd.pid")):
            mod_python(root, "stop", conf)
            wait_until_gone(conf.parent.parent)
    shutil.rmtree(root)


def mod_python(place, *words):
    return subprocess.run(
        [sys.executable, "-m", "mod_python", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=60, cwd="/",
        env={**os.environ, "PYTHONPATH": str(place / "package"),
             "MP_BUILD": str(module_under_test().parent)})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path="/"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}",
                                    timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(condition, what, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)


def wait_until_gone(server):
    wait_for(lambda: not list(server.glob("logs/httpd.pid")), "the end")


def create(place, handler, *more):
    """A server; (its directory, its configuration, its port)."""
    server, port = place / "server", free_port()
    done = mod_python(place, "create", server, "--pythonhandler", handler,
                      "--listen", f"127.0.0.1:{port}", *more)
    assert done.returncode == 0, done.stderr
    path = server / "conf" / "httpd_conf.py"
    done = mod_python(place, "genconfig", path)
    assert done.returncode == 0, done.stderr
    conf = server / "conf" / "httpd.conf"
    conf.write_text(done.stdout)
    return server, conf, port


@pytest.mark.parametrize("handler", ["mod_python.publisher",
                                     "mod_python.wsgi"])
def test_what_create_makes_is_clean_to_httpd(place, handler):
    """D33."""
    _, conf, _ = create(place, handler, "--pythonpath", "/one:/two::",
                        "--pythonoption", "one 1", "--pythonoption",
                        "mod_python.wsgi.application app")
    done = subprocess.run([program(), "-t", "-f", conf], capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "Syntax OK\n")
    lines = [line.strip() for line in conf.read_text().splitlines()]
    for line in (f"PythonHandler {handler}", "PythonOption one 1",
                 "PythonOption mod_python.wsgi.application app",
                 "PythonPath \"sys.path + ['/one', '/two']\""):
        assert line in lines


def test_create_makes_directories_and_copies_mime_types(place):
    server, _, _ = create(place, "x")
    assert sorted(os.listdir(server)) == ["conf", "logs", "public"]
    assert "text/html" in (server / "conf" / "mime.types").read_text()


def test_create_refuses_to_overwrite(place):
    server, _, _ = create(place, "x")
    path = server / "conf" / "httpd_conf.py"
    before = path.read_text()
    done = mod_python(place, "create", server, "--pythonhandler", "other")
    assert done.returncode == 1
    assert "exists" in done.stderr
    assert path.read_text() == before


def test_create_only_warns_of_directories_that_are_there(place):
    (place / "server" / "public").mkdir(parents=True)
    done = mod_python(place, "create", place / "server", "--pythonhandler",
                      "x")
    assert done.returncode == 0
    assert "public is there already" in done.stderr


def test_the_port_is_8888_unless_said_otherwise(place):
    assert mod_python(place, "create", place / "server", "--pythonhandler",
                      "x").returncode == 0
    text = (place / "server" / "conf" / "httpd_conf.py").read_text()
    assert "Listen('8888')" in text


def test_genconfig_runs_the_file(place):
    path = place / "my.py"
    path.write_text("from mod_python.httpdconf import *\n"
                    "print(Location('/', Options('None')), __name__, __file__)")
    done = mod_python(place, "genconfig", path)
    assert done.stdout == ("<Location />\n  Options None\n</Location>\n "
                           f"__main__ {path}\n")


def test_genconfig_says_what_is_wrong(place):
    done = mod_python(place, "genconfig", place / "none.py")
    assert done.returncode == 1
    assert done.stderr.startswith("mod_python: ")
    assert "none.py" in done.stderr


def test_a_server_starts_restarts_and_stops(place):
    """One life of a server with a WSGI application that reloads."""
    server, conf, port = create(
        place, "mod_python.wsgi", "--pythonoption",
        "mod_python.wsgi.application app")
    application = server / "public" / "app.py"
    application.write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'one']\n")
    done = mod_python(place, "start", conf)
    assert done.returncode == 0, done.stderr
    wait_for((server / "logs" / "httpd.pid").exists, "the server")
    assert get(port) == (200, "one")
    application.write_text(application.read_text().replace("one", "two"))
    assert get(port) == (200, "two")

    pid = int((server / "logs" / "httpd.pid").read_text())
    conf.write_text(conf.read_text().replace(
        "application app\n", "application app::gone\n"))
    assert mod_python(place, "restart", conf).returncode == 0
    wait_for(lambda: get(port)[0] == 404, "the new configuration")
    assert int((server / "logs" / "httpd.pid").read_text()) == pid

    assert mod_python(place, "stop", conf).returncode == 0
    wait_until_gone(server)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "its end")
    log = (server / "logs" / "error_log").read_text()
    assert "Traceback" not in log


def test_start_tells_how_it_went(place):
    conf = place / "bad.conf"
    conf.write_text("NoSuchDirective\n")
    done = mod_python(place, "start", conf)
    assert done.returncode != 0
    assert done.stderr  # httpd's own words


def test_version_shows_versions_and_places(place):
    done = mod_python(place, "version")
    assert done.returncode == 0
    rows = dict(line.strip().split(None, 1)
                for line in done.stdout.splitlines() if line.strip())
    assert rows["mod_python"].startswith("4.")
    assert rows["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert rows["httpd"].startswith("2.4.")
    assert rows["APR"].startswith("1.")
    assert rows["module"] == str(module_under_test())
    assert rows["package"] == str(place / "package" / "mod_python")
    assert os.path.isdir(rows["modules"])
    assert "Linux" in rows["platform"]


@pytest.mark.parametrize("words", [[], ["no-such"], ["create"], ["start"],
                                   ["genconfig"], ["create", "x", "--nope"]])
def test_wrong_words_are_explained(place, words):
    done = mod_python(place, *words)
    assert done.returncode == 2
    assert "usage: mod_python" in done.stderr


def test_the_installed_command_is_this_program(place):
    """`make install` puts it, and what it was built for, where they belong."""
    built = module_under_test().parent
    done = subprocess.run(
        ["make", "-s", "-C", str(CHECKOUT), f"BUILD={built}", "install",
         f"DESTDIR={place}/root", "PLATLIB=/lib", "BINDIR=/bin", "-o",
         str(built / "mod_python.so")],
        capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    command = place / "root/bin/mod_python"
    assert 'sys.path.append("/lib")' in command.read_text()
    done = subprocess.run(
        [command, "version"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{place}/root/lib"})
    assert done.returncode == 0, done.stderr
    rows = dict(line.strip().split(None, 1)
                for line in done.stdout.splitlines() if line.strip())
    assert rows["module"].endswith("/mod_python.so")
    assert rows["package"] == f"{place}/root/lib/mod_python"


def test_the_version_stands_in_one_file():
    """All else asks for it: the build, the module, and the command."""
    text = (PACKAGE / "mod_python/version.py").read_text()
    version = text.partition('version = "')[2].partition('"')[0]
    assert version.startswith("4.")
    places = [CHECKOUT / name for name in (
        "Makefile", "src", "include", "scripts", "conf", "python")]
    files = [file for place in places for file in (
        place.rglob("*") if place.is_dir() else [place])
        if file.is_file() and file.suffix != ".pyc"]
    assert [file.name for file in files
            if version.encode() in file.read_bytes()] == ["version.py"]
    module = module_under_test().read_bytes()
    assert b"mod_python/" in module and version.encode() in module


def test_version_is_all_that_the_old_package_had(place):
    """api.md 6.8."""
    done = subprocess.run(
        [sys.executable, "-c", """
import mod_python
from mod_python import version
from mod_python.python22 import *
assert mod_python.mp_version == version.version
print([name for name in ("version", "HTTPD", "HTTPD_VERSION", "APR_VERSION",
       "LIBEXECDIR", "SYSCONFDIR", "TEST_MOD_PYTHON_SO", "TESTHOME",
       "PYTHON_BIN") if not isinstance(getattr(version, name), str)])
try:
    version.NOTHING
except AttributeError as error:
    print(error)
"""], capture_output=True, text=True, check=False, cwd="/",
        env={**os.environ, "PYTHONPATH": str(place / "package")})
    assert done.stdout.splitlines() == [
        "[]", "module 'mod_python.version' has no attribute 'NOTHING'"], (
            done.stderr)
