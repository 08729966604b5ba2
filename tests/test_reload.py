"""The main job: edit, refresh, see it. In every child process, together with
everything that depends on the edit, and nothing else."""

import os

import pytest

from httpd import SAVES, counted, page, together

THREADED = {"mpm": "worker", "children": 1}


def chain(*names):
    """Files in which each imports the next, which computes from it; the last
    one holds `value`."""
    files = {}
    for name, below in zip(names, names[1:]):
        files[f"{name}.py"] = counted(
            f"import {below}\nvalue = {below}.value\n")
    files[f"{names[-1]}.py"] = counted("value = 'one'\n")
    return files


# Fresh

@pytest.mark.parametrize("how", SAVES)
def test_edited_handler_is_new_in_every_child_at_the_next_request(site, how):
    site.write({"hello.py": page("'one'")})
    site.serve("hello")
    assert site.texts() == {"one"}
    site.replace("hello.py", "one", "two", how)
    assert site.texts() == {"two"}
    site.replace("hello.py", "two", "six", how)
    assert site.texts() == {"six"}


@pytest.mark.parametrize("how", SAVES)
def test_edited_module_is_new_in_every_child_at_the_next_request(site, how):
    site.write({"hello.py": page("child.value", "import child"),
                "child.py": "value = 'one'\n"})
    site.serve("hello")
    assert site.texts() == {"one"}
    site.replace("child.py", "one", "two", how)
    assert site.texts() == {"two"}
    site.replace("child.py", "two", "three", how)
    assert site.texts() == {"three"}


@pytest.mark.parametrize("section", [
    "<Directory ${SITE}>\nSetHandler mod_python\nPythonHandler hello\n"
    "</Directory>",
    "<Location /site>\nSetHandler mod_python\nPythonHandler ${SITE}/hello.py\n"
    "</Location>",
    "<DirectoryMatch ^${SITE}/>\nSetHandler mod_python\nPythonHandler hello\n"
    "</DirectoryMatch>",
    "<VirtualHost *:*>\nSetHandler mod_python\n"
    "PythonHandler ${SITE}/hello.py\n</VirtualHost>",
], ids=["directory", "location", "directory-match", "virtual-host"])
def test_edit_is_seen_through_directives_of_httpd_conf(own_server, section):
    server = own_server(section, files={
        "hello.py": page("child.value", "import child"),
        "child.py": "value = 'one'\n"})
    for word in ("one", "two", "three"):
        server.site.edit("child.py", f"value = {word!r}\n")
        assert server.site.texts("x") == {word}
    server.site.replace("hello.py", "child.value", "'four'")
    assert server.site.texts("x") == {"four"}


def test_many_edits_in_the_same_second_are_all_seen(site):
    site.write({"hello.py": page("100")})
    site.serve("hello")
    for number in range(100, 150):
        site.edit("hello.py", page(number))
        assert site.get().text == str(number)


def test_edit_is_seen_on_a_connection_that_is_kept_alive(site):
    site.write({"hello.py": page("'one'")})
    site.serve("hello")
    with site.server.connect() as connection:
        assert connection.get(site.url()).text == "one"
        site.replace("hello.py", "one", "two")
        assert connection.get(site.url()).text == "two"


def test_file_that_comes_back_is_new_again(site):
    site.write({"hello.py": page("'one'"), "keep.txt": ""})
    site.serve("hello")
    assert site.texts() == {"one"}
    os.rename(site.path("hello.py"), site.path("away.txt"))
    os.rename(site.path("away.txt"), site.path("hello.py"))
    assert site.texts() == {"one"}
    site.replace("hello.py", "one", "two")
    assert site.texts() == {"two"}


