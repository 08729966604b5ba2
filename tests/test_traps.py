"""What made trouble for comparable modules: the numbers 5.N of
docs/internals/defects.md."""

import ast
import gzip
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from httpd import page, together
from inline import serve, value

HTACCESS = "SetHandler mod_python\nPythonHandler hello\n"


def reset(stream):
    """Close so that the other side sees a reset."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                      struct.pack("ii", 1, 0))
    stream.close()


# 5.1: the configuration is read twice, and again at each restart

def test_what_is_taken_out_of_the_configuration_is_gone(own_server):
    """5.1"""
    words = ("PythonImport ${SITE}/start.py main_interpreter",
             "PythonOption word one",
             "PythonOutputFilter ${SITE}/f.py::up up",
             "PythonDebug On")
    server = own_server("\n".join(words), files={
        "start.py": "print('started')\n", ".htaccess": HTACCESS,
        "f.py": "def up(filter):\n"
                "    filter.write((filter.read() or b'').upper())\n",
        "hello.py": """
            from mod_python import apache

            def handler(req):
                try:
                    req.add_output_filter("up")
                    found = "filter"
                except ValueError:
                    found = "none"
                req.write("%s %s %s" % (found, dict(req.get_options()),
                          req.get_config().get("PythonDebug")), 0)
                return apache.OK
            """})
    assert server.site.texts() == {"FILTER {'WORD': 'ONE'} 1"}
    server.log.expect("^started$", count=server.config.children)
    path = server.root / "httpd.conf"
    text = path.read_text()
    for word in words:
        text = text.replace(word, "")
    path.write_text(text)
    for _ in range(3):
        server.graceful()
    assert server.site.texts() == {"none {} None"}
    assert len(server.log.matching("^started$")) == server.config.children


# 5.2

THREADS = {
    "daemon": "threading.Thread(target=run, daemon=True).start()",
    "non-daemon": "threading.Thread(target=run).start()",
    "pool": "pool = concurrent.futures.ThreadPoolExecutor(1)\n"
            "pool.submit(run)",
    "in C": "threading.Thread(target=time.sleep, args=[3600]).start()",
}


@pytest.mark.parametrize("kind", THREADS)
def test_graceful_restart_with_threads_of_a_program_alive(own_server, kind):
    """5.2"""
    server = own_server(files={".htaccess": HTACCESS, "hello.py": page(
        "'hello'", "import concurrent.futures, threading, time\n\n"
        "def run():\n    while True:\n        time.sleep(0.001)\n\n"
        + THREADS[kind])})
    for _ in range(2):
        assert server.site.texts() == {"hello"}
        server.graceful()
    assert server.site.texts() == {"hello"}


# 5.3

def test_bad_path_in_htaccess_is_500_in_that_directory_only(own_server):
    """5.3"""
    server = own_server(children=1, files={
        f"{name}/{file}": text for name, more in {
            "good": "", "raises": 'PythonPath "sys.path + 1"\n',
            "syntax": 'PythonPath "sys.path +"\n',
            "type": 'PythonPath "5"\n'}.items()
        for file, text in {"hello.py": page("'hello'"),
                           ".htaccess": HTACCESS + more}.items()})
    for _ in range(2):
        for name in ("raises", "syntax", "type"):
            assert server.site.get(f"{name}/").status == 500, name
            assert server.site.get("good/").text == "hello"
            server.log.expect(rf"MPY0401.*{'|'.join(['Error'])}")
    server.site.htaccess(HTACCESS, "raises")
    assert server.site.get("raises/").text == "hello"


# 5.5

BROKEN = {
    "flushed": "req.write('begun')\n    req.flush()\n    1 / 0",
    "large": "req.write('x' * 100_000, 0)\n    1 / 0",
    "length": "req.set_content_length(1000)\n    req.write('begun')\n"
              "    req.flush()\n    1 / 0",
    "flush, status": "req.status = 404\n    req.write('begun')\n    1 / 0",
}


@pytest.mark.parametrize("debug", ["Off", "On"])
@pytest.mark.parametrize("how", BROKEN)
def test_an_error_after_output_began_does_not_look_complete(site, how, debug):
    """5.5: no last chunk, no more than the length, and the connection ends."""
    serve(site, BROKEN[how].replace("\n    ", "\n"),
          f"PythonDebug {debug}\n")
    answer = site.server.raw(f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n"
                             .encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1.1 [24]0[04] ", head)
    assert not body.endswith(b"0\r\n\r\n"), body[-300:]
    assert len(body) < 1000 or how != "length"
    site.log.expect("MPY0401.*ZeroDivisionError")


@pytest.mark.parametrize("end", ["return", "raise apache.SERVER_RETURN,"])
def test_a_status_after_output_began_goes_to_httpd_as_it_is(site, end):
    """5.5: that is no failure of the program; httpd adds its page."""
    site.write({"hello.py": f"""
        from mod_python import apache

        def handler(req):
            req.write("begun", 1)
            {end.replace(",", "(apache.HTTP_FORBIDDEN)")}{
                " apache.HTTP_FORBIDDEN" if end == "return" else ""}
        """})
    site.serve("hello")
    with site.server.connect() as connection:
        response = connection.get(site.url())
        assert response.status == 200
        assert response.text.startswith("begun<!DOCTYPE")
        assert connection.get("/health.txt").text == "healthy\n"


# 5.6

WRITES = {
    "handler": ("hello", "PythonHandler hello\n", """
        from mod_python import apache

        def handler(req):
            req.content_type = "text/plain"
            for number in range(2000):
                req.write("some text %d\\n" % (number % 10), 0)
            return apache.OK
        """),
    "publisher": ("hello/index", "PythonHandler mod_python.publisher\n", """
        def index(req):
            req.content_type = "text/plain"
            return "".join("some text %d\\n" % (number % 10)
                           for number in range(2000))
        """),
    "psp": ("hello.psp", "PythonHandler mod_python.psp\n", """
        <%
        for number in range(2000):
        %>some text <%= number % 10 %>
        <%
        # end
        %>"""),
    "wsgi": ("hello", "PythonHandler mod_python.wsgi\n"
             "PythonOption mod_python.wsgi.application hello\n", """
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"some text %d\\n" % (number % 10)
                    for number in range(2000)]
        """),
}


@pytest.mark.parametrize("kind", WRITES)
def test_nothing_is_flushed_that_was_not_asked_for(own_server, kind):
    """5.6: each flush would cost mod_deflate some bytes and its memory."""
    path, handler, text = WRITES[kind]
    server = own_server("DeflateCompressionLevel 9\n", files={
        "hello.psp" if kind == "psp" else "hello.py": text,
        ".htaccess": "SetHandler mod_python\nSetOutputFilter DEFLATE\n"
                     + handler})
    response = server.site.get(path, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    plain = gzip.decompress(response.body)
    assert plain.count(b"some text") == 2000
    assert len(response.body) < len(gzip.compress(plain)) + 100


def test_a_flush_that_is_asked_for_passes_the_filters_of_httpd(own_server):
    """5.6: what the other tests count is not counted for nothing."""
    server = own_server(modules=("ratelimit",))
    serve(server.site, """
        import harness
        req.content_type = "text/plain"
        req.write("first", 0)
        req.flush()
        harness.wait(__file__, "flushed")
        """, "SetOutputFilter DEFLATE;RATE_LIMIT\nSetEnv rate-limit 1000\n")
    with server.connect() as connection:
        connection.send("/site/", headers={"Accept-Encoding": "gzip"})
        data = b""
        while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n")[1]) < 15:
            data += connection.socket.recv(1000)
        server.site.wait_parked("flushed")
        server.site.open_gate("flushed")


# 5.7

SAYING = """
    import logging
    from mod_python import apache

    def handler(req):
        print("printed", req.args)
        logging.warning("logged %s", req.args)
        req.log_error("by the request " + req.args)
        req.server.log_error("by the server " + req.args)
        apache.log_error("by apache " + req.args, apache.APLOG_ERR,
                         req.server)
        req.register_cleanup(print, "cleaned " + req.args)
        req.write("ok")
        if req.args.startswith("bad"):
            raise ValueError("raised " + req.args)
        return apache.OK

    def loghandler(req):
        print("in the log phase", req.args)
        return apache.OK

    def outputfilter(filter):
        data = filter.read()
        while data:
            print("in a filter", filter.req.args)
            filter.write(data)
            data = filter.read()
    """
SAID = ("printed", "logged", "by the request", "by the server", "by apache",
        "cleaned", "in the log phase", "in a filter")


@pytest.mark.parametrize("kind", ["by address", "by name"])
def test_lines_go_to_the_log_of_their_virtual_host(own_server, kind):
    """5.7: several hosts at once in one child."""
    hosts = {"one": "127.0.0.2", "two": "127.0.0.3", "three": "127.0.0.4"}
    where = "{address}:${{PORT}}" if kind == "by address" else "*:*"
    server = own_server("\n".join(
        (f"Listen {address}:${{PORT}}\n" if kind == "by address" else "")
        + f"""
        <VirtualHost {where.format(address=address)}>
            ServerName {name}.example
            ErrorLog {name}.log
            PythonOutputFilter ${{SITE}}/hello.py::outputfilter filter
        </VirtualHost>
        """ for name, address in hosts.items()), children=1, files={
            "hello.py": SAYING, ".htaccess": HTACCESS + "PythonLogHandler "
            "hello\nSetOutputFilter filter\n"})

    def ask(number):
        name = list(hosts)[number % 3]
        words = f"{name}-{number}"
        address = hosts[name] if kind == "by address" else "127.0.0.1"
        with socket.create_connection((address, server.port), 20) as stream:
            stream.sendall(f"GET /site/?{words} HTTP/1.0\r\n"
                           f"Host: {name}.example\r\n\r\n".encode())
            assert b"200 OK" in b"".join(iter(lambda: stream.recv(999), b""))

    together(ask, 12)
    for name in hosts:
        text = (server.root / f"{name}.log").read_text()
        for number in range(12):
            words = f"{list(hosts)[number % 3]}-{number}"
            for said in SAID:
                lines = re.findall(rf"\b{said} {words}\b", text)
                assert len(lines) >= words.startswith(name), (name, said)
                assert words.startswith(name) or not lines, (name, said)
    server.log.refuse("|".join(SAID))


# 5.8

@pytest.mark.parametrize("method, status", [
    ("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 304), ("POST", 204)])
@pytest.mark.parametrize("flush", [0, 1])
def test_responses_without_a_body_send_none(site, method, status, flush):
    """5.8: the next response of the connection is in its place."""
    serve(site, f"""
        if req.method == "TRACE" or req.args:
            req.status = {status}
        req.write("body", {flush})
        """)
    with site.server.connect() as connection:
        for _ in range(3):
            response = connection.request(site.url("?x"), method)
            assert (response.status, response.body) == (status, b"")
            assert connection.get(site.url()).text == "body"


@pytest.mark.parametrize("text, client", [
    ("a,,b", None), (",", None), (",,", None), ("", None), (" , 192.0.2.1",
                                                            "192.0.2.1"),
    ("192.0.2.1,,192.0.2.2", "192.0.2.2"), ("unknown", None),
    ("192.0.2.1:80", None), ("[2001:db8::1]", None), ("x" * 4000, None)])
def test_odd_forwarded_addresses_are_told_as_they_are(own_server, text,
                                                      client):
    """5.8: what mod_remoteip does not believe is left to programs."""
    server = own_server("RemoteIPHeader X-Forwarded-For\n",
                        modules=("remoteip",))
    serve(server.site, """
        environ = dict(req.subprocess_env)
        return (req.useragent_ip, req.useragent_addr[0],
                req.connection.client_ip, req.get_remote_host(),
                req.headers_in.get("X-Forwarded-For"))
        """)
    server.log.allow("AH0")
    answer = ast.literal_eval(server.site.get(
        headers={"X-Forwarded-For": text}).text)
    seen = client or "127.0.0.1"
    assert answer[:2] == (seen, seen)
    assert answer[2] == "127.0.0.1"
    if client is None:
        assert answer[4].strip() == text.strip()


@pytest.mark.parametrize("path, filename, path_info, script", [
    ("/in/directory/more/x", "directory", "/more/x", "/in/directory"),
    ("/in/directory", "directory", "", "/in/directory"),
    ("/in/file.txt/more%20x", "file.txt", "/more x", "/in/file.txt"),
    ("/here", None, None, None), ("/here/more/x", None, None, None),
])
def test_path_info_with_location_and_with_directory(own_server, path, filename,
                                                    path_info, script):
    """5.8: below a directory httpd splits the path at the first thing that is
    no directory; in a Location that is none, all behind the first part."""
    server = own_server("""
        Alias /in ${SITE}
        <Location /here>
            SetHandler mod_python
            PythonHandler ${SITE}/hello.py
        </Location>
        """, files={"hello.py": """
            from mod_python import apache

            def handler(req):
                req.add_cgi_vars()
                env = req.subprocess_env
                req.write(repr((req.filename, req.path_info,
                                env.get("SCRIPT_NAME"),
                                env.get("PATH_INFO", ""))))
                return apache.OK
            """, "file.txt": "", ".htaccess": HTACCESS})
    found, info, name, variable = ast.literal_eval(server.get(path).text)
    assert (name or "") + variable == path.replace("%20", " ")
    assert (info or "") == variable
    if filename:
        assert found == str(server.site.path(filename))
        assert (info, name) == (path_info, script)


# 5.11

PHASES = ("PostReadRequest", "Trans", "Init", "HeaderParser", "Access",
          "Authen", "Authz", "Type", "Fixup", "", "Log", "Cleanup")


@pytest.mark.parametrize("phase", PHASES)
def test_client_that_goes_away_in_a_phase_disturbs_nobody(own_server, phase):
    """5.11"""
    name = f"Python{phase}Handler"
    server = own_server(f"""
        {name} ${{SITE}}/parked.py::park
        {"" if phase == "Authz" else "#"}PythonAuthenHandler {
            "${SITE}/parked.py::known"}
        {"" if phase else "#"}PythonHandler ${{SITE}}/parked.py::answer
        <Location /site>
            AuthType Basic
            AuthName x
            {"" if phase in ("Authen", "Authz") else "Require all granted"}
            {"Require valid-user" if phase in ("Authen", "Authz") else ""}
            SetHandler mod_python
        </Location>
        """, children=1, files={"page": "", "parked.py": """
            import harness
            from mod_python import apache

            def park(req):
                if req.args == "park":
                    harness.wait(__file__, "parked")
                req.user = "me"
                if req.phase == "PythonHandler":
                    return answer(req)
                answering = ("PythonAuthenHandler", "PythonAuthzHandler")
                return apache.OK if req.phase in answering else \\
                    apache.DECLINED

            def known(req):
                req.user = "me"
                return apache.OK

            def answer(req):
                for _ in range(20):
                    req.write("x" * 10_000)
                return apache.OK
            """})
    server.log.allow("client closed|Connection reset|Broken pipe")
    pid, = server.children()
    stream = socket.create_connection(("127.0.0.1", server.port), 20)
    stream.sendall(b"GET /site/page?park HTTP/1.1\r\nHost: x\r\n\r\n")
    server.site.wait_parked("parked")
    reset(stream)
    server.site.open_gate("parked")
    for _ in range(5):
        assert len(server.site.get("page").text) == 200_000
    assert server.children() >= {pid}


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

/* Seconds by which the clock of the day is wrong, in a file that all
 * processes have mapped. */
static volatile long *
shift(void)
{
    static volatile long *seconds;
    if (!seconds) {
        int file = open(getenv("CLOCK_SHIFT"), O_RDONLY);
        seconds = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    }
    return seconds;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real) {
        real = (int (*)(clockid_t, struct timespec *))
            dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        now->tv_sec += *shift();
    }
    return result;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t
time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) {
        *result = now.tv_sec;
    }
    return now.tv_sec;
}
"""


