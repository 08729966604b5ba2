"""apache.census(): a version of a module that was replaced is freed, or the
census names what keeps it."""

import ast
import pathlib
import re
import sys
import textwrap

import pytest

from httpd import page

CENSUS = '''\
from mod_python import apache

def handler(req):
    req.write(repr([(one.label, one.version, one.file, str(one), one.advice)
                    for one in apache.census()]))
    return apache.OK
'''


def serve(own_server, body, extra="", **choices):
    """A server with one child process: /site/ imports the module `old` with
    this body, /site/census/ asks for the census. Every body has a function,
    so that whoever holds that holds the module."""
    server = own_server(extra, children=1, **choices, files={
        "page.py": page("old.version", "import old"),
        "old.py": "version = 1\n" + textwrap.dedent(body),
        "census/census.py": CENSUS})
    server.site.serve("page")
    server.site.serve("census", directory="census")
    return server.site


def census(site):
    """[(label, version, file, text, advice)] from the only child."""
    (response,) = site.get_from_each_child("census/").values()
    assert response.status == 200, response.text
    return ast.literal_eval(response.text)


def reload(site):
    (response,) = site.get_from_each_child().values()
    assert response.text == "1"
    site.replace("old.py", "version = 1", "version = 2")
    (response,) = site.get_from_each_child().values()
    assert response.text == "2"



# What goes by itself, once nobody uses the old version.
FREED = {
    "register_cleanup": """
from mod_python import apache

def cleanup(data):
    pass
apache.register_cleanup(cleanup)
""",
    "functions": """
        def f(x=object()):
            return f
        f.me = f
        """,
    "classes": """
        class A:
            def me(self):
                return A
        class B(A):
            def me(self):
                return super().me()
        b = B()
        """,
    "closures": """
        def outer():
            def inner():
                return outer, inner
            return inner
        inner = outer()
        """,
    "dataclass": """
        import dataclasses

        @dataclasses.dataclass(frozen=True)
        class Point:
            x: int
            def f(self):
                return Point
        p = Point(1)
        """,
    "enum": """
        import enum

        class Colour(enum.Enum):
            RED = 1
            def f(self):
                return Colour
        class Flags(enum.Flag):
            A = 1
            B = 2
        both = Flags.A | Flags.B
        """,
    "NamedTuple": """
        import collections
        import typing

        class Pair(typing.NamedTuple):
            a: int
            def f(self):
                return Pair
        Other = collections.namedtuple("Other", "a b")
        """,
    "lru_cache": """
        import functools

        class A:
            def f(self):
                return A

        @functools.lru_cache
        def cached(x):
            return A()
        cached(1)

        class B:
            @functools.cached_property
            def a(self):
                return A()
        a = B().a
        """,
    "ABC-subclass": """
        import collections.abc

        class Own(collections.abc.Sized):
            def __len__(self):
                return len(Own.__mro__)
        assert isinstance(Own(), collections.abc.Sized)
        """,
    "ABC-register": """
        import collections.abc

        class Own:
            def f(self):
                return Own
        collections.abc.Sequence.register(Own)
        assert isinstance(Own(), collections.abc.Sequence)
        """,
    "threading.local": """
        import threading

        class A:
            def f(self):
                return A
        local = threading.local()
        local.a = A()
        """,
    "weakref.finalize": """
        import weakref

        class A:
            def f(self):
                return A
        a = A()
        weakref.finalize(a, print, "gone")
        """,
    "get_type_hints": """
        import typing

        class A:
            other: "A"
            def f(self, a: "A") -> "list[A]":
                return [A()]
        hints = typing.get_type_hints(A), typing.get_type_hints(A.f)
        """,
}


@pytest.mark.parametrize("pattern", FREED)
def test_old_version_is_freed_with(own_server, pattern):
    site = serve(own_server, FREED[pattern])
    reload(site)
    assert census(site) == []