def test_directory_that_is_replaced_is_new(site):
    for name, word in (("app", "one"), ("next", "two")):
        site.write({f"{name}/hello.py": page("child.value", "import child"),
                    f"{name}/child.py": f"value = {word!r}\n"})
        site.serve("hello", directory=name)
    assert site.texts("app/") == {"one"}
    os.rename(site.path("app"), site.path("old"))
    os.rename(site.path("next"), site.path("app"))
    assert site.texts("app/") == {"two"}
    site.edit("app/child.py", "value = 'three'\n")
    assert site.texts("app/") == {"three"}


@pytest.mark.parametrize("word", ["two", "longer", ""])
def test_file_of_any_new_length_is_read_whole(site, word):
    site.write({"hello.py": page("'one'")})
    site.serve("hello")
    assert site.get().text == "one"
    site.edit("hello.py", "#" * 100_000 + "\n" + page(repr(word)))
    assert site.get().text == word


def test_edit_is_new_in_each_of_eight_children(own_server):
    server = own_server(mpm="prefork", children=8, files={
        "hello.py": page("child.value", "import child"),
        "child.py": "value = 'one'\n"})
    server.site.serve("hello")
    assert server.site.texts() == {"one"}
    server.site.replace("child.py", "one", "two")
    assert server.site.texts() == {"two"}


def test_half_written_file_is_never_executed(site):
    site.write({"hello.py": page("child.value", "import child"),
                "child.py": counted("value = 'one'\n")})
    site.serve("hello")
    assert site.texts() == {"one"}
    site.forget_executions()
    with open(site.path("child.py"), "w") as file:
        file.write("value = 'half'\n")
        file.flush()
        assert site.get().text == "one"
        file.write(counted("value = 'two'\n"))
        file.flush()
        assert site.get().text == "one"
    assert site.executions() == []
    assert site.texts() == {"two"}


def test_edit_while_the_body_runs_is_new_at_the_next_request(own_server):
    server = own_server(**THREADED, files={
        "hello.py": page("child.value", "import child"),
        "child.py": """
            import harness
            value = "one"
            harness.wait(__file__, "body")
            """})
    site = server.site
    site.serve("hello")
    first = site.later()
    site.wait_parked("body")
    site.edit("child.py", "value = 'two'\n")
    site.open_gate("body")
    assert first.result(20).text in ("one", "two")
    assert site.get().text == "two"


def test_edit_is_seen_after_a_flood_of_file_events(site):
    site.write({"hello.py": page("'one'")})
    site.serve("hello")
    assert site.texts() == {"one"}
    flood = site.path("flood.tmp")
    for _ in range(6000):  # more events than the kernel keeps
        flood.touch()
        flood.unlink()
    site.replace("hello.py", "one", "two")
    assert site.texts() == {"two"}
    site.replace("hello.py", "two", "six")
    assert site.texts() == {"six"}


# Everything that depends on it

def test_edited_leaf_runs_the_leaf_and_all_ancestors_exactly_once(site):
    site.write({
        **chain("a", "b", "c", "d", "leaf"),
        "hello.py": counted(page("a.value", "import a, sibling")),
        "sibling.py": counted("value = 'cold'\n")})
    site.serve("hello")
    assert site.texts() == {"one"}
    names = {f"{name}.py": 1 for name in ("a", "b", "c", "d", "leaf", "hello")}
    assert site.each_child_ran() == {**names, "sibling.py": 1}
    site.replace("leaf.py", "one", "two")
    assert site.texts() == {"two"}
    assert site.texts() == {"two"}
    assert site.each_child_ran() == names


def test_edit_in_the_middle_of_a_chain_does_not_run_what_is_below(site):
    site.write({**chain("a", "b", "c"),
                "hello.py": counted(page("a.value", "import a"))})
    site.serve("hello")
    site.texts()
    site.each_child_ran()
    site.replace("b.py", "c.value", "c.value * 2")
    assert site.texts() == {"oneone"}
    assert site.each_child_ran() == {"a.py": 1, "b.py": 1, "hello.py": 1}


