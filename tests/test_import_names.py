"""What a name means: each form of it, asked for by each kind of caller."""

import pytest

from httpd import page

HTACCESS = "SetHandler mod_python\nPythonHandler hello\n"
ASK = """
from mod_python import apache

def ask(name, path=None):
    try:
        module = apache.import_module(name, path=path)
    except ImportError as error:
        return f"ImportError: {error}"
    return getattr(module, "text", module.__name__)
"""
FILES = {
    "app/hello.py": page("work(req.args)", """
        import urllib.parse
        import coldhelper, harness
        import child

        def work(args):
            caller, name, *path = urllib.parse.unquote(args).split("@")
            callers = {"handler": ask, "child": child.ask,
                       "cold": coldhelper.ask}
            if caller == "start":
                return harness.start[name, *path]
            return callers[caller](name, path or None)
        """) + ASK,
    "app/plain.py": "text = 'app/plain'\n",
    "app/pkg/__init__.py": "text = 'app/pkg'\n",
    "app/pkg/inner.py": "text = 'app/pkg/inner'\n",
    "app/bare/inner.py": "text = 'app/bare/inner'\n",
    "app/near/only.py": "text = 'near/only'\n",
    "app/page.psp": "text = 'app/page'\n",
    "app/.htaccess": HTACCESS
    + "PythonOption mod_python.importer.path \"['LIB', '~/near']\"\n",
    "lib/child.py": ASK,
    "lib/plain.py": "text = 'lib/plain'\n",
    "lib/beside.py": "text = 'lib/beside'\n",
    "other/plain.py": "text = 'other/plain'\n",
    "other/far.py": "text = 'other/far'\n",
    "up.py": "text = 'up'\n",
    "cold/coldhelper.py": ASK,
    "cold/coldone.py": "text = 'cold'\n",
    "start/plain.py": "text = 'start/plain'\n",
    "application/shop/__init__.py": "text = 'shop'\n",
    "application/shop/part.py": "text = 'shop.part'\n",
}
CALLERS = ("handler", "child", "cold", "start")
NOWHERE = "ImportError: no directory"
NOTHING = "ImportError"

# What a name (and the path argument) is to each of the callers: a handler in
# app/, a module in lib/, cold code called by the handler, and a module in
# start/ that PythonImport names.
TABLE = [
    (["plain"], "app/plain", "lib/plain", "app/plain", "start/plain"),
    (["pkg.inner"], *["app/pkg/inner"] * 3, NOTHING),
    (["pkg/inner"], *["app/pkg/inner"] * 3, NOTHING),
    (["bare.inner"], *["app/bare/inner"] * 3, NOTHING),
    (["bare/inner"], *["app/bare/inner"] * 3, NOTHING),
    (["pkg"], *["app/pkg"] * 3, NOTHING),
    (["pkg/__init__"], *["app/pkg"] * 3, NOTHING),
    (["beside"], *["lib/beside"] * 3, NOTHING),
    (["only"], *["near/only"] * 3, NOTHING),
    (["far"], *[NOTHING] * 4),
    (["shop"], *["shop"] * 4),
    (["shop.part"], *["shop.part"] * 4),
    (["shop/part"], *["shop.part"] * 4),
    (["shop.nope"], *[NOTHING] * 4),
    (["coldone"], *["cold"] * 4),
    (["json.decoder"], *["json.decoder"] * 4),
    (["nope"], *[NOTHING] * 4),
    (["nope.part"], *[NOTHING] * 4),
    (["mod_python.nope"], *[NOTHING] * 4),
    (["mod_python.apache"], *["mod_python.apache"] * 4),
    (["./plain.py"], "app/plain", "lib/plain", NOWHERE, "start/plain"),
    (["./page.psp"], "app/page", NOTHING, NOWHERE, NOTHING),
    (["../up.py"], "up", "up", NOWHERE, "up"),
    (["../other/far.py"], "other/far", "other/far", NOWHERE, "other/far"),
    (["~/plain.py"], *["app/plain"] * 3, NOWHERE),
    (["~/pkg/inner.py"], *["app/pkg/inner"] * 3, NOWHERE),
    (["~/nope.py"], *[NOTHING] * 3, NOWHERE),
    (["SITE/other/far.py"], *["other/far"] * 4),
    (["SITE/app/page.psp"], *["app/page"] * 4),
    (["SITE/application/shop/part.py"], *["shop.part"] * 4),
    (["SITE/other/nope.py"], *[NOTHING] * 4),
    (["plain", "SITE/other"], *["other/plain"] * 4),
    (["far", "SITE/nope", "SITE/other"], *["other/far"] * 4),
    (["pkg.inner", "SITE/app"], *["app/pkg/inner"] * 4),
    (["inner", "~/pkg"], *["app/pkg/inner"] * 3, NOTHING),
    (["plain", "~"], *["app/plain"] * 3, "start/plain"),
    (["coldone", "SITE/other"], *["cold"] * 4),
]


