"""Handler directives: what they name, how lists go on, what results mean."""

import random

import pytest

from httpd import counted, page

# Functions that log that they ran and return what their name says.
STACK = """
    from mod_python import apache

    def make(name, result):
        def run(req):
            req.log_error(f"ran {name} in {req.phase}", apache.APLOG_INFO)
            if req.phase == "PythonAuthenHandler":
                req.user = "spam"
            return result
        return run

    ok = make("ok", apache.OK)
    declined = make("declined", apache.DECLINED)
    forbidden = make("forbidden", apache.HTTP_FORBIDDEN)
    second = make("second", apache.OK)

    def raised_ok(req):
        ok(req)
        raise apache.SERVER_RETURN(apache.OK)

    def raised_declined(req):
        declined(req)
        raise apache.SERVER_RETURN(apache.DECLINED)

    def show(req):
        req.write("shown")
        return apache.OK
    """
AUTH = "AuthType Basic\nAuthName test\nRequire valid-user\n"

# Directive -> the results after which the next handler runs.
GOES_ON = {
    "PythonPostReadRequestHandler": {"ok", "declined"},
    "PythonTransHandler": {"declined"},
    "PythonHeaderParserHandler": {"ok", "declined"},
    "PythonInitHandler": {"ok", "declined"},
    "PythonAccessHandler": {"ok", "declined"},
    "PythonAuthenHandler": {"declined"},
    "PythonAuthzHandler": {"declined"},
    "PythonTypeHandler": {"declined"},
    "PythonFixupHandler": {"ok", "declined"},
    "PythonHandler": {"ok", "declined"},
    "PythonLogHandler": {"ok", "declined"},
    "PythonCleanupHandler": {"ok", "declined", "forbidden"},
}
SERVER_ONLY = ("PythonPostReadRequestHandler", "PythonTransHandler")


def ran(log, directive):
    """The functions that ran in this phase, in order."""
    return [entry.text.split()[1] for entry in
            log.matching(f"^ran .* in {directive}$")]


# Stacking

@pytest.mark.parametrize("directive", [name for name in GOES_ON
                                       if name not in SERVER_ONLY])
@pytest.mark.parametrize("first", ["ok", "declined", "forbidden",
                                   "raised_ok", "raised_declined"])
def test_the_next_handler_runs_after_the_documented_results(
        site, directive, first):
    site.write({"stack.py": STACK})
    text = AUTH if "Auth" in directive else ""
    if directive == "PythonAuthzHandler":
        text += "PythonAuthenHandler stack::ok\n"
    if directive != "PythonHandler":
        text += "PythonHandler stack::show\n"
    site.htaccess(text + "SetHandler mod_python\n"
                  f"{directive} stack::{first} stack::second")
    response = site.get()
    kind = first.removeprefix("raised_")
    expected = [kind, *["second"] * (kind in GOES_ON[directive])]
    assert ran(site.log, directive) == expected
    refuses = kind == "forbidden" and directive not in (
        "PythonLogHandler", "PythonCleanupHandler")
    assert response.status == (403 if refuses else 200)


@pytest.mark.parametrize("directive", SERVER_ONLY)
@pytest.mark.parametrize("first", ["ok", "declined"])
def test_the_next_server_handler_runs_after_the_documented_results(
        own_server, directive, first):
    server = own_server(f"{directive} ${{SITE}}/stack.py::{first} "
                        "${SITE}/stack.py::second", files={"stack.py": STACK})
    server.get("/health.txt")
    server.log.allow("AH00127")
    assert ran(server.log, directive) == [
        first, *["second"] * (first in GOES_ON[directive])]


def test_repeated_directives_of_a_section_append(site):
    site.write({"stack.py": STACK})
    site.htaccess("""
        SetHandler mod_python
        PythonHandler stack::ok stack::declined
        PythonHandler stack::second
        """)
    site.get()
    assert ran(site.log, "PythonHandler") == ["ok", "declined", "second"]