# What something else holds: the body, and who is named. OLD is the module.
OLD = r"_mp_[0-9a-f]{8}\.old \(version 1\)"
FILE = r"\(\S+/site/old\.py:\d+\)"
CLASS = """
class A:
    def f(self):
        return A
"""
HELD = {
    "Optional": (CLASS + """
import typing
t = typing.Optional[A]
""", r"function A\.f FILE <- class A <- .*cache of typing"),
    "Dict": (CLASS + """
import typing
t = typing.Dict[str, A]
""", r"function A\.f FILE <- class A <- .*cache of typing"),
    "Generic": ("""
import typing
T = typing.TypeVar("T")

class Box(typing.Generic[T]):
    def f(self):
        return Box
t = Box[int]
""", r"function Box\.f FILE <- class Box <- .*cache of typing"),
    "bound-TypeVar": (CLASS + """
import typing
T = typing.TypeVar("T", bound=A)
t = typing.List[T]
""", r"function A\.f FILE <- class A <- .*cache of typing"),
    "singledispatch": (CLASS + """
import harness_generic

@harness_generic.show.register
def show(a: A):
    return "A"
""", r".* <- harness_generic\.show"),
    "copyreg": (CLASS + """
import copyreg
copyreg.pickle(A, A.f)
""", r"function A\.f FILE <- copyreg\.dispatch_table"),
    "codecs": ("""
import codecs

def search(name):
    return None
codecs.register(search)
""", r"function search FILE <- search functions of the codecs"),
    "codec-errors": ("""
import codecs

def replace(error):
    return "", error.end
codecs.register_error(f"empty-{version}", replace)
""", r"function replace FILE <- error handlers of the codecs"),
    "logging-handler": ("""
import logging

class Handler(logging.Handler):
    def emit(self, record):
        return Handler
logging.getLogger().addHandler(Handler())
""", r"function Handler\.emit FILE <- class Handler "
     r"<- \S+\.old\.Handler object <- logger 'root'"),
    "logging-filter": ("""
import logging

def keep(record):
    return True
logging.getLogger("some.where").addFilter(keep)
""", r"function keep FILE <- logger 'some\.where'"),
    "excepthook": ("""
import sys

def hook(*args):
    pass
if sys.excepthook is sys.__excepthook__:
    sys.excepthook = hook
""", r"function hook FILE <- sys\.excepthook"),
    "chained-excepthook": ("""
import sys
before = sys.excepthook

def hook(*args):
    before(*args)
sys.excepthook = hook
""", r"function hook FILE <- \S+\.old\.before \(version 2, in use\)"),
    "finalize": (CLASS + """
import weakref
a = A()

def end():
    pass
weakref.finalize(a, end)
""", r"function end FILE <- weakref\.finalize\._Info object "
     r"<- class finalize <- weakref\.finalize"),
    "atexit": ("""
import atexit

def cleanup():
    pass
atexit.register(cleanup)
""", r"function cleanup FILE <- atexit callback"),
    "ctypes": ("""
import ctypes

class Struct(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int)]
    def f(self):
        return Struct
pointer = ctypes.POINTER(Struct)
""", r"function Struct\.f FILE <- class Struct "
     # From 3.13 on also a part of _ctypes' own, whichever is found first.
     r".*<- (ctypes\._pointer_type_cache|C code of module _ctypes)"),
    "ContextVar": (CLASS + """
import contextvars
var = contextvars.ContextVar("shop.basket")
var.set(A())
""", r".*context of a thread, with the ContextVar .*shop\.basket.*"),
    "alias": ("""
import sys
import old
sys.modules.setdefault("alias_of_old", old)
""", r"sys\.modules\['alias_of_old'\]"),
    "registry": ("""
import harness_generic

@harness_generic.route("/")
def view():
    pass
""", r"function view FILE <- harness_generic\.ROUTES"),
    "thread": ("""
import threading

def loop(event):
    event.wait()
threading.Thread(target=loop, name="ticker", args=[threading.Event()],
                 daemon=True).start()
""", r"thread 'ticker', now in loop FILE"),
}


# Since Python 3.14 a class keeps its pointer type itself, and goes with it.
POINTERS_STAY = sys.version_info < (3, 14)


@pytest.mark.parametrize("pattern", [name for name in HELD if name != "ctypes"
                                     or POINTERS_STAY])
def test_census_names_what_holds_the_old_version(own_server, pattern):
    body, expected = HELD[pattern]
    site = serve(own_server, body)
    reload(site)
    check(site, expected)


def check(site, expected):
    """The old version of `old` is alive, and this is why."""
    texts = [text for label, _, _, text, _ in census(site)
             if label.endswith(".old")]
    assert len(texts) == 1, texts
    expected = expected.replace("FILE", FILE)
    assert re.fullmatch(f"{OLD} <- {expected}", texts[0]), texts[0]


