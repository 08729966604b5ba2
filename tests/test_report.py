"""Seeing it: module_info(), the graphs, the history of reloads, and what the
error page says of modules."""

import ast
import html
import re
import time

import pytest

from httpd import page

INLINE = '''\
from mod_python import apache
%s

def kind(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__

def handler(req):
    req.write(repr(%s))
    return apache.OK
'''


@pytest.fixture
def lone(own_server):
    """A site with one child process, so that all requests meet the same."""
    return own_server(children=1).site


@pytest.fixture
def threaded(own_server):
    """The same, where several requests run at once."""
    return own_server(mpm="worker", children=1).site


def serve(site, answer, imports="", files=None, more=""):
    """page.py answers with the value of an expression."""
    site.write({"page.py": INLINE % (imports, answer), **(files or {})})
    site.serve("page", more)


def value(site, path=""):
    response = site.get(path)
    assert response.status == 200, response.text
    return ast.literal_eval(response.text)


# Graphs, read by the rules of the DOT language

_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)|(->|[][{};,=]))',
                    re.DOTALL)


def tokens(text):
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match, f"not DOT: {text[position:position + 40]!r}"
        position = match.end()
        quoted, word, sign = match.groups()
        yield ("id", quoted if quoted is not None else word) \
            if sign is None else ("sign", sign)


class Graph:
    """A digraph: nodes {id: attributes}, edges {(from, to): attributes}."""

    def __init__(self, text):
        self.rest = list(tokens(text))
        self.nodes, self.edges, self.defaults = {}, {}, {}
        assert self.take() == ("id", "digraph")
        self.name = self.take("id")
        self.take("sign", "{")
        while self.rest[0] != ("sign", "}"):
            self.statement()
        self.take("sign", "}")
        assert not self.rest

    def take(self, kind=None, value=None):
        token = self.rest.pop(0)
        assert kind is None or token[0] == kind, token
        assert value is None or token[1] == value, token
        return token if kind is None else token[1]

    def statement(self):
        first = self.take("id")
        if first in ("graph", "node", "edge"):
            self.defaults[first] = self.attributes()
        elif self.rest[0] == ("sign", "->"):
            self.take()
            edge = (plain(first), plain(self.take("id")))
            assert edge not in self.edges
            self.edges[edge] = self.attributes()
        else:
            assert plain(first) not in self.nodes
            self.nodes[plain(first)] = self.attributes()
        self.take("sign", ";")

    def attributes(self):
        found = {}
        if self.rest[0] != ("sign", "["):
            return found
        self.take()
        while self.rest[0] != ("sign", "]"):
            name = self.take("id")
            self.take("sign", "=")
            found[name] = self.take("id")
            if self.rest[0] == ("sign", ","):
                self.take()
        self.take()
        return found


def plain(text):
    return text.replace('\\"', '"').replace("\\\\", "\\")


def short(label):
    """"shop.cart" of "_mp_1234abcd.shop.cart"."""
    assert re.match(r"_mp_[0-9a-f]{8}\.", label), label
    return label.partition(".")[2]


def graph_of(site, path=""):
    """The graph that a page answers with, without the names of roots."""
    graph = Graph(value(site, path))
    graph.nodes = {short(name): look for name, look in graph.nodes.items()
                   if name.count(".")}
    graph.edges = {(short(a), short(b)): look
                   for (a, b), look in graph.edges.items()}
    return graph


# Ten modules, and what they import of each other.
TEN = {
    "shop/__init__.py": "",
    "shop/cart.py": "from . import money\nfrom .goods import goods\n",
    "shop/goods.py": "import texts\ngoods = []\n",
    "shop/money.py": "",
    "texts.py": "import words\n",
    "words.py": "",
    "left.py": "import right\n",
    "right.py": "import left\n",
    "late.py": "def call():\n    import words\n    return words\n",
}
TEN_EDGES = {
    ("page", "shop"): "import",
    ("page", "shop.cart"): "import",
    ("page", "left"): "import",
    ("page", "late"): "import",
    ("shop.cart", "shop"): "import",
    ("shop.cart", "shop.money"): "import",
    ("shop.cart", "shop.goods"): "import",
    ("shop.goods", "shop"): "package",
    ("shop.goods", "texts"): "import",
    ("shop.money", "shop"): "package",
    ("shop", "shop.cart"): "package",
    ("shop", "shop.goods"): "package",
    ("shop", "shop.money"): "package",
    ("texts", "words"): "import",
    ("left", "right"): "import",
    ("right", "left"): "import",
    ("late", "words"): "late import",
}