def test_an_inner_section_replaces_the_list_of_the_outer(site):
    site.write({"stack.py": STACK})
    site.serve("stack::ok stack::second", "PythonFixupHandler stack::ok")
    site.htaccess("PythonHandler ../stack.py::declined ../stack.py::show",
                  "inner")
    assert site.get("inner/").text == "shown"
    assert ran(site.log, "PythonHandler") == ["declined"]
    assert ran(site.log, "PythonFixupHandler") == ["ok"]


def test_result_of_the_last_handler_is_the_result_of_the_phase(site):
    site.write({"stack.py": STACK, "page.txt": "static"})
    site.serve("stack::ok stack::declined")
    assert site.get("page.txt").text == "static"
    site.serve("stack::declined stack::show")
    assert site.get("page.txt").text == "shown"


def test_done_ends_the_list(site):
    site.write({"stack.py": STACK, "done.py": """
        from mod_python import apache

        def handler(req):
            req.write("done")
            return apache.DONE
        """})
    site.serve("done stack::second")
    assert site.get().text == "done"
    assert ran(site.log, "PythonHandler") == []


def test_handlers_of_the_list_are_seen_through_hlist(site):
    site.write({"stack.py": STACK, "hello.py": page(
        "(req.hlist.handler, req.hlist.directory, req.hlist.silent)")})
    site.serve("stack::declined hello::handler")
    assert site.get().text == str(
        ("hello::handler", f"{site.directory}/", 0))


# Added handlers

def test_handler_added_to_the_running_phase_runs_next(site):
    site.write({"hello.py": """
        from mod_python import apache

        def more(req):
            req.write("more")
            return apache.OK

        def last(req):
            req.write("last ")
            return apache.OK

        def handler(req):
            req.add_handler("PythonHandler", "hello::more")
            req.write("first ")
            return apache.OK
        """})
    site.serve("hello hello::last")
    assert site.get().text == "first last more"


