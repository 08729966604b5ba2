"""The publisher: from URLs to objects of pages (api.md 6.5)."""

import pytest


@pytest.fixture
def published(site):
    """published({"page.py": text}): a site that the publisher serves."""
    def write(files, more=""):
        site.write(files)
        site.serve("mod_python.publisher", more)
        return site
    return write


HELLO = "def hello(req):\n    return 'hello'\n"


# Methods

@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH",
                                    "PROPFIND"])
def test_other_methods_are_not_allowed(published, method):
    site = published({"page.py": HELLO})
    response = site.request("page/hello", method=method)
    assert response.status == 405
    allowed = {name.strip() for name in response.headers["Allow"].split(",")}
    assert {"GET", "HEAD", "POST"} <= allowed
    assert method not in allowed


def test_get_and_post_are_handled_alike(published):
    site = published({"page.py": "def say(req, a):\n"
                                 "    return req.method + a\n"})
    assert site.get("page/say?a=1").text == "GET1"
    assert site.request(
        "page/say", method="POST", body=b"a=2",
        headers={"Content-Type": "application/x-www-form-urlencoded"}
    ).text == "POST2"


def test_head_is_handled_like_get_but_has_no_body(published):
    site = published({"page.py": "def say(req):\n"
                                 "    return '<p></p></html>'\n"})
    response = site.request("page/say", method="HEAD")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html"
    assert response.body == b""


# Files

def test_a_page_is_its_file_with_or_without_py(published):
    site = published({"page.py": HELLO})
    assert site.get("page/hello").text == "hello"
    assert site.get("page.py/hello").text == "hello"


def test_an_extension_of_addhandler_is_dropped(own_server):
    site = own_server(
        "<Directory ${SITE}>\n"
        "AddHandler mod_python .py .html .htm\n"
        "PythonHandler mod_python.publisher\n"
        "</Directory>", files={"page.py": HELLO}).site
    assert site.get("page.html/hello").text == "hello"
    assert site.get("page.htm/hello").text == "hello"
    assert site.get("page.txt/hello").status == 404


def test_the_extension_of_the_handler_is_dropped(site):
    site.write({"page.py": HELLO})
    site.htaccess("SetHandler mod_python\n"
                  "PythonHandler mod_python.publisher | .do\n")
    assert site.get("page.do/hello").text == "hello"


def test_a_directory_is_its_index(published):
    site = published({"index.py": "def index(req):\n    return 'top'\n",
                      "sub/index.py": "def index(req):\n    return 'sub'\n"})
    assert site.get("").text == "top"
    assert site.get("sub/").text == "sub"


def test_a_missing_file_is_an_object_of_index(published):
    site = published({"index.py": "def other(req):\n    return 'other'\n"
                                  "class Tree:\n"
                                  "    def leaf(self):\n"
                                  "        return 'leaf'\n"
                                  "tree = Tree()\n"})
    assert site.get("other").text == "other"
    assert site.get("tree/leaf").text == "leaf"
    assert site.get("nothing").status == 404


def test_a_missing_file_without_index_is_not_found(published):
    site = published({"page.py": HELLO})
    assert site.get("other").status == 404
    assert site.get("other/hello").status == 404
    assert site.get("").status == 404


def test_filename_becomes_the_module_that_is_used(published):
    site = published({
        "page.py": "def name(req):\n    return req.filename\n",
        "index.py": "def other(req):\n    return req.filename\n"})
    assert site.get("page/name").text == str(site.path("page.py"))
    assert site.get("other").text == str(site.path("index.py"))
    for _ in range(2):  # the second time it is remembered
        assert site.get("page.py/name").text == str(site.path("page.py"))
        assert site.get("other").text == str(site.path("index.py"))


def test_a_file_that_appears_hides_the_object_of_index(published):
    site = published({"index.py": "def page(req):\n    return 'of index'\n"})
    for _ in range(2):
        assert site.get("page").text == "of index"
    site.write({"page.py": "def index(req):\n    return 'of page'\n"})
    assert site.get("page").text == "of page"
    site.remove("page.py")
    assert site.get("page").text == "of index"


