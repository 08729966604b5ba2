"""What goes by a module's name (pickle, dataclasses, typing, inspect,
logging, mock and the rest of Python's reflection) finds the version that the
asking request has pinned."""

import pytest

from httpd import page
from inline import value

CHILD = {"mpm": "worker", "children": 1}


def edited(site, name="hello.py"):
    """Save the file with a comment more: every module of it runs again."""
    site.edit(name, "# edited\n" + site.text(name))


# The object in sys.modules

def test_portal_is_a_module_with_the_contents_of_the_real_one(site):
    site.write({"child.py": '"""Doc."""\nx = 1\n\ndef f():\n    pass\n'})
    assert value(site, """
        import inspect, sys, types
        import child
        portal = sys.modules[child.__name__]
        return [portal is not child, isinstance(portal, types.ModuleType),
                inspect.ismodule(portal), portal.x, portal.f is child.f,
                portal.__doc__, portal.__file__ == child.__file__,
                portal.__spec__ is child.__spec__, portal.__dict__ is
                child.__dict__, vars(portal) is vars(child),
                sorted(dir(portal)) == sorted(dir(child)),
                dict(inspect.getmembers(portal))["x"],
                hasattr(portal, "nope"), child.__name__ in repr(portal)]
        """) == [True, True, True, 1, True, "Doc.", True, True, True, True,
                 True, 1, False, True]


def test_missing_attribute_of_a_portal_is_an_attribute_error_with_the_name(
        site):
    site.write({"child.py": ""})
    message = value(site, """
        import sys, child
        return outcome(getattr, sys.modules[child.__name__], "nope")
        """)
    assert message.startswith("AttributeError: module '_mp_")
    assert message.endswith(".child' has no attribute 'nope'")


def test_what_is_set_through_a_portal_is_set_in_the_module(site):
    site.write({"child.py": "x = 1\n"})
    assert value(site, """
        import sys, child
        portal = sys.modules[child.__name__]
        portal.x = 2
        portal.y = 3
        got = [child.x, child.y]
        del portal.y
        return got + [hasattr(child, "y"), kind(delattr, portal, "y")]
        """) == [2, 3, False, "AttributeError"]


def test_portal_answers_each_request_from_its_own_generation(site):
    site.write({
        "hello.py": """
            import sys
            import harness
            from mod_python import apache
            import child

            def handler(req):
                portal = sys.modules[child.__name__]
                if req.args == "park":
                    harness.wait(__file__, "middle")
                req.write(repr((portal.value, portal.__dict__["value"],
                                harness.load(child.__name__).value,
                                portal is sys.modules[child.__name__])))
                return apache.OK
            """,
        "child.py": "value = 1\n"})
    site.serve("hello")
    assert site.texts() == {"(1, 1, 1, True)"}
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "(2, 2, 2, True)"
    site.open_gate("middle")
    assert parked.result(20).text == "(1, 1, 1, True)"
    assert site.texts() == {"(2, 2, 2, True)"}


def test_name_taken_out_of_sys_modules_is_found_again(site):
    site.write({"child.py": "class C:\n    pass\n\n\nx = 1\n"})
    assert value(site, """
        import importlib, pickle, sys
        from unittest import mock
        import child
        data = pickle.dumps(child.C())
        sys.modules.pop(child.__name__)
        import child as again
        found = [again is child, type(pickle.loads(data)) is child.C]
        sys.modules.pop(child.__name__)
        return found + [importlib.import_module(child.__name__).x,
                        child.__name__ in sys.modules]
        """) == [True, True, 1, True]


def test_module_first_imported_under_a_patched_sys_modules_is_found_again(
        site):
    site.write({"child.py": "class C:\n    pass\n"})
    assert value(site, """
        import pickle, sys
        from unittest import mock
        with mock.patch.dict(sys.modules):
            import child
            data = pickle.dumps(child.C())
        return type(pickle.loads(data)) is child.C
        """) is True