@pytest.mark.parametrize("function", ["modules_graph",
                                      "request_modules_graph"])
def test_graph_is_that_of_the_ten_modules(lone, function):
    serve(lone, f"(late.call(), apache.{function}(1))[1]",
          "import shop.cart, left, late", TEN)
    graph = graph_of(lone)
    assert set(graph.nodes) == {name for edge in TEN_EDGES for name in edge}
    assert {edge: look["label"]
            for edge, look in graph.edges.items()} == TEN_EDGES


def test_plain_graph_tells_kinds_by_style(site):
    serve(site, "(late.call(), apache.request_modules_graph())[1]",
          "import shop.cart, left, late", TEN)
    graph = graph_of(site)
    styles = {"import": {}, "late import": {"style": "dashed"},
              "package": {"style": "dotted"}}
    assert graph.edges == {edge: styles[kind]
                           for edge, kind in TEN_EDGES.items()}
    assert graph.nodes["shop.cart"]["label"].endswith("shop.cart")


def test_graph_shows_what_one_module_did_to_another(site):
    serve(site, "apache.request_modules_graph(1)", "import views",
          {"app.py": "routes = []\n",
           "views.py": "import app\napp.routes.append(object())\n"})
    looks = graph_of(site).edges
    assert looks["views", "app"] == {"label": "import"}
    assert looks["app", "views"] == {"label": "effect", "style": "bold"}


def test_verbose_nodes_carry_the_facts(site):
    serve(site, "apache.request_modules_graph(verbose=1)", "import child",
          {"child.py": "__mp_path__.append('/x y')\n"})
    lines = graph_of(site).nodes["child"]["label"].split("\\l")
    facts = dict(line.split(": ", 1) for line in lines[1:-1])
    assert lines[0].endswith(".child")
    assert facts["file"] == str(site.path("child.py"))
    assert facts["instance"] == "1"
    assert facts["path"] == "['/x y']"
    assert {"mtime", "ctime", "atime", "generation", "direct",
            "indirect"} < set(facts)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", facts["mtime"])


@pytest.mark.parametrize("verbose", [0, 1])
def test_graph_quotes_names_of_any_kind(site, verbose):
    names = ['a"b', "a\\", 'a\\"; b', "{<x>|é}", "a] -> b", "%s %n", "// a"]
    names = [name for name in names if "/" not in name]
    for name in names:
        site.write({f"{name}.py": ""})
    serve(site, f"""[
        [apache.import_module("~/" + name + ".py").__name__
         for name in {names!r}],
        apache.request_modules_graph({verbose})]""")
    labels, text = value(site)
    graph = Graph(text)
    assert set(labels) < set(graph.nodes)
    assert len(graph.nodes) == len(names) + 1
    assert len(graph.edges) == len(names)
    for label in labels:
        shown = graph.nodes[label]["label"].split("\\l")[0]
        assert plain(shown) == label


def test_request_graph_has_what_the_request_uses_and_nothing_else(site):
    site.write({"other/page.py": page("unused.x", "import unused, used"),
                "other/unused.py": "x = 1\n", "other/used.py": ""})
    site.serve("page", directory="other")
    assert site.get("other/").text == "1"
    serve(site, "apache.request_modules_graph()", "import child",
          {"child.py": ""})
    assert set(graph_of(site).nodes) == {"page", "child"}


def test_request_graph_leaves_out_parts_that_others_imported(site):
    site.write({"one.py": INLINE % ("import pkg.one",
                                    "apache.request_modules_graph()"),
                "two.py": page("0", "import pkg.two"),
                "pkg/__init__.py": "", "pkg/one.py": "", "pkg/two.py": ""})
    site.serve("two")
    assert site.texts() == {"0"}
    site.serve("one")
    assert set(graph_of(site).nodes) == {"one", "pkg", "pkg.one"}


def test_request_graph_has_the_parts_that_a_package_imports(site):
    serve(site, "apache.request_modules_graph()", "import pkg", {
        "pkg/__init__.py": "from . import one\nimport pkg.two.three\n",
        "pkg/one.py": "", "pkg/two/__init__.py": "",
        "pkg/two/three.py": ""})
    assert set(graph_of(site).nodes) == {"page", "pkg", "pkg.one", "pkg.two",
                                         "pkg.two.three"}