@pytest.fixture
def clock(own_server):
    """clock(extra, ...): a server, and a function that sets by how many
    seconds its clock is wrong."""
    directory = tempfile.mkdtemp(prefix="mod_python-clock-")
    os.chmod(directory, 0o755)
    source, library, shift = (f"{directory}/clock.{end}"
                              for end in ("c", "so", "shift"))
    with open(source, "w", encoding="ascii") as file:
        file.write(CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source,
                    "-ldl"], check=True)

    def step(seconds):
        with open(shift, "r+b", buffering=0) as file:
            file.write(struct.pack("l", seconds))

    def start(extra="", **more):
        with open(shift, "wb") as file:
            file.write(struct.pack("l", 0))
        server = own_server(extra, start=False, **more)
        preload = " ".join(filter(None, (os.environ.get("MP_PRELOAD"),
                                         library)))
        server.through = ("env", f"LD_PRELOAD={preload}",
                          f"CLOCK_SHIFT={shift}")
        server.start()
        return server, step

    yield start
    shutil.rmtree(directory)


HOURS = [-7200, 7200]


def test_the_clock_of_these_tests_can_be_set(clock):
    server, step = clock(files={
        "hello.py": page("time.time()", "import time"), ".htaccess": HTACCESS})
    for seconds in (0, *HOURS):
        step(seconds)
        assert abs(float(server.site.get().text) - time.time()
                   - seconds) < 100