def test_private_files_are_forbidden(published):
    site = published({"_lib.py": HELLO, "page.py": "import _lib\n" + HELLO})
    assert site.get("page/hello").text == "hello"
    assert site.get("_lib/hello").status == 403
    assert site.get("_lib.py").status == 403
    assert site.get("_missing").status == 403


@pytest.mark.parametrize("handler, name, answer", [
    ("publisher", "page/hello", "hello"), ("psp", "a.psp", "a page"),
    ("cgihandler", "script.py", "a script\n")])
def test_in_a_location_urls_are_mapped_to_files_as_everywhere(
        own_server, handler, name, answer):
    server = own_server(f"""
        <Location "/">
            SetHandler mod_python
            PythonHandler mod_python.{handler}
            Options +ExecCGI
        </Location>
        <Directory ${{SITE}}/closed>
            Require all denied
        </Directory>
        """, files={"page.py": HELLO, "a.psp": "a page", "script.py":
                    "print('Content-Type: text/plain\\n\\na script')\n",
                    "closed/page.py": HELLO, "closed/a.psp": "a page",
                    "closed/script.py": ""})
    site = server.site
    assert site.get(name).text == answer
    assert site.get("closed/" + name).status == 403
    server.log.expect("AH01630")
    for url in ("/etc/passwd", str(site.path("page.py").resolve()),
                str(site.path("a.psp").resolve()),
                str(site.path("script.py").resolve())):
        assert server.request(url).status == 404
    server.log.allow("script")


# Object paths

def test_the_path_is_split_at_slashes_and_dots(published):
    site = published({"page.py": """\
        class Box:
            pass
        box = Box()
        box.inner = Box()
        box.inner.text = "deep"
        """})
    assert site.get("page/box/inner/text").text == "deep"
    assert site.get("page/box.inner.text").text == "deep"
    assert site.get("page/box.inner/text").text == "deep"


def test_one_slash_at_the_end_is_dropped(published):
    site = published({"page.py": HELLO})
    assert site.get("page/hello/").text == "hello"
    assert site.get("page/").status == 404


def test_no_path_is_index(published):
    site = published({"page.py": "def index(req):\n    return 'index'\n"})
    assert site.get("page").text == "index"
    assert site.get("page/").text == "index"


@pytest.mark.parametrize("path", [
    "page/_private", "page/box/_private", "page/__dict__", "page/box.__class__",
    "page/__builtins__", "page/box/text/__class__"])
def test_names_with_an_underscore_are_forbidden(published, path):
    site = published({"page.py": """\
        class Box:
            text = "x"
            _private = "secret"
        box = Box()
        _private = "secret"
        """})
    assert site.get(path).status == 403


@pytest.mark.parametrize("path", ["page//hello", "page/hello//", "page/box//x",
                                  "page/hello..", "page/.hello", "page//"])
def test_empty_components_are_not_found(published, path):
    site = published({
        "page.py": HELLO + "class Box:\n    x = 1\nbox = Box()\n"})
    assert site.get(path).status == 404


def test_slashes_in_the_query_are_no_components(published):
    site = published({"page.py": HELLO})
    assert site.get("page/hello?u=http://x/").text == "hello"


def test_a_missing_attribute_is_not_found(published):
    site = published({"page.py": "class Box:\n    x = 1\nbox = Box()\n"})
    assert site.get("page/nothing").status == 404
    assert site.get("page/box/nothing").status == 404
    assert site.get("page/box/x").text == "1"


def test_a_property_that_fails_is_an_error(published):
    site = published({"page.py": """\
        class Box:
            @property
            def bad(self):
                raise ValueError("this is why")
        box = Box()
        """})
    assert site.get("page/box/bad").status == 500
    site.log.expect("MPY0401")


# Types

NEITHER = {
    "module": "import os\nthing = os\n",
    "builtin function": "thing = len\n",
    "builtin method": "thing = 'x'.upper\n",
    "class": "class thing:\n    x = 'secret'\n",
    "class with a metaclass": "class Meta(type):\n    pass\n"
                              "class thing(metaclass=Meta):\n"
                              "    x = 'secret'\n",
    "enum": "import enum\nclass thing(enum.Enum):\n    x = 'secret'\n",
    "abstract class": "import abc\nclass thing(abc.ABC):\n"
                      "    x = 'secret'\n",
    "builtin class": "thing = dict\n",
    "exception class": "thing = ValueError\n",
}


