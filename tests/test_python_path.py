"""PythonPath: which one is in force, when it is evaluated, and what happens
when it cannot be."""

from httpd import page
from inline import parsed

HTACCESS = "SetHandler mod_python\nPythonHandler ~/../hello.py\n"
SHOW = {"hello.py": page(
    "[name for name in sys.path if name.startswith('/nowhere')]",
    "import sys")}


def directory(name, text):
    """A directory whose .htaccess has this expression."""
    return {f"{name}/.htaccess": HTACCESS + f'PythonPath "{text}"\n'}


def paths(site, name):
    response = site.get(f"{name}/")
    assert response.status == 200, response.text
    return parsed(response.text)


def test_path_is_that_of_the_innermost_directive_alone(own_server):
    server = own_server("PythonPath \"sys.path + ['/nowhere/server']\"",
                        files={**SHOW, "plain/.htaccess": HTACCESS,
                               **directory("in", "sys.path "
                                           "+ ['/nowhere/in']")})
    server.log.allow("MPY0110")
    assert paths(server.site, "plain") == ["/nowhere/server"]
    assert paths(server.site, "in") == ["/nowhere/in"]


def test_each_request_has_its_own_path_however_they_alternate(own_server):
    server = own_server(files={**SHOW, **{
        path: text for name in "ab" for path, text in
        directory(name, f"sys.path + ['/nowhere/{name}']").items()}})
    for name in "abbaabab":
        assert paths(server.site, name) == [f"/nowhere/{name}"]
    server.log.expect("MPY0110")


def test_request_without_a_path_leaves_that_of_the_last_one(own_server):
    server = own_server(children=1, files={
        **SHOW, "plain/.htaccess": HTACCESS,
        **directory("a", "sys.path + ['/nowhere/a']")})
    assert paths(server.site, "plain") == []
    assert paths(server.site, "a") == ["/nowhere/a"]
    assert paths(server.site, "plain") == ["/nowhere/a"]


def test_expression_sees_sys_os_and_the_names_of_apache(own_server):
    expression = ("sys.path + ['/nowhere/' + os.sep.join([interpreter, "
                  "str(HTTP_OK)]), '/nowhere' + server_root()]")
    server = own_server(files={**SHOW, **directory("a", expression)})
    assert paths(server.site, "a") == [
        "/nowhere/main_interpreter/200", f"/nowhere{server.root}"]


def test_expression_is_evaluated_once_in_an_interpreter(own_server):
    expression = ("(sys.stderr.write('evaluated %s\\\\n'), "
                  "sys.path + ['/nowhere/%s'])[1]")
    server = own_server(children=1, files={**SHOW, **{
        path: text for name in "ab" for path, text in
        directory(name, expression % (name, name)).items()}})
    server.log.allow("MPY0110|evaluated")
    for _ in range(20):
        for name in "ab":
            assert paths(server.site, name) == [f"/nowhere/{name}"]
    assert [entry.text for entry in server.log.matching("^evaluated ")] == [
        "evaluated a", "evaluated b"]


def test_expression_that_fails_is_500_for_its_directory_only(own_server):
    server = own_server(files={
        **SHOW, "plain/.htaccess": HTACCESS, **directory("bad", "1 / 0"),
        **directory("broken", "sys.path +"), **directory("text", "'/a:/b'")})
    for name, said in (("bad", "ZeroDivisionError"),
                       ("broken", "SyntaxError"), ("text", "TypeError")):
        for _ in range(2):
            assert server.site.get(f"{name}/").status == 500
        entry = server.log.expect(rf"MPY\d{{4}}.*{said}", count=2)
        assert entry
        assert paths(server.site, "plain") == []


def test_modules_of_the_path_are_ordinary_ones(own_server):
    server = own_server(files={
        "hello.py": page("(coldone.__name__, sys.modules['coldone']"
                         " is coldone)", "import sys, coldone"),
        "lib/coldone.py": "",
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"
                     "PythonPath \"sys.path + ['LIB']\"\n"}, start=False)
    server.site.replace(".htaccess", "LIB", str(server.site.path("lib")))
    server.start()
    assert server.site.texts() == {"('coldone', True)"}


def test_handler_is_imported_from_its_directory_under_a_path_too(own_server):
    server = own_server(files={
        "lib/hello.py": page("'of the path'"), "lib/far.py": "text = 'far'\n",
        "in/hello.py": page("'of its directory, ' + far.text", "import far"),
        "in/.htaccess": "SetHandler mod_python\nPythonHandler hello\n"
                        "PythonPath \"['LIB'] + sys.path\"\n"}, start=False)
    server.site.replace("in/.htaccess", "LIB", str(server.site.path("lib")))
    server.start()
    assert server.site.texts("in/") == {"of its directory, far"}
