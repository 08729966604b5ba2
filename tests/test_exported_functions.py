"""The functions that other modules of httpd may call: a module in C, built
here with the installed header, calls them from hooks of its own."""

import ast
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

import pytest

from httpd import configuration, later, page
from httpd.configuration import CHECKOUT, MPMS

# What the guest does is said by the headers of the request: Guest-Code is an
# expression, Guest-Interpreter a name, Guest-Hooks a list of hooks.
GUEST = r"""
#include <mod_python.h>

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

static APR_OPTIONAL_FN_TYPE(mp_acquire_interpreter) *acquire;
static APR_OPTIONAL_FN_TYPE(mp_release_interpreter) *release;
static APR_OPTIONAL_FN_TYPE(mp_get_request_object) *request_object;
static APR_OPTIONAL_FN_TYPE(mp_get_server_object) *server_object;
static APR_OPTIONAL_FN_TYPE(mp_get_connection_object) *connection_object;

static void
retrieve(void)
{
    acquire = APR_RETRIEVE_OPTIONAL_FN(mp_acquire_interpreter);
    release = APR_RETRIEVE_OPTIONAL_FN(mp_release_interpreter);
    request_object = APR_RETRIEVE_OPTIONAL_FN(mp_get_request_object);
    server_object = APR_RETRIEVE_OPTIONAL_FN(mp_get_server_object);
    connection_object = APR_RETRIEVE_OPTIONAL_FN(mp_get_connection_object);
}

/* The repr of an expression, or the exception. Attached. */
static const char *
evaluate(request_rec *r, const char *code)
{
    PyObject *request = request_object(r); /* borrowed */
    PyObject *server = request ? server_object(r->server) : NULL;
    PyObject *connection = server ? connection_object(r->connection) : NULL;
    PyObject *apache = connection
        ? PyImport_ImportModule("mod_python.apache") : NULL;
    PyObject *names = apache
        ? Py_BuildValue("{sOsOsOsO}", "req", request, "server", server,
                        "connection", connection, "apache", apache)
        : NULL;
    PyObject *value = names
        ? PyRun_String(code, Py_eval_input, names, names) : NULL;
    if (!value) {
        PyObject *type, *error, *traceback;
        PyErr_Fetch(&type, &error, &traceback);
        PyErr_NormalizeException(&type, &error, &traceback);
        Py_XDECREF(type);
        Py_XDECREF(traceback);
        value = error;
    }
    PyObject *text = PyObject_Repr(value);
    const char *copy = apr_pstrdup(r->pool, PyUnicode_AsUTF8(text));
    Py_XDECREF(server);
    Py_XDECREF(connection);
    Py_XDECREF(apache);
    Py_XDECREF(names);
    Py_XDECREF(value);
    Py_XDECREF(text);
    return copy;
}

static const char *
header(request_rec *r, const char *name)
{
    return apr_table_get(r->headers_in, name);
}

static const char *
evaluate_in(request_rec *r, const char *name, const char *code)
{
    if (!acquire(name)) {
        return "no interpreter";
    }
    const char *text = evaluate(r, code);
    release();
    return text;
}

static int
wants(request_rec *r, const char *hook)
{
    const char *hooks = header(r, "Guest-Hooks");
    return hooks && strstr(hooks, hook);
}

static void
visit(request_rec *r, const char *hook)
{
    if (wants(r, hook)) {
        const char *code = apr_psprintf(r->pool,
            "setattr(req, 'visits', getattr(req, 'visits', [])"
            " + ['%s']) or req.visits", hook);
        const char *text = evaluate_in(r, header(r, "Guest-Interpreter"),
                                       code);
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, "guest %s", text);
    }
}

static int
fixup_first(request_rec *r)
{
    visit(r, "before");
    return DECLINED;
}

static int
fixup_last(request_rec *r)
{
    visit(r, "after");
    return DECLINED;
}

static int
log_last(request_rec *r)
{
    visit(r, "log");
    return DECLINED;
}

static apr_status_t
end_request(void *baton)
{
    request_rec *r = baton;
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, "guest end %s",
                  evaluate_in(r, NULL, "req.uri"));
    return APR_SUCCESS;
}

static int
post_read_request(request_rec *r)
{
    if (wants(r, "end")) {
        apr_pool_cleanup_register(r->pool, r, end_request,
                                  apr_pool_cleanup_null);
    }
    visit(r, "early");
    return DECLINED;
}

/* Two interpreters at once, and the first once more. */
static int
nest(request_rec *r)
{
    const char *outer = header(r, "Guest-Interpreter");
    const char *name = "'%s' % apache.interpreter";
    PyInterpreterState *one = acquire(outer);
    const char *first = evaluate(r, name);
    PyInterpreterState *two = acquire("inner");
    const char *second = evaluate(r, name);
    PyInterpreterState *three = acquire(outer);
    const char *third = evaluate(r, name);
    int same = PyInterpreterState_Get() == one && one == three && one != two;
    release();
    same = same && PyInterpreterState_Get() == two;
    const char *fourth = evaluate(r, name);
    release();
    same = same && PyInterpreterState_Get() == one;
    const char *fifth = evaluate(r, name);
    release();
    ap_rprintf(r, "[%s, %s, %s, %s, %s, %d]", first, second, third, fourth,
               fifth, same);
    return OK;
}

static int
misbehave(request_rec *r)
{
    PyObject *nothing = request_object(r);
    release();
    if (acquire(NULL)) {
        PyErr_SetString(PyExc_ValueError, "of the guest");
        release();
    }
    ap_rprintf(r, "[%d]", nothing == NULL);
    return OK;
}

static int
handler(request_rec *r)
{
    if (!r->handler || strncmp(r->handler, "guest", 5)) {
        return DECLINED;
    }
    if (!acquire) {
        ap_rputs("'not loaded'", r);
        return OK;
    }
    if (!strcmp(r->handler, "guest-nest")) {
        return nest(r);
    }
    if (!strcmp(r->handler, "guest-misbehave")) {
        return misbehave(r);
    }
    ap_rputs(evaluate_in(r, header(r, "Guest-Interpreter"),
                         header(r, "Guest-Code")), r);
    return OK;
}

/* For Python, by way of ctypes: attached or detached, wherever that is. */
__attribute__((visibility("default"))) long guest_call(const char *name);
long
guest_call(const char *name)
{
    if (!acquire(name)) {
        return -1;
    }
    if (!name || !strcmp(name, "main_interpreter")) {
        /* As extension modules do: it waits for ever when this thread has
         * a second state. */
        PyGILState_Release(PyGILState_Ensure());
    }
    PyObject *apache = PyImport_ImportModule("mod_python.apache");
    PyObject *text = PyObject_GetAttrString(apache, "interpreter");
    long size = (long)PyUnicode_GetLength(text);
    Py_XDECREF(text);
    Py_XDECREF(apache);
    release();
    return size;
}

static int child_had_python = -1;
static const char *const behind[] = {"mod_python.c", NULL};

static void
child_init(apr_pool_t *pool, server_rec *s)
{
    if (acquire) {
        child_had_python = acquire(NULL) != NULL;
        if (child_had_python) {
            PyRun_SimpleString("print('guest in a new child')");
            release();
        }
    }
}

static int
post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
            server_rec *s)
{
    if (acquire && acquire(NULL)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "Python in the parent");
        release();
    }
    return OK;
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_optional_fn_retrieve(retrieve, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_LAST);
    ap_hook_child_init(child_init, behind, NULL, APR_HOOK_LAST);
    ap_hook_post_read_request(post_read_request, NULL, NULL,
                              APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(fixup_first, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(fixup_last, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_log_transaction(log_last, NULL, NULL, APR_HOOK_REALLY_LAST);
}

module AP_MODULE_DECLARE_DATA guest_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
"""