@pytest.mark.parametrize("text", NEITHER.values(), ids=NEITHER)
def test_modules_builtins_and_classes_are_forbidden(published, text):
    site = published({"page.py": text})
    assert site.get("page/thing").status == 403
    assert site.get("page/thing/x").status == 403


ONLY_PUBLISHED = {
    "function": ("def thing():\n    return 'text'\nthing.x = 'secret'\n",
                 "text"),
    "bound method": ("class C:\n    x = 'secret'\n"
                     "    def f(self):\n        return 'text'\n"
                     "thing = C().f\n", "text"),
    "generator": ("def f():\n    yield 1\nthing = f()\n", "<generator"),
    "code": ("thing = compile('1', 'x', 'eval')\n", "<code object"),
    "None": ("thing = None\n", ""),
    "namespace": ("import types\nthing = types.SimpleNamespace(x='y')\n",
                  "namespace(x='y')"),
}


@pytest.mark.parametrize("text, shown", ONLY_PUBLISHED.values(),
                         ids=ONLY_PUBLISHED)
def test_functions_and_the_like_are_published_but_not_traversed(
        published, text, shown):
    site = published({"page.py": text})
    assert site.get("page/thing").text.startswith(shown)
    assert site.get("page/thing/x").status == 403


@pytest.mark.parametrize("value, shown", [
    ("'text'", "text"), ("[1, 2]", "[1, 2]"), ("{'a': 1}", "{'a': 1}"),
    ("17", "17"), ("1.5", "1.5"), ("True", "True"), ("b'bytes'", "bytes"),
    ("object.__new__(type('T', (), {'__str__': lambda s: 'mine'}))", "mine")])
def test_all_other_objects_are_published_as_text(published, value, shown):
    site = published({"page.py": f"thing = {value}\n"})
    assert site.get("page/thing").text == shown


@pytest.mark.parametrize("path", ["box/keys", "words/append", "text/upper"])
def test_methods_of_builtin_containers_are_forbidden(published, path):
    site = published({"page.py": "box = {}\nwords = []\ntext = ''\n"})
    assert site.get("page/" + path).status == 403


# Only what the page defines

IMPORTED = {
    "function": "secret",
    "function by another name": "other",
    "object": "box",
    "bound method": "method",
    "star": "starred",
    "dict": "environ",
    "assigned": "assigned",
}


@pytest.mark.parametrize("name", IMPORTED.values(), ids=IMPORTED)
def test_what_the_page_imports_is_not_published(published, name):
    site = published({
        "page.py": """\
            from lib import secret, secret as other, box, method
            from os import environ
            from stars import *
            import lib
            assigned = lib.secret
            def own():
                return "own"
            """,
        "lib.py": """\
            def secret():
                return "secret"
            class Box:
                text = "secret"
                def f(self):
                    return "secret"
            box = Box()
            method = box.f
            """,
        "stars.py": "class Star:\n    x = 'secret'\nstarred = Star()\n"})
    assert site.get("page/own").text == "own"
    assert site.get("page/" + name).status == 404


def test_what_an_imported_object_holds_is_not_published(published):
    site = published({"page.py": "from lib import box\n",
                      "lib.py": "class Box:\n    text = 'secret'\n"
                                "box = Box()\n"})
    assert site.get("page/box/text").status == 404


def test_a_decorated_function_is_the_page_s(published):
    site = published({
        "page.py": """\
            from lib import decorate, hide
            @decorate
            def shown(req):
                return "shown"
            @hide
            def hidden(req):
                return "hidden"
            """,
        "lib.py": """\
            import functools
            def decorate(function):
                @functools.wraps(function)
                def inner(*args, **more):
                    return function(*args, **more)
                return inner
            def hide(function):
                def inner(req):
                    return function(req)
                return inner
            """})
    assert site.get("page/shown").status == 200
    assert site.get("page/hidden").status == 404


def test_what_a_new_version_does_not_define_is_gone(published):
    site = published({"page.py": HELLO + "def secret(req):\n"
                                         "    return 'secret'\n"})
    assert site.get("page/secret").text == "secret"
    site.edit("page.py", HELLO)
    assert site.get("page/secret").status == 404
    assert site.get("page/hello").text == "hello"


