"""Every form in which a program can say "import" takes part: it finds what
plain Python would find, and what it found is a dependency."""

import os

import pytest

from httpd import counted, page

# name: (more files, imports, expression), each of which ends up at `value`
# in leaf.py.
FORMS = {
    "statement": ({}, "import leaf", "leaf.value"),
    "as": ({}, "import leaf as other", "other.value"),
    "from": ({}, "from leaf import value", "value"),
    "from-as": ({}, "from leaf import value as v", "v"),
    "star": ({}, "from leaf import *", "value"),
    "dotted": ({"a/__init__.py": "", "a/b/__init__.py": "",
                "a/b/c.py": "import leaf\nvalue = leaf.value\n"},
               "import a.b.c", "a.b.c.value"),
    "dotted-as": ({"a/__init__.py": "", "a/b/__init__.py": "",
                   "a/b/c.py": "from leaf import value\n"},
                  "import a.b.c as x", "x.value"),
    "dot": ({"pkg/__init__.py": "", "pkg/part.py": "from . import leaf\n",
             "pkg/leaf.py": "from leaf import value\n"},
            "from pkg import part", "part.leaf.value"),
    "dots": ({"pkg/__init__.py": "", "pkg/in/__init__.py": "",
              "pkg/leaf.py": "from leaf import value\n",
              "pkg/sub/__init__.py": "",
              "pkg/sub/part.py": "from .. import leaf\n"
                                 "from ..leaf import value as copied\n"},
             "from pkg.sub.part import leaf as part_leaf, copied",
             "(part_leaf.value, copied)[part_leaf.value == copied]"),
    "top-level-dot": ({}, "from . import leaf", "leaf.value"),
    "top-level-dot-name": ({}, "from .leaf import value", "value"),
    "all": ({"pkg/__init__.py": "__all__ = ['leaf']\n",
             "pkg/leaf.py": "from leaf import value\n"},
            "from pkg import *", "leaf.value"),
    "namespace": ({"space/part.py": "from leaf import value\n"},
                  "from space import part", "part.value"),
    "nested-namespace": ({"space/deep/ner/part.py": "import leaf as l\n"},
                         "import space.deep.ner.part",
                         "space.deep.ner.part.l.value"),
    "nested-namespace-by-name": ({"space/in/ner/part.py": "import leaf as l\n"},
                                  "__import__('space.in.ner.part')",
                                  "getattr(__import__('space'), 'in')"
                                  ".ner.part.l.value"),
    "edited-path": ({"pkg/__init__.py": """
                        import os
                        __path__.append(os.path.join(
                            os.path.dirname(os.path.dirname(__file__)),
                            "more"))
                        """,
                     "more/far.py": "from leaf import value\n"},
                    "import pkg.far", "pkg.far.value"),
    "module-getattr": ({"lazy.py": """
                           def __getattr__(name):
                               if name == "value":
                                   import leaf
                                   return leaf.value
                               raise AttributeError(name)
                           """}, "import lazy", "lazy.value"),
    "from-module-getattr": ({"lazy.py": """
                                def __getattr__(name):
                                    if name != "value":
                                        raise AttributeError(name)
                                    from leaf import value
                                    return value
                                """}, "from lazy import value", "value"),
    "lazy-parts": ({"pkg/__init__.py": """
                       import importlib

                       def __getattr__(name):
                           if name == "leaf":
                               return importlib.import_module(
                                   "." + name, __name__)
                           raise AttributeError(name)
                       """, "pkg/leaf.py": "from leaf import value\n"},
                   "import pkg", "pkg.leaf.value"),
    "dunder": ({}, "", "__import__('leaf').value"),
    "dunder-with-globals": ({}, "", "__import__('leaf', globals(), locals(),"
                                    " ['value'], 0).value"),
    "dunder-with-level": ({}, "", "__import__('leaf', globals(), None,"
                                  " ['value'], 1).value"),
    "dunder-of-builtins": ({}, "", "__builtins__['__import__']('leaf').value"
                           ),
    "computed-relative": ({"pkg/__init__.py": """
                              import importlib
                              value = importlib.import_module(
                                  "." + "leaf", __package__).value
                              """, "pkg/leaf.py": "from leaf import value\n"},
                          "import pkg", "pkg.value"),
    "computed-beside": ({}, "import importlib",
                        "importlib.import_module('.leaf', __package__).value"
                        ),
    "computed-full-name": ({}, "import importlib, leaf",
                           "importlib.import_module(leaf.__name__).value"),
    "exec": ({}, "exec('import leaf')", "leaf.value"),
    "exec-with-globals": ({}, "space = {}\nexec('import leaf', space)",
                          "space['leaf'].value"),
    "exec-with-globals-from": ({}, "space = {}\n"
                               "exec('from leaf import value', space)",
                               "space['value']"),
    "exec-with-locals": ({}, "there = {}\nexec('import leaf', {}, there)",
                         "there['leaf'].value"),
    "exec-in-a-function": ({}, """
        def run():
            space = {}
            exec("from leaf import value\\ndef get(): return value", space)
            return space["get"]()
        """, "run()"),
    "compiled": ({}, "code = compile('import leaf', '<made>', 'exec')\n"
                     "exec(code)", "leaf.value"),
    "eval": ({}, "", "eval('__import__(\"leaf\")').value"),
    "lambda": ({}, "get = lambda: __import__('leaf').value", "get()"),
    "class-body": ({}, "class C:\n    import leaf\n    v = leaf.value",
                   "(C.v, C.leaf.value)[C.v == C.leaf.value]"),
    "class-body-from": ({}, "class C:\n    from leaf import value",
                        "C.value"),
    "method": ({}, "class C:\n    def get(self):\n        import leaf\n"
                   "        return leaf.value", "C().get()"),
    "decorator": ({}, """
        def with_leaf(function):
            import leaf
            return lambda: function(leaf.value)

        @with_leaf
        def get(value):
            return value
        """, "get()"),
    "default-argument": ({}, "def get(value=__import__('leaf').value):\n"
                             "    return value", "get()"),
    "generator": ({}, """
        def values():
            yield 0
            import leaf
            yield leaf.value
        """, "list(values())[1]"),
    "generator-expression": ({}, "", "next(__import__(n).value for n in"
                                     " ['leaf'])"),
    "comprehension": ({}, "values = [__import__(n).value for n in ['leaf']]",
                      "values[0]"),
    "coroutine": ({}, """
        import asyncio

        async def get():
            await asyncio.sleep(0)
            import leaf
            return leaf.value
        """, "asyncio.run(get())"),
    "thread": ({}, """
        import threading

        def get():
            found = []

            def run():
                import leaf
                found.append(leaf.value)

            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
            return found[0]
        """, "get()"),
    "executor": ({}, """
        import concurrent.futures

        def late():
            import leaf
            return leaf.value

        def get():
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                return pool.submit(late).result()
        """, "get()"),
    "optional": ({}, "try:\n    import leaf\nexcept ImportError:\n"
                     "    leaf = None", "leaf.value"),
    "second-choice": ({}, "try:\n    from absent import value\n"
                          "except ImportError:\n    from leaf import value",
                      "value"),
    "type-checking": ({}, "from typing import TYPE_CHECKING\n"
                          "if not TYPE_CHECKING:\n    from leaf import value",
                      "value"),
    "import-module": ({}, "", "apache.import_module('leaf').value"),
    "import-module-path": ({}, "", "apache.import_module('./leaf.py').value"
                           ),
    "import-module-of-part": (
        {"pkg/__init__.py": "", "pkg/leaf.py": "from leaf import value\n"},
        "", "apache.import_module('pkg.leaf').value"),
    "resolve-name": ({}, "import leaf, pkgutil",
                     "pkgutil.resolve_name(leaf.__name__ + ':value')"),
    "iter-modules": (
        {"pkg/__init__.py": """
             import importlib, pkgutil
             parts = {m.name: importlib.import_module("." + m.name, __name__)
                      for m in pkgutil.iter_modules(__path__)}
             """, "pkg/one.py": "from leaf import value\n", "pkg/two.py": ""},
        "import pkg", "(sorted(pkg.parts) == ['one', 'two']) *"
                      " pkg.parts['one'].value"),
    "walk-packages": (
        {"pkg/__init__.py": """
             import pkgutil
             names = [m.name for m in pkgutil.walk_packages(
                 __path__, __name__ + ".")]
             """, "pkg/sub/__init__.py": "from leaf import value\n",
         "pkg/sub/two.py": ""},
        "import pkg", "pkg.sub.value * len(pkg.names) // 2"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_import_sees_the_edit_of_what_it_found(site, form):
    files, imports, answer = FORMS[form]
    site.write({**files, "hello.py": page(answer, imports),
                "leaf.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("leaf.py", "value = 2\n")
    assert site.texts() == {"2"}
    site.edit("leaf.py", "value = 3\n", "rename")
    assert site.texts() == {"3"}


def test_dunder_import_without_globals_is_a_dependency(site):
    site.write({"hello.py": page("get()", """
        cache = []

        def get():
            if not cache:
                cache.append(__import__("child").value)
            return cache[0]
        """), "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_dunder_import_without_globals_hands_on_where_to_search(site):
    site.write({"app/hello.py": page("__import__('far').near.value"),
                "app/near.py": "value = 1\n",
                "lib/far.py": "import near\n"})
    site.serve("hello", f"PythonOption mod_python.importer.path "
               f"\"['{site.path('lib')}']\"", directory="app")
    assert site.texts("app/") == {"1"}
    site.edit("app/near.py", "value = 2\n")
    assert site.texts("app/") == {"2"}


# Programs that run others

APP = "PythonModulePath ${SITE}/app"


def of_application(own_server, answer, imports, files):
    """A site whose handler writes answer, and app/ is an application root."""
    server = own_server(APP, files={
        **{f"app/{name}": text for name, text in files.items()},
        "www/hello.py": page(answer, imports),
        "www/.htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    return server.site


def test_file_run_by_runpy_is_the_newest(site):
    site.write({"hello.py": page(
        "runpy.run_path(__file__.replace('hello', 'main'))['value']",
        "import runpy"), "main.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("main.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_module_run_by_runpy_is_the_newest_and_leaves_no_file(own_server):
    site = of_application(
        own_server, "runpy.run_module('tool.main')['value']", "import runpy",
        {"tool/__init__.py": "", "tool/leaf.py": "value = 1\n",
         "tool/main.py": "from tool.leaf import value\n"})
    site.path("app/tool").chmod(0o777)
    site.log.allow("RuntimeWarning: 'tool.main' found in sys.modules")
    assert site.texts("www/") == {"1"}
    site.edit("app/tool/leaf.py", "value = 2\n")
    assert site.texts("www/") == {"2"}
    site.edit("app/tool/main.py", "value = 'new'\n")
    assert site.texts("www/") == {"new"}
    assert not list(site.path("app").rglob("__pycache__"))


def test_pkgutil_and_importlib_find_hot_modules(own_server):
    site = of_application(
        own_server, """(
            importlib.util.find_spec("tool.leaf").origin.endswith(
                "app/tool/leaf.py"),
            pkgutil.resolve_name("tool.leaf").__name__,
            pkgutil.get_data("tool", "note.txt"),
            importlib.resources.files("tool").joinpath(
                "note.txt").read_text(),
            [m.name for m in pkgutil.iter_modules(tool.__path__)],
            importlib.util.find_spec("tool.nope"))""",
        "import importlib.util, importlib.resources, pkgutil, tool",
        {"tool/__init__.py": "", "tool/leaf.py": "value = 1\n",
         "tool/note.txt": "text"})
    assert site.get("www/").text == str(
        (True, "tool.leaf", b"text", "text", ["leaf"], None))


def test_reload_of_importlib_hands_back_the_module_and_runs_nothing(site):
    site.write({"hello.py": page(
        "importlib.reload(sys.modules[child.__name__]).value",
        "import importlib, sys, child"),
        "child.py": counted("value = 1\n")})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("child.py", counted("value = 2\n"))
    assert site.texts() == {"2"}
    assert site.each_child_ran() == {"child.py": 2}


# The graph

def ring(count):
    """Files of a cycle: m0 imports m1 imports ... imports m0."""
    return {f"m{n}.py": counted(f"""
        value = {n}
        import m{(n + 1) % count}

        def total(left={count}):
            return value + (
                m{(n + 1) % count}.total(left - 1) if left > 1 else 0)
        """) for n in range(count)}


@pytest.mark.parametrize("count", [2, 3, 20])
def test_cycle_of_any_length_is_refreshed_as_one(site, count):
    files = ring(count)
    site.write({**files, "hello.py": page("m0.total()", "import m0")})
    site.serve("hello")
    once = {name: 1 for name in files}
    total = sum(range(count))
    assert site.texts() == site.texts() == {str(total)}
    assert site.each_child_ran() == once
    for name in ("m0.py", f"m{count // 2}.py", f"m{count - 1}.py"):
        site.replace(name, "value = ", "value = 100 + ")
        total += 100
        assert site.texts() == site.texts() == {str(total)}
        assert site.each_child_ran() == once


def test_cycle_through_the_init_of_a_package_is_refreshed_as_one(site):
    site.write({
        "hello.py": page("(pkg.total, pkg.one.both, pkg.two.base)",
                         "import pkg"),
        "pkg/__init__.py": counted("base = 1\nfrom . import one, two\n"
                                   "total = one.both + two.base\n"),
        "pkg/one.py": counted("import pkg\nfrom pkg import base\n"
                              "from .two import base as other\n"
                              "both = base + other\n"),
        "pkg/two.py": counted("from . import base\nfrom pkg import one\n")})
    site.serve("hello")
    once = {f"pkg/{name}.py": 1 for name in ("__init__", "one", "two")}
    assert site.texts() == {"(3, 2, 1)"}
    assert site.each_child_ran() == once
    site.replace("pkg/__init__.py", "base = 1", "base = 10")
    assert site.texts() == {"(30, 20, 10)"}
    assert site.each_child_ran() == once
    site.replace("pkg/one.py", "base + other", "base - other")
    assert site.texts() == {"(10, 0, 10)"}
    assert site.each_child_ran() == once


def test_module_that_is_renamed_is_followed(site):
    site.write({"hello.py": page("child.value", "import child"),
                "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    os.rename(site.path("child.py"), site.path("renamed.py"))
    site.edit("hello.py", page("renamed.value", "import renamed"))
    assert site.texts() == {"1"}
    site.edit("renamed.py", "value = 2\n")
    assert site.texts() == {"2"}
    os.rename(site.path("renamed.py"), site.path("child.py"))
    site.edit("hello.py", page("child.value", "import child"))
    assert site.texts() == {"2"}


def test_module_becomes_a_package_and_a_module_again(site):
    site.write({"hello.py": page("(child.value, child.__name__[-5:])",
                                 "import child"),
                "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"(1, 'child')"}
    site.write({"child/part.py": "value = 2\n"})
    os.rename(site.path("child.py"), site.path("child/__init__.py"))
    site.edit("child/__init__.py", "from .part import value\n")
    assert site.texts() == {"(2, 'child')"}
    site.edit("child/part.py", "value = 3\n")
    assert site.texts() == {"(3, 'child')"}
    site.remove("child/__init__.py")
    site.write({"child.py": "value = 4\n"})
    assert site.texts() == {"(4, 'child')"}
    site.edit("child.py", "value = 5\n")
    assert site.texts() == {"(5, 'child')"}


def test_package_that_loses_its_init_becomes_a_namespace_package(site):
    site.write({"hello.py": page("(pkg.part.value, hasattr(pkg, 'name'))",
                                 "import pkg.part"),
                "pkg/__init__.py": "name = 'pkg'\n",
                "pkg/part.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"(1, True)"}
    site.remove("pkg/__init__.py")
    assert site.texts() == {"(1, False)"}
    site.edit("pkg/part.py", "value = 2\n")
    assert site.texts() == {"(2, False)"}
    site.write({"pkg/__init__.py": "name = 'pkg'\n"})
    assert site.texts() == {"(2, True)"}


def test_edit_of_a_comment_executes_the_module(site):
    site.write({"hello.py": page("child.__doc__", "import child"),
                "child.py": "'''one'''\n"})
    site.serve("hello")
    assert site.texts() == {"one"}
    site.edit("child.py", counted("# two\n"))
    assert site.texts() == {"None"}
    assert site.each_child_ran() == {"child.py": 1}
    site.edit("child.py", counted("# three\n"))
    site.texts()
    assert site.each_child_ran() == {"child.py": 1}


def test_sibling_that_a_name_computed_each_time_leads_to_is_new(site):
    site.write({
        "hello.py": page("__import__(req.args).value"),
        "one.py": "value = 1\n", "two.py": "value = 2\n"})
    site.serve("hello")
    assert site.texts("?one") == {"1"} and site.texts("?two") == {"2"}
    site.edit("two.py", "value = 22\n")
    assert site.texts("?one") == {"1"} and site.texts("?two") == {"22"}
    site.write({"three.py": "value = 3\n"})
    assert site.texts("?three") == {"3"}


def test_part_that_is_imported_by_one_module_is_seen_by_all(site):
    site.write({
        "hello.py": page("user.get()", "import pkg, user, loader"),
        "user.py": "import pkg\n\ndef get():\n    return pkg.part.value\n",
        "loader.py": "import pkg.part\n",
        "pkg/__init__.py": "", "pkg/part.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("pkg/part.py", "value = 2\n")
    assert site.texts() == {"2"}
    site.edit("user.py", "# edited\n" + site.text("user.py"))
    assert site.texts() == {"2"}


def test_parts_of_a_package_are_those_of_the_generation(site):
    site.write({
        "hello.py": """
            import harness
            from mod_python import apache
            import pkg.part

            def handler(req):
                if req.args == "park":
                    harness.wait(__file__, "middle")
                from pkg import part
                import pkg.late
                req.write(repr((pkg.part.value, part.value, pkg.name,
                                pkg.late.part.value, pkg.again().value)))
                return apache.OK
            """,
        "pkg/__init__.py": "name = 'p'\n\ndef again():\n    from . import part"
                           "\n    return part\n",
        "pkg/part.py": "value = 1\n",
        "pkg/late.py": "from . import part\n"})
    site.serve("hello")
    assert site.texts() == {"(1, 1, 'p', 1, 1)"}
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("pkg/part.py", "value = 2\n")
    assert site.get().text == "(2, 2, 'p', 2, 2)"
    site.edit("pkg/__init__.py", site.text("pkg/__init__.py") + "name = 'q'\n")
    assert site.get().text == "(2, 2, 'q', 2, 2)"
    site.open_gate("middle")
    assert parked.result(20).text == "(1, 1, 'p', 1, 1)"
    assert site.texts() == {"(2, 2, 'q', 2, 2)"}


@pytest.mark.parametrize("name", ["v1.2", "my-app", "1st", "class", "a b"])
def test_package_in_a_directory_of_any_name_works(site, name):
    site.write({
        f"{name}/__init__.py": "",
        f"{name}/hello.py": page("(child.value, pkg.part.value)",
                                 "from . import child, pkg\n"
                                 "from .pkg import part"),
        f"{name}/child.py": "value = 1\n", f"{name}/pkg/__init__.py": "",
        f"{name}/pkg/part.py": "value = 1\n"})
    site.serve("hello", directory=name)
    url = name.replace(" ", "%20") + "/"
    assert site.texts(url) == {"(1, 1)"}
    site.edit(f"{name}/child.py", "value = 2\n")
    assert site.texts(url) == {"(2, 1)"}
    site.edit(f"{name}/pkg/part.py", "value = 2\n")
    assert site.texts(url) == {"(2, 2)"}


# One file, one module

def test_file_with_two_links_below_one_root_is_two_names_of_one_content(site):
    site.write({"hello.py": page("(a.value, b.value, a.__name__[-1:],"
                                 " b.__name__[-1:])", "import a, b"),
                "a.py": "value = 1\n"})
    site.point("b.py", "a.py")
    site.serve("hello")
    assert site.texts() == {"(1, 1, 'a', 'b')"}
    site.edit("a.py", "value = 2\n")
    assert site.texts() == {"(2, 2, 'a', 'b')"}


def test_hard_link_of_a_module_is_edited_through_its_other_name(site):
    site.write({"hello.py": page("(a.value, b.value)", "import a, b"),
                "a.py": "value = 1\n"})
    os.link(site.path("a.py"), site.path("b.py"))
    site.serve("hello")
    assert site.texts() == {"(1, 1)"}
    site.edit("b.py", "value = 2\n")
    assert site.texts() == {"(2, 2)"}
    site.edit("a.py", "value = 3\n")
    assert site.texts() == {"(3, 3)"}
    site.edit("b.py", "value = 4\n", "rename")
    assert site.texts() == {"(3, 4)"}


@pytest.mark.parametrize("spelling", [
    "{dir}/child.py", "{dir}//child.py", "{dir}/./child.py",
    "{dir}/../{name}/child.py", "./child.py", "./sub/../child.py",
    "../{name}/child.py", "~/child.py", "~/sub/../child.py", "~/./child.py"])
def test_every_spelling_of_a_path_is_the_same_module(site, spelling):
    path = spelling.format(dir=site.directory, name=site.name)
    site.write({"hello.py": page(
        f"apache.import_module({path!r}) is child", "import child"),
        "child.py": counted(), "sub/readme.txt": ""})
    site.serve("hello")
    assert site.texts() == {"True"}
    assert site.each_child_ran() == {"child.py": 1}
    site.edit("child.py", counted("x = 1\n"))
    assert site.texts() == {"True"}
    assert site.each_child_ran() == {"child.py": 1}


def test_directory_reached_by_two_links_is_edited_for_both(site):
    site.write({"real/hello.py": page("child.value", "import child"),
                "real/child.py": "value = 1\n"})
    site.serve("hello", directory="real")
    site.point("one", "real")
    site.point("two", "real")
    for name in ("one/", "two/", "real/"):
        assert site.texts(name) == {"1"}
    site.edit("real/child.py", "value = 2\n")
    for name in ("one/", "two/", "real/"):
        assert site.texts(name) == {"2"}
    site.edit("one/child.py", "value = 3\n", "rename")
    for name in ("one/", "two/", "real/"):
        assert site.texts(name) == {"3"}


def test_three_modules_called_utils_keep_apart(own_server):
    """Two directories and a third-party library, each with its own."""
    server = own_server("""
        PythonPath "sys.path + ['${SITE}/cold']"
        """, files={
            "cold/utils.py": "who = 'cold'\n",
            "cold/config/__init__.py": "who = 'cold'\n",
            "cold/third_party.py": "import utils, config\n"
                                   "who = utils.who + config.who\n",
            **{f"{name}/{file}": text for name in "ab" for file, text in {
                "hello.py": page(
                    "(utils.who, config.part.who, third_party.who)",
                    "import utils, config.part, third_party"),
                "utils.py": f"who = {name!r}\n",
                "config/__init__.py": "",
                "config/part.py": f"who = {name!r}\n",
                ".htaccess": "SetHandler mod_python\nPythonHandler hello\n",
            }.items()}})
    site = server.site
    for _ in range(2):
        for name in "ab":
            assert site.texts(f"{name}/") == {str((name, name, "coldcold"))}
    site.edit("a/utils.py", "who = 'new'\n")
    assert site.texts("a/") == {"('new', 'a', 'coldcold')"}
    assert site.texts("b/") == {"('b', 'b', 'coldcold')"}
