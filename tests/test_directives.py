"""Directives: what is accepted, what is refused and how, what is in force."""

import pytest

from httpd import page

WHO = {"who.py": '''
    from mod_python import apache

    def handler(req):
        entry = req.hlist
        req.write(f"{entry.handler} {entry.directory} {req.extension};")
        return apache.OK
    '''}

SHOW = {"show.py": '''
    from mod_python import apache

    def handler(req):
        table = req.get_config() if req.args == "config" else req.get_options()
        names = sorted(table.keys(), key=str.lower)
        req.write(" ".join(f"{name}={table[name]}" for name in names))
        return apache.OK

    def server(req):
        table = req.server.get_config()
        req.write(" ".join(f"{key}={table[key]}" for key in sorted(table)))
        return apache.OK
    '''}

ACCEPTED = (
    "PythonHandler hello",
    "PythonHandler hello::Page.show other /srv/x.py ./x.py ../x.py ~/x.py",
    """PythonHandler "with space" 'with|bar'""",
    "PythonHandler hello | .py .tar.gz",
    "PythonHandler hello|.py",
    "PythonHandlerModule one two | .py",
    "PythonConnectionHandler /srv/echo.py",
    "PythonImport one::run main_interpreter",
    "PythonAutoReload bAcKgRoUnD",
    "PythonDebug on",
    "PythonReloadFailure KEEP",
    "PythonReloadTimeout 3600",
    "PythonOption key\nPythonOption key value\nPythonOption key ''",
    "PythonHome /usr",
    "PythonModulePath ${SITE} ${SITE}/\nPythonModulePath .",
    "<VirtualHost *>\nPythonImport one main_interpreter\n</VirtualHost>",
)

NO_EXTENSION = 'does not accept "| .ext" syntax.'

REFUSED = (
    ("PythonTransHandler a | .py", f"PythonTransHandler {NO_EXTENSION}"),
    ("PythonPostReadRequestHandler a|.py",
     f"PythonPostReadRequestHandler {NO_EXTENSION}"),
    ("PythonHandler", "PythonHandler: no handler in ''"),
    ("PythonHandler | .py", "PythonHandler: no handler in '| .py'"),
    ('PythonHandler a ""', 'PythonHandler: "" names no handler'),
    ('PythonHandler "a', "PythonHandler: no closing quote"),
    ("PythonHandler ::x", "PythonHandler: '::x' names no module"),
    ("PythonHandler a::", "PythonHandler: 'a::' names no object"),
    ("PythonHandler a |", "PythonHandler: no extension after '|'"),
    ("PythonHandler a | .b | .c", "PythonHandler: more than one '|'"),
    ("PythonHandler a | py", "PythonHandler: 'py' is not an extension"),
    ("PythonConnectionHandler ./a",
     "PythonConnectionHandler: './a' has no directory to be relative to"),
    ("PythonImport ./a main_interpreter",
     "PythonImport: './a' has no directory to be relative to"),
    ("PythonImport a:: main_interpreter",
     "PythonImport: 'a::' is not 'module' or 'module::function'"),
    ("PythonImport a", "PythonImport takes two arguments"),
    ("PythonDebug yes", "PythonDebug: 'yes' is not On or Off"),
    ("PythonAutoReload maybe",
     "PythonAutoReload: 'maybe' is not On, Off or Background"),
    ("PythonReloadFailure stop",
     "PythonReloadFailure: 'stop' is not keep or error"),
    ("PythonReloadTimeout 3601", "PythonReloadTimeout: '3601' is not a number "
     "of seconds from 1 to 3600"),
    ("PythonReloadTimeout 5s", "PythonReloadTimeout: '5s' is not a number"),
    ("PythonHome /does/not/exist", "PythonHome: '/does/not/exist': No such"),
    ("PythonHome httpd.conf", "httpd.conf' is not a directory"),
    ("PythonModulePath . nowhere", "nowhere': No such file or directory; "
     "create the directory or correct the path"),
    ("<VirtualHost *>\nPythonHome .\n</VirtualHost>",
     "PythonHome: '.' is given in a <VirtualHost>"),
    ("<VirtualHost *>\nPythonOptimize On\n</VirtualHost>",
     "PythonOptimize: 'On' is given in a <VirtualHost>"),
    ("<Location />\nPythonTransHandler a\n</Location>",
     "PythonTransHandler not allowed in <Location> context"),
    ("<Directory />\nPythonImport a b\n</Directory>",
     "PythonImport not allowed in <Directory> context"),
)