def test_request_graph_is_of_the_generation_that_the_request_sees(threaded):
    threaded.write({"page.py": """
        from mod_python import apache
        import harness
        import child

        def handler(req):
            if req.args:
                harness.wait(__file__, "long")
            req.write(repr(apache.request_modules_graph()))
            return apache.OK
        """, "child.py": "import old\n", "old.py": "", "new.py": ""})
    threaded.serve("page")
    parked = threaded.later("?long")
    threaded.wait_parked("long")
    threaded.edit("child.py", "import new\n")
    assert set(graph_of(threaded).nodes) == {"page", "child", "new"}
    threaded.open_gate("long")
    old = Graph(ast.literal_eval(parked.result(20).text))
    assert set(map(short, old.nodes)) == {"page", "child", "old"}


def test_request_graph_begins_at_a_handler_that_was_added(site):
    site.write({"page.py": """
        from mod_python import apache
        import added

        def handler(req):
            req.add_handler("PythonHandler", added.function)
            return apache.OK
        """, "added.py": """
        from mod_python import apache
        import child

        def function(req):
            req.write(repr(apache.request_modules_graph()))
            return apache.OK
        """, "child.py": ""})
    site.serve("page")
    assert set(graph_of(site).nodes) == {"added", "child"}


def test_request_graph_of_a_location(own_server):
    server = own_server("""
        <Location /here>
            SetHandler mod_python
            PythonHandler page
        </Location>
        """, children=1)
    documents = server.documents
    (documents / "page.py").write_text(
        INLINE % ("import child", "apache.request_modules_graph()"))
    (documents / "child.py").write_text("")
    response = server.request("/here")
    assert response.status == 200, response.text
    graph = Graph(ast.literal_eval(response.text))
    assert set(map(short, graph.nodes)) == {"page", "child"}


def test_request_graph_is_empty_outside_a_request(site):
    serve(site, "ask()", """
        import threading

        def ask():
            found = []
            thread = threading.Thread(target=lambda: found.append(
                apache.request_modules_graph()))
            thread.start()
            thread.join()
            return found[0]
        """.replace("\n        ", "\n"))
    graph = Graph(value(site))
    assert not graph.nodes and not graph.edges


# module_info()

def test_module_info_is_found_by_label_module_and_file(site):
    serve(site, """[
        apache.module_info(what).file for what in (
            child.__name__, child, child.__file__, pathlib.Path(child.__file__),
            sys.modules[child.__name__])]""", "import child, pathlib, sys",
          {"child.py": ""})
    assert value(site) == [str(site.path("child.py"))] * 5


def test_module_info_raises_key_error_for_what_is_not_known(site):
    serve(site, """[
        kind(apache.module_info, what) for what in (
            "child", "json", json, "/no/such/file.py", "", json.__file__)]""",
          "import child, json", {"child.py": ""})
    assert value(site) == ["KeyError"] * 6


INFO = """[
    getattr(apache.module_info(child), name) for name in %r.split()]"""


def info(site, names):
    """Attributes of module_info(child), in a site that serve() made."""
    site.write({"ask.py": INLINE % ("import child", INFO % names)})
    site.serve("ask")
    return dict(zip(names.split(), value(site)))


def test_module_info_knows_the_file_and_its_times(site):
    before = time.time()
    site.write({"child.py": "x = 1\n"})
    found = info(site, "label file mtime ctime size")
    stamp = site.path("child.py").stat()
    assert short(found["label"]) == "child"
    assert found["file"] == str(site.path("child.py"))
    assert found["mtime"] == pytest.approx(stamp.st_mtime, abs=1e-3)
    assert before - 0.001 <= found["ctime"] <= time.time()
    assert found["size"] == 6


def test_module_info_tells_edges_and_their_kinds(site):
    site.write({"child.py": "import a\nfrom b import x\n"
                            "def f():\n    import c\nf()\n",
                "a.py": "", "b.py": "x = 1\n", "c.py": ""})
    site.write({"ask.py": INLINE % ("import child", """
        (child.f(), apache.module_info(child).children,
         dict(apache.module_info(child).edges))""")})
    site.serve("ask")
    _, children, edges = value(site)
    assert set(map(short, children)) == {"a", "b", "c"}
    assert {short(name): kind for name, kind in edges.items()} == {
        "a": "import", "b": "import", "c": "import"}