@pytest.mark.parametrize("seconds", HOURS)
def test_clock_that_steps_changes_no_wait_for_a_lock(clock, seconds):
    """5.11"""
    server, step = clock("PythonOption mod_python.mutex_timeout 3", files={
        "hello.py": """
            import time
            import _apache
            import harness
            from mod_python import apache

            def handler(req):
                if req.args == "hold":
                    _apache._global_lock(req.server, "a")
                    harness.wait(__file__, "held")
                    _apache._global_unlock(req.server, "a")
                    return apache.OK
                begun = time.monotonic()
                harness.wait(__file__, "waiting")
                try:
                    _apache._global_lock(req.server, "a")
                except ValueError:
                    req.write("%.1f" % (time.monotonic() - begun))
                return apache.OK
            """, ".htaccess": HTACCESS})
    server.log.allow("MPY060[23]")
    holder = server.site.later("?hold")
    server.site.wait_parked("held")
    waiting = server.site.later("?wait")
    server.site.wait_parked("waiting")
    server.site.open_gate("waiting")
    server.log.expect("MPY0602")
    step(seconds)
    assert 3 <= float(waiting.result(20).text) < 10
    server.site.open_gate("held")
    assert holder.result(20).status == 200


@pytest.mark.parametrize("seconds", HOURS)
def test_clock_that_steps_changes_no_limit_of_a_reload(clock, seconds):
    """5.11: nor is an edit lost."""
    server, step = clock("PythonReloadTimeout 3", mpm="event", children=1,
                         files={
        "hello.py": page("part.text", "import part"),
        "part.py": "text = 'one'\n", ".htaccess": HTACCESS})
    assert server.site.get().text == "one"
    step(seconds)
    server.site.edit("part.py", "text = 'two'\n")
    assert server.site.get().text == "two"
    server.site.edit("part.py", "import harness\n"
                                "harness.wait(__file__, 'executing')\n"
                                "text = 'three'\n")
    step(0)
    first = server.site.later()
    server.site.wait_parked("executing")
    begun = time.monotonic()
    second = server.site.later()
    step(-seconds)
    assert second.result(20).text == "two"
    assert 2.5 < time.monotonic() - begun < 10
    server.log.expect("MPY0203")
    server.site.open_gate("executing")
    assert first.result(20).text == "three"
    server.site.edit("part.py", "text = 'four'\n")
    step(seconds)
    assert server.site.get().text == "four"