def test_star_import_by_cold_code_takes_the_names_of_the_version(site):
    site.write({"child.py": "one = 1\n_two = 2\n",
                "hello.py": page("take()", """
        import harness, child

        def take():
            space = {"__builtins__": harness.__builtins__}
            harness.call(exec, f"from {child.__name__} import *", space)
            return sorted(n for n in space if not n.startswith("__"))
        """)})
    site.serve("hello")
    assert site.texts() == {"['one']"}
    site.edit("child.py", "__all__ = ['_two']\none = 1\n_two = 2\n")
    assert site.texts() == {"['_two']"}


def test_module_that_puts_an_object_in_its_place_is_that_object(site):
    site.write({
        "hello.py": page("(child.double(4), sys.modules[child.name].limit)",
                         "import sys, child"),
        "child.py": """
            import sys

            class Odd:
                name = __name__
                limit = 1

                def double(self, x):
                    return x * 2

            sys.modules[__name__] = Odd()
            """})
    site.serve("hello")
    assert site.texts() == {"(8, 1)"}
    site.replace("child.py", "limit = 1", "limit = 2")
    assert site.texts() == {"(8, 2)"}


OWN_MODULE = {
    "attribute": "sys.modules[__name__].value = VALUE\n",
    "setattr": "setattr(sys.modules[__name__], 'value', VALUE)\n",
    "vars": "vars(sys.modules[__name__])['value'] = VALUE\n",
    "dict": "sys.modules[__name__].__dict__.update(value=VALUE)\n",
    "importlib": "import importlib\n"
                 "importlib.import_module(__name__).value = VALUE\n",
    "import": "import child\nchild.value = VALUE\n",
    "thread": "import threading\n\ndef run():\n"
              "    sys.modules[__name__].value = VALUE\n\n"
              "thread = threading.Thread(target=run)\nthread.start()\n"
              "thread.join()\n",
    "pickle": "import pickle\n\nclass C:\n    pass\n\n"
              "assert type(pickle.loads(pickle.dumps(C()))) is C\n"
              "value = VALUE\n",
    "hints": "import dataclasses, typing\n\n@dataclasses.dataclass\n"
             "class C:\n    x: 'C'\n\n"
             "assert typing.get_type_hints(C)['x'] is C\nvalue = VALUE\n",
    "logging": "import logging.config\n\ndef make():\n"
               "    return logging.NullHandler()\n\n"
               "logging.config.dictConfig({\n"
               "    'version': 1, 'disable_existing_loggers': False,\n"
               "    'handlers': {'h': {'()': __name__ + '.make'}},\n"
               "    'loggers': {__name__: {'handlers': ['h']}}})\n"
               "value = VALUE\n",
}


@pytest.mark.parametrize("kind", OWN_MODULE)
def test_body_finds_its_own_unfinished_module_by_its_name(site, kind):
    text = "import sys\n" + OWN_MODULE[kind]
    site.write({"hello.py": page("child.value", "import child"),
                "child.py": text.replace("VALUE", "1")})
    site.serve("hello")
    assert site.texts() == {"1"}
    site.edit("child.py", text.replace("VALUE", "2"))
    assert site.texts() == {"2"}


# pickle

SHAPES = """
    import enum

    class Square:
        def __init__(self, side):
            self.side = side

        class Corner:
            version = VERSION

        def area(self):
            return (VERSION, self.side * self.side)

    class Colour(enum.Enum):
        RED = VERSION

    class Flags(enum.Flag):
        A = 1
        B = 2

    def function():
        return VERSION
    """
PICKLES = """
    import copy, pickle, shapes

    def things():
        return [shapes.Square(3), shapes.Square, shapes.Square.Corner(),
                shapes.Colour.RED, shapes.Flags.A | shapes.Flags.B,
                shapes.function, shapes.Square(2).area]

    def describe(got):
        return (got[0].area(), got[1] is shapes.Square, got[2].version,
                got[3] is shapes.Colour.RED, got[4] == shapes.Flags(3),
                got[5](), got[6](), type(got[0]) is shapes.Square)
    """


def described(version):
    return str(((version, 9), True, version, True, True, version,
                (version, 4), True))


@pytest.mark.parametrize("dumps, loads", [
    ("pickle.dumps", "pickle.loads"), ("pickle._dumps", "pickle._loads"),
    ("pickle.dumps", "pickle._loads"), ("pickle._dumps", "pickle.loads")])