def test_census_names_a_signal_handler(own_server):
    """Only the main thread may set one, so the body of PythonImport does."""
    site = serve(own_server, """
        import signal
        import threading

        def on_signal(number, frame):
            pass
        if signal.getsignal(signal.SIGURG) is signal.SIG_DFL:
            signal.signal(signal.SIGURG, on_signal)
        """, extra="PythonImport ${SITE}/old.py main_interpreter")
    reload(site)
    check(site, "function on_signal FILE <- signal handler of SIGURG")


def test_census_names_a_module_that_keeps_an_object(own_server):
    site = serve(own_server, CLASS)
    site.write({"other.py": "things = []\n"})
    site.edit("page.py", page(
        "(other.things.append(old.A()), old.version)[1]",
        "import old, other"))
    reload(site)
    check(site, r"function A\.f FILE <- class A <- \S+\.old\.A object "
                r"<- \S+\.other\.things \(version 1, in use\)")


def test_census_says_what_is_only_kept_along(own_server):
    site = serve(own_server, HELD["atexit"][0])
    reload(site)
    old, other = census(site)
    assert (old[0] + " (version 1) <- function cleanup") in old[3]
    assert other[0].endswith(".page")
    assert other[3].startswith(f"{other[0]} (version 1) <- generation ")
    assert other[3].endswith(old[3])
    assert other[2] == str(site.path("page.py"))


def test_census_gives_advice(own_server):
    site = serve(own_server, HELD["atexit"][0])
    reload(site)
    assert "atexit.unregister()" in census(site)[0][4]


# The remedies of docs/importing.md: what is added to the body, or replaced.
PURGE = "\ndef __mp_purge__():\n    "
REMEDIES = {
    "Optional": PURGE + "for clear in typing._cleanups: clear()\n",
    "Dict": ("typing.Dict[str, A]", "dict[str, A]"),
    "copyreg": PURGE + "del copyreg.dispatch_table[A]\n",
    "codecs": PURGE + "codecs.unregister(search)\n",
    "logging-handler": (
        "logging.getLogger().addHandler(Handler())",
        "mine = Handler()\nlogging.getLogger().addHandler(mine)\n" + PURGE
        + "logging.getLogger().removeHandler(mine)"),
    "logging-filter":
        PURGE + "logging.getLogger('some.where').removeFilter(keep)\n",
    "chained-excepthook": ("before(*args)", "sys.__excepthook__(*args)"),
    "finalize": ("weakref.finalize(a, end)", "watch = weakref.finalize(a, end)"
                 + PURGE + "watch.detach()"),
    "atexit": PURGE + "atexit.unregister(cleanup)\n",
    "ctypes": PURGE + "del ctypes._pointer_type_cache[Struct]\n"
        if POINTERS_STAY else "",
    "ContextVar": ("var.set(A())", "contextvars.ContextVar('x', "
                                   "default=A())"),
    "registry": PURGE + "harness_generic.ROUTES['/'].remove(view)\n",
    "thread": ("threading.Thread(target=loop, name=\"ticker\", "
               "args=[threading.Event()],\n                 daemon=True)"
               ".start()",
               "end = threading.Event()\n"
               "ticker = threading.Thread(target=loop, args=[end])\n"
               "ticker.start()\n" + PURGE + "end.set()\n    ticker.join()"),
}


@pytest.mark.parametrize("pattern", REMEDIES)
def test_remedy_frees_the_old_version(own_server, pattern):
    body, remedy = HELD[pattern][0], REMEDIES[pattern]
    if isinstance(remedy, str):
        body += remedy
    else:
        assert remedy[0] in body
        body = body.replace(*remedy)
    if pattern == "chained-excepthook":
        body = body.replace("before = sys.excepthook\n", "")
    site = serve(own_server, body)
    reload(site)
    assert census(site) == []


def test_documented_handler_shows_the_census(own_server):
    text = (pathlib.Path(__file__).parents[1]
            / "docs/importing.md").read_text()
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", text,
                                           re.DOTALL)
               if "apache.census()" in code]
    site = serve(own_server, HELD["atexit"][0])
    site.write({"show/show.py": code})
    site.serve("show", directory="show")
    reload(site)
    lines = site.get("show/").text.splitlines()
    assert lines[0].endswith("<- atexit callback")
    assert "atexit.unregister()" in lines[1]
    assert len(lines) == 4


