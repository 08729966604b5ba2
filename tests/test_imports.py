"""Plain Python: every form of import works as in Python, whatever lies beside
the handler, and no name of one directory reaches another."""

import os
import py_compile

import pytest

from httpd import counted, page, together

THREADED = {"mpm": "worker", "children": 1}


# Forms of the statement

FORMS = {
    "pkg/__init__.py": "name = 'pkg'\n__all__ = ['name', 'sub']\n",
    "pkg/sub.py": "value = 1\n_hidden = 2\n",
    "pkg/relative.py": "from . import sub\nfrom .sub import value\n"
                       "from . import name as package_name\n",
    "pkg/deep/__init__.py": "from .. import sub as upper\n",
    "pkg/deep/leaf.py": "from ..sub import value\n",
    "single.py": "value = 7\n_private = 8\n",
    "listed.py": "__all__ = ['_private']\nvalue = 7\n_private = 8\n",
    "lazy.py": "def __getattr__(name):\n"
               "    if name == 'dynamic':\n"
               "        return 'made up'\n"
               "    raise AttributeError(name)\n",
    "space/part.py": "value = 3\n",
}


@pytest.mark.parametrize("imports, answer, expected", [
    ("import single", "single.value", "7"),
    ("import single as s", "s.value", "7"),
    ("from single import value as v", "v", "7"),
    ("from single import (value,\n    _private)", "value + _private", "15"),
    ("import pkg.sub", "(pkg.name, pkg.sub.value)", "('pkg', 1)"),
    ("import pkg.sub as s", "s.value", "1"),
    ("import pkg.deep.leaf as leaf", "leaf.value", "1"),
    ("from pkg import sub", "sub.value", "1"),
    ("from pkg.sub import value", "value", "1"),
    ("import pkg.relative", "(pkg.relative.value, pkg.relative.package_name)",
     "(1, 'pkg')"),
    ("import pkg.deep", "pkg.deep.upper is pkg.sub", "True"),
    ("from single import *", "(value, '_private' in globals())",
     "(7, False)"),
    ("from listed import *", "('value' in globals(), _private)",
     "(False, 8)"),
    ("from pkg import *", "(name, sub.value)", "('pkg', 1)"),
    ("import lazy", "lazy.dynamic", "made up"),
    ("from lazy import dynamic", "dynamic", "made up"),
    ("import space.part", "space.part.value", "3"),
    ("from space import part", "part.value", "3"),
    ("import os.path as p, xml.etree.ElementTree as E",
     "(p.join('a', 'b'), E.__name__)", "('a/b', 'xml.etree.ElementTree')"),
    ("from os import path, sep", "path.sep == sep", "True"),
    ("", "(lambda: __import__('single'))().value", "7"),
    ("class C:\n    import single\n    value = single.value", "C.value", "7"),
    ("space = {}\nexec('import single; v = single.value', space)",
     "space['v']", "7"),
    ("", "eval('__import__(\"single\")').value", "7"),
    ("", "__import__('pkg.sub').name", "pkg"),
    ("", "__import__('pkg', fromlist=['sub']).sub.value", "1"),
    ("import importlib", "importlib.import_module('json').__name__", "json"),
    ("try:\n    import nope\nexcept ImportError as e:\n    error = e",
     "(type(error).__name__, error.name)", "('ModuleNotFoundError', 'nope')"),
    ("try:\n    from single import nope\nexcept ImportError as e:\n"
     "    error = e", "(type(error).__name__, 'nope' in str(error))",
     "('ImportError', True)"),
    ("try:\n    import pkg.nope\nexcept ImportError as e:\n    error = e",
     "(type(error).__name__, error.name.endswith('pkg.nope'))",
     "('ModuleNotFoundError', True)"),
    ("try:\n    import single.nope\nexcept ImportError as e:\n    error = e",
     "type(error).__name__", "ModuleNotFoundError"),
])
def test_import_forms_work_as_in_python(site, imports, answer, expected):
    site.write({**FORMS, "hello.py": page(answer, imports)})
    site.serve("hello")
    assert site.get().text == expected


