"""Which interpreter runs a request, and that interpreters do not meet."""

import ast
import os
import subprocess

import pytest

from httpd import counted, page, together

THREADED = {"mpm": "worker", "children": 1}
NAME = page("(apache.interpreter, req.interpreter)")


def test_shipped_configuration_means_the_main_interpreter(site):
    site.write({"hello.py": NAME})
    site.serve("hello")
    assert site.get().text == "('main_interpreter', 'main_interpreter')"


def test_main_interpreter_is_pythons_main_interpreter(site):
    site.write({"hello.py": page(
        "number(ids.get_current()) == number(ids.get_main())", """
        try:
            import _interpreters as ids
        except ImportError:
            import _xxsubinterpreters as ids

        def number(answer):
            return answer[0] if isinstance(answer, tuple) else int(answer)
        """)})
    site.serve("hello")
    assert site.get().text == "True"


@pytest.mark.parametrize("more, name", [
    ("PythonInterpreter named", "named"),
    ("PythonInterpPerDirectory On", "DIRECTORY/in/"),
    ("PythonInterpPerDirective On", "DIRECTORY/"),
    ("PythonInterpPerDirectory On\nPythonInterpPerDirective On",
     "DIRECTORY/in/"),
    ("PythonInterpPerDirectory On\nPythonInterpreter wins", "wins"),
])
def test_name_of_the_interpreter_follows_the_directives(own_server, more,
                                                        name):
    server = own_server(interpreter="", files={
        "hello.py": NAME, "in/page": "",
        ".htaccess": f"SetHandler mod_python\nPythonHandler hello\n{more}\n"})
    name = name.replace("DIRECTORY", str(server.site.directory))
    assert server.site.get("in/page").text == str((name, name))