def ask_apxs(name):
    done = subprocess.run(["apxs", "-q", name], capture_output=True,
                          text=True, check=True)
    return done.stdout.strip()


def build_with(python):
    """What a compiler needs to embed this Python."""
    done = subprocess.run(
        [python, "-c", "import sysconfig as s; print(s.get_path('include'));"
         " print(s.get_config_var('LIBDIR'));"
         " print('python' + s.get_config_var('LDVERSION'))"],
        capture_output=True, text=True, check=True)
    include, directory, library = done.stdout.split()
    return [f"-I{include}", f"-L{directory}", f"-l{library}"]


def compile_module(name, source, *options):
    """Gives the file of mod_NAME.so; then its directory goes."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"mod_python-{name}-"))
    directory.chmod(0o755)
    (directory / f"mod_{name}.c").write_text(source)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-std=gnu11", "-Wall", "-Wextra", "-Werror",
         "-Wno-unused-parameter", *ask_apxs("EXTRA_CPPFLAGS").split(),
         f"-I{CHECKOUT / 'include'}", f"-isystem{ask_apxs('INCLUDEDIR')}",
         f"-isystem{ask_apxs('APR_INCLUDEDIR')}",
         f"-isystem{ask_apxs('APU_INCLUDEDIR')}", "-o",
         directory / f"mod_{name}.so", directory / f"mod_{name}.c", *options,
         *build_with(os.environ.get("MP_PYTHON", "/usr/bin/python3"))],
        check=True)
    yield directory / f"mod_{name}.so"
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def guest():
    """The module's file."""
    yield from compile_module("guest", GUEST)