def test_handler_added_for_a_later_phase_runs_after_the_configured(site):
    site.write({"stack.py": STACK, "early.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.add_handler("PythonLogHandler", "stack::second")
            return apache.OK
        """})
    site.serve("stack::show", "PythonFixupHandler early\n"
               "PythonLogHandler stack::ok\n")
    site.get()
    assert ran(site.log, "PythonLogHandler") == ["ok", "second"]
    site.get()
    assert ran(site.log, "PythonLogHandler") == ["ok", "second"] * 2


def test_handler_added_with_a_directory_is_found_there(site):
    site.write({"far/there.py": page("'far'"), "early.py": f"""
        from mod_python import apache

        def fixuphandler(req):
            req.handler = "mod_python"
            req.add_handler("PythonHandler", "there",
                            {str(site.path('far'))!r})
            return apache.OK
        """})
    site.htaccess("PythonFixupHandler early")
    assert site.texts("x") == {"far"}
    site.replace("far/there.py", "'far'", "'new'")
    assert site.texts("x") == {"new"}


@pytest.mark.parametrize("arguments, error", [
    ("'NoSuchPhase', 'x'", "IndexError"),
    ("'PythonCleanupHandler', 'x'", "IndexError"),
    ("'PythonHandler', ''", "ValueError"),
    ("'PythonHandler', 5", "ValueError"),
    ("'PythonHandler', None", "ValueError"),
])
def test_wrong_added_handler_is_refused(site, arguments, error):
    site.write({"hello.py": f"""
        from mod_python import apache

        def handler(req):
            try:
                req.add_handler({arguments})
            except Exception as error:
                req.write(type(error).__name__)
            return apache.OK
        """})
    site.serve("hello")
    assert site.get().text == error


# What a handler names

NAMES = {
    "hello.py": """
        from mod_python import apache

        def say(text):
            def run(req):
                req.write(text)
                return apache.OK
            return run

        handler = say("default")
        other = say("other")

        class Page:
            def __init__(self, req):
                self.mine = req

            def method(self, req):
                req.write(f"method {req is self.mine}")
                return apache.OK

            class Inner:
                def __init__(self, req):
                    self.mine = req

                def method(self, req):
                    req.write(f"inner {req is self.mine}")
                    return apache.OK

            static = staticmethod(say("static"))

        class Space:
            pass

        space = Space()
        space.deep = Space()
        space.deep.run = say("deep")

        class Callable:
            def __call__(self, req):
                req.write("called")
                return apache.OK

        callable_object = Callable()
        """,
    "pkg/__init__.py": "",
    "pkg/mod.py": page("'dotted'"),
    "dir/page.html": page("'an extension'"),
    "with space/x y.py": page("'spaces'"),
}


@pytest.mark.parametrize("handler, expected", [
    ("hello", "default"),
    ("hello::handler", "default"),
    ("hello::other", "other"),
    ("hello::Page.method", "method True"),
    ("hello::Page.Inner.method", "inner True"),
    ("hello::Page.static", "static"),
    ("hello::space.deep.run", "deep"),
    ("hello::callable_object", "called"),
    ("pkg.mod", "dotted"),
    ("pkg.mod::handler", "dotted"),
    ("./hello.py", "default"),
    ("./hello.py::other", "other"),
    ("~/hello.py::other", "other"),
    ("~/pkg/mod.py", "dotted"),
    ("./dir/page.html", "an extension"),
    ("SITE/hello.py", "default"),
    ("SITE/dir/page.html::handler", "an extension"),
    ('"./with space/x y.py"', "spaces"),
    ("'./with space/x y.py::handler'", "spaces"),
    ('"hello"', "default"),
])
def test_handler_strings(site, handler, expected):
    site.write(NAMES)
    site.serve(handler.replace("SITE", str(site.directory)))
    assert site.get().text == expected


def test_path_handlers_are_relative_to_the_directory_of_the_directive(site):
    site.write({"up.py": page("'up'"), "in/hello.py": page("'in'")})
    site.serve("../up.py", directory="in")
    assert site.get("in/").text == "up"
    site.serve("./hello.py", directory="in")
    assert site.get("in/deeper/still").text == "in"


@pytest.mark.parametrize("handler, named", [
    ("hello::nothing", "nothing"),
    ("hello::Page.nothing", "Page.nothing"),
    ("hello::space.nothing.run", "space.nothing.run"),
])
def test_missing_object_is_told(site, handler, named):
    site.write(NAMES)
    site.serve(handler)
    assert site.get().status == 500
    entry = site.log.expect("AttributeError.*contains no", level="error")
    assert named in entry.text and str(site.path("hello.py")) in entry.text


@pytest.mark.parametrize("handler", ["nothing", "pkg.nothing", "./nothing.py",
                                     "/no/such/file.py", "~/nothing.py"])
def test_missing_module_is_told(site, handler):
    site.write(NAMES)
    site.serve(handler)
    assert site.get().status == 500
    entry = site.log.expect(r"MPY\d{4}.*(ImportError|ModuleNotFoundError)")
    assert "nothing" in entry.text or "/no/such/file.py" in entry.text


@pytest.mark.parametrize("value", ['""', '"unclosed', "hello ''"])
def test_malformed_handler_words_are_configuration_errors(own_server, value):
    server = own_server(f"PythonFixupHandler {value}", start=False)
    status, said = server.check()
    assert status != 0 and "PythonFixupHandler" in said


def test_cold_module_can_be_a_handler(own_server):
    server = own_server("""
        <Location /cold>
            SetHandler mod_python
            PythonHandler cold_handler
        </Location>
        """, start=False)
    (server.root / "lib/cold_handler.py").write_text(page("__name__"))
    server.start()
    assert server.get("/cold").text == "cold_handler"


# Extensions

def test_extension_chooses_another_list(site):
    site.write({
        "hello.py": page("('plain', req.extension)"),
        "zipped.py": page("('zipped', req.extension)"),
        "x.gz": "", "x.tar.gz": "", "x.zip": "", "x.txt": ""})
    site.htaccess("""
        SetHandler mod_python
        PythonHandler hello
        PythonHandler zipped | .gz .zip
        """)
    assert site.get("x.gz").text == "('zipped', '.gz')"
    assert site.get("x.zip").text == "('zipped', '.zip')"
    assert site.get("x.tar.gz").text == "('plain', None)"
    assert site.get("x.txt").text == "('plain', None)"


def test_everything_after_the_first_dot_is_the_extension(site):
    site.write({"hello.py": page("req.extension"), "x.tar.gz": ""})
    site.serve("hello | .tar.gz")
    assert site.get("x.tar.gz").text == ".tar.gz"


def test_extension_without_spaces_round_the_bar(site):
    site.write({"hello.py": page("req.extension"), "x.gz": ""})
    site.serve("hello|.gz")
    assert site.get("x.gz").text == ".gz"


# Results

@pytest.mark.parametrize("result, status", [
    ("apache.HTTP_NOT_FOUND", 404),
    ("apache.HTTP_FORBIDDEN", 403),
    ("apache.HTTP_INTERNAL_SERVER_ERROR", 500),
    ("apache.HTTP_GONE", 410),
])
def test_returned_status_gets_httpds_page(site, result, status):
    site.write({"hello.py": f"""
        from mod_python import apache

        def handler(req):
            return {result}
        """})
    site.serve("hello")
    response = site.get()
    assert response.status == status
    assert "<title>" in response.text


def test_own_page_with_a_status(site):
    site.write({"hello.py": """
        from mod_python import apache

        def handler(req):
            req.status = apache.HTTP_NOT_FOUND
            req.write("my own page")
            return apache.OK
        """})
    site.serve("hello")
    response = site.get()
    assert (response.status, response.text) == (404, "my own page")


@pytest.mark.parametrize("arguments, status, text", [
    ("apache.OK", 200, ""),
    ("apache.HTTP_NOT_FOUND", 404, None),
    ("apache.DONE, apache.HTTP_CREATED", 201, ""),
    ("apache.OK, apache.HTTP_ACCEPTED", 202, ""),
    ("apache.HTTP_FORBIDDEN, 0", 403, None),
])
def test_server_return_is_a_result_from_any_depth(site, arguments, status,
                                                  text):
    site.write({"hello.py": "from child import deep\n\n"
                            "def handler(req):\n    deep(3)\n",
                "child.py": f"""
        from mod_python import apache

        def deep(levels):
            if levels:
                deep(levels - 1)
            raise apache.SERVER_RETURN({arguments})
        """})
    site.serve("hello")
    response = site.get()
    assert response.status == status
    assert text is None or response.text == text


@pytest.mark.parametrize("arguments", ["", "'x'", "None"])
def test_malformed_server_return_is_an_error(site, arguments):
    site.write({"hello.py": f"""
        from mod_python import apache

        def handler(req):
            raise apache.SERVER_RETURN({arguments})
        """})
    site.serve("hello")
    assert site.get().status == 500
    site.log.expect(r"MPY\d{4}.*hello")


def test_headers_of_a_handler_that_writes_nothing_are_sent(site):
    site.write({"hello.py": """
        from mod_python import apache

        def handler(req):
            req.headers_out["X-Mine"] = "yes"
            return apache.OK
        """})
    site.serve("hello")
    response = site.get()
    assert (response.status, response.headers["X-Mine"]) == (200, "yes")


def test_error_pages_drop_headers_out_and_keep_err_headers_out(site):
    site.write({"hello.py": """
        from mod_python import apache

        def handler(req):
            req.headers_out["X-Out"] = "1"
            req.err_headers_out["X-Err"] = "1"
            return apache.HTTP_NOT_FOUND
        """})
    site.serve("hello")
    response = site.get()
    assert response.status == 404
    assert "X-Out" not in response.headers
    assert response.headers["X-Err"] == "1"


# PythonHandlerModule

def test_handler_module_with_only_a_handler(site):
    site.write({"hello.py": page("'one'")})
    site.htaccess("SetHandler mod_python\nPythonHandlerModule hello")
    assert site.texts() == {"one"}
    site.replace("hello.py", "one", "two")
    assert site.texts() == {"two"}


def test_handler_modules_each_run_exactly_their_own_functions(site):
    site.write({
        "stack.py": STACK,
        "first.py": "import stack\nfixuphandler = stack.make('f1', 0)\n"
                    "loghandler = stack.make('l1', 0)\n",
        "second.py": "import stack\nfixuphandler = stack.make('f2', 0)\n"
                     "handler = stack.show\n"})
    site.htaccess("SetHandler mod_python\nPythonHandlerModule first second")
    assert site.get().text == "shown"
    assert ran(site.log, "PythonFixupHandler") == ["f1", "f2"]
    assert ran(site.log, "PythonLogHandler") == ["l1"]


FUNCTIONS = [(name, name.removeprefix("Python").lower()) for name in GOES_ON]


@pytest.mark.parametrize("seed", range(6))
def test_handler_modules_share_the_twelve_functions_in_any_way(own_server,
                                                               seed):
    """D7: each function is in one of two modules, in both, or in none."""
    chance = random.Random(seed)
    having = {name: chance.choice((["a"], ["b"], ["a", "b"], []))
              for name, _ in FUNCTIONS}
    # httpd itself answers no such request without these.
    having["PythonAuthenHandler"] = having["PythonAuthenHandler"] or ["b"]
    having["PythonHandler"] = having["PythonHandler"] or ["a"]
    files = {f"{module}.py": "import stack\n" + "".join(
        f"{function} = stack.make('{module}', 0)\n"
        for name, function in FUNCTIONS if module in having[name])
        for module in "ab"}
    server = own_server(f"""
        PythonHandlerModule ${{SITE}}/a.py ${{SITE}}/b.py
        <Location />
            {AUTH}
            SetHandler mod_python
        </Location>
        """, files={"stack.py": STACK, **files})
    assert server.site.get("x").status == 200
    for name, modules in having.items():
        if "ok" not in GOES_ON[name]:
            modules = modules[:1]
        assert ran(server.log, name) == modules, name


def test_handler_modules_without_functions_decline_in_every_phase(own_server):
    """D7"""
    server = own_server("PythonHandlerModule ${SITE}/a.py ${SITE}/b.py\n"
                        "SetHandler mod_python\n", files={
                            "a.py": "", "b.py": "", "page.txt": "static"})
    with server.connect() as connection:
        for _ in range(3):
            assert connection.get("/site/page.txt").text == "static"
    server.log.refuse("MPY")


def test_handler_module_with_no_function_declines_everywhere(site):
    site.write({"empty.py": counted(), "page.txt": "static"})
    site.htaccess("SetHandler mod_python\nPythonHandlerModule empty")
    assert site.get("page.txt").text == "static"


def test_handler_module_that_fails_to_import_is_an_error(site):
    site.write({"bad.py": "1 / 0\n", "page.txt": "static"})
    site.htaccess("PythonHandlerModule bad")
    assert site.get("page.txt").status == 500
    site.log.expect("ZeroDivisionError")


def test_function_added_to_a_handler_module_runs(site):
    site.write({"stack.py": STACK, "hello.py": "import stack\n"
                "handler = stack.show\n"})
    site.htaccess("SetHandler mod_python\nPythonHandlerModule hello")
    assert site.texts() == {"shown"}
    site.edit("hello.py", site.text("hello.py")
              + "fixuphandler = stack.make('new', 0)\n")
    site.get()
    assert ran(site.log, "PythonFixupHandler") == ["new"]


def test_handler_module_for_an_extension(site):
    site.write({"hello.py": page("req.extension"), "x.gz": "",
                "x.txt": "static"})
    site.htaccess("SetHandler mod_python\nPythonHandlerModule hello | .gz")
    assert site.get("x.gz").text == ".gz"
    assert site.get("x.txt").text == "static"