def test_module_info_tells_the_path_of_the_module(site):
    site.write({"child.py": "__mp_path__.append('/some/where')\n"})
    assert info(site, "path") == {"path": ("/some/where",)}


def test_module_info_of_a_namespace_package_has_no_file(site):
    site.write({"child/part.py": ""})
    serve(site, "(apache.module_info(child).file,"
                " apache.module_info(child).mtime)", "import child.part")
    assert value(site) == (None, 0.0)


def test_module_info_counts_executions(lone):
    lone.write({"child.py": "x = 1\n"})
    assert info(lone, "instance")["instance"] == 1
    lone.edit("child.py", "x = 2\n")
    lone.get()
    assert value(lone) == [2]


def test_module_info_is_that_of_the_version_the_request_uses(threaded):
    threaded.write({"page.py": """
        from mod_python import apache
        import harness
        import child

        def handler(req):
            if req.args:
                harness.wait(__file__, "long")
            found = apache.module_info(child.__name__)
            req.write(repr((found.instance, found.size)))
            return apache.OK
        """, "child.py": "x = 1\n"})
    threaded.serve("page")
    parked = threaded.later("?long")
    threaded.wait_parked("long")
    threaded.edit("child.py", "x = 222\n")
    assert value(threaded) == (2, 8)
    threaded.open_gate("long")
    assert ast.literal_eval(parked.result(20).text) == (1, 6)


def test_module_info_says_while_the_newest_files_do_not_load(lone):
    lone.write({"child.py": "x = 1\n"})
    assert info(lone, "reload") == {"reload": False}
    lone.edit("child.py", "x = = 1\n")
    assert value(lone) == [True]
    lone.log.expect("SyntaxError")
    lone.edit("child.py", "x = 2\n")
    assert value(lone) == [False]


def test_module_info_answers_threads_without_a_request(site):
    site.write({"child.py": "x = 1\n"})
    serve(site, "ask()", """
import child
import threading

def ask():
    found = []
    thread = threading.Thread(target=lambda: found.append(
        apache.module_info(child).label))
    thread.start()
    thread.join()
    return found
""")
    assert [short(name) for name in value(site)] == ["child"]


# The error page

def details(text):
    """{name of module: {row: value}} of an error page."""
    before, title, after = text.partition("<h2>MODULE CACHE DETAILS</h2>")
    assert title, text
    found = {}
    for section in re.findall(r"<section.*?</section>", after, re.DOTALL):
        name = html.unescape(re.search(r"<h3>(.*?)</h3>", section)[1])
        found[short(name)] = {
            row: html.unescape(text) for row, text in re.findall(
                r"<dt>(.*?)</dt><dd>(.*?)</dd>", section, re.DOTALL)}
    return found


def error_page(site, path=""):
    response = site.get(path)
    assert response.status == 500
    assert response.headers.get_content_type() == "text/html"
    return response.text


FAILING = "1 / 0"


def test_error_page_ends_with_the_modules_of_the_request(site):
    serve(site, FAILING, "import child", {
        "child.py": "import leaf\n"
                    "__mp_path__.append('/x')\n", "leaf.py": ""},
          "PythonDebug On")
    text = error_page(site)
    site.log.expect("ZeroDivisionError")
    found = details(text)
    assert list(found) == ["page", "child", "leaf"]
    assert found["child"]["FileName"] == str(site.path("child.py"))
    assert found["child"]["ModulePath"] == "['/x']"
    assert found["child"]["Children"].endswith(".leaf")
    assert "Children" not in found["leaf"]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$",
                    found["child"]["Modified"])
    assert {"Instance", "Generation", "Imported"} < set(found["leaf"])


def test_error_page_calls_late_imports_friends(lone):
    serve(lone, "(late(), 1 / 0)", "def late():\n    import child",
          {"child.py": ""}, "PythonDebug On")
    error_page(lone)
    lone.log.expect("ZeroDivisionError")
    found = details(error_page(lone))
    assert found["page"]["Friends"].endswith(".child")