def test_name_of_the_interpreter_is_the_servers_name_without_directives(
        own_server):
    server = own_server("""
        <VirtualHost *:*>
            ServerName first.example
        </VirtualHost>
        <VirtualHost *:*>
            ServerName second.example
        </VirtualHost>
        """, interpreter="", files={
            "hello.py": NAME,
            ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    for name in ("first.example", "second.example"):
        response = server.get("/site/", headers={"Host": name})
        assert response.text == str((name, name))


def test_directive_in_a_location_names_the_interpreter_by_its_url(own_server):
    server = own_server("""
        <Location /app>
            SetHandler mod_python
            PythonHandler ${SITE}/hello.py
            PythonInterpPerDirective On
        </Location>
        """, interpreter="", files={"hello.py": NAME})
    assert "'/app" in server.get("/app/x").text


def test_early_phases_run_in_the_main_interpreter_when_no_directory_is_known(
        own_server):
    server = own_server("""
        PythonInterpPerDirectory On
        PythonPostReadRequestHandler ${SITE}/early.py
        """, interpreter="", files={"early.py": """
            from mod_python import apache

            def postreadrequesthandler(req):
                req.log_error("in " + apache.interpreter, apache.APLOG_INFO)
                return apache.OK
            """})
    server.get("/health.txt")
    server.log.expect("^in main_interpreter$")


COUNTER = page("(calls.append(1), len(calls))[1]", "calls = []")


def two_interpreters(site, files, first="first", second="second"):
    site.write(files)
    site.htaccess(f"""
        SetHandler mod_python
        PythonHandler hello
        <Files one>
            PythonInterpreter {first}
        </Files>
        <Files two>
            PythonInterpreter {second}
        </Files>
        """)


def test_same_file_in_two_interpreters_is_two_modules(site):
    two_interpreters(site, {"hello.py": COUNTER}, "main_interpreter")
    with site.server.connect() as connection:
        answers = [connection.get(site.url(name)).text
                   for name in ("one", "two", "one", "two")]
    assert answers == ["1", "1", "2", "2"]


def test_edit_reaches_every_interpreter(site):
    two_interpreters(site, {"hello.py": page("child.value", "import child"),
                            "child.py": "value = 1\n"})
    assert site.texts("one") == site.texts("two") == {"1"}
    site.edit("child.py", "value = 2\n")
    assert site.texts("one") == site.texts("two") == {"2"}


def test_broken_edit_in_one_interpreter_does_not_stop_another(site):
    two_interpreters(site, {"hello.py": """
        from mod_python import apache
        if apache.interpreter == "first":
            text = "one"
        else:
            text = "one"

        def handler(req):
            req.write(text)
            return apache.OK
        """})
    assert site.texts("one") == site.texts("two") == {"one"}
    site.edit("hello.py", site.text("hello.py").replace(
        'text = "one"\nelse:\n    text = "one"',
        'text = 1 / 0\nelse:\n    text = "two"'))
    assert site.texts("two") == {"two"}
    assert site.texts("one") == {"one"}
    entry = site.log.expect("ZeroDivisionError")
    assert "first" in site.log.block(entry)
    site.edit("hello.py", page("'six'"))
    assert site.texts("one") == site.texts("two") == {"six"}


def test_standard_library_of_two_interpreters_is_separate(site):
    two_interpreters(site, {"hello.py": page(
        "(hasattr(logging, 'mark'), setattr(logging, 'mark', 1))[0]",
        "import logging")})
    with site.server.connect() as connection:
        answers = [connection.get(site.url(name)).text
                   for name in ("one", "two", "one", "two")]
    assert answers == ["False", "False", "True", "True"]


def test_request_may_run_its_phases_in_two_interpreters(own_server):
    server = own_server("""
        PythonPostReadRequestHandler ${SITE}/early.py
        <Location /site/page>
            SetHandler mod_python
            PythonHandler ${SITE}/hello.py
            PythonInterpreter other
        </Location>
        """, files={
            "early.py": """
                from mod_python import apache

                def postreadrequesthandler(req):
                    req.mine = apache.interpreter
                    req.notes["early"] = apache.interpreter
                    return apache.OK
                """,
            "hello.py": page(
                "(apache.interpreter, req.notes['early'],"
                " hasattr(req, 'mine'))")})
    assert server.site.get("page").text == (
        "('other', 'main_interpreter', False)")


def test_many_interpreters_start_once_each_under_threads(own_server):
    server = own_server(**THREADED, threads=16, files={
        "hello.py": counted(NAME), ".htaccess": "SetHandler mod_python\n"
        "PythonHandler hello\n" + "".join(
            f"<Files f{n}>\nPythonInterpreter i{n}\n</Files>\n"
            for n in range(4))})
    answers = together(lambda n: server.site.get(f"f{n % 4}").text, 16)
    assert sorted(set(answers)) == [str((f"i{n}",) * 2) for n in range(4)]
    assert server.site.each_child_ran() == {"hello.py": 4}


def test_interpreters_are_named_by_htaccess_without_leaking(site):
    site.write({"hello.py": counted(NAME)})
    site.serve("hello", "PythonInterpreter repeated")
    with site.server.connect() as connection:
        for _ in range(500):
            assert "repeated" in connection.get(site.url()).text
    assert len(site.executions()) == 1


@pytest.mark.parametrize("way", [
    "PythonInterpreter n{n}", "PythonInterpPerDirectory On",
    "PythonInterpPerDirective On"])
def test_each_name_is_one_interpreter_over_many_requests(own_server, way):
    """D5: names that come from .htaccess, in memory of their requests."""
    server = own_server(**THREADED, threads=8, interpreter="", files={
        f"d{n}/{name}": text for n in range(5) for name, text in {
            "hello.py": page("(apache.interpreter, len(ids.list_all()))", """
                try:
                    import _interpreters as ids
                except ImportError:
                    import _xxsubinterpreters as ids
                """),
            ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"
                         + way.format(n=n) + "\n"}.items()})

    def ask(thread):
        with server.connect() as connection:
            return [connection.get(f"/site/d{(thread + n) % 5}/x{n % 7}").text
                    for n in range(200)]

    answers = [ast.literal_eval(text) for texts in together(ask, 8)
               for text in texts]
    names = {name for name, _ in answers}
    assert len(names) == 5
    assert max(count for _, count in answers) == 6  # with the main one


def test_thread_local_storage_outlives_a_request(own_server):
    server = own_server(mpm="worker", children=1, threads=1, files={
        "hello.py": page("count()", """
            import harness, threading
            if not hasattr(harness, "local"):
                harness.local = threading.local()

            def count():
                harness.local.n = getattr(harness.local, "n", 0) + 1
                return harness.local.n
            """)})
    server.site.serve("hello")
    assert [server.site.get().text for _ in range(3)] == ["1", "2", "3"]


def test_what_a_thread_lets_go_at_its_end_may_ask_for_its_state(own_server):
    """D15: C code below a destructor asks PyGILState, which knows the state
    of the thread to the last."""
    server = own_server(mpm="worker", children=1, threads=4, files={
        "hello.py": page("keep()", """
            import ctypes, threading

            check = ctypes.pythonapi.PyGILState_Check
            print_at_end = print
            local = threading.local()

            class Last:
                def __del__(self):
                    print_at_end("at the end", check())

            def keep():
                local.value = Last()
                return "kept"
            """)})
    server.site.serve("hello")
    assert server.site.get().text == "kept"
    server.graceful()
    server.log.expect("^at the end 1$")
    server.log.refuse("^at the end 0$")


def test_threads_of_one_interpreter_share_its_modules(own_server):
    server = own_server(**THREADED, threads=8, files={
        "hello.py": page("harness.wait(__file__, 'in') or id(child)",
                         "import harness, child"), "child.py": ""})
    server.site.serve("hello")
    waiting = [server.site.later() for _ in range(4)]
    server.site.wait_parked("in", 4)
    server.site.open_gate("in")
    assert len({future.result(20).text for future in waiting}) == 1


def test_deep_recursion_in_each_thread_is_an_exception(own_server):
    server = own_server(**THREADED, threads=8, files={"hello.py": """
        from mod_python import apache

        def deep(n):
            return deep(n + 1)

        def handler(req):
            try:
                deep(0)
            except RecursionError:
                req.write("caught")
            return apache.OK
        """})
    server.site.serve("hello")
    assert set(together(lambda n: server.site.get().text, 8)) == {"caught"}


def test_interpreter_has_the_servers_arguments_and_no_user_site(site):
    site.write({"hello.py": page(
        "(sys.argv, sys.flags.no_user_site, apache.main_server is not None)",
        "import sys")})
    site.serve("hello")
    assert site.get().text == "(['mod_python'], 1, True)"


def test_two_variables_of_python_count_and_httpds_are_there(own_server,
                                                            monkeypatch):
    server = own_server(start=False, files={
        "hello.py": page("(sys.flags.optimize, sys.flags.verbose, far.__file__,"
                         " os.environ['PYTHONOPTIMIZE'])",
                         "import os, sys, far"),
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n",
        "path/far.py": ""})
    before = server._environment()
    path = str(server.site.path("path"))
    monkeypatch.setattr(server, "_environment", lambda: before | {
        "PYTHONOPTIMIZE": "2", "PYTHONVERBOSE": "1",
        "PYTHONPATH": before["PYTHONPATH"] + ":" + path})
    server.start()
    assert server.site.texts() == {str((0, 0, path + "/far.py", "2"))}


def test_apache_init_ran_once_in_each_interpreter(site):
    two_interpreters(site, {"hello.py": page(
        "(apache.interpreter, apache.main_server.server_hostname)")})
    assert site.texts("one") == {"('first', 'localhost')"}
    assert site.texts("two") == {"('second', 'localhost')"}


def test_process_that_a_program_forks_runs_beside_other_interpreters(
        own_server):
    server = own_server(children=1, files={
        "hello.py": NAME,
        "other/.htaccess": "PythonInterpreter other\n",
        "parallel.py": """
            import multiprocessing
            import os

            def square(number):
                return number * number

            def handler(req):
                pid = os.fork()
                if not pid:
                    os._exit(7)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    req.write(str((code, pool.map(square, [1, 2, 3]))))
                return 0
            """})
    server.site.serve("hello")
    assert server.site.get("other/").text == "('other', 'other')"
    server.site.serve("parallel")
    assert server.site.get().text == "(7, [1, 4, 9])"


# Extension modules of one interpreter only

REMEDY = (r"\(remedy: PythonInterpreter main_interpreter for all that import "
          r"it\)$")
ALONE = r"""
    #include <Python.h>

    static PyInterpreterState *first;

    static int
    fill(PyObject *module)
    {
        if (first && first != PyInterpreterState_Get()) {
            PyErr_SetString(PyExc_ImportError,
                "Interpreter change detected - this module can only be loaded "
                "into one interpreter per process.");
            return -1;
        }
        first = PyInterpreterState_Get();
        return 0;
    }

    static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill}, {0, NULL}};
    static struct PyModuleDef definition = {
        PyModuleDef_HEAD_INIT, .m_name = "alone", .m_slots = slots};

    PyMODINIT_FUNC PyInit_alone(void)
    {
        return PyModuleDef_Init(&definition);
    }
    """


def compile_extension(source, target):
    include = subprocess.run(
        [os.environ.get("MP_PYTHON", "/usr/bin/python3"), "-c",
         "import sysconfig; print(sysconfig.get_path('include'))"],
        capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", "-x", "c", "-",
                    "-o", target], input=source, text=True, check=True)


@pytest.mark.parametrize("first, second", [
    ("main_interpreter", "other"), ("other", "main_interpreter")])
def test_refusal_of_an_extension_names_the_remedy(own_server, first, second):
    server = own_server(children=1)
    compile_extension(ALONE, server.root / "lib" / "alone.so")
    two_interpreters(server.site, {"hello.py": page(
        "alone.__name__", "import alone")}, first, second)
    assert server.site.get("one").text == "alone"
    assert server.site.get("two").status == 500
    entry = server.log.expect(
        rf"^MPY\d{{4}}.*'{second}'.*ImportError: Interpreter change .*{REMEDY}")
    assert "Traceback" in server.log.block(entry)
    server.site.htaccess("SetHandler mod_python\nPythonHandler hello\n"
                         f"PythonInterpreter {first}\n")
    assert server.site.get("two").text == "alone"


@pytest.mark.parametrize("raising", [
    "raise ImportError('module _x does not support loading in "
    "subinterpreters')",
    "raise ImportError('PyO3 modules may only be initialized once per "
    "interpreter process')",
    "raise ImportError('PyO3 modules do not yet support subinterpreters, "
    "see there')",
    "raise ImportError('numpy\\n says: cannot load module more than once per "
    "process')",
    "try:\n    raise ImportError('_x does not support loading in "
    "subinterpreters')\nexcept ImportError as error:\n"
    "    raise RuntimeError('no fast one') from error",
    "try:\n    raise ImportError('_x does not support loading in "
    "subinterpreters')\nexcept ImportError:\n    import slow_one",
], ids=["cpython", "pyo3", "newer pyo3", "numpy", "cause", "context"])
def test_every_known_refusal_names_the_remedy(site, raising):
    site.write({"hello.py": raising + "\n"})
    site.serve("hello", "PythonInterpreter other")
    assert site.get().status == 500
    site.log.expect(rf"^MPY\d{{4}}: .*Error: .*{REMEDY}")


@pytest.mark.parametrize("raising", [
    "import no_such_module",
    "raise ImportError('of another kind')",
    "raise ValueError('does not support loading in subinterpreters')",
    "class Broken(ImportError):\n    __str__ = None\nraise Broken"])
def test_other_errors_name_no_remedy(site, raising):
    site.write({"hello.py": raising + "\n"})
    site.serve("hello", "PythonInterpreter other")
    assert site.get().status == 500
    site.log.expect(r"^MPY\d{4}: .*(Error|Broken)")
    site.log.refuse("remedy:")


def test_refusal_where_there_is_one_interpreter_names_no_remedy(own_server):
    server = own_server(children=1, files={"hello.py": (
        "raise ImportError('does not support loading in subinterpreters')")})
    server.site.serve("hello")
    assert server.site.get().status == 500
    server.log.expect(r"^MPY\d{4}: .*ImportError: does not support")
    server.log.refuse("remedy:")