@pytest.mark.parametrize("seconds", HOURS)
def test_clock_that_steps_leaves_requests_and_restarts_alone(clock, seconds):
    """5.11: a body that comes slowly, a connection that is kept, an end."""
    server, step = clock("PythonAutoReload Background", files={
        "hello.py": page("len(req.read())"), ".htaccess": HTACCESS})

    def body():
        yield b"abc"
        step(seconds)
        yield b"def"

    with server.connect() as connection:
        for _ in range(3):
            assert connection.request("/site/", "POST", body=body()
                                      ).text == "6"
            step(0)
    step(seconds)
    begun = time.monotonic()
    server.graceful()
    step(0)
    assert server.stop() == 0
    assert time.monotonic() - begun < 20


# 5.12

# Those of Python's own that are written in C, and others that may be there.
OWN = ["_asyncio", "_bz2", "_ctypes", "_decimal", "_elementtree", "_lzma",
       "_sqlite3", "_ssl", "_zoneinfo", "pyexpat", "readline"]
OTHERS = ["numpy", "lxml.etree", "yaml._yaml", "_cffi_backend",
          "cryptography.hazmat.bindings._rust", "bcrypt", "psycopg2",
          "PIL._imaging", "pydantic_core"]


def test_extensions_can_be_imported_in_the_main_interpreter(site):
    """5.12: every one of them, by several threads at once."""
    seen = value(site, f"""
        import importlib
        seen = {{}}

        def work(name):
            try:
                seen[name] = bool(importlib.import_module(name))
            except ModuleNotFoundError as error:
                seen[name] = error.name.partition(".")[0]

        threads = [threading.Thread(target=work, args=[name])
                   for name in {OWN + OTHERS} * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return seen
        """)
    assert {name: seen[name] for name in OWN} == dict.fromkeys(OWN, True)
    for name in OTHERS:
        assert seen[name] in (True, name.partition(".")[0])