@pytest.fixture(scope="module")
def table_answers(request):
    """{(caller, name...): answer}: one server answers the whole table."""
    from httpd import Configuration, Server
    server = Server(Configuration(extra="""
        PythonPath "sys.path + ['${SITE}/cold']"
        PythonModulePath ${SITE}/application
        PythonImport ${SITE}/start/start.py main_interpreter
        """, children=1))
    where = str(server.site.directory)
    names = [tuple(word.replace("SITE", where) for word in row[0])
             for row in TABLE]
    start = ASK + ("\nimport harness\nharness.start = {}\n"
                   f"for name, *path in {names!r}:\n"
                   "    harness.start[name, *path] = ask(name, path or None)\n"
                   )
    server.site.write({"start/start.py": start, **{
        name: text.replace("LIB", where + "/lib")
        for name, text in FILES.items()}})
    server.start()
    try:
        answers = {}
        for name in names:
            for caller in CALLERS:
                response = server.site.get(
                    "app/?" + "@".join((caller, *name)).replace(" ", "%20"))
                answers[caller, *name] = response.text.replace(where, "SITE")
        yield {tuple(word.replace(where, "SITE") for word in key): answer
               for key, answer in answers.items()}
    finally:
        assert server.stop() == 0
        left = server.log.unclaimed()
        server.remove()
    assert not left


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: "@".join(row[0]))
def test_name_means_what_the_rules_say(table_answers, row, caller):
    expected = row[1 + CALLERS.index(caller)]
    answer = table_answers[caller, *row[0]]
    if expected.startswith("ImportError"):
        assert answer.startswith(expected)
        if expected == NOTHING:
            assert row[0][0].rpartition("/")[2].split(".")[0] in answer
    else:
        assert answer == expected


def test_option_of_the_main_server_is_that_of_imports_without_a_request(
        own_server):
    server = own_server("""
        PythonOption mod_python.importer.path "['${SITE}/lib']"
        PythonImport ${SITE}/start/start.py main_interpreter
        """, files={
            "start/start.py": "import beside\nimport sys\n"
                              "print('found', beside.value, file=sys.stderr)"
                              "\n", "lib/beside.py": "value = 1\n"})
    server.log.expect("found 1", count=len(server.children()))


def test_importer_path_of_an_inner_section_replaces_the_outer(site):
    site.write({"outer/only.py": "", "inner/other.py": "text = 'inner'\n",
                "app/hello.py": page("ask()", """
            import other

            def ask():
                try:
                    import only
                except ImportError:
                    return other.text
            """)})
    site.serve("hello", "PythonOption mod_python.importer.path "
               f"\"['{site.path('outer')}']\"")
    site.htaccess("PythonHandler hello\nPythonOption "
                  "mod_python.importer.path "
                  f"\"['{site.path('inner')}']\"", "app")
    assert site.texts("app/") == {"inner"}


def test_tilde_in_the_path_list_of_a_module_is_the_handler_root(site):
    site.write({"app/hello.py": page("only.value", "__mp_path__.append("
                                     "'~/near')\nimport only"),
                "app/near/only.py": "value = 1\n", "app/.htaccess": HTACCESS})
    assert site.texts("app/") == {"1"}
    site.edit("app/near/only.py", "value = 2\n")
    assert site.texts("app/") == {"2"}


def test_path_argument_with_a_file_is_the_first_path_list_of_its_module(site):
    far = site.path("other/far.py")
    site.write({
        "app/hello.py": page("(far.beside.value, far.__mp_path__)",
                             f"far = apache.import_module({str(far)!r},"
                             f" path=[{str(site.path('lib'))!r}])"),
        "other/far.py": "import beside\n", "lib/beside.py": "value = 1\n",
        "app/.htaccess": HTACCESS})
    expected = [str(site.path("lib"))]
    assert site.texts("app/") == {f"(1, {expected})"}
    site.edit("lib/beside.py", "value = 2\n")
    assert site.texts("app/") == {f"(2, {expected})"}