def test_pickle_works_under_old_and_new_pins(site, dumps, loads):
    site.write({
        "hello.py": page("work(req)", PICKLES.replace("\n    ", "\n") + f"""
import harness

def work(req):
    if req.args == "park":
        harness.wait(__file__, "middle")
    return describe({loads}({dumps}(things())))
"""), "shapes.py": SHAPES.replace("VERSION", "1")})
    site.serve("hello")
    assert site.texts() == {described(1)}
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("shapes.py", SHAPES.replace("VERSION", "2"))
    assert site.get().text == described(2)
    site.open_gate("middle")
    assert parked.result(20).text == described(1)


def test_pickle_is_read_as_the_class_of_the_reader(own_server):
    """Old and new write the same bytes, and each reads them as its own."""
    server = own_server(**CHILD, files={
        "hello.py": page("work(*req.args.split('='))", """
            import harness, pickle, shapes

            def work(how, data):
                if how == "dump":
                    return pickle.dumps([shapes.Square(3), shapes.Square,
                                         shapes.function]).hex()
                if how == "park":
                    harness.wait(__file__, "middle")
                one, kind, function = pickle.loads(bytes.fromhex(data))
                return (one.area(), type(one) is kind is shapes.Square,
                        function is shapes.function, function())
            """), "shapes.py": SHAPES.replace("VERSION", "1")})
    site = server.site
    site.serve("hello")
    data = site.get("?dump=").text
    assert site.get("?load=" + data).text == "((1, 9), True, True, 1)"
    parked = site.later("?park=" + data)
    site.wait_parked("middle")
    site.edit("shapes.py", SHAPES.replace("VERSION", "2"))
    assert site.get("?dump=").text == data
    assert site.get("?load=" + data).text == "((2, 9), True, True, 2)"
    site.open_gate("middle")
    assert parked.result(20).text == "((1, 9), True, True, 1)"


def test_pickle_is_read_in_a_child_that_has_not_imported_the_module(
        own_server):
    server = own_server(files={
        "hello.py": page("work(req.args)", """
            import pickle, sys

            def work(data):
                if data == "dump":
                    import shapes
                    return pickle.dumps(shapes.Square(3)).hex()
                fresh = not any(name.endswith(".shapes")
                                for name in sys.modules)
                return fresh, pickle.loads(bytes.fromhex(data)).area()
            """), "shapes.py": SHAPES.replace("VERSION", "1")})
    site = server.site
    site.serve("hello")
    data = site.get("?dump").text
    server.restart()
    assert site.texts("?" + data) == {"(True, (1, 9))"}
    assert site.texts("?" + data) == {"(False, (1, 9))"}
    site.edit("shapes.py", SHAPES.replace("VERSION", "2"))
    assert site.texts("?" + data) == {"(False, (2, 9))"}