@pytest.mark.parametrize("name", OWN + OTHERS)
def test_extension_in_two_sub_interpreters_works_or_is_refused(own_server,
                                                               name):
    """5.12, 5.15: also those that are initialised in one phase."""
    server = own_server("""
        <Location /site/one>
            PythonInterpreter one
        </Location>
        <Location /site/two>
            PythonInterpreter two
        </Location>
        """, children=1, files={".htaccess": HTACCESS, "hello.py": page(
            "found()", f"""
            import importlib

            def found():
                try:
                    importlib.import_module({name!r})
                    return "imported"
                except ImportError as error:
                    return "refused: " + str(error)
            """)})
    children = server.children()
    answers = [server.site.get(where).text
               for where in ("one", "two", "main", "one", "two", "main")]
    assert set(map(bool, answers)) == {True}
    assert all(answer == "imported" or answer.startswith("refused: ")
               for answer in answers), answers
    assert answers[2] == answers[5]
    assert server.children() == children


# 5.13

SURROUNDINGS = """
    import locale, os, pathlib, signal, stat, sys, time
    from mod_python import apache

    def umask():
        mask = os.umask(0)
        os.umask(mask)
        return mask

    def handler(req):
        made = pathlib.Path(os.environ["MP_GATES"], "made")
        made.write_text("caf\\u00e9")
        req.write(repr({
            "locale": locale.setlocale(locale.LC_ALL),
            "encodings": (sys.getfilesystemencoding(),
                          locale.getpreferredencoding(False),
                          sys.stdout.encoding, sys.flags.utf8_mode,
                          made.read_bytes()),
            "number": "%.1f" % 1.5,
            "cwd": os.getcwd(),
            "umask": umask(),
            "mode": stat.S_IMODE(made.stat().st_mode),
            "zone": (time.tzname[0], time.strftime("%H", time.localtime(0))),
            "home": os.environ.get("HOME"),
            "expanded": os.path.expanduser("~") != "~",
            "signals": [str(signal.getsignal(number)) for number in (
                signal.SIGINT, signal.SIGTERM, signal.SIGUSR1,
                signal.SIGHUP, signal.SIGPIPE)],
            "input": sys.stdin.read(),
        }))
        made.unlink()
        return apache.OK
    """