def test_children_finish_before_their_parents_in_a_reload(site):
    site.write({**chain("a", "b", "c"),
                "hello.py": page("a.value", "import a")})
    site.serve("hello")
    site.texts()
    site.forget_executions()
    site.replace("c.py", "one", "two")
    site.get()
    assert site.texts() == {"two"}
    for pid in site.server.children():
        order = [name for owner, name in site.executions() if owner == pid]
        assert sorted(order) == ["a.py", "b.py", "c.py"]


def test_diamond_reloads_each_module_once(site):
    site.write({
        "hello.py": page("(a.left, a.right)", "import a"),
        "a.py": counted("import b, c\nleft, right = b.value, c.value\n"),
        "b.py": counted("import d\nvalue = d.value\n"),
        "c.py": counted("import d\nvalue = d.value\n"),
        "d.py": counted("value = 1\n")})
    site.serve("hello")
    four = {f"{name}.py": 1 for name in "abcd"}
    assert site.texts() == {"(1, 1)"}
    assert site.each_child_ran() == four
    site.edit("d.py", counted("value = 2\n"))
    assert site.texts() == {"(2, 2)"}
    assert site.each_child_ran() == four
    site.texts()
    assert site.each_child_ran() == {}
    site.replace("b.py", "d.value", "-d.value")
    assert site.texts() == {"(-2, 2)"}
    assert site.each_child_ran() == {"a.py": 1, "b.py": 1}


def test_names_taken_with_from_import_and_computed_values_are_refreshed(site):
    site.write({
        "hello.py": page("(x, y)", "from child import x\ny = x * 2"),
        "child.py": "x = 1\n"})
    site.serve("hello")
    assert site.texts() == {"(1, 2)"}
    site.edit("child.py", "x = 5\n")
    assert site.texts() == {"(5, 10)"}


def test_names_taken_with_import_star_are_refreshed(site):
    site.write({"hello.py": page("sorted(n for n in globals() if n[0] == 'x')",
                                 "from child import *"),
                "child.py": "x1 = 1\n"})
    site.serve("hello")
    assert site.get().text == "['x1']"
    site.edit("child.py", "x2 = 2\n")
    assert site.get().text == "['x2']"


def test_late_import_in_a_function_is_a_dependency(site):
    site.write({
        "hello.py": counted(page("answer()", """
            cache = []

            def answer():
                if not cache:
                    import child
                    cache.append(child.value)
                return cache[0]
            """)),
        "child.py": counted("value = 1\n")})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.each_child_ran()
    site.edit("child.py", counted("value = 2\n"))
    assert site.texts() == {"2"}
    assert site.each_child_ran() == {"hello.py": 1, "child.py": 1}