def test_header_is_installed_where_httpd_has_its_own(tmp_path):
    build = configuration.module_under_test().parent
    done = subprocess.run(
        ["make", "-n", "-C", CHECKOUT, "install", f"BUILD={build}",
         f"DESTDIR={tmp_path}"],
        check=True, capture_output=True, text=True)
    assert (f"include/mod_python.h {tmp_path}{ask_apxs('INCLUDEDIR')}"
            "/mod_python.h") in done.stdout


@pytest.fixture
def serve(own_server, guest):
    """serve(extra, files={}): a server with the guest in it."""
    def make(extra="", files=None, handler="guest", **more):
        return own_server(
            f"LoadModule guest_module {guest}\n{extra}", files={
                **(files or {}), ".htaccess": f"SetHandler {handler}\n"
                + (files or {}).get(".htaccess", "")}, **more)
    return make


def evaluate(server, code, interpreter=None, **headers):
    headers["Guest-Code"] = code
    if interpreter:
        headers["Guest-Interpreter"] = interpreter
    response = server.site.get("page", headers=headers)
    assert response.status == 200, response.text
    return ast.literal_eval(response.text)


@pytest.mark.parametrize("mpm", MPMS)
def test_hook_of_another_module_runs_python(serve, mpm):
    server = serve(mpm=mpm)
    assert evaluate(server, "apache.interpreter") == "main_interpreter"
    assert evaluate(server, "[req.uri, server.server_hostname,"
                            " connection.id == req.connection.id]") == [
                                "/site/page", "localhost", True]
    assert evaluate(server, "[type(o).__name__ for o in"
                            " (req, server, connection)]") == [
                                "mp_request", "mp_server", "mp_conn"]


@pytest.mark.parametrize("mpm", MPMS)
def test_interpreter_of_a_new_name_is_made(serve, mpm):
    server = serve(mpm=mpm, children=1)
    for name in ("one", "two", "one"):
        assert evaluate(server, "apache.interpreter", name) == name
    assert evaluate(server, "[__import__('builtins').__dict__.setdefault("
                            "'spam', 1)]", "one") == [1]
    assert evaluate(server, "[hasattr(__import__('builtins'), 'spam')]",
                    "two") == [False]


@pytest.mark.parametrize("mpm", MPMS)
def test_acquires_of_one_thread_nest(serve, mpm):
    server = serve(mpm=mpm, handler="guest-nest")
    for name in ("main_interpreter", "outer"):
        response = server.site.get("page",
                                   headers={"Guest-Interpreter": name})
        assert ast.literal_eval(response.text) == [
            name, "inner", name, "inner", name, 1]


