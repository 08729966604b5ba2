"""Modules that only use each other, in all the ways that look like a change of
the other and are none: an edit of one leaves the other alone."""

import pytest

from httpd import counted, page

USES = {
    "logger": ("""
        import logging
        log = logging.getLogger(__name__)

        def helper():
            log.debug("called")
            return 1
        """, """
        import home, logging
        log = logging.getLogger(__name__)
        logging.getLogger(__name__ + ".deep.er")
        home.helper()
        home.log.isEnabledFor(10)
        """),
    "pure function": ("""
        import re
        pattern = re.compile("a+")
        table = {"a": [1, 2, 3]}

        def helper(value=3):
            return [value, pattern.match("aaa"), sorted(table)]
        """, """
        import re, home
        from home import helper
        pattern = re.compile("b+")
        values = [helper(n) for n in range(10)]
        """),
    "constants": ("""
        LIMIT = 10
        NAMES = ("a", "b")
        """, """
        from home import LIMIT, NAMES
        sizes = [LIMIT * n for n, name in enumerate(NAMES)]
        """),
    "dataclasses": ("""
        import dataclasses, enum, typing

        @dataclasses.dataclass
        class Item:
            name: str = ""
            tags: list = dataclasses.field(default_factory=list)

        class Color(enum.Enum):
            RED = 1

        class Right(enum.Flag):
            READ = 1
            WRITE = 2
            ALL = 4

        class Pair(typing.NamedTuple):
            a: int = 1
        """, """
        import dataclasses, enum, typing
        from home import Color, Item, Pair, Right

        @dataclasses.dataclass
        class Order:
            item: Item = dataclasses.field(default_factory=Item)
            color: Color = Color.RED

        both = Right.READ | Right.WRITE
        others = ~Right.READ, Right(5), Right["ALL"]
        order = Order()
        same = dataclasses.replace(order.item, name="b") == Item("b")
        hints = typing.get_type_hints(Item), typing.get_type_hints(Order)
        pair = Pair()._replace(a=3)
        Color(1), isinstance(order.item, Item), typing.Optional[Item]
        """),
    "lru_cache": ("""
        import functools

        @functools.lru_cache(maxsize=None)
        def square(n):
            return n * n

        class Thing:
            @functools.cached_property
            def value(self):
                return [1]

            @functools.lru_cache
            def method(self):
                return 1

        thing = Thing()
        thing.name = "a"
        """, """
        from home import square, thing
        values = [square(n) for n in range(100)]
        thing.value.copy(), thing.value, vars(thing), thing.method()
        """),
    "dictionary of an object": ("""
        class Thing:
            def __init__(self):
                self.a = {}
                self.b = [1]

        thing = Thing()

        def function():
            pass
        """, """
        import functools, home
        names = sorted(vars(home.thing)), home.function.__dict__

        @functools.wraps(home.function)
        def other():
            home.function()
        """),
    "abstract classes": ("""
        import abc, collections.abc, typing

        class Base(abc.ABC):
            @abc.abstractmethod
            def method(self):
                pass

        class Has(typing.Protocol):
            name: str

        @typing.runtime_checkable
        class Can(typing.Protocol):
            def run(self): ...
        """, """
        import home

        class Thing:
            def run(self):
                pass

        answers = (isinstance(Thing(), home.Base), isinstance(3, home.Can),
                   isinstance(Thing(), home.Can), issubclass(int, home.Base))
        """),
    "singledispatch": ("""
        import functools

        @functools.singledispatch
        def show(value):
            return str(value)

        @show.register
        def show_int(value: int):
            return "int"
        """, """
        from home import show

        class Thing:
            pass

        values = [show(1), show("a"), show(Thing()), show([])]
        """),
    "instances": ("""
        import threading, weakref

        class Thing:
            lock = threading.Lock()
            local = threading.local()
            alive = weakref.WeakSet()

            def __init__(self, name):
                with self.lock:
                    self.local.name = name
                    self.alive.add(self)
        """, """
        from home import Thing
        things = [Thing(name) for name in "abc"]
        """),
    "exceptions": ("""
        class Problem(Exception):
            pass

        def fail():
            raise Problem("no")
        """, """
        import home, warnings
        try:
            home.fail()
        except home.Problem as problem:
            message = str(problem)
        """),
    "iteration": ("""
        import types

        space = types.SimpleNamespace(a=1, b=[1, 2])
        view = types.MappingProxyType({"a": 1})

        def numbers():
            yield from space.b
        """, """
        import home
        values = list(home.numbers()), dict(home.view), repr(home.space)
        """),
    "type hints": ("""
        class Model:
            parent: "Model"
            children: "list[Model]"

        def build(model: "Model") -> "Model":
            return model
        """, """
        import inspect, typing, home
        typing.get_type_hints(home.Model), typing.get_type_hints(home.build)
        inspect.signature(home.build), inspect.getdoc(home.Model)
        home.Model.__annotations__, home.build.__annotations__

        class Other:
            model: home.Model
        """),
    "flask application": ("""
        from flask import Flask

        app = Flask(__name__)

        @app.route("/")
        def index():
            return "index"
        """, """
        from home import app
        debug = app.debug, app.config.get("DEBUG"), app.config["TESTING"]
        app.logger.debug("from %s", app.name)
        with app.app_context():
            names = list(app.view_functions), app.import_name
        """),
    "late import": ("""
        def helper():
            import json
            import tool
            return tool.value
        """, """
        import home
        home.helper()
        """),
    "warnings": ("""
        import warnings

        def old():
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        """, """
        import home
        home.old()
        """),
    "pickle": ("""
        class Thing:
            def __init__(self):
                self.a = [1]

        thing = Thing()
        """, """
        import copy, pickle, home
        pickle.dumps([1])
        copy.copy(home.thing), copy.deepcopy(home.thing)
        """),
    "decorator": ("""
        import functools

        def logged(function):
            @functools.wraps(function)
            def wrapper(*args):
                return function(*args)
            return wrapper
        """, """
        from home import logged

        @logged
        def function():
            return 1

        class Thing:
            method = logged(lambda self: 1)

        function()
        """),
}


@pytest.mark.parametrize("kind", USES)
def test_module_that_is_only_used_is_not_executed_again(site, kind):
    home, user = USES[kind]
    site.write({"home.py": counted(home),
                "user.py": counted(user) + "word = 'one'\n",
                "tool.py": counted("value = 1\n"),
                "index.py": page("user.word", "import home, user, tool")})
    site.serve("index")
    assert site.texts() == {"one"}
    site.each_child_ran()
    for before, after in (("one", "two"), ("two", "three")):
        site.replace("user.py", before, after)
        assert site.texts() == {after}
        assert site.each_child_ran() == {"user.py": 1}