def test_submodule_is_an_attribute_of_its_package_before_and_after_a_reload(
        site):
    site.write({
        "hello.py": page("checks()", """
            def checks():
                import pkg.sub
                from pkg import sub as second
                third = apache.import_module("pkg.sub")
                return (pkg.sub is second is third is pkg.again(), third.v)
            """),
        "pkg/__init__.py": "def again():\n    from . import sub\n"
                           "    return sub\n",
        "pkg/sub.py": "v = 1\n"})
    site.serve("hello")
    assert site.texts() == {"(True, 1)"}
    site.edit("pkg/sub.py", "v = 2\n")
    assert site.texts() == {"(True, 2)"}


def test_relative_import_of_a_computed_name_works(site):
    site.write({
        "hello.py": page("pkg.load('sub').value", "import pkg"),
        "pkg/__init__.py": """
            import importlib

            def load(name):
                return importlib.import_module("." + name, __package__)
            """,
        "pkg/sub.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("pkg/sub.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_regular_package_wins_over_a_namespace_package(site):
    site.write({"hello.py": page("(thing.kind)", "import thing"),
                "thing/readme.txt": "", "thing.py": "kind = 'module'\n"})
    site.serve("hello")
    assert site.get().text == "module"


def test_package_wins_over_a_module_of_the_same_name(site):
    site.write({"hello.py": page("thing.kind", "import thing"),
                "thing/__init__.py": "kind = 'package'\n",
                "thing.py": "kind = 'module'\n"})
    site.serve("hello")
    assert site.get().text == "package"


def test_import_in_a_thread_of_the_program_works(site):
    site.write({
        "hello.py": page("ask()", """
            import threading

            def ask():
                found = []

                def run():
                    import child
                    found.append(child.value)

                thread = threading.Thread(target=run)
                thread.start()
                thread.join()
                return found
            """),
        "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.get().text == "[1]"
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"[2]"}


def test_chain_of_three_hundred_imports_loads_and_reloads(site):
    last = 299
    site.write({f"m{n}.py": f"from m{n + 1} import value\n"
                for n in range(last)})
    site.write({f"m{last}.py": "value = 1\n",
                "hello.py": page("m0.value", "import m0")})
    site.serve("hello")
    assert site.get().text == "1"
    site.edit(f"m{last}.py", "value = 2\n")
    assert site.get().text == "2"


def test_cycle_of_from_imports_fails_as_in_python(site):
    site.write({"hello.py": page("1", "import a"),
                "a.py": "from b import y\nx = 1\n",
                "b.py": "from a import x\ny = 1\n"})
    site.serve("hello")
    assert site.get().status == 500
    site.log.expect("ImportError: cannot import name 'x'")
    site.edit("b.py", "y = 1\n")
    assert site.get().text == "1"


def test_one_file_is_one_module_however_it_was_reached(site):
    site.write({
        "hello.py": counted(page("same()", """
            def same():
                import hello, child
                mine = apache.import_module("hello")
                path = apache.import_module(__file__)
                tilde = apache.import_module("~/child.py")
                dot = apache.import_module("./child.py")
                return [mine is hello, path is hello, tilde is child,
                        dot is child, vars(hello) is globals()]
            """)),
        "child.py": counted()})
    site.serve("hello")
    assert site.texts() == {str([True] * 5)}
    assert site.each_child_ran() == {"hello.py": 1, "child.py": 1}
    site.edit("child.py", counted("x = 1\n"))
    assert site.texts() == {str([True] * 5)}


# apache.import_module

MODULE_FORMS = {
    "app/hello.py": """
        from mod_python import apache

        def handler(req):
            name, _, path = req.args.partition("@")
            try:
                module = apache.import_module(
                    name, path=[path] if path else None)
            except ImportError as error:
                req.write("ImportError")
                return apache.OK
            req.write(module.text)
            return apache.OK
        """,
    "app/plain.py": "text = 'app/plain'\n",
    "app/dir/inner.py": "text = 'app/dir/inner'\n",
    "app/dir/__init__.py": "text = 'app/dir'\n",
    "app/page.html": "text = 'a page'\n",
    "up.py": "text = 'up'\n",
    "other/plain.py": "text = 'other/plain'\n",
    "other/far.py": "text = 'other/far'\n",
}


@pytest.mark.parametrize("name, expected", [
    ("plain", "app/plain"),
    ("dir.inner", "app/dir/inner"),
    ("dir/inner", "app/dir/inner"),
    ("dir", "app/dir"),
    ("./plain.py", "app/plain"),
    ("./page.html", "a page"),
    ("../up.py", "up"),
    ("~/plain.py", "app/plain"),
    ("~/dir/inner.py", "app/dir/inner"),
    ("SITE/other/plain.py", "other/plain"),
    ("SITE/app/page.html", "a page"),
    ("plain@SITE/other", "other/plain"),
    ("far@SITE/other", "other/far"),
    ("far", "ImportError"),
    ("./nope.py", "ImportError"),
    ("SITE/nope.py", "ImportError"),
    ("../app/plain.py", "app/plain"),
])
def test_import_module_takes_every_form_of_name(site, name, expected):
    site.write(MODULE_FORMS)
    site.serve("hello", directory="app")
    name = name.replace("SITE", str(site.directory))
    assert site.get(f"app/?{name}").text == expected


def test_import_module_returns_what_was_edited(site):
    site.write(MODULE_FORMS)
    site.serve("hello", directory="app")
    for name in ("plain", "./plain.py", "~/plain.py"):
        site.replace("app/plain.py", "app/plain", "app/plain!")
        assert site.get(f"app/?{name}").text.count("!") == (
            site.text("app/plain.py").count("!"))


def test_import_module_with_a_relative_path_from_cold_code_is_refused(site):
    site.write({"hello.py": page("ask()", """
        import harness

        def ask():
            try:
                return harness.call(apache.import_module, "./hello.py")
            except ImportError as error:
                return type(error).__name__
        """)})
    site.serve("hello")
    assert site.get().text == "ImportError"


def test_import_module_takes_the_old_positional_arguments(site):
    site.write({"hello.py": page("apache.import_module('child', 1, 0).value"),
                "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.get().text == "1"


def test_module_path_list_of_a_module_is_searched(site):
    site.write({
        "hello.py": page("far.value", """
            import os
            __mp_path__.append(os.path.join(os.path.dirname(__file__), "lib"))
            import far
            """),
        "lib/far.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("lib/far.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_importer_path_option_is_searched(site):
    site.write({"app/hello.py": page("far.value", "import far"),
                "lib/far.py": "value = 1\n",
                "app/near/far2.py": "value = 5\n"})
    site.serve("hello", f"PythonOption mod_python.importer.path "
               f"\"['~/near', '{site.path('lib')}']\"", directory="app")
    assert site.texts("app/") == {"1"}
    site.edit("lib/far.py", "value = 2\n")
    assert site.texts("app/") == {"2"}
    site.edit("app/hello.py", page("far2.value", "import far2"))
    assert site.texts("app/") == {"5"}


def test_importer_path_that_is_no_list_is_an_error(site):
    site.write({"hello.py": page("1", "import far")})
    site.serve("hello", "PythonOption mod_python.importer.path \"'/srv'\"")
    assert site.get().status == 500
    site.log.expect("TypeError: mod_python.importer.path must give a list")


def test_handler_root_is_searched_by_modules_of_other_directories(site):
    library = site.path("lib/tool.py")
    site.write({
        "app/hello.py": page(f"apache.import_module('{library}').value"),
        "app/settings.py": "value = 'of the app'\n",
        "lib/tool.py": "import settings\nvalue = settings.value\n"})
    site.serve("hello", directory="app")
    assert site.get("app/").text == "of the app"


def test_handler_root_is_told(site):
    site.write({"app/hello.py": page("apache.get_handler_root()")})
    site.serve("hello", directory="app")
    assert site.get("app/x").text.rstrip("/") == str(site.path("app"))


# Names

def test_name_of_a_module_is_the_same_everywhere(site):
    site.write({"hello.py": page("(__name__, child.__name__)",
                                 "import child"),
                "child.py": ""})
    site.serve("hello")
    names, = site.texts()
    hello, child = eval(names)
    assert hello.endswith(".hello") and child.endswith(".child")
    assert hello.split(".")[0] == child.split(".")[0] != "__main__"
    site.edit("child.py", "x = 1\n")
    assert site.texts() == {names}


def test_name_of_a_module_survives_a_restart(own_server):
    server = own_server(files={"hello.py": page("__name__")})
    server.site.serve("hello")
    name = server.site.get().text
    server.restart()
    assert server.site.texts() == {name}


def test_no_bare_name_enters_sys_modules(site):
    site.write({"hello.py": page(
        "[n for n in sys.modules if n.split('.')[0] in names]",
        "import sys\nimport onlyhere, onlypkg.part\n"
        "names = {'hello', 'onlyhere', 'onlypkg'}"),
        "onlyhere.py": "", "onlypkg/__init__.py": "", "onlypkg/part.py": ""})
    site.serve("hello")
    assert site.get().text == "[]"


def test_sys_path_never_grows(site):
    site.write({"hello.py": page("(len(sys.path), here in sys.path)",
                                 "import sys, os, child\n"
                                 "here = os.path.dirname(__file__)"),
                "child.py": ""})
    site.serve("hello")
    first = site.texts()
    for number in range(5):
        site.edit("child.py", f"x = {number}\n")
        site.texts()
    assert site.texts() == first
    assert "True" not in first.pop()


def test_modules_have_the_attributes_that_python_gives_them(site):
    site.write({
        "hello.py": page("""[
            __file__ == FILE, __spec__.name == __name__,
            __package__ == __name__.rpartition(".")[0],
            __spec__.origin == __file__, __spec__.has_location,
            pkg.__package__ == pkg.__name__, pkg.__path__ == [PKG],
            pkg.sub.__package__ == pkg.__name__, type(pkg) is type(sys),
            __doc__ == "Says hello.", isinstance(__mp_path__, list),
            __mp_info__.file == FILE]""", ""),
        "pkg/__init__.py": "", "pkg/sub.py": ""})
    text = site.text("hello.py").replace(
        "from mod_python", "'Says hello.'\nimport sys, pkg.sub\n"
        f"FILE = {str(site.path('hello.py'))!r}\n"
        f"PKG = {str(site.path('pkg'))!r}\nfrom mod_python", 1)
    site.edit("hello.py", text)
    site.serve("hello")
    assert site.get().text == str([True] * 12)


# No collisions

def test_same_named_modules_of_two_directories_do_not_collide(site):
    for name in ("a", "b"):
        site.write({f"{name}/index.py": counted(page("helper.value",
                                                     "import helper")),
                    f"{name}/helper.py": counted(f"value = {name!r}\n")})
        site.serve("index", directory=name)
    site.texts("a/")
    site.texts("b/")
    with site.server.connect() as connection:
        for number in range(1000):
            name = "ab"[number % 2]
            assert connection.get(site.url(f"{name}/")).text == name
    assert site.each_child_ran() == {
        f"{name}/{file}.py": 1 for name in "ab" for file in ("index",
                                                             "helper")}


def test_edit_in_one_directory_runs_nothing_in_another(site):
    for name in ("a", "b"):
        site.write({f"{name}/index.py": counted(page("helper.value",
                                                     "import helper")),
                    f"{name}/helper.py": counted(f"value = {name!r}\n")})
        site.serve("index", directory=name)
        site.texts(f"{name}/")
    site.each_child_ran()
    site.replace("a/helper.py", "'a'", "'new'")
    assert site.texts("b/") == {"b"}
    assert site.texts("a/") == {"new"}
    assert site.each_child_ran() == {"a/index.py": 1, "a/helper.py": 1}


@pytest.mark.parametrize("name", ["json", "string", "logging", "collections",
                                  "decimal", "mailbox"])
def test_local_file_wins_over_the_standard_library_beside_it_only(site, name):
    site.write({
        "hello.py": page(
            f"({name}.kind, hasattr(harness.load({name!r}), 'kind'),"
            f" hasattr(sys.modules[{name!r}], 'kind'))",
            f"import sys, harness\nimport {name}"),
        f"{name}.py": "kind = 'local'\n",
        "away/hello.py": page(f"hasattr({name}, 'kind')", f"import {name}")})
    site.serve("hello")
    site.serve("hello", directory="away")
    assert site.texts() == {"('local', False, False)"}
    assert site.texts("away/") == {"False"}
    site.replace(f"{name}.py", "local", "edited")
    assert site.texts() == {"('edited', False, False)"}


def test_local_file_wins_when_the_standard_module_was_loaded_before(site):
    site.write({"hello.py": page("(first, second)", """
        import harness
        first = hasattr(harness.load("csv"), "kind")
        import csv
        second = csv.kind
        """), "csv.py": "kind = 'local'\n"})
    site.serve("hello")
    assert site.texts() == {"(False, 'local')"}


def test_standard_library_gets_its_own_when_the_local_one_was_first(site):
    site.write({
        "hello.py": page("(quopri.kind, answer)", """
            import quopri
            import email.quoprimime, mimetypes
            import harness
            answer = hasattr(harness.load("quopri"), "encode")
            """),
        "quopri.py": "kind = 'local'\n"})
    site.serve("hello")
    assert site.get().text == "('local', True)"


def test_modules_built_in_to_python_cannot_be_replaced(site):
    site.write({"hello.py": page("hasattr(time, 'sleep')", "import time"),
                "time.py": "", "sys.py": ""})
    site.serve("hello")
    assert site.get().text == "True"


def test_mod_python_always_means_the_package(site):
    site.write({"hello.py": page("hasattr(apache, 'HTTP_NOT_FOUND')"),
                "mod_python/__init__.py": "", "mod_python/apache.py": ""})
    site.serve("hello")
    assert site.get().text == "True"


# Probes

def test_module_that_appears_after_a_failed_import_is_found(site):
    site.write({"hello.py": page("value", """
        try:
            from local_settings import value
        except ImportError:
            value = "default"
        """)})
    site.serve("hello")
    assert site.texts() == {"default"}
    site.write({"local_settings.py": "value = 'local'\n"})
    assert site.texts() == {"local"}
    site.remove("local_settings.py")
    assert site.texts() == {"default"}


def test_module_that_appears_in_a_directory_that_was_missing_is_found(site):
    site.write({"hello.py": page("value", """
        try:
            from plugins.extra import value
        except ImportError:
            value = "default"
        """)})
    site.serve("hello")
    assert site.texts() == {"default"}
    site.write({"plugins/extra.py": "value = 'extra'\n"})
    assert site.texts() == {"extra"}


def test_new_package_shadows_a_module(site):
    site.write({"hello.py": page("thing.kind", "import thing"),
                "thing.py": "kind = 'module'\n"})
    site.serve("hello")
    assert site.texts() == {"module"}
    site.write({"thing/__init__.py": "kind = 'package'\n"})
    assert site.texts() == {"package"}
    site.remove("thing")
    assert site.texts() == {"module"}


def test_directory_that_becomes_a_package_later_shadows_a_module(site):
    site.write({"hello.py": page("thing.kind", "import thing"),
                "thing.py": "kind = 'module'\n"})
    site.serve("hello")
    assert site.texts() == {"module"}
    site.write({"thing/notes.txt": "not a package yet"})
    assert site.texts() == {"module"}
    site.write({"thing/__init__.py": "kind = 'package'\n"})
    assert site.texts() == {"package"}


def test_new_local_file_shadows_the_standard_library(site):
    site.write({"hello.py": page("getattr(fractions, 'kind', 'standard')",
                                 "import fractions")})
    site.serve("hello")
    assert site.texts() == {"standard"}
    site.write({"fractions.py": "kind = 'local'\n"})
    assert site.texts() == {"local"}
    site.remove("fractions.py")
    assert site.texts() == {"standard"}


def test_file_earlier_in_the_search_wins_when_it_appears(site):
    site.write({"app/hello.py": page("far.value", "import far"),
                "lib/far.py": "value = 'lib'\n"})
    site.serve("hello", "PythonOption mod_python.importer.path "
               f"\"['{site.path('lib')}']\"", directory="app")
    assert site.texts("app/") == {"lib"}
    site.write({"app/far.py": "value = 'app'\n"})
    assert site.texts("app/") == {"app"}


# Reflection

REFLECTION = """
    from __future__ import annotations
    import dataclasses, enum, functools, inspect, pickle, typing, warnings
    from mod_python import apache
    import shapes

    @dataclasses.dataclass
    class Point:
        x: int
        shared: typing.ClassVar[int] = 5
        more: dataclasses.InitVar[int] = 0

    class Colour(enum.Enum):
        RED = 1

    class Pair(typing.NamedTuple):
        left: int
        right: Point

    @functools.singledispatch
    def kind(value):
        return "other"

    @kind.register
    def _(value: int):
        return "int"

    def handler(req):
        copy = pickle.loads(pickle.dumps(
            [Point(1), Colour.RED, Pair(1, 2), shapes.Square(3), kind]))
        req.write(repr([
            copy[0] == Point(1), copy[0].__class__ is Point,
            copy[1] is Colour.RED, copy[2] == Pair(1, 2),
            copy[3].side, type(copy[3]) is shapes.Square, copy[4] is kind,
            [f.name for f in dataclasses.fields(Point)],
            typing.get_type_hints(Pair)["right"] is Point,
            kind(1), kind(""),
            inspect.getsource(handler).splitlines()[0],
            inspect.getmodule(handler).handler is handler,
            Point.__module__ == __name__]))
        return apache.OK
    """
REFLECTED = repr([True, True, True, True, 3, True, True, ["x"], True, "int",
                  "other", "def handler(req):", True, True])


def test_reflection_works_in_reloaded_modules(site):
    site.write({"hello.py": REFLECTION, "shapes.py": """
        class Square:
            def __init__(self, side):
                self.side = side
        """})
    site.serve("hello")
    assert site.texts() == {REFLECTED}
    site.edit("shapes.py", "# edited\n" + site.text("shapes.py"))
    assert site.texts() == {REFLECTED}
    site.edit("hello.py", "\n# edited\n" + site.text("hello.py"))
    assert site.texts() == {REFLECTED}


def test_pickle_of_an_older_version_loads_as_the_new_class(site):
    site.write({
        "hello.py": page("work(req.args)", """
            import pickle, shapes

            def work(how):
                if how == "dump":
                    return pickle.dumps(shapes.Square()).hex()
                return pickle.loads(bytes.fromhex(how)).area()
            """),
        "shapes.py": """
            class Square:
                def area(self):
                    return "old"
            """})
    site.serve("hello")
    data = site.get("?dump").text
    assert site.texts("?" + data) == {"old"}
    site.replace("shapes.py", "old", "new")
    assert site.texts("?" + data) == {"new"}


def test_traceback_in_the_log_shows_the_lines_that_ran(site):
    site.write({"hello.py": page("child.fail()", "import child"),
                "child.py": "def fail():\n    return 1 / 0  # first\n"})
    site.serve("hello")
    assert site.get().status == 500
    entry = site.log.expect("MPY.*ZeroDivisionError")
    block = site.log.block(entry)
    assert f'File "{site.path("child.py")}", line 2, in fail' in block
    assert "return 1 / 0  # first" in block
    site.edit("child.py", "# 1\n# 2\n# 3\n"
              "def fail():\n    return 2 / 0  # second\n")
    assert site.get().status == 500
    entry = site.log.matching("MPY.*ZeroDivisionError")[-1]
    block = site.log.block(entry)
    assert f'File "{site.path("child.py")}", line 5, in fail' in block
    assert "return 2 / 0  # second" in block
    assert "first" not in block


# Files

def test_compiled_files_are_neither_read_nor_written(site):
    site.write({"hello.py": page("child.value", "import child"),
                "child.py": "value = 'compiled'\n"})
    compiled = py_compile.compile(
        str(site.path("child.py")),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    os.chmod(os.path.dirname(compiled), 0o755)
    os.chmod(compiled, 0o644)
    site.edit("child.py", "value = 'source'\n")
    site.directory.chmod(0o777)
    before = sorted(site.directory.rglob("*"))
    site.serve("hello")
    assert site.texts() == {"source"}
    assert sorted(site.directory.rglob("*")) == sorted(
        [*before, site.path(".htaccess")])


@pytest.mark.parametrize("data", [
    b"# -*- coding: latin-1 -*-\nvalue = '\xe4'\n",
    b"\xef\xbb\xbfvalue = '\xc3\xa4'\n",
    "value = 'ä'\n".encode(),
    "value = (\r\n    'ä')\r\n".encode(),
    "value = 'ä'".encode(),
], ids=["latin-1", "bom", "utf-8", "crlf", "no-newline"])
def test_source_is_decoded_as_python_does(site, data):
    site.write({"hello.py": page("child.value", "import child"),
                "child.py": data})
    site.serve("hello")
    assert site.get().text == "ä"


def test_module_with_a_name_that_is_no_identifier_can_be_a_handler(site):
    site.write({"my-page.py": page("'one'")})
    site.serve("./my-page.py")
    assert site.texts() == {"one"}
    site.replace("my-page.py", "one", "two")
    assert site.texts() == {"two"}


# Application roots

SHOP = {
    "app/shop/__init__.py": "",
    "app/shop/models.py": "value = 1\n",
    "app/shop/front.py": page("(models.value, __name__)",
                              "from . import models"),
    "www/hello.py": page("(shop.models.value, shop.models.__name__)",
                         "import shop.models"),
    "www/.htaccess": "SetHandler mod_python\nPythonHandler hello\n",
}
ROOT = "PythonModulePath ${SITE}/app"


def test_application_root_is_imported_under_natural_names(own_server):
    site = own_server(ROOT, files=SHOP).site
    assert site.texts("www/") == {"(1, 'shop.models')"}
    site.edit("app/shop/models.py", "value = 2\n")
    assert site.texts("www/") == {"(2, 'shop.models')"}


def test_directive_names_a_module_of_an_application_root(own_server):
    site = own_server(ROOT + """
        <Location /site/front>
            SetHandler mod_python
            PythonHandler shop.front
        </Location>
        """, files=SHOP).site
    assert site.texts("front") == {"(1, 'shop.front')"}
    site.edit("app/shop/models.py", "value = 2\n")
    assert site.texts("front") == {"(2, 'shop.front')"}


def test_cold_code_imports_from_an_application_root_and_sees_edits(own_server):
    site = own_server(ROOT, files={
        **SHOP, "www/hello.py": page(
            "harness.load('shop.models').value", "import harness")}).site
    assert site.texts("www/") == {"1"}
    site.edit("app/shop/models.py", "value = 2\n")
    assert site.texts("www/") == {"2"}


def test_module_kept_by_cold_code_answers_with_the_edited_one(own_server):
    site = own_server(ROOT, files={
        **SHOP, "www/hello.py": page("keep().value", """
            import harness

            def keep():
                if not hasattr(harness, "kept"):
                    harness.kept = harness.load("shop.models")
                return harness.kept
            """)}).site
    assert site.texts("www/") == {"1"}
    site.edit("app/shop/models.py", "value = 2\n")
    assert site.texts("www/") == {"2"}


def test_first_application_root_wins(own_server):
    server = own_server("PythonModulePath ${SITE}/one ${SITE}/two", files={
        "one/shop.py": "value = 'one'\n", "two/shop.py": "value = 'two'\n",
        "www/hello.py": page("shop.value", "import shop"),
        "www/.htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    server.log.allow(r"MPY\d{4}.*shop")
    assert server.site.texts("www/") == {"one"}
    server.site.remove("one/shop.py")
    assert server.site.texts("www/") == {"two"}


def test_beside_the_handler_wins_over_the_application_root(own_server):
    site = own_server(ROOT, files={
        **SHOP, "www/shop/__init__.py": "",
        "www/shop/models.py": "value = 'beside'\n"}).site
    assert "beside" in site.get("www/").text


def test_application_root_is_reached_through_a_flipped_link(own_server):
    server = own_server("PythonModulePath ${SITE}/current", files={
        "r1/shop.py": "value = 1\n", "r2/shop.py": "value = 2\n",
        "www/hello.py": page("(shop.value, shop.__name__)", "import shop"),
        "www/.htaccess": "SetHandler mod_python\nPythonHandler hello\n"},
        start=False)
    server.site.point("current", "r1")
    server.start()
    assert server.site.texts("www/") == {"(1, 'shop')"}
    server.site.point("current", "r2")
    assert server.site.texts("www/") == {"(2, 'shop')"}


# Builtins

def test_additions_to_builtins_reach_modules_loaded_before(site):
    site.write({
        "hello.py": page("child.ask()", """
            import child, install
            """),
        "child.py": "def ask():\n    return made_up\n",
        "install.py": "import builtins\nbuiltins.made_up = 'reached'\n"})
    site.serve("hello")
    assert site.texts() == {"reached"}


def test_additions_to_builtins_by_a_handler_reach_the_next_request(site):
    site.write({
        "hello.py": page("req.args and made_up_too or add()", """
            import builtins

            def add():
                builtins.made_up_too = "reached"
            """)})
    site.serve("hello")
    site.texts()
    assert site.texts("?ask") == {"reached"}


def test_cold_code_keeps_pythons_own_import(site):
    site.write({"hello.py": page(
        "(builtins.__import__ is harness.__builtins__['__import__'],"
        " type(builtins.__import__).__name__)", "import builtins, harness")})
    site.serve("hello")
    assert site.get().text == "(True, 'builtin_function_or_method')"


def test_concurrent_first_imports_of_different_modules_all_succeed(own_server):
    files = {f"m{n}.py": counted(f"import time\ntime.sleep(0.01)\nvalue = {n}")
             for n in range(16)}
    server = own_server(**THREADED, threads=20, files={
        **files, "hello.py": page(
            "apache.import_module('m' + req.args).value")})
    server.site.serve("hello")
    answers = together(lambda n: server.site.get(f"?{n}").text, 16)
    assert answers == [str(n) for n in range(16)]
    assert server.site.each_child_ran() == {name: 1 for name in files}


# Handlers

def test_handler_module_that_appears_nearer_is_the_handler(own_server):
    server = own_server("PythonModulePath ${SITE}/app", files={
        "app/hello.py": page("1"),
        "www/.htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    site = server.site
    assert site.texts("www/") == {"1"}
    site.write({"www/hello.py": page("2")})
    assert site.texts("www/") == {"2"}
    site.remove("www/hello.py")
    assert site.texts("www/") == {"1"}