@pytest.mark.parametrize("lines", ACCEPTED)
def test_configuration_is_accepted(own_server, lines):
    status, said = own_server(lines, start=False).check()
    assert (status, said) == (0, "Syntax OK\n")


@pytest.mark.parametrize("lines, message", REFUSED)
def test_mistake_is_named_with_its_line(own_server, lines, message):
    status, said = own_server(lines, start=False).check()
    assert status != 0
    assert "Syntax error on line " in said
    assert message in said


def test_home_of_no_python_is_found_by_the_configuration_test(own_server):
    server = own_server("PythonHome ${SITE}", start=False)
    status, said = server.check()
    assert status != 0
    assert "MPY0105: " in said
    assert f"'{server.site.directory}' is neither a virtual env" in said
    assert " -m venv, or remove PythonHome" in said


@pytest.mark.parametrize("version, found, remedy", [
    ("3.4.1", "is a virtual environment of Python 3.4.1, but this mod_python "
     "is built for Python 3.", ": make one with python3."),
    (None, "has a pyvenv.cfg but no working bin/python",
     ": make the virtual environment again")])
def test_environment_of_no_use_is_found_by_the_configuration_test(
        own_server, version, found, remedy):
    server = own_server("PythonHome ${SITE}", start=False, files={
        "pyvenv.cfg": "home = /usr/bin\n"
        + (f"version = {version}\n" if version else "")})
    status, said = server.check()
    assert status != 0
    assert f"MPY0105: PythonHome: '{server.site.directory}' {found}" in said
    assert remedy in said


def test_second_connection_handler_is_warned_about_once(own_server):
    status, said = own_server("PythonConnectionHandler a b",
                              start=False).check()
    assert status == 0
    assert said.count("MPY0001: ") == 1
    assert "'a'" in said


def test_mistake_in_htaccess_is_500_there_only(site):
    site.write(WHO)
    site.serve("who")
    site.htaccess("PythonAutoReload maybe", "below")
    assert site.get("below/x").status == 500
    site.log.expect("PythonAutoReload: 'maybe' is not On, Off or Background")
    assert site.get("x").status == 200


def test_server_directive_is_refused_in_htaccess(site):
    site.htaccess("PythonHome /usr")
    assert site.get("x").status == 500
    site.log.expect("PythonHome not allowed here")


def test_words_of_one_directive_and_repeated_ones_run_in_order(site):
    site.write(WHO)
    site.serve("who ./who.py", "PythonHandler who::handler")
    where = f"{site.directory}/ None;"
    assert site.get("x").text == (
        f"who {where}./who.py {where}who::handler {where}")


def test_inner_section_replaces_the_list(site):
    site.write(WHO | {"below/inner.py": WHO["who.py"]})
    site.serve("who who")
    site.htaccess("PythonHandler inner", "below")
    assert site.get("below/x").text == f"inner {site.directory}/below/ None;"


def test_extension_is_all_after_the_first_dot(site):
    site.write(WHO)
    site.serve("who", "PythonHandler who::handler | .tar.gz .y")
    where = f"{site.directory}/"
    assert site.get("a.tar.gz").text == f"who::handler {where} .tar.gz;"
    assert site.get("a.y").text == f"who::handler {where} .y;"
    assert site.get("a.gz").text == f"who {where} None;"
    assert site.get("tar").text == f"who {where} None;"


def test_files_section_has_the_directory_around_it(site):
    site.write(WHO)
    site.htaccess("""
        SetHandler mod_python
        <Files "*.x">
            PythonHandler who
        </Files>
        """)
    assert site.get("a.x").text == f"who {site.directory}/ None;"