@pytest.fixture
def surroundings(own_server):
    """surroundings(command): what a handler sees in a server that was
    started through it."""
    def look(*command):
        server = own_server(start=False, files={
            "hello.py": SURROUNDINGS, ".htaccess": HTACCESS})
        server.through = command
        server.start()
        text, = server.site.texts()
        return ast.literal_eval(text)
    return look


def test_handlers_see_the_same_whatever_httpd_was_started_with(surroundings):
    """5.13; documented in docs/handlers.md."""
    plain = surroundings()
    assert plain["encodings"] == ("utf-8", "utf-8", "utf-8", 1,
                                  b"caf\xc3\xa9")
    assert plain["locale"] == "C"
    assert plain["input"] == ""
    for command in (
            ("env", "LC_ALL=POSIX"), ("env", "LC_ALL=C.UTF-8"),
            ("env", "LC_ALL=de_DE.ISO-8859-1", "LANG=de_DE"),
            ("env", "PYTHONIOENCODING=latin-1", "PYTHONUTF8=0",
             "PYTHONWARNINGS=error", "PYTHONSTARTUP=/nothing"),
            ("env", "-u", "HOME")):
        assert surroundings(*command) == plain, command


def test_what_belongs_to_httpd_is_as_httpd_has_it(surroundings):
    """5.13"""
    seen = surroundings("sh", "-c", 'umask 027; exec "$@"', "sh", "env",
                        "-C", "/tmp", "HOME=/some", "TZ=XYZ-3")
    assert seen["cwd"] == "/tmp"
    assert (seen["umask"], seen["mode"]) == (0o027, 0o640)
    assert seen["home"] == "/some"
    assert seen["zone"] == ("XYZ", "03")