@pytest.mark.parametrize("mpm", MPMS)
def test_acquire_of_an_interpreter_that_cannot_start_is_null(serve, mpm):
    """D4. The thread goes on with those that are there."""
    server = serve(mpm=mpm, children=1, start=False)
    with open(server.root / "lib/mod_python/apache.py", "a",
              encoding="utf-8") as file:
        file.write("\ndef init(name, server, real=init):\n"
                   "    real(name, server if name != 'late' else 1 / 0)\n")
    server.start()
    assert evaluate(server, "apache.interpreter", "one") == "one"
    for _ in range(3):
        assert server.site.get("page", headers={
            "Guest-Interpreter": "late", "Guest-Code": "1"
        }).text == "no interpreter"
        assert evaluate(server, "apache.interpreter", "one") == "one"
    server.log.expect("MPY0102: interpreter 'late' cannot start: ZeroDivision")


def test_many_threads_acquire_at_once(serve):
    server = serve(mpm="event", children=1, threads=16,
                   handler="guest-nest")
    requests = [server.site.later("page") for _ in range(200)]
    assert {request.result(30).text for request in requests} == {
        "['main_interpreter', 'inner', 'main_interpreter', 'inner',"
        " 'main_interpreter', 1]"}


# The request object

VISITED = {"hello.py": """
    from mod_python import apache

    def fixuphandler(req):
        req.visits = getattr(req, "visits", []) + ["python"]
        return apache.OK

    def handler(req):
        req.write(repr(req.visits))
        return apache.OK
    """, ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"
                      "PythonFixupHandler hello\n"}


@pytest.mark.parametrize("mpm", MPMS)
def test_hooks_before_and_after_our_phases_see_the_same_object(serve, mpm):
    server = serve(files=VISITED, mpm=mpm)
    for _ in range(3):
        response = server.site.get("page", headers={
            "Guest-Hooks": "early before after log"})
        assert response.text == "['early', 'before', 'python', 'after']"
    server.log.expect(r"guest \['early', 'before', 'python', 'after', 'log'\]",
                      count=3)


def test_object_of_another_interpreter_is_another(serve):
    server = serve(files=VISITED)
    response = server.site.get("page", headers={
        "Guest-Hooks": "before after log", "Guest-Interpreter": "other"})
    assert response.text == "['python']"
    server.log.expect(r"guest \['before', 'after', 'log'\]")


@pytest.mark.parametrize("mpm", MPMS)
def test_request_that_has_ended_gives_an_exception(serve, mpm):
    server = serve(files=VISITED, mpm=mpm)
    server.site.get("page", headers={"Guest-Hooks": "end"})
    server.log.expect("guest end ExpiredError.'this request has ended'")


def test_request_without_a_python_handler_has_an_object(serve):
    server = serve()
    assert evaluate(server, "[req.handler, req.phase, req.main, req.method]"
                    ) == ["guest", None, None, "GET"]


def test_what_python_prints_goes_to_the_log_of_the_request(serve):
    server = serve("LogLevel info\n")
    assert evaluate(server, "[print('of the guest', end='')]") == [None]
    server.log.expect("^of the guest$")


def test_guest_sees_the_modules_of_the_request(serve):
    files = {"hello.py": page("state.number", "import state"),
             "state.py": "number = 1\n", ".htaccess":
             "SetHandler mod_python\nPythonHandler hello\n"}
    server = serve(files=files)
    assert server.site.get("page", headers={
        "Guest-Hooks": "before after log"}).text == "1"
    server.site.edit("state.py", "number = 2\n")
    assert server.site.get("page", headers={
        "Guest-Hooks": "before after log"}).text == "2"
    server.log.expect("guest .'before', 'after', 'log'.", count=2)