def test_wildcard_section_has_the_shortest_directory_that_matches(own_server):
    server = own_server("""
        <Directory "${SITE}/*">
            SetHandler mod_python
            PythonHandler who
        </Directory>
        """, files={"a/who.py": WHO["who.py"], "a/b/empty": ""})
    site = server.site
    assert site.get("a/b/x").text == f"who {site.directory}/a/ None;"


def test_regex_section_has_the_shortest_directory_that_matches(own_server):
    server = own_server("""
        <DirectoryMatch "^${SITE}/[a-z]+/">
            SetHandler mod_python
            PythonHandler who
        </DirectoryMatch>
        """, files={"a/who.py": WHO["who.py"], "a/b/empty": ""})
    site = server.site
    assert site.get("a/b/x").text == f"who {site.directory}/a/ None;"


def test_empty_option_removes_the_inherited_one(site):
    site.write(SHOW)
    site.serve("show", """
        PythonOption One 1
        PythonOption Two 2
        PythonOption Three 3
        """)
    site.htaccess("PythonOption one\nPythonOption TWO ''\n"
                  "PythonOption four 4", "below")
    assert site.get("x").text == "One=1 Three=3 Two=2"
    assert site.get("below/x").text == "four=4 Three=3"


def test_directives_in_force_are_shown(site):
    site.write(SHOW)
    site.serve("show", """
        PythonDebug on
        PythonAutoReload ON
        PythonInterpPerDirective Off
        """)
    site.htaccess("PythonAutoReload OFF\nPythonReloadFailure Error", "below")
    assert site.get("x?config").text == (
        "PythonAutoReload=1 PythonDebug=1 PythonInterpPerDirective=0 "
        "PythonInterpreter=main_interpreter")
    assert site.get("below/x?config").text == (
        "PythonAutoReload=0 PythonDebug=1 PythonInterpPerDirective=0 "
        "PythonInterpreter=main_interpreter PythonReloadFailure=error")


def test_virtual_host_inherits_and_keeps_its_own_to_itself(own_server):
    server = own_server("""
        PythonInterpPerDirectory Off
        PythonReloadTimeout 7
        <Directory "${SITE}">
            SetHandler mod_python
            PythonHandler show::server
        </Directory>
        <VirtualHost *>
            ServerName plain
        </VirtualHost>
        <VirtualHost *>
            ServerName other
            PythonReloadTimeout 9
            PythonDebug On
        </VirtualHost>
        """, files=SHOW)

    def answer(host):
        return server.site.get("x", headers={"Host": host}).text

    assert answer("plain") == (
        "PythonInterpPerDirectory=0 PythonInterpreter=main_interpreter "
        "PythonReloadTimeout=7")
    assert answer("other") == (
        "PythonDebug=1 PythonInterpPerDirectory=0 "
        "PythonInterpreter=main_interpreter PythonReloadTimeout=9")


# Extensions that lead to mod_python

def test_addhandler_extensions_are_those_of_the_sections_in_force(own_server):
    server = own_server("""
        AddHandler mod_python .py .one
        AddHandler cgi-script .cgi
        <Directory ${SITE}/in>
            AddHandler python-program two
        </Directory>
        <Directory ${SITE}/out>
            AddHandler mod_python .three
        </Directory>
        <DirectoryMatch /in$>
            AddHandler mod_python .four
        </DirectoryMatch>
        <Location /site/in>
            AddHandler mod_python .five
        </Location>
        <VirtualHost 127.0.0.1:1>
            AddHandler mod_python .six
        </VirtualHost>
        """, children=1, files={
            "in/hello.py": page("req.get_addhandler_exts()"),
            "in/.htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    assert server.site.get("in/").text == "py one two four five "


def test_without_addhandler_there_are_no_extensions(site):
    site.write({"hello.py": page("[req.get_addhandler_exts()]")})
    site.serve("hello")
    assert site.texts() == {"['']"}


def test_without_mod_mime_there_are_no_extensions(own_server):
    """D14"""
    server = own_server(without=("mime",), files={
        "hello.py": page("[req.get_addhandler_exts()]")})
    server.site.serve("hello")
    assert server.site.texts() == {"['']"}