# Calling

def test_fields_become_arguments_by_name(published):
    site = published({"page.py": """\
        def given(a, b="default", *, c="none"):
            return repr((a, b, c))
        """})
    assert site.get("page/given?a=1&c=3&d=4").text == \
        "('1', 'default', '3')"


def test_several_values_become_a_list(published):
    site = published({"page.py": "def given(a):\n    return repr(a)\n"})
    assert site.get("page/given?a=1&a=2").text == "['1', '2']"


def test_blank_values_are_kept(published):
    site = published({"page.py": "def given(a):\n    return repr(a)\n"})
    assert site.get("page/given?a=").text == "''"


def test_a_field_named_req_does_not_replace_the_request(published):
    site = published({"page.py": "def given(req):\n    return req.method\n"})
    assert site.get("page/given?req=x").text == "GET"


def test_the_form_is_an_attribute_of_the_request(published):
    site = published({"page.py": "def given(req):\n"
                                 "    return req.form['a'].value\n"})
    assert site.get("page/given?a=yes").text == "yes"


def test_a_form_that_was_read_before_is_used(published):
    site = published({
        "page.py": "def given(req, a):\n    return a\n",
        "early.py": """\
            from mod_python import apache, util
            def fixuphandler(req):
                req.form = util.FieldStorage(req, keep_blank_values=1)
                req.form["a"] = "early"
                return apache.OK
            """}, "PythonFixupHandler early\n")
    assert site.request(
        "page/given", method="POST", body=b"a=late",
        headers={"Content-Type": "application/x-www-form-urlencoded"}
    ).text == "early"


def test_callable_instances_are_called(published):
    site = published({"page.py": """\
        class Page:
            def __call__(self, req, a="-"):
                return "called " + a
        page = Page()
        class Plain:
            pass
        own = Plain()
        own.__call__ = lambda a="-": "own " + a
        """})
    assert site.get("page/page?a=1").text == "called 1"
    assert site.get("page/own?a=2").text == "own 2"


def test_trees_of_callable_instances_are_published(published):
    site = published({"page.py": """\
        class Node:
            def __init__(self, name, **children):
                self.name = name
                self.__dict__.update(children)
            def __call__(self, req):
                return self.name
        root = Node("root", page1=Node("page1", sub=Node("sub")))
        """})
    assert site.get("page/root").text == "root"
    assert site.get("page/root/page1").text == "page1"
    assert site.get("page/root/page1/sub").text == "sub"


def test_a_callable_that_is_returned_is_called_too(published):
    site = published({"page.py": """\
        def first(req):
            def second(a):
                return "second " + a
            return second
        """})
    assert site.get("page/first?a=1").text == "second 1"


def test_callables_without_an_end_are_an_error(published):
    site = published({"page.py": "def again():\n    return again\n"})
    assert site.get("page/again").status == 500
    site.log.expect("RecursionError")


def test_what_a_function_raises_is_an_error(published):
    site = published({"page.py": "def bad():\n    return 1 / 0\n"})
    assert site.get("page/bad").status == 500
    site.log.expect("ZeroDivisionError")


def test_server_return_ends_a_function(published):
    site = published({"page.py": """\
        from mod_python import apache
        def gone():
            raise apache.SERVER_RETURN(apache.HTTP_GONE)
        """})
    assert site.get("page/gone").status == 410


# Output

def test_none_writes_nothing(published):
    site = published({"page.py": "def quiet():\n    pass\n"})
    response = site.get("page/quiet")
    assert (response.status, response.body) == (200, b"")


def test_nothing_published_is_said_under_pythondebug(published):
    site = published({"page.py": "def quiet():\n    pass\n"},
                     "PythonDebug On\n")
    site.get("page/quiet")
    assert site.log.matching("has nothing to publish")


def test_a_function_that_writes_by_itself_is_no_surprise(published):
    site = published({"page.py": "def own(req):\n    req.write('own')\n"},
                     "PythonDebug On\n")
    assert site.get("page/own").text == "own"
    assert not site.log.matching("has nothing to publish")


def test_bytes_go_out_as_they_are(published):
    site = published({"page.py": "def raw():\n    return b'\\xff\\x00x'\n"})
    assert site.get("page/raw").body == b"\xff\x00x"