def test_request_owns_the_locks_that_the_guest_takes(serve):
    server = serve()
    code = "[__import__('_apache')._global_trylock(server, 'a')]"
    for _ in range(10):
        assert evaluate(server, code) == [True]
    server.log.expect("^1 global lock.s. that a request or", count=10)


# Wrong use

@pytest.mark.parametrize("mpm", MPMS)
def test_misbehaviour_of_the_guest_is_logged_and_does_no_harm(serve, mpm):
    server = serve(handler="guest-misbehave", mpm=mpm)
    for _ in range(3):
        assert server.site.get("page").text == "[1]"
    server.log.expect("MPY0412: another module calls mp_release", count=3)
    server.log.expect("MPY0413: another module has left an exception: "
                      "ValueError: of the guest", count=3)


def test_parent_has_no_python_and_a_new_child_has(serve):
    server = serve()
    server.log.expect("^guest in a new child$",
                      count=server.config.children)
    assert not server.log.matching("Python in the parent")


def test_guest_without_mod_python_finds_no_functions(own_server, guest):
    server = own_server(f"LoadModule guest_module {guest}\n"
                        "<Location /site>\nSetHandler guest\n</Location>",
                        interpreter="", start=False)
    text = server.config.text

    def without(*places):
        return "\n".join(line.replace(" python:info", "")
                         for line in text(*places).splitlines()
                         if "python_module" not in line)

    server.config.text = without
    server.start()
    assert server.site.get("page").text == "'not loaded'"


# From code that Python has called

@pytest.mark.parametrize("kind", ["PyDLL", "CDLL"])
@pytest.mark.parametrize("thread", [False, True])
def test_c_code_below_python_may_acquire(serve, guest, kind, thread):
    server = serve(files={"hello.py": page("run()", f"""
        import ctypes
        import threading

        guest = ctypes.{kind}("{guest}").guest_call
        guest.argtypes = [ctypes.c_char_p]
        guest.restype = ctypes.c_long

        def call(found):
            for name in (b"main_interpreter", b"other", None, b"other"):
                found.append(guest(name))

        def run():
            found = []
            if {thread}:
                thread = threading.Thread(target=call, args=(found,))
                thread.start()
                thread.join()
            else:
                call(found)
            return found
        """), ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    for _ in range(4):
        assert server.site.get("page").text == "[16, 5, 16, 5]"


def test_children_end_well_after_acquires(serve):
    server = serve()
    for name in ("one", "two"):
        assert evaluate(server, "apache.interpreter", name) == name
    server.graceful()
    assert evaluate(server, "apache.interpreter", "one") == "one"
    assert server.stop() == 0


# Another module that keeps libpython in the parent over restarts

# It is never unloaded, and so its variable tells how often it was asked.
HOLDER = r"""
#include <Python.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

static int
post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
            server_rec *s)
{
    static int readings;
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "holder: reading %d, %s",
                 ++readings, Py_IsInitialized() ? "Python runs" : "no Python");
    return OK;
}

static void
register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_REALLY_LAST);
}

module AP_MODULE_DECLARE_DATA holder_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
"""


@pytest.fixture
def holder():
    """The module's file."""
    yield from compile_module("holder", HOLDER, "-Wl,-z,nodelete")


def test_restarts_beside_a_module_that_holds_libpython_lose_no_request(
        own_server, holder):
    """D36. The parent never runs Python."""
    server = own_server(
        f"LoadModule holder_module {holder}",
        files={"hello.py": page("'hello'"),
               ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    parent, stop = server.pid, threading.Event()

    def ask():
        texts = set()
        while not stop.is_set():
            texts.add(server.site.get().text)
        return texts

    clients = [later(ask) for _ in range(2)]
    for _ in range(5):
        server.graceful()
    stop.set()
    assert [client.result(30) for client in clients] == [{"hello"}] * 2
    assert server.pid == parent
    said = [entry.text for entry in server.log.matching("^holder: ")
            if entry.pid == parent]
    # two at the start
    assert said == [f"holder: reading {number}, no Python"
                    for number in range(1, 8)]