def test_pickle_of_an_application_root_is_read_by_any_directory(own_server):
    """A name of an application root is found before anybody imported it,
    also by code that is not reloadable."""
    server = own_server("PythonModulePath ${SITE}/app", files={
        "app/shop/__init__.py": "", "app/shop/shapes.py":
            SHAPES.replace("VERSION", "1"),
        "a/hello.py": page("pickle.dumps(shop.shapes.Square(3)).hex()",
                           "import pickle, shop.shapes"),
        "b/hello.py": page("harness.call(pickle.loads,"
                           " bytes.fromhex(req.args)).area()",
                           "import harness, pickle"),
        "a/.htaccess": "SetHandler mod_python\nPythonHandler hello\n",
        "b/.htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    site = server.site
    data = site.get("a/").text
    server.restart()
    assert site.texts("b/?" + data) == {"(1, 9)"}
    site.edit("app/shop/shapes.py", SHAPES.replace("VERSION", "2"))
    assert site.texts("b/?" + data) == {"(2, 9)"}


def test_object_of_an_old_class_is_not_pickled_as_a_new_one(site):
    site.write({
        "hello.py": page("work()", """
            import harness, pickle, shapes

            def work():
                kept = harness.__dict__.setdefault(__name__, [])
                kept.append(shapes.Square(1))
                try:
                    return len(pickle.loads(pickle.dumps(kept)))
                except pickle.PicklingError as error:
                    return "not the same object" in str(error)
            """), "shapes.py": SHAPES.replace("VERSION", "1")})
    site.serve("hello")
    with site.server.connect() as connection:
        assert connection.get(site.url()).text == "1"
        assert connection.get(site.url()).text == "2"
        site.edit("shapes.py", SHAPES.replace("VERSION", "2"))
        assert connection.get(site.url()).text == "True"


def test_copy_copyreg_and_forking_pickler_work(site):
    site.write({"shapes.py": SHAPES.replace("VERSION", "1")})
    assert value(site, """
        import copy, copyreg, io, multiprocessing.reduction, pickle, shapes
        one = shapes.Square(3)
        copies = [copy.copy(one), copy.deepcopy([one])[0],
                  pickle.loads(bytes(multiprocessing.reduction
                                     .ForkingPickler.dumps(one)))]
        copyreg.pickle(shapes.Square.Corner,
                       lambda corner: (shapes.Square, (7,)))
        copies.append(pickle.loads(pickle.dumps(shapes.Square.Corner())))
        return [c.area() for c in copies]
        """) == [(1, 9), (1, 9), (1, 9), (1, 49)]


# dataclasses, typing, enum

TYPED = """
    from __future__ import annotations
    import abc, dataclasses, enum, typing
    from typing import ClassVar, Generic, NamedTuple, Optional, Protocol
    from typing import TypedDict, TypeVar
    import other

    T = TypeVar("T")

    @dataclasses.dataclass(frozen=True, slots=True, order=True)
    class Point:
        x: int
        y: Optional[other.Other] = None
        shared: ClassVar[dict] = {}

    @dataclasses.dataclass(kw_only=True)
    class Deep(other.Base):
        inner: Point
        made: int = dataclasses.field(init=False, default=3)
        once: dataclasses.InitVar[int] = 4

        def __post_init__(self, once):
            self.made += once

    class Pair(NamedTuple):
        left: Point
        right: other.Other = None

    class Row(TypedDict, total=False):
        cell: Point

    class Box(Generic[T]):
        item: T

    class Sized(Protocol):
        size: int

    @typing.runtime_checkable
    class Runs(Protocol):
        def run(self) -> Point: ...

    class Runner:
        def run(self):
            return Point(1)

    class Base(abc.ABC):
        @abc.abstractmethod
        def go(self): ...

    @Base.register
    class Registered:
        pass

    class Level(enum.IntEnum):
        LOW = enum.auto()
        HIGH = enum.auto()

    def function(a: Point, b: Level = Level.LOW) -> Optional[Pair]:
        return Pair(a)
    """
OTHER = """
    import dataclasses

    class Other:
        pass

    @dataclasses.dataclass
    class Base:
        name: str = "base"
    """
CHECKS = """
    import copy, dataclasses, inspect, pickle, typing
    import other
    from typed import *
    import typed

    def checks():
        hints = typing.get_type_hints
        deep = Deep(inner=Point(1), name="n")
        found = [
            [f.name for f in dataclasses.fields(Point)],
            Point(1) == Point(1), Point(1) < Point(2),
            dataclasses.asdict(deep), dataclasses.replace(deep, once=1).made,
            hints(Point)["y"] == typing.Optional[other.Other],
            hints(Deep)["inner"] is Point, hints(Pair)["right"] is other.Other,
            hints(Row)["cell"] is Point, hints(function)["a"] is Point,
            hints(function)["return"] == typing.Optional[Pair],
            inspect.signature(function, eval_str=True)
                .parameters["b"].annotation is Level,
            Box[Point] == Box[typed.Point], isinstance(Runner(), Runs),
            isinstance(Registered(), Base), issubclass(Deep, other.Base),
            Level.HIGH > Level.LOW, Level(1) is typed.Level.LOW,
            pickle.loads(pickle.dumps(Point(1))) == Point(1),
            pickle.loads(pickle.dumps(Pair(Point(1)))) == Pair(Point(1)),
            pickle.loads(pickle.dumps(Level.HIGH)) is Level.HIGH,
            pickle.loads(pickle.dumps(Box[Point])) == Box[Point],
            copy.deepcopy(deep) == deep,
        ]
        match deep:
            case Deep(inner=Point(x=1)):
                found.append("matched")
        return found
    """
TYPED_RESULT = str([
    ["x", "y"], True, True,
    {"name": "n", "inner": {"x": 1, "y": None}, "made": 7}, 4,
    True, True, True, True, True, True, True, True, True, True, True, True,
    True, True, True, True, True, True, "matched"])


@pytest.mark.parametrize("name", ["typed.py", "other.py", "hello.py"])
def test_typed_classes_work_in_every_generation(site, name):
    site.write({"hello.py": page("checks()", CHECKS), "typed.py": TYPED,
                "other.py": OTHER})
    site.serve("hello")
    assert site.texts() == {TYPED_RESULT}
    for _ in range(2):
        if name == "typed.py":
            site.replace(name, "import other\n", "import other\n\n")
        else:
            edited(site, name)
        assert site.texts() == {TYPED_RESULT}


def test_typed_classes_work_in_every_interpreter(site):
    site.write({"hello.py": page("checks()", CHECKS), "typed.py": TYPED,
                "other.py": OTHER})
    for name in ("typed_one", "typed_two"):
        site.serve("hello", f"PythonInterpreter {name}")
        assert site.texts() == {TYPED_RESULT}
    edited(site, "other.py")
    for name in ("typed_one", "typed_two"):
        site.serve("hello", f"PythonInterpreter {name}")
        assert site.texts() == {TYPED_RESULT}


def test_typed_classes_of_an_old_request_go_on(site):
    site.write({"hello.py": page("park(req) or checks()", CHECKS + """
    import harness

    def park(req):
        if req.args == "park":
            harness.wait(__file__, "middle")
    """), "typed.py": TYPED, "other.py": OTHER})
    site.serve("hello")
    assert site.texts() == {TYPED_RESULT}
    parked = site.later("?park")
    site.wait_parked("middle")
    site.replace("typed.py", "left: Point", "first: Point")
    site.replace("other.py", "name: str", "other_name: str")
    site.log.allow("TypeError")
    assert site.get().status == 500
    site.open_gate("middle")
    assert parked.result(20).text == TYPED_RESULT


def test_exceptions_of_each_generation_are_caught_by_its_own_clauses(site):
    site.write({
        "hello.py": page("work(req)", """
            import errors, harness, raiser

            def work(req):
                if req.args == "park":
                    harness.wait(__file__, "middle")
                try:
                    raiser.fail()
                except errors.Mine as error:
                    return str(error)
            """),
        "errors.py": "class Mine(Exception):\n    pass\n",
        "raiser.py": "import errors\n\ndef fail():\n"
                     "    raise errors.Mine('caught')\n"})
    site.serve("hello")
    assert site.texts() == {"caught"}
    parked = site.later("?park")
    site.wait_parked("middle")
    edited(site, "errors.py")
    assert site.get().text == "caught"
    site.open_gate("middle")
    assert parked.result(20).text == "caught"


def test_singledispatch_of_another_module_dispatches_on_the_new_class(site):
    site.write({
        "hello.py": page("(generic.kind(shapes.Square()),"
                         " generic.kind(shapes.Round()), generic.kind(1))",
                         "import generic, shapes, more"),
        "generic.py": """
            import functools

            @functools.singledispatch
            def kind(x):
                return "other"
            """,
        "shapes.py": """
            import generic

            class Square:
                pass

            class Round:
                pass

            @generic.kind.register
            def _(x: Square):
                return "square"
            """,
        "more.py": """
            import generic, shapes
            generic.kind.register(shapes.Round, lambda x: "round")
            """})
    site.serve("hello")
    assert site.texts() == {"('square', 'round', 'other')"}
    site.replace("shapes.py", '"square"', '"quadrat"')
    assert site.texts() == {"('quadrat', 'round', 'other')"}
    site.replace("more.py", '"round"', '"rund"')
    assert site.texts() == {"('quadrat', 'rund', 'other')"}


# inspect, linecache, warnings, logging, debuggers

def test_inspect_shows_the_source_of_the_version_in_force(site):
    site.write({
        "hello.py": page("look()", """
            import inspect, child

            def look():
                return [inspect.getsource(child.f).split()[-1],
                        inspect.getsourcelines(child.f)[1],
                        inspect.getmodule(child.f).f is child.f,
                        inspect.getsourcefile(child.C) == child.__file__,
                        inspect.getsource(child.C).count("class"),
                        "version" in inspect.getsource(child),
                        inspect.getdoc(child.C)]
            """),
        "child.py": "version = 1\n\ndef f():\n    return 1\n\n"
                    "class C:\n    '''first'''\n"})
    site.serve("hello")
    assert site.texts() == {
        str(["1", 3, True, True, 1, True, "first"])}
    site.edit("child.py", "version = 2\n\n\n\n\ndef f():\n    return 2\n\n"
              "class C:\n    '''second'''\n")
    assert site.texts() == {
        str(["2", 6, True, True, 1, True, "second"])}


def test_names_of_loggers_are_the_same_in_all_generations_and_after_restarts(
        own_server):
    server = own_server(files={
        "hello.py": page("(log.name == child.log.parent.name + '.hello' or"
                         " log.name, child.log.name)", """
            import logging, child
            log = logging.getLogger(__name__)
            """),
        "child.py": "import logging\nlog = logging.getLogger(__name__)\n"})
    server.site.serve("hello")
    names = server.site.texts()
    edited(server.site, "child.py")
    assert server.site.texts() == names
    server.restart()
    assert server.site.texts() == names


def test_warning_names_the_module_and_is_filtered_by_it(site):
    site.write({"child.py": """
        import warnings

        def warn():
            warnings.warn("deprecated indeed", DeprecationWarning)
        """})
    site.log.allow("deprecated indeed")
    found = value(site, """
        import warnings, child
        told = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            child.warn()
            told.append((caught[0].filename == child.__file__,
                         caught[0].lineno))
            warnings.filterwarnings("ignore", module=child.__name__)
            child.warn()
            told.append(len(caught))
        return told
        """)
    assert found == [(True, 4), 1]


def test_debugger_stops_in_the_lines_of_the_newest_version(site):
    site.write({
        "hello.py": page("run()", """
            import bdb, linecache, child

            class Debugger(bdb.Bdb):
                def user_line(self, frame):
                    if self.break_here(frame):
                        self.lines.append(linecache.getline(
                            frame.f_code.co_filename,
                            frame.f_lineno).strip())
                    self.set_continue()

            def run():
                debugger = Debugger()
                debugger.lines = []
                linecache.checkcache()
                line = child.f.__code__.co_firstlineno + 1
                assert debugger.set_break(child.__file__, line) is None
                debugger.runcall(child.f)
                return debugger.lines
            """),
        "child.py": "def f():\n    return 'first'\n"})
    site.serve("hello")
    assert site.texts() == {str(["return 'first'"])}
    site.edit("child.py", "\n\n\ndef f():\n    return 'second'\n")
    assert site.texts() == {str(["return 'second'"])}


def test_pydoc_and_doctest_read_a_hot_module(site):
    site.write({"child.py": '''
        """Of the child.

        >>> double(4)
        8
        """

        def double(x):
            """Twice."""
            return x * 2
        '''})
    assert value(site, """
        import doctest, pydoc, sys, child
        text = pydoc.plain(pydoc.render_doc(sys.modules[child.__name__]))
        return ["double(x)" in text, "Twice." in text,
                tuple(doctest.testmod(child))]
        """) == [True, True, (0, 1)]


def test_resources_and_tests_are_found_by_the_name_of_their_module(site):
    site.write({
        "pkg/__init__.py": "", "pkg/note.txt": "text",
        "child.py": """
            import unittest

            class Test(unittest.TestCase):
                def test_something(self):
                    self.assertTrue(True)
            """})
    assert value(site, """
        import importlib.resources, io, pkgutil, unittest
        import child, pkg
        found = [importlib.resources.files(where).joinpath(
                     "note.txt").read_text() for where in (pkg, pkg.__name__)]
        found.append(pkgutil.get_data(pkg.__name__, "note.txt"))
        load = unittest.TestLoader()
        for suite in (load.loadTestsFromModule(child),
                      load.loadTestsFromName(child.__name__ + ".Test")):
            result = unittest.TextTestRunner(io.StringIO()).run(suite)
            found.append((result.testsRun, result.wasSuccessful()))
        return found
        """) == ["text", "text", b"text", (1, True), (1, True)]


# unittest.mock

MOCKED = {
    "hello.py": page("work(req)", """
        from unittest import mock
        import harness, child, user

        def work(req):
            got = [user.get(), child.value]
            with mock.patch(child.__name__ + ".value", "mocked"):
                if req.args == "park":
                    harness.wait(__file__, "middle")
                got += [user.get(), child.value]
            with mock.patch.object(child, "compute", return_value="object"):
                got += [user.compute()]
            with mock.patch.multiple(child.__name__, value="multiple"):
                got += [user.get()]
            with mock.patch.dict(child.__name__ + ".table", {"k": "dict"}):
                got += [child.table["k"]]
            return got + [user.get(), user.compute(), child.table]
        """),
    "user.py": """
        import child

        def get():
            return child.value

        def compute():
            return child.compute()
        """,
    "child.py": """
        value = 1
        table = {}

        def compute():
            return value
        """,
}


def mocked(version):
    return str([version, version, "mocked", "mocked", "object", "multiple",
                "dict", version, version, {}])


def test_mock_patches_the_module_and_puts_it_back(site):
    site.write(MOCKED)
    site.serve("hello")
    assert site.texts() == {mocked(1)}
    site.replace("child.py", "value = 1", "value = 2")
    assert site.texts() == {mocked(2)}


def test_mock_patches_the_pinned_version_and_not_that_of_others(own_server):
    server = own_server(**CHILD, files=MOCKED)
    site = server.site
    site.serve("hello")
    assert site.get().text == mocked(1)
    parked = site.later("?park")
    site.wait_parked("middle")
    site.replace("child.py", "value = 1", "value = 2")
    assert site.get().text == mocked(2)
    site.open_gate("middle")
    assert parked.result(20).text == mocked(1)
    assert site.get().text == mocked(2)


# Threads without a request

def test_thread_of_an_old_request_goes_on_with_the_old_modules(own_server):
    server = own_server(**CHILD, files={
        "hello.py": page("start(req.args)", """
            import sys, threading
            import harness, child

            def late():
                harness.wait(__file__, "thread")
                import lazy
                portal = sys.modules[child.__name__]
                harness.said.append((child.value, portal.value, lazy.value))
                harness.wait(__file__, "told")

            def start(how):
                if how == "start":
                    harness.said = []
                    import lazy
                    threading.Thread(target=late).start()
                return getattr(harness, "said", None), child.value
            """),
        "child.py": "value = 1\n", "lazy.py": "value = 1\n"})
    site = server.site
    site.serve("hello")
    assert site.get("?start").text == "([], 1)"
    site.wait_parked("thread")
    site.edit("child.py", "value = 2\n")
    site.edit("lazy.py", "value = 2\n")
    assert site.get().text == "([], 2)"
    site.open_gate("thread")
    site.wait_parked("told")
    assert site.get().text == "([(1, 1, 1)], 2)"
    site.open_gate("told")


def test_thread_of_shared_code_gets_the_newest(own_server):
    server = own_server(**CHILD, files={
        "hello.py": page("start(req.args)", """
            import worker, child

            def start(how):
                if how == "start":
                    worker.begin()
                return worker.said
            """),
        "child.py": "value = 1\n",
        "worker.py": """
            import threading
            import harness
            said = []

            def late():
                harness.wait(__file__, "thread")
                said.append(harness.load(NAME).value)
                harness.wait(__file__, "told")

            def begin():
                threading.Thread(target=late).start()

            NAME = __name__.rpartition(".")[0] + ".child"
            """})
    site = server.site
    site.serve("hello")
    assert site.get("?start").text == "[]"
    site.wait_parked("thread")
    site.edit("child.py", "value = 2\n")
    assert site.get().text == "[]"
    site.open_gate("thread")
    site.wait_parked("told")
    assert site.get().text == "[2]"
    site.open_gate("told")