def test_text_goes_out_as_utf_8(published):
    site = published({"page.py": "def text():\n    return 'gr\\u00fcn'\n"})
    assert site.get("page/text").body == "grün".encode()


@pytest.mark.parametrize("text, kind", [
    ("<html></html>", "text/html"),
    ("<html></HTML>", "text/html"),
    ("x" * 1000 + "</html>\n", "text/html"),
    ("</html >", "text/html"),
    ("</html>" + " " * 93, "text/html"),
    ("</html>" + " " * 94, "text/plain"),
    ("</html> and more", "text/plain"),
    ("html>", "text/plain"),
    ("", "text/plain"),
    ("hello", "text/plain")])
def test_the_content_type_is_seen_by_its_end(published, text, kind):
    site = published({"page.py": f"def text():\n    return {text!r}\n"})
    assert site.get("page/text").headers["Content-Type"] == kind


def test_a_content_type_that_was_set_stays(published):
    site = published({"page.py": """\
        def text(req):
            req.content_type = "text/x-mine"
            return "</html>"
        """})
    assert site.get("page/text").headers["Content-Type"] == "text/x-mine"


# Pages as modules

def test_an_edited_page_is_new_at_the_next_request(published):
    site = published({"page.py": "def text():\n    return 'one'\n"})
    assert site.get_from_each_child("page/text")
    assert set(site.texts("page/text")) == {"one"}
    site.edit("page.py", "def text():\n    return 'two'\n")
    assert set(site.texts("page/text")) == {"two"}


def test_an_edited_import_refreshes_the_page(published):
    site = published({"page.py": "import lib\nvalue = lib.value\n"
                                 "def text():\n    return value\n",
                      "lib.py": "value = 'one'\n"})
    assert site.get("page/text").text == "one"
    site.edit("lib.py", "value = 'two'\n")
    assert site.get("page/text").text == "two"


def test_what_a_program_assigns_is_published_at_once(published):
    site = published({"page.py": """\
        def text():
            return "before"
        def change():
            global text
            def text():
                return "after"
            return "changed"
        """})
    assert site.get("page/text").text == "before"
    assert site.get("page/change").text == "changed"
    assert site.get("page/text").text in ("before", "after")  # of its child
    assert set(site.texts("page/text")) <= {"before", "after"}


def test_equal_names_in_different_directories_coexist(published):
    site = published({"a/page.py": "def text():\n    return 'a'\n",
                      "b/page.py": "def text():\n    return 'b'\n",
                      "page.py": "def text():\n    return 'top'\n"})
    for _ in range(2):
        assert [site.get(path + "page/text").text
                for path in ("a/", "b/", "")] == ["a", "b", "top"]


def test_a_page_whose_new_version_fails_goes_on_as_it_was(published):
    site = published({"page.py": "def text():\n    return 'one'\n"})
    assert set(site.texts("page/text")) == {"one"}
    site.edit("page.py", "def text(:\n")
    assert set(site.texts("page/text")) == {"one"}
    site.log.allow("MPY0202")
    site.edit("page.py", "def text():\n    return 'two'\n")
    assert set(site.texts("page/text")) == {"two"}


def test_the_error_is_the_answer_where_that_is_wanted(published):
    site = published({"page.py": "def text():\n    return 'one'\n"},
                     "PythonReloadFailure error\n")
    assert set(site.texts("page/text")) == {"one"}
    site.edit("page.py", "def text(:\n")
    seen = site.get_from_each_child("page/text").values()
    assert {response.status for response in seen} == {500}
    site.log.allow("MPY0202|MPY0401")
    site.edit("page.py", "def text():\n    return 'two'\n")
    assert set(site.texts("page/text")) == {"two"}


def test_a_request_sees_one_version_of_its_pages(published):
    site = published({
        "page.py": """\
            import harness
            from mod_python import publisher
            def text(req):
                first = publisher.get_page(req, "other").value
                harness.wait(__file__, "between")
                import other
                return first + publisher.get_page(req, "other").value \\
                    + other.value
            """,
        "other.py": "value = 'one'\n"})
    parked = site.later("page/text")
    site.wait_parked("between")
    site.edit("other.py", "value = 'two'\n")
    site.open_gate("between")
    assert parked.result(20).text == "oneoneone"
    assert set(site.texts("page/text")) == {"twotwotwo"}