def test_version_that_a_request_uses_is_no_survivor(own_server):
    site = serve(own_server, HELD["atexit"][0], mpm="worker")
    site.edit("page.py", """
        from mod_python import apache
        import harness
        import old

        def handler(req):
            if req.args:
                harness.wait(__file__, "long")
            req.write(str(old.version))
            return apache.OK
        """)
    parked = site.later("?long")
    site.wait_parked("long")
    reload(site)
    assert census(site) == []
    site.open_gate("long")
    assert parked.result(20).text == "1"
    assert len(census(site)) == 2


def test_several_survivors_are_told_each_for_its_own_reason(own_server):
    site = serve(own_server, HELD["atexit"][0])
    site.replace("page.py", "import old", """import old, sys

def hook(*args):
    pass
if sys.excepthook is sys.__excepthook__:
    sys.excepthook = hook
""")
    reload(site)
    old, other = census(site)
    assert old[3].endswith("<- atexit callback")
    assert other[3].endswith("<- sys.excepthook")


def test_what_cannot_be_seen_is_said_to_be_held_by_c_code(own_server):
    site = serve(own_server, """
        import sys

        def hook(event, args):
            pass
        sys.addaudithook(hook)
        """)
    reload(site)
    check(site, r"function hook FILE <- (list <- )?"
                r"C code, or a function that runs \(a local variable\)")


def test_census_ends_in_time_and_says_so(own_server):
    site = serve(own_server, HELD["atexit"][0])
    site.replace("census/census.py", "census()", "census(seconds=0)")
    reload(site)
    assert {text.rpartition(" <- ")[2] for _, _, _, text, _
            in census(site)} == {"not found in time"}


def test_census_of_clean_code_is_empty_after_fifty_reloads(own_server):
    site = serve(own_server, FREED["classes"])
    for number in range(1, 51):
        site.get()
        site.replace("old.py", f"version = {number}\n",
                     f"version = {number + 1}\n")
    assert site.get().text == "51"
    assert census(site) == []


def test_census_leaves_no_trace(own_server):
    """Asked twice, it says the same: it holds nothing itself."""
    site = serve(own_server, HELD["thread"][0])
    reload(site)
    first = census(site)
    assert first and census(site) == first


def test_census_of_another_interpreter(own_server):
    site = serve(own_server, HELD["registry"][0], interpreter="another")
    reload(site)
    check(site, HELD["registry"][1])


def test_version_that_did_not_load_is_said_to_be_remembered(own_server):
    site = serve(own_server, CLASS)
    (response,) = site.get_from_each_child().values()
    assert response.text == "1"
    site.replace("old.py", "version = 1", "version = 1 / 0")
    assert site.get().text == "1"
    site.log.expect("ZeroDivisionError")
    texts = [text for _, _, _, text, _ in census(site)]
    assert len(texts) == 2
    assert all(re.search(r"<- exception ZeroDivisionError "
                         r"<- generation \d+, where it does not load$", text)
               for text in texts), texts


def test_failed_version_that_is_held_is_named_with_what_it_keeps(own_server):
    site = serve(own_server, HELD["registry"][0] + "1 // version\n")
    (response,) = site.get_from_each_child().values()
    assert response.text == "1"
    site.replace("old.py", "version = 1", "version = 0")
    assert site.get().text == "1"
    site.log.expect("ZeroDivisionError")
    site.replace("old.py", "version = 0", "version = 3")
    assert site.get().text == "3"
    texts = {(label.rpartition(".")[2], version): text
             for label, version, _, text, _ in census(site)}
    held = texts["old", 2]
    assert held.endswith("<- harness_generic.ROUTES")
    assert "<- generation" not in held
    assert re.search(r" <- generation \d+ <- \S+\.old \(version [12]\) <- ",
                     texts["page", 1]), texts


def test_censuses_at_the_same_time_do_not_see_each_other(own_server):
    site = serve(own_server, """
        import sys

        def hook(event, args):
            pass
        sys.addaudithook(hook)
        """, mpm="worker")
    reload(site)
    (alone,) = {site.get("census/").text}
    asked = [site.later("census/") for _ in range(8)]
    assert {one.result(30).text for one in asked} == {alone}