def test_closed_standard_input_and_output_harm_nobody(own_server):
    """5.13. That of errors is httpd's own log, whatever it was."""
    server = own_server(start=False, files={".htaccess": HTACCESS,
                                            "hello.py": """
        import subprocess, sys
        from mod_python import apache

        def handler(req):
            print("said")
            sys.stderr.write("also said\\n")
            with open(__file__) as mine:
                done = subprocess.run(["cat"], capture_output=True,
                                      stdin=mine)
            req.write("%d %d" % (len(done.stdout) > 100, done.returncode))
            return apache.OK
        """})
    server.through = ("sh", "-c", 'exec "$@" <&- >&-', "sh")
    server.start()
    for _ in range(3):
        assert server.site.get().text == "1 0"
    server.log.expect("^said$", count=3)
    server.log.expect("^also said$", level="error", count=3)
    assert server.stop() == 0


def test_signals_stay_those_of_httpd(own_server):
    """5.13: Python has put no handler in their place, and they still do what
    httpd means by them."""
    server = own_server(children=1)
    assert value(server.site, """
        import signal
        return (signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN,
                [number for number in signal.valid_signals()
                 if callable(signal.getsignal(number))])
        """) == (True, [])
    server.graceful()
    assert server.stop() == 0


# 5.14

def test_frames_of_each_interpreter_are_found_by_asking_in_it(own_server):
    """5.14: threads that stand still in two interpreters of one process."""
    server = own_server(mpm="event", children=1, threads=8, files={
        **{f"{name}/.htaccess": HTACCESS + f"PythonInterpreter {name}\n"
           for name in ("one", "two")},
        **{f"{name}/hello.py": f"""
            import sys, traceback
            import harness
            from mod_python import apache

            def parked_in_{name}(req):
                harness.wait(__file__, "{name}")

            def handler(req):
                if req.args == "park":
                    parked_in_{name}(req)
                else:
                    req.write("%d\\n" % sys.hexversion + "".join(
                        line for frame in sys._current_frames().values()
                        for line in traceback.format_stack(frame)))
                return apache.OK
            """ for name in ("one", "two")}})
    parked = [server.site.later(f"{name}/?park") for name in ("one", "two")]
    for name in ("one", "two"):
        server.site.wait_parked(name)
    for name, other in (("one", "two"), ("two", "one")):
        text = server.site.get(f"{name}/").text
        assert f"in parked_in_{name}" in text
        if int(text.partition("\n")[0]) >= 0x030c0000:
            assert f"in parked_in_{other}" not in text
    for name in ("one", "two"):
        server.site.open_gate(name)
    assert {answer.result(20).status for answer in parked} == {200}


# 5.15

@pytest.mark.parametrize("interpreter", ["main_interpreter", "other"])
@pytest.mark.parametrize("graceful", [False, True])
def test_no_shutdown_of_python_runs_when_a_child_ends(own_server, interpreter,
                                                      graceful):
    """5.15: apache.register_cleanup() is what runs; neither atexit nor the
    shutdown of threading, which would wait for threads."""
    server = own_server(interpreter=interpreter, children=1, files={
        ".htaccess": HTACCESS, "hello.py": page("'ok'", """
            import atexit, threading, time
            from mod_python import apache

            atexit.register(print, "by atexit")
            threading._register_atexit(print, "by threading")
            apache.register_cleanup(print, "by the server")
            threading.Thread(target=time.sleep, args=[3600]).start()
            """)})
    assert server.site.get().text == "ok"
    begun = time.monotonic()
    assert server.stop(graceful) == 0
    assert time.monotonic() - begun < 10
    server.log.expect("^by the server$", count=1)
    server.log.refuse("by atexit|by threading")