def test_python_path_is_in_force_for_imports_at_the_start(own_server):
    server = own_server("""
        PythonPath "sys.path + ['${SITE}/cold']"
        PythonImport ${SITE}/start/start.py main_interpreter
        """, files={
            "start/start.py": "import coldone\nimport sys\n"
                              "print('found', coldone.value, file=sys.stderr)"
                              "\n", "cold/coldone.py": "value = 1\n"})
    server.log.expect("found 1", count=len(server.children()))


def test_module_may_extend_its_path_list_later(site):
    site.write({
        "app/hello.py": page("late()", """
            import os

            def late():
                where = os.path.join(os.path.dirname(__file__), "../lib")
                if where not in __mp_path__:
                    __mp_path__.append(where)
                import beside
                return beside.value
            """), "lib/beside.py": "value = 1\n", "app/.htaccess": HTACCESS})
    assert site.texts("app/") == {"1"}
    site.edit("lib/beside.py", "value = 2\n")
    assert site.texts("app/") == {"2"}


# The handler root

def test_handler_root_of_a_chain_is_that_of_its_first_handler(site):
    site.write({
        "app/hello.py": page("add(req)", f"""
            def add(req):
                req.add_handler("PythonHandler", "second",
                                {str(site.path('lib'))!r})
                return apache.get_handler_root()
            """),
        "lib/second.py": page("' ' + apache.get_handler_root() + ' '"
                              " + only.value", "import only"),
        "app/only.py": "value = 'of the app'\n", "app/.htaccess": HTACCESS})
    first, second, *rest = site.get("app/").text.split()
    assert first.rstrip("/") == second.rstrip("/") == str(site.path("app"))
    assert rest == ["of", "the", "app"]


def test_handler_root_of_a_location_is_the_document_root(own_server):
    server = own_server("""
        <Location /where>
            SetHandler mod_python
            PythonHandler ${SITE}/hello.py
        </Location>
        """, files={"hello.py": page("apache.get_handler_root()")})
    assert server.get("/where").text.rstrip("/") == str(server.documents)


def test_no_handler_root_outside_a_request(own_server):
    server = own_server("PythonImport ${SITE}/start.py main_interpreter",
                        files={"start.py": "from mod_python import apache\n"
                               "import sys\nprint('root is',"
                               " apache.get_handler_root(),"
                               " file=sys.stderr)\n"})
    server.log.expect("root is None", count=len(server.children()))


# Directives

PHASES = ["PythonInitHandler", "PythonHeaderParserHandler",
          "PythonAccessHandler", "PythonAuthenHandler", "PythonAuthzHandler",
          "PythonTypeHandler", "PythonFixupHandler", "PythonHandler",
          "PythonLogHandler", "PythonCleanupHandler"]


@pytest.mark.parametrize("directive", PHASES)
def test_every_handler_directive_takes_every_form_of_name(site, directive):
    text = ("import harness\nfrom mod_python import apache\n\n"
            "def f(req):\n    harness.note(__file__)\n"
            "    return apache.DECLINED\n")
    forms = {"one": "app/one.py", "pkg.two": "app/pkg/two.py",
             "./three.py": "app/three.py", "../four.py": "four.py",
             "~/five.py": "app/five.py", str(site.path("six.py")): "six.py",
             "./seven.inc": "app/seven.inc"}
    site.write({**{name: text for name in forms.values()},
                "app/pkg/__init__.py": "", "app/hello.py": page("1"),
                "app/auth.py": """
                    from mod_python import apache

                    def known(req):
                        req.get_basic_auth_pw()
                        return apache.OK
                    """})
    site.log.allow("AH0|MPY04")
    authen = ("" if directive == "PythonAuthenHandler"
              else "PythonAuthenHandler auth::known")
    for form, file in forms.items():
        site.htaccess(f"""
            SetHandler mod_python
            PythonHandler hello
            AuthType Basic
            AuthName x
            Require valid-user
            {authen}
            {directive} {form}::f
            """, "app")
        site.get("app/", headers={"Authorization": "Basic dTpw"})
        assert [name for _, name in site.executions()] == [file]
        site.forget_executions()