def test_error_page_marks_what_the_request_itself_loaded(lone):
    serve(lone, FAILING, "import child, other",
          {"child.py": "import leaf\n", "leaf.py": "", "other.py": ""},
          "PythonDebug On")

    def marks():
        found = details(error_page(lone))
        lone.log.expect("ZeroDivisionError")
        return {name: (re.findall(r"\[.*?\]", rows["Instance"]) or [""])[0]
                for name, rows in found.items()}

    assert marks() == dict.fromkeys(["page", "child", "other", "leaf"],
                                    "[IMPORT]")
    assert set(marks().values()) == {""}
    lone.edit("child.py", "import leaf\nx = 1\n")
    assert marks() == {"page": "[RELOAD]", "child": "[RELOAD]", "other": "",
                       "leaf": ""}
    assert set(marks().values()) == {""}


def test_error_page_marks_what_does_not_load(lone):
    serve(lone, "0", "import child, other", {"child.py": "", "other.py": ""},
          "PythonDebug On")
    assert value(lone) == 0
    lone.edit("child.py", "x = = 1\n")
    found = details(error_page(lone))
    lone.log.expect("SyntaxError")
    assert "[ERROR] SyntaxError" in found["child"]["Generation"]
    assert "[ERROR]" in found["page"]["Generation"]
    assert "[ERROR]" not in found["other"]["Generation"]
    lone.edit("child.py", "x = 1\n")
    assert value(lone) == 0


def test_error_page_shows_what_was_loaded_for_a_module_that_failed(site):
    serve(site, "0", "import good, bad",
          {"good.py": "", "bad.py": FAILING}, "PythonDebug On")
    found = details(error_page(site))
    site.log.expect("ZeroDivisionError")
    assert "[IMPORT]" in found["good"]["Instance"]


def test_error_page_says_where_the_request_was_above_the_modules(site):
    serve(site, FAILING, "", {}, "PythonDebug On")
    above = error_page(site, "some/where").partition("MODULE CACHE")[0]
    site.log.expect("ZeroDivisionError")
    rows = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", above))
    assert {"Process", "Interpreter", "Server", "URI", "Directory",
            "Filename", "PathInfo", "Phase", "Handler"} <= set(rows)
    assert rows["URI"] == site.url("some/where")
    assert rows["Phase"] == "PythonHandler"
    assert rows["Handler"] == "page"


EVIL = "<script>alert('x')</script>"


def test_error_page_escapes_all_that_is_not_its_own(site):
    name = "<b>&amp;\"it's"
    site.write({f"{name}.py": f"__mp_path__.append({EVIL!r})\n",
                "page.py": f"""
        from mod_python import apache
        evil = apache.import_module({"~/" + name + ".py"!r})

        def handler(req):
            raise ValueError({EVIL!r})
        """})
    site.serve("page", "PythonDebug On")
    text = error_page(site, "<script>?<script>")
    site.log.expect("ValueError")
    assert "<script" not in text
    assert "<b>" not in text
    assert name in details(text)
    assert html.escape(EVIL, quote=False) in text or html.escape(EVIL) in text


def test_error_page_shows_file_names_that_are_no_text(site):
    site.write({"\udcff.py": "", "page.py": """
        from mod_python import apache
        child = apache.import_module("~/\\udcff.py")

        def handler(req):
            1 / 0
        """})
    site.serve("page", "PythonDebug On")
    found = details(error_page(site))
    site.log.expect("ZeroDivisionError")
    assert len(found) == 2
    assert str(site.path()) + "/\\udcff.py" in [
        rows["FileName"] for rows in found.values()]


def test_without_python_debug_nothing_reaches_the_client(site):
    serve(site, "1 / 0", "import child", {"child.py": ""})
    response = site.get()
    assert response.status == 500
    site.log.expect("ZeroDivisionError")
    for secret in ("child", "page.py", str(site.directory), "_mp_", "MODULE",
                   "ZeroDivision"):
        assert secret not in response.text


# reload_history()

HISTORY = """[(one.time, one.generation, one.seconds, dict(one.modules),
      [tuple(failure) for failure in one.failures])
     for one in apache.reload_history()]"""


def history(site):
    """[(time, generation, seconds, {module: reason}, failures)]; the names
    without those of roots."""
    return [(when, number, seconds,
             {short(name): re.sub(r"_mp_\w{8}\.", "", reason)
              for name, reason in modules.items()}, failures)
            for when, number, seconds, modules, failures
            in value(site, "history/")]