def test_files_with_dots_in_their_names_are_pages(published):
    site = published({"a_b.py": "def text():\n    return 'a_b'\n",
                      "a.b.py": "def text():\n    return 'a.b'\n"})
    for _ in range(2):
        assert set(site.texts("a_b/text")) == {"a_b"}
        assert set(site.texts("a.b.py/text")) == {"a.b"}


# get_page()

GET_PAGE = """\
    from mod_python import publisher

    def other(req, path):
        page = publisher.get_page(req, path)
        return f"{page.value} {req.filename == __file__}"
    """


@pytest.mark.parametrize("path", ["other", "other.py", "./other.py",
                                  "sub/../other.py", "{site}/other.py",
                                  "{site}/other"])
def test_get_page_gives_the_module_of_another_page(published, path):
    site = published({"page.py": GET_PAGE, "other.py": "value = 'yes'\n",
                      "sub/x.py": ""})
    path = path.format(site=site.path().resolve())
    assert site.get("page/other?path=" + path).text == "yes True"


def test_get_page_gives_what_a_request_for_the_page_would_get(published):
    site = published({
        "page.py": """\
            from mod_python import publisher
            def count(req):
                page = publisher.get_page(req, "other")
                page.count += 1
                again = publisher.get_page(req, "other")
                return f"{page.count} {page is again}"
            """,
        "other.py": "count = 0\ndef seen():\n    return str(count)\n"})
    assert site.get("page/count").text == "1 True"
    assert {text for text in site.texts("other/seen")} <= {"0", "1"}
    assert max(site.texts("other/seen")) == "1"


def test_a_page_depends_on_what_get_page_gave_it(published):
    site = published({
        "page.py": """\
            from mod_python import publisher
            remembered = []
            def value(req):
                if not remembered:
                    remembered.append(publisher.get_page(req, "other").value)
                return remembered[0]
            """,
        "other.py": "value = 'one'\n"})
    assert site.get("page/value").text == "one"
    site.edit("other.py", "value = 'two'\n")
    assert set(site.texts("page/value")) == {"two"}


def test_get_page_of_nothing_is_not_found(published):
    site = published({"page.py": GET_PAGE})
    assert site.get("page/other?path=none").status == 404


def test_get_page_leaves_filename_when_the_page_fails(published):
    site = published({
        "page.py": """\
            from mod_python import publisher
            def bad(req):
                before = req.filename
                try:
                    publisher.get_page(req, "other")
                except ZeroDivisionError:
                    return str(req.filename == before)
            """,
        "other.py": "1 / 0\n"})
    assert site.get("page/bad").text == "True"


# For other packages

def test_publish_object_tells_whether_it_wrote(published):
    site = published({"page.py": """\
        from mod_python import publisher
        def tell(req):
            said = [publisher.publish_object(req, None),
                    publisher.publish_object(req, "text"),
                    publisher.publish_object(req, lambda: "called")]
            return repr(said)
        """})
    assert site.get("page/tell").text == "textcalled[False, True, True]"


def test_resolve_object_follows_the_rules_of_urls(published):
    site = published({"page.py": """\
        import sys
        from mod_python import apache, publisher
        class Box:
            text = "deep"
        box = Box()
        def find(req, path):
            from mod_python.publisher import get_page
            page = get_page(req, "page")
            try:
                return publisher.resolve_object(req, page, path)
            except apache.SERVER_RETURN as status:
                return str(status.args)
        """})
    assert site.get("page/find?path=box.text").text == "deep"
    assert site.get("page/find?path=box/text").text == "deep"
    assert site.get("page/find?path=_x").text == "(403,)"
    assert site.get("page/find?path=none").text == "(404,)"
    assert site.get("page/find?path=sys").text == "(403,)"


def test_no_python_code_runs_but_the_page_s(published):
    site = published({"page.py": """\
        import sys
        def frames(req):
            found, frame = [], sys._getframe()
            while frame:
                found.append(frame.f_code.co_name)
                frame = frame.f_back
            return repr(found)
        """})
    assert site.get("page/frames").text == "['frames']"