def test_late_import_of_an_edited_module_is_new(site):
    site.write({"hello.py": page("__import__('child').value"),
                "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


def test_import_of_a_loaded_module_is_a_dependency_too(site):
    site.write({
        "first.py": page("child.value", "import child"),
        "second.py": page("value", "import child\nvalue = child.value"),
        "child.py": "value = 1\n"})
    site.serve("first", directory="")
    site.htaccess("""
        SetHandler mod_python
        <Files first>
            PythonHandler first
        </Files>
        <Files second>
            PythonHandler second
        </Files>
        """)
    assert site.get("first").text == "1"
    assert site.texts("second") == {"1"}
    site.edit("child.py", "value = 2\n")
    assert site.texts("second") == {"2"}
    assert site.texts("first") == {"2"}


def test_two_directories_that_share_a_module_are_both_refreshed(site):
    shared = site.path("lib/shared.py")
    for name in "ab":
        site.write({f"{name}/hello.py": counted(page(
            "value", f"value = apache.import_module('{shared}').value"))})
        site.serve("hello", directory=name)
    site.write({"lib/shared.py": counted("value = 1\n")})
    assert site.texts("a/") == site.texts("b/") == {"1"}
    assert site.each_child_ran() == {
        "a/hello.py": 1, "b/hello.py": 1, "lib/shared.py": 1}
    site.edit("lib/shared.py", counted("value = 2\n"))
    assert site.texts("a/") == site.texts("b/") == {"2"}
    assert site.each_child_ran() == {
        "a/hello.py": 1, "b/hello.py": 1, "lib/shared.py": 1}


def test_cycle_loads_once_and_reloads_as_one(site):
    site.write({
        "hello.py": page("(a.value, b.value, a.other())", "import a, b"),
        "a.py": counted("""
            value = 1
            import b

            def other():
                return b.value
            """),
        "b.py": counted("import a\nvalue = a.value + 1\n")})
    site.serve("hello")
    both = {"a.py": 1, "b.py": 1}
    assert site.texts() == site.texts() == {"(1, 2, 2)"}
    assert site.each_child_ran() == both
    site.replace("a.py", "value = 1", "value = 10")
    assert site.texts() == site.texts() == {"(10, 11, 11)"}
    assert site.each_child_ran() == both
    site.replace("b.py", "+ 1", "+ 5")
    assert site.texts() == site.texts() == {"(10, 15, 15)"}
    assert site.each_child_ran() == both


def test_module_that_imports_itself_loads_once(site):
    site.write({
        "hello.py": page("(me.me is me, me.value)", "import me"),
        "me.py": counted("import me\nvalue = 1\n")})
    site.serve("hello")
    assert site.texts() == {"(True, 1)"}
    assert site.each_child_ran() == {"me.py": 1}
    site.replace("me.py", "value = 1", "value = 2")
    assert site.texts() == {"(True, 2)"}
    assert site.each_child_ran() == {"me.py": 1}


def test_handler_module_that_is_imported_back_is_the_same_module(site):
    site.write({
        "hello.py": counted(page("helper.ask()", "import helper\nvalue = 1")),
        "helper.py": counted("""
            def ask():
                import hello
                return hello.value
            """)})
    site.serve("hello")
    assert site.texts() == {"1"}
    assert site.each_child_ran() == {"hello.py": 1, "helper.py": 1}
    site.replace("hello.py", "value = 1", "value = 2")
    assert site.texts() == {"2"}
    site.each_child_ran()


# Packages

PACKAGE = {
    "hello.py": page("(pkg.deep, pkg.one.value, pkg.sub.two.both)",
                     "import pkg.sub.two"),
    "pkg/__init__.py": "from .one import value as deep\n",
    "pkg/one.py": "value = 1\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/two.py": "from .. import one\nfrom . import three\n"
                      "both = one.value + three.value\n",
    "pkg/sub/three.py": "value = 100\n",
}


@pytest.mark.parametrize("name, old, new, answer", [
    ("pkg/one.py", "1", "2", "(2, 2, 102)"),
    ("pkg/sub/three.py", "100", "200", "(1, 1, 201)"),
    ("pkg/sub/two.py", "+", "-", "(1, 1, -99)"),
    ("pkg/__init__.py", "as deep", "as deep\ndeep = 'new'", "('new', 1, 101)"),
])
def test_edited_part_of_a_package_is_new(site, name, old, new, answer):
    site.write(PACKAGE)
    site.serve("hello")
    assert site.texts() == {"(1, 1, 101)"}
    site.replace(name, old, new)
    assert site.texts() == {answer}


def test_edited_empty_init_of_a_package_is_new(site):
    site.write({**PACKAGE, "hello.py": page(
        "getattr(pkg.sub, 'name', None)", "import pkg.sub.two")})
    site.serve("hello")
    assert site.texts() == {"None"}
    site.edit("pkg/sub/__init__.py", "name = 'sub'\n")
    assert site.texts() == {"sub"}


def test_package_reloads_as_a_unit_with_its_loaded_parts(site):
    site.write({
        "hello.py": page("1", "import pkg.a, pkg.b"),
        "pkg/__init__.py": counted(),
        "pkg/a.py": counted(),
        "pkg/b.py": counted(),
        "pkg/never.py": counted()})
    site.serve("hello")
    site.texts()
    parts = {"pkg/__init__.py": 1, "pkg/a.py": 1, "pkg/b.py": 1}
    assert site.each_child_ran() == parts
    site.edit("pkg/a.py", counted("x = 1\n"))
    site.texts()
    assert site.each_child_ran() == parts


def test_handler_in_a_package_reloads(site):
    site.write({
        "shop/__init__.py": "",
        "shop/front.py": page("total", "from .prices import total"),
        "shop/prices.py": "total = 1\n"})
    site.serve("shop.front")
    assert site.texts() == {"1"}
    site.edit("shop/prices.py", "total = 2\n")
    assert site.texts() == {"2"}


def test_edit_of_a_namespace_package_part_is_new(site):
    site.write({"hello.py": page("space.part.value", "import space.part"),
                "space/part.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("space/part.py", "value = 2\n")
    assert site.texts() == {"2"}


# What must not run, what must not stay

@pytest.mark.parametrize("how", SAVES)
def test_saving_the_same_content_executes_nothing(site, how):
    files = {"hello.py": counted(page("child.value", "import child")),
             "child.py": counted("value = 1\n")}
    site.write(files)
    site.serve("hello")
    site.texts()
    site.each_child_ran()
    for name, text in files.items():
        site.edit(name, text, how)
    assert site.texts() == {"1"}
    assert site.each_child_ran() == {}


def test_touching_a_file_executes_nothing(site):
    site.write({"hello.py": counted(page("1"))})
    site.serve("hello")
    site.texts()
    site.each_child_ran()
    os.utime(site.path("hello.py"))
    site.texts()
    os.utime(site.path("hello.py"), (1, 1))
    site.texts()
    assert site.each_child_ran() == {}


@pytest.mark.parametrize("name", [
    ".child.py.swp", "child.py~", "#child.py#", "4913", "notes.txt",
    "__pycache__/child.cpython-311.pyc", ".git/index", "other.py"])
def test_files_that_nothing_imports_execute_nothing(site, name):
    site.write({"hello.py": counted(page("child.value", "import child")),
                "child.py": counted("value = 1\n")})
    site.serve("hello")
    site.texts()
    site.each_child_ran()
    site.write({name: "value = 2\n"})
    assert site.texts() == {"1"}
    site.remove(name)
    assert site.texts() == {"1"}
    assert site.each_child_ran() == {}


def test_deleted_names_vanish(site):
    site.write({"hello.py": page("sorted(vars(child).keys() & {'x', 'y'})",
                                 "import child"),
                "child.py": "x = 1\ny = 2\n"})
    site.serve("hello")
    assert site.texts() == {"['x', 'y']"}
    site.edit("child.py", "y = 2\n")
    assert site.texts() == {"['y']"}


def test_deleted_handler_function_is_gone(site):
    site.write({"hello.py": page("1") + page("2").replace("handler", "extra")})
    site.serve("hello::extra")
    assert site.get().text == "2"
    site.edit("hello.py", page("1"))
    assert site.get().status == 500
    site.log.expect(r"contains no 'extra'")


def test_module_that_depends_on_no_edit_keeps_its_state(site):
    site.write({
        "hello.py": page("(state.calls.append(1), len(state.calls))[1]",
                         "import state"),
        "state.py": "calls = []\n"})
    site.serve("hello")
    with site.server.connect() as connection:
        assert connection.get(site.url()).text == "1"
        site.replace("hello.py", "len(state.calls)", "-len(state.calls)")
        assert connection.get(site.url()).text == "-2"


def test_globals_of_an_edited_module_begin_anew(site):
    site.write({"hello.py": page("(calls.append(1), len(calls))[1]",
                                 "calls = []\n")})
    site.serve("hello")
    with site.server.connect() as connection:
        assert connection.get(site.url()).text == "1"
        assert connection.get(site.url()).text == "2"
        site.edit("hello.py", site.text("hello.py") + "# edited\n")
        assert connection.get(site.url()).text == "1"


# Whole

OLD_AND_NEW = {
    "hello.py": """
        import harness
        from mod_python import apache
        import child

        value = "one"

        def late():
            import lazy
            return lazy.value

        def handler(req):
            late()
            if req.args == "park":
                harness.wait(__file__, "middle")
            req.write(" ".join([value, child.value, child.call(), late()]))
            return apache.OK
        """,
    "child.py": """
        value = "one"

        def call():
            return value
        """,
    "lazy.py": "value = 'one'\n",
}


def test_request_sees_only_the_code_it_began_with_to_its_end(site):
    site.write(OLD_AND_NEW)
    site.serve("hello")
    assert site.texts() == {"one one one one"}
    parked = site.later("?park")
    site.wait_parked("middle")
    for name in OLD_AND_NEW:
        site.replace(name, "one", "two")
    for _ in range(10):
        assert site.get().text == "two two two two"
    site.open_gate("middle")
    assert parked.result(20).text == "one one one one"
    assert site.texts() == {"two two two two"}


def test_old_and_new_requests_run_side_by_side_in_one_process(own_server):
    server = own_server(files=OLD_AND_NEW, **THREADED)
    site = server.site
    site.serve("hello")
    site.get()
    parked = []
    for old, new in (("one", "two"), ("two", "six"), ("six", "ten")):
        parked.append((site.later("?park"), " ".join([old] * 4)))
        site.wait_parked("middle", len(parked))
        for name in OLD_AND_NEW:
            site.replace(name, old, new)
    assert site.get().text == "ten ten ten ten"
    site.open_gate("middle")
    assert [future.result(20).text for future, _ in parked] == [
        expected for _, expected in parked]


def test_all_phases_of_a_request_see_one_generation(site):
    site.write({
        "early.py": """
            import harness
            from mod_python import apache
            import child

            def fixuphandler(req):
                req.early = child.value
                if req.args == "park":
                    harness.wait(__file__, "fixup")
                return apache.OK
            """,
        "hello.py": page("(req.early, child.value)", "import child"),
        "child.py": "value = 1\n"})
    site.serve("hello", "PythonFixupHandler early")
    assert site.get().text == "(1, 1)"
    parked = site.later("?park")
    site.wait_parked("fixup")
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "(2, 2)"
    site.open_gate("fixup")
    assert parked.result(20).text == "(1, 1)"


def test_internal_redirect_goes_on_with_the_generation_it_began_with(site):
    site.write({
        "hello.py": """
            import harness
            from mod_python import apache
            import child

            def handler(req):
                if req.prev is None:
                    if req.args == "park":
                        harness.wait(__file__, "redirect")
                    req.internal_redirect(req.uri + "again")
                    return apache.OK
                req.write(str(child.value))
                return apache.OK
            """,
        "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.get().text == "1"
    parked = site.later("?park")
    site.wait_parked("redirect")
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "2"
    site.open_gate("redirect")
    assert parked.result(20).text == "1"


def test_flipped_link_of_a_release_changes_everything_below_it(site):
    for release, word in (("r1", "one"), ("r2", "two")):
        site.write({
            f"{release}/hello.py": page("(pkg.part.value, lib.value)",
                                        "import pkg.part, lib"),
            f"{release}/lib.py": f"value = {word!r}\n",
            f"{release}/pkg/__init__.py": "",
            f"{release}/pkg/part.py": f"value = {word!r}\n"})
        site.serve("hello", directory=release)
    site.point("current", "r1")
    assert site.texts("current/") == {"('one', 'one')"}
    site.point("current", "r2")
    assert site.texts("current/") == {"('two', 'two')"}
    site.edit("r2/lib.py", "value = 'six'\n")
    assert site.texts("current/") == {"('two', 'six')"}
    site.point("current", "r1")
    assert site.texts("current/") == {"('one', 'one')"}
    site.edit("r1/pkg/part.py", "value = 'ten'\n")
    assert site.texts("current/") == {"('ten', 'one')"}


def test_flipped_link_to_equal_files_executes_nothing(site):
    for release in ("r1", "r2"):
        site.write({f"{release}/hello.py": counted(page("1"))})
        site.serve("hello", directory=release)
    site.point("current", "r1")
    site.texts("current/")
    site.forget_executions()
    site.point("current", "r2")
    site.texts("current/")
    assert site.executions() == []


def test_link_to_a_module_file_is_followed(site):
    site.write({"hello.py": page("child.value", "import child"),
                "v1.txt": "value = 1\n", "v2.txt": "value = 2\n"})
    site.serve("hello")
    site.point("child.py", "v1.txt")
    assert site.texts() == {"1"}
    site.point("child.py", "v2.txt")
    assert site.texts() == {"2"}
    site.edit("v2.txt", "value = 3\n")
    assert site.texts() == {"3"}


# Once

def test_fifty_threads_execute_a_new_module_once(own_server):
    server = own_server(mpm="worker", children=1, threads=60, files={
        "hello.py": page("id(slow)", "import slow"),
        "slow.py": counted("import time\ntime.sleep(0.2)\n")})
    server.site.serve("hello")
    answers = together(lambda number: server.site.get().text, 50)
    assert len(set(answers)) == 1
    assert server.site.each_child_ran() == {"slow.py": 1}


def test_fifty_threads_execute_an_edited_module_once(own_server):
    server = own_server(mpm="worker", children=1, threads=60, files={
        "hello.py": page("(slow.value, id(slow))", "import slow"),
        "slow.py": counted("import time\ntime.sleep(0.2)\nvalue = 1\n")})
    server.site.serve("hello")
    assert server.site.get().text.startswith("(1,")
    server.site.each_child_ran()
    server.site.replace("slow.py", "value = 1", "value = 2")
    answers = together(lambda number: server.site.get().text, 50)
    assert len(set(answers)) == 1 and answers[0].startswith("(2,")
    assert server.site.each_child_ran() == {"slow.py": 1}


def test_opposite_entries_into_a_cycle_from_many_threads_end(own_server):
    rounds = 40
    files = {}
    for number in range(rounds):
        for name, other in (("a", "b"), ("b", "a")):
            files[f"r{number}/{name}.py"] = (
                f"import time\ntime.sleep(0.01)\nimport {other}\n")
            files[f"r{number}/{name}_page.py"] = page("'ok'", f"import {name}")
        files[f"r{number}/.htaccess"] = """
            SetHandler mod_python
            <Files a>
                PythonHandler a_page
            </Files>
            <Files b>
                PythonHandler b_page
            </Files>
            """
    server = own_server(mpm="worker", children=1, threads=16, files=files)
    for number in range(rounds):
        answers = together(
            lambda i: server.site.get(f"r{number}/{'ab'[i % 2]}").text, 8)
        assert answers == ["ok"] * 8


def test_hanging_body_lets_the_others_go_on_with_the_old_code(own_server):
    server = own_server("PythonReloadTimeout 1", **THREADED, files={
        "hello.py": page("child.value", "import child"),
        "child.py": "value = 1\n"})
    site = server.site
    site.serve("hello")
    assert site.get().text == "1"
    site.edit("child.py", """
        import harness
        harness.wait(__file__, "body")
        value = 2
        """)
    first = site.later()
    site.wait_parked("body")
    assert site.get().text == "1"
    site.log.expect(r"MPY\d{4}.*child")
    assert site.get().text == "1"
    site.open_gate("body")
    first.result(20)
    assert site.get().text == "2"


# Switching it

def test_autoreload_off_never_reloads(site):
    site.write({"hello.py": page("child.value", "import child"),
                "child.py": "value = 1\n"})
    site.serve("hello", "PythonAutoReload Off")
    assert site.texts() == {"1"}
    site.edit("child.py", "value = 2\n")
    site.replace("hello.py", "child.value", "'new'")
    assert site.texts() == {"1"}
    assert site.texts() == {"1"}


def test_autoreload_switched_on_catches_up(site):
    site.write({"hello.py": page("1")})
    site.serve("hello", "PythonAutoReload Off")
    assert site.texts() == {"1"}
    site.edit("hello.py", page("2"))
    assert site.texts() == {"1"}
    site.serve("hello", "PythonAutoReload On")
    assert site.texts() == {"2"}


def test_frozen_interpreter_never_reloads_and_others_do(own_server):
    server = own_server(
        "PythonImport mod_python.apache::freeze_modules frozen",
        files={"hello.py": page("1")})
    server.site.htaccess("""
        SetHandler mod_python
        PythonHandler hello
        <Files frozen>
            PythonInterpreter frozen
        </Files>
        """)
    assert server.site.texts("frozen") == {"1"}
    assert server.site.texts("other") == {"1"}
    server.site.edit("hello.py", page("2"))
    assert server.site.texts("frozen") == {"1"}
    assert server.site.texts("other") == {"2"}


def test_background_reload_never_makes_a_request_wait(own_server):
    server = own_server("PythonAutoReload Background", **THREADED, files={
        "hello.py": page("child.value", "import child"),
        "child.py": "value = 1\n"})
    site = server.site
    site.serve("hello")
    assert site.get().text == "1"
    site.edit("child.py", """
        import harness
        harness.wait(__file__, "body")
        value = 2
        """)
    site.wait_parked("body")
    assert site.get().text == "1"
    site.open_gate("body")
    site.log.expect(r"changed.*child\.py|child\.py.*changed")
    answers = {site.get().text for _ in range(200)}
    assert "2" in answers and site.get().text == "2"


# Seeing it

def test_log_tells_first_imports_and_reloads_with_their_reason(site):
    site.write({"hello.py": page("child.value", "import child"),
                "child.py": "value = 1\n"})
    site.serve("hello")
    site.get()
    hello, child = site.path("hello.py"), site.path("child.py")
    for path in (hello, child):
        entry = site.log.expect(f"{path}.*first import|first import.*{path}",
                                level="info")
        assert "main_interpreter" in entry.text
    assert not site.log.matching("changed|depends on")
    site.edit("child.py", "value = 2\n")
    site.texts()
    entry = site.log.expect(f"{child}.*changed|changed.*{child}",
                            level="info")
    assert "main_interpreter" in entry.text
    entry = site.log.expect(f"{hello}.*depends on", level="info")
    assert "child" in entry.text


def test_log_tells_nothing_when_nothing_changed(site):
    site.write({"hello.py": page("1")})
    site.serve("hello")
    site.texts()
    lines = len(site.log.matching("hello.py"))
    site.texts()
    assert len(site.log.matching("hello.py")) == lines


def test_import_log_does_not_depend_on_python_debug(site):
    site.write({"hello.py": page("1")})
    site.serve("hello", "PythonDebug Off")
    site.get()
    site.log.expect("first import")
    site.edit("hello.py", page("1 / 0"))
    response = site.get()
    assert response.status == 500
    assert "ZeroDivisionError" not in response.text
    site.log.expect("ZeroDivisionError")


def test_function_finds_what_its_generation_has_while_the_file_is_away(
        own_server):
    site = own_server(children=1).site
    site.write({
        "hello.py": """
            import harness
            from mod_python import apache
            import other
            def handler(req):
                if req.args:
                    harness.wait(__file__, "middle")
                import child
                req.write(child.value)
                return apache.OK
            """,
        "other.py": "import child\n", "child.py": "value = 'one'\n"})
    site.serve("hello", "PythonReloadFailure keep")
    first = site.later("?park")
    site.wait_parked("middle")
    site.remove("child.py")
    site.open_gate("middle")
    response = first.result(20)
    assert (response.status, response.text) == (200, "one")