def serve_history(site, files):
    site.write({"history/history.py": INLINE % ("", HISTORY), **files})
    site.serve("history", directory="history")
    site.serve("page")


def test_history_is_empty_before_the_first_refresh(lone):
    serve_history(lone, {"page.py": page("1")})
    assert lone.get().text == "1"
    assert history(lone) == []


def test_history_tells_what_was_executed_and_why(lone):
    serve_history(lone, {"page.py": page("child.x", "import child, other"),
                         "child.py": "x = 1\n", "other.py": ""})
    assert lone.get().text == "1"
    before = time.time()
    lone.edit("child.py", "x = 2\n")
    assert lone.get().text == "2"
    ((when, number, seconds, modules, failures),) = history(lone)
    assert before <= when <= time.time()
    assert 0 < seconds < when - before + 0.001
    assert number == 1
    assert modules == {"child": "changed", "page": "depends on child"}
    assert failures == []


def test_history_tells_what_failed(lone):
    serve_history(lone, {"page.py": page("child.x", "import child"),
                         "child.py": "x = 1\n"})
    assert lone.get().text == "1"
    lone.edit("child.py", "x = 1 / 0\n")
    assert lone.get().text == "1"
    lone.log.expect("ZeroDivisionError")
    first = history(lone)[0]
    assert first[4] == [(str(lone.path("child.py")),
                         "ZeroDivisionError: division by zero", 2)]


def test_history_is_ordered_and_bounded(lone):
    serve_history(lone, {"page.py": page("child.x", "import child"),
                         "child.py": "x = 0\n"})
    assert lone.get().text == "0"
    for number in range(1, 111):
        lone.edit("child.py", f"x = {number}\n")
        assert lone.get().text == str(number)
    found = history(lone)
    assert len(found) == 100
    assert [row[1] for row in found] == list(range(11, 111))
    assert [row[0] for row in found] == sorted(row[0] for row in found)


def test_history_of_a_file_that_did_not_change_in_content_is_empty(lone):
    serve_history(lone, {"page.py": page("child.x", "import child"),
                         "child.py": "x = 0\n"})
    assert lone.get().text == "0"
    lone.edit("child.py", "x = 0\n")
    assert lone.get().text == "0"
    assert history(lone) == []


def test_history_cannot_be_changed(lone):
    serve(lone, """[
        kind(lambda: apache.reload_history()[0].modules.clear()),
        kind(lambda: setattr(apache.reload_history()[0], "time", 0)),
        apache.reload_history().clear(), len(apache.reload_history())]""",
          "import child", {"child.py": "x = 0\n"})
    lone.get()
    lone.edit("child.py", "x = 1\n")
    assert value(lone) == ["AttributeError", "AttributeError", None, 1]


# Counters

def test_module_info_counts_handlers_called_and_when(lone):
    serve(lone, """[
        apache.module_info(__name__).direct,
        apache.module_info(__name__).atime]""")
    before = time.time()
    assert [value(lone)[0] for _ in range(3)] == [1, 2, 3]
    direct, last = value(lone)
    assert direct == 4
    assert before - 0.01 <= last <= time.time()


def test_module_info_counts_imports_that_found_it_loaded(lone):
    serve(lone, """[later(), later(),
        apache.module_info(child).indirect]""", """
import child

def later():
    import child
    return 0
""", {"child.py": ""})
    assert value(lone) == [0, 0, 2]


def test_module_info_tells_the_reason(lone):
    lone.write({"child.py": "x = 1\n", "leaf.py": "y = 1\n"})
    serve(lone, """[
        apache.module_info(name).reason.replace(leaf.__name__, "LEAF")
        for name in (leaf, child)]""", "import leaf, child",
          {"child.py": "import leaf\n", "leaf.py": "y = 1\n"})
    assert value(lone) == ["first import", "first import"]
    lone.edit("leaf.py", "y = 2\n")
    assert value(lone) == ["changed", "depends on LEAF"]


def test_module_info_tells_the_data_files(lone):
    lone.write({"words.txt": "a b c\n"})
    serve(lone, "apache.module_info(child).data", "import child",
          {"child.py": "import os\nhere = os.path.dirname(__file__)\n"
                       "words = open(here + '/words.txt').read()\n"})
    assert value(lone) == (str(lone.path("words.txt")),)
