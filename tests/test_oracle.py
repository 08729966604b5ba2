"""After any edit every URL answers as a freshly started server on the same
files would: random trees and edits, and the cases that were found so."""

import os
import time

import pytest

from oracle import Lab, Step
from oracle.search import search

SOAK = int(os.environ.get("MP_SOAK", "1"))  # times the work of soak tests
EXAMPLES = 60   # trees; the same ones each time
SECONDS = 20    # for as many of them as fit


def looked_for(lab, examples, seconds):
    before = lab.checks
    search(lab, examples, end=time.monotonic() + seconds)
    assert lab.checks > before


@pytest.fixture(scope="module")
def lab():
    """PythonReloadFailure error: what does not load answers 500, as in a
    fresh server."""
    lab = Lab("error")
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def keeping_lab():
    """PythonReloadFailure keep."""
    lab = Lab("keep")
    yield lab
    lab.close()


@pytest.mark.seconds(180 + 60 * SOAK)
def test_random_edits_are_answered_as_by_a_fresh_server(lab):
    looked_for(lab, EXAMPLES * SOAK, SECONDS * SOAK)


@pytest.mark.seconds(180 + 60 * SOAK)
def test_random_edits_are_answered_so_or_as_before_while_broken(keeping_lab):
    looked_for(keeping_lab, EXAMPLES * SOAK // 2, SECONDS * SOAK // 2)


# What random cases found. `answer` is an expression of the page.

def page(answer, imports=""):
    return f"{imports}\ndef handler(req):\n    req.write(repr({answer}))\n    return 0\n"


def late_page(answer, imports):
    return (f"def handler(req):\n    {imports}\n"
            f"    req.write(repr({answer}))\n    return 0\n")


def test_edit_of_init_is_seen_though_nothing_else_of_the_package_is_used(lab):
    lab.run(["h"], {
        "h.py": page("a.v", "import a"),
        "a/__init__.py": "v = 1\n",
    }, [Step({"a/__init__.py": "v = 2\n"})])


def test_parts_of_a_namespace_package_import_each_other(lab):
    lab.run(["h"], {
        "h.py": page("p.t.me.v", "import p.s, p.t"),
        "p/s.py": "import p.t\nv = 1\n",
        "p/t.py": "from p import s as me\n",
    }, [Step({"p/s.py": "import p.t\nv = 2\n"})])


def test_what_import_function_did_not_find_is_found_once_it_is_there(lab):
    lab.run(["h"], {
        "h.py": page("a and a.v", """
try:
    a = __import__("a")
except ImportError:
    a = None
"""),
    }, [Step({"a.py": "v = 2\n"})])


@pytest.mark.parametrize("edit", [
    {"p.py": "v = 1\n"},
    {"p.py": "v = 1\n", "p/s.py": None},
    {"p/__init__.py": "v = 1\n"},
], ids=["module", "module-instead", "package"])
def test_namespace_package_gives_way_though_only_functions_import_it(
        lab, edit):
    lab.run(["h"], {
        "h.py": late_page("getattr(p, 'v', 0)", "import p"),
        "p/s.py": "",
    }, [Step(edit)])


def test_module_gives_way_to_a_package_though_only_functions_import_it(lab):
    lab.run(["h"], {
        "h.py": late_page("a.v", "import a"),
        "a.py": "v = 1\n",
    }, [Step({"a/__init__.py": "v = 2\n"})])


def test_part_of_a_package_gives_way_to_a_package(lab):
    lab.run(["h"], {
        "h.py": page("s.v", "import p.s as s"),
        "p/s.py": "v = 1\n",
    }, [Step({"p/s/__init__.py": "v = 2\n"})])


def test_part_that_was_deleted_is_not_found_in_its_package(lab):
    lab.run(["h"], {
        "h.py": page("getattr(s, 'v', 0)", "from k import s"),
        "k/__init__.py": "",
        "k/s.py": "v = 1\n",
    }, [Step({"k/s.py": None})])


def test_failure_is_not_forgotten_when_something_else_is_edited(lab):
    lab.run(["h0", "h1"], {
        "h0.py": page("a.v", "import a"),
        "h1.py": page("b.v", "import b"),
        "a.py": "v = 1\n",
        "b.py": "v = 1\n",
    }, [Step({"a.py": None}), Step({"b.py": "v = 2\n"})])


@pytest.mark.parametrize("edit", [
    {"a/__init__.py": "v = 2\n"},
    {"a/__init__.py": None, "a.py": "v = 2\n"},
], ids=["edited", "replaced"])
def test_what_does_not_load_never_runs_with_its_old_text(lab, edit):
    """The edit of `a` reaches `h`, whose newest text does not load."""
    lab.run(["h"], {
        "h.py": page("a.v", "import a"),
        "a/__init__.py": "v = 1\n",
    }, [Step({"h.py": "1 / 0\n"}, asked=(0,)), Step(edit, asked=(1,))])


def test_syntax_error_in_a_file_that_another_hides_is_nobodys_business(lab):
    lab.run(["h"], {
        "h.py": page("a.v", "import a"),
        "a.py": "v = 1\n",
    }, [Step({"a.py": "def (\n", "a/__init__.py": "v = 2\n"})])


def test_module_does_without_an_optional_one_that_does_not_load(lab):
    lab.run(["h"], {
        "h.py": page("a and a.v", """
try:
    import a
except Exception:
    a = None
"""),
        "a.py": "v = 1\n",
    }, [Step({"a.py": "def (\n"}), Step({"a.py": "v = 2\n"}),
        Step({"a.py": "import nowhere\n"})])


OPTIONAL = page("f and f.v", """
try:
    import f
except Exception:
    f = None
""")


@pytest.mark.parametrize("files, mended", [
    ({"f/__init__.py": "1 / 0\n"}, {"f/__init__.py": "v = 2\n"}),
    ({"f.py": "import k\nv = 2\n", "k.py": "1 / 0\n"}, {"k.py": ""}),
    ({"f.py": "import k\nv = 2\n"}, {"k.py": ""}),
    ({"f.py": "import k\nv = k.v\n", "k.py": "import l\n",
      "l.py": "import m\n"}, {"m.py": "", "k.py": "import l\nv = 2\n"}),
    ({"f.py": "import k\nv = k.v\n", "k.py": "v = 2\nimport l\n",
      "l.py": "import m\n"}, {"m.py": ""}),
    ({"f.py": "import k\nv = k.v\n", "k.py": ""}, {"k.py": "v = 2\n"}),
    ({"f.py": "from p.q import v\n", "p/__init__.py": "",
      "p/q.py": "1 / 0\n"}, {"p/q.py": "v = 2\n"}),
    ({"f.py": "v = open(__file__.rpartition('/')[0] + '/x.txt').read()\n"},
     {"x.txt": "2"}),
], ids=["package", "imported", "missing", "far down", "farther down",
        "attribute", "part", "data"])
def test_optional_import_is_made_when_what_it_needs_is_mended(
        lab, files, mended):
    lab.run(["h"], {"h.py": OPTIONAL, **files},
            [Step({}, asked=(0,)), Step(mended, asked=(0,))])


def test_optional_import_that_failed_half_way_leaves_nothing_behind(lab):
    lab.run(["h"], {
        "h.py": OPTIONAL.replace("f and f.v", "(r.items, f and f.v)")
                        .replace("try:", "import r\ntry:"),
        "r.py": "items = []\n",
        "f.py": "import r\nr.items.append(1)\nimport k\nv = 2\n",
    }, [Step({}, asked=(0,)), Step({"k.py": ""}, asked=(0,))])


@pytest.mark.parametrize("files, edit", [
    ({"h1.py": page("1", "import g")}, {"h1.py": page("2")}),
    ({"h1.py": page("1", "import i"), "i.py": "import g\n"},
     {"h1.py": page("2")}),
    ({"h1.py": page("1", "import i"), "i.py": "import g\n"}, {"i.py": ""}),
    ({"h1.py": page("1", "import g\nimport i"), "i.py": "import g\n"},
     {"i.py": ""}),
    ({"h1.py": page("1", "import g, i"), "i.py": "import g\n"},
     {"h1.py": page("2", "import i")}),
    ({"h1.py": page("1", "import p.g"), "p/__init__.py": "",
      "p/g.py": "import r\nr.items.append(2)\n"},
     {"h1.py": page("2", "import p")}),
    ({"h1.py": page("late()", "def late():\n    import g\n")},
     {"h1.py": page("2")}),
], ids=["import", "below", "between", "another", "the other", "part",
        "late"])
def test_module_that_nobody_imports_any_more_takes_its_effects_along(
        lab, files, edit):
    lab.run(["h0", "h1"], {
        "h0.py": page("r.items", "import r"),
        "r.py": "items = []\n",
        "g.py": "import r\nr.items.append(1)\n", **files,
    }, [Step(edit, asked=(0, 1))])


@pytest.mark.parametrize("text", [page("k.v", "import k"),
                                  late_page("k.v", "import k")],
                         ids=["import", "late"])
def test_page_that_begins_to_import_what_does_not_load_does_not_either(
        lab, text):
    lab.run(["h1", "k"], {
        "h1.py": page("1"), "k.py": "import c\nv = 1\n" + page("v"),
        "c.py": "",
    }, [Step({"c.py": None}), Step({"h1.py": text}), Step({"c.py": ""})])


def test_page_that_comes_back_with_a_broken_module_does_not_load(lab):
    lab.run(["h0", "h1"], {
        "h0.py": page("f.v", "import f"), "h1.py": page("f.v", "import f"),
        "f.py": "v = 1\n",
    }, [Step({"f.py": "v = 2\n", "h0.py": None}),
        Step({"f.py": "v = 3\ndef (\n", "h0.py": page("f.v", "import f")})])
