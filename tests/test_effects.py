"""Modules that change what other modules own: an edit of one of them takes the
other along, once, and leaves what old requests see alone. Modules that only
use each other are left alone."""

import pytest

from httpd import counted, page


def registry(site, home, register, show="home.names()"):
    """Three modules that register with `home`, and the page that shows what is
    there. register: the text of one, with NAME for its name."""
    files = {"home.py": counted(home),
             "index.py": page(show, "import home, first, second, third")}
    for name in ("first", "second", "third"):
        files[f"{name}.py"] = counted(register.replace("NAME", name))
    site.write(files)
    site.serve("index")


ALL = {"home.py": 1, "first.py": 1, "second.py": 1, "third.py": 1}


def assert_registered_once(site, edited):
    """The edited one is new, the others are there, each of them once; as they
    were after the first load."""
    assert site.texts() == {"['first', 'second', 'third']"}
    assert site.each_child_ran() == ALL
    site.replace("second.py", "second", edited)
    assert site.texts() == {str(sorted(["first", edited, "third"]))}
    assert site.each_child_ran() == ALL


# Registries

REGISTRIES = {
    "dict": ("""
        registry = {}

        def register(name):
            def decorate(function):
                assert name not in registry
                registry[name] = function
                return function
            return decorate

        def names():
            return sorted(registry)
        """, """
        from home import register

        @register("NAME")
        def function():
            pass
        """),
    "list": ("""
        listeners = []

        def names():
            return sorted(each() for each in listeners)
        """, """
        import home

        home.listeners.append(lambda: "NAME")
        """),
    "set": ("""
        listeners = set()

        def names():
            return sorted(each() for each in listeners)
        """, """
        from home import listeners

        def name():
            return "NAME"

        listeners.add(name)
        """),
    "set of plain values": ("""
        known = set()

        def names():
            return sorted(known)
        """, """
        from home import known

        known.add("NAME")
        """),
    "item": ("""
        registry = {}
        names = lambda: sorted(registry)
        """, """
        import home
        home.registry["NAME"] = 1
        """),
    "closure": ("""
        def make():
            registry = {}

            def register(name):
                assert name not in registry
                registry[name] = 1

            def names():
                return sorted(registry)
            return register, names

        register, names = make()
        """, """
        from home import register
        register("NAME")
        """),
    "closure variable": ("""
        def make():
            known = ()

            def register(name):
                nonlocal known
                known += (name,)

            def names():
                return sorted(known)
            return register, names

        register, names = make()
        """, """
        from home import register
        register("NAME")
        """),
    "default argument": ("""
        def register(name, known=[]):
            known.append(name)
            return known

        def names():
            return sorted(register.__defaults__[0])
        """, """
        import home
        home.register("NAME")
        """),
    "function attribute": ("""
        def register(function):
            register.known.append(function)
            return function

        register.known = []

        def names():
            return sorted(each.__name__ for each in register.known)
        """, """
        from home import register

        @register
        def NAME():
            pass
        """),
    "new attribute of a function": ("""
        def hook():
            pass

        def names():
            return sorted(hook.__dict__)
        """, """
        import home
        home.hook.NAME = True
        """),
    "bound method": ("""
        class Registry:
            def __init__(self):
                self.known = {}

            def add(self, function):
                assert function.__name__ not in self.known
                self.known[function.__name__] = function
                return function

        register = Registry().add

        def names():
            return sorted(register.__self__.known)
        """, """
        from home import register

        @register
        def NAME():
            pass
        """),
    "slots": ("""
        class Registry:
            __slots__ = ("known",)

        registry = Registry()
        registry.known = ()

        def names():
            return sorted(registry.known)
        """, """
        from home import registry
        registry.known += ("NAME",)
        """),
    "builtin method": ("""
        known = []
        register = known.append

        def names():
            return sorted(known)
        """, """
        from home import register
        register("NAME")
        """),
    "class attribute": ("""
        class Plugins:
            known = {}

            @classmethod
            def register(cls, name):
                assert name not in cls.known
                cls.known[name] = name

        def names():
            return sorted(Plugins.known)
        """, """
        from home import Plugins
        Plugins.register("NAME")
        """),
    "defaultdict": ("""
        from collections import defaultdict

        signals = defaultdict(list)

        def names():
            return sorted(each() for each in signals["start"])
        """, """
        from home import signals

        @signals["start"].append
        def name():
            return "NAME"
        """),
    "nested": ("""
        class Group:
            def __init__(self):
                self.groups = {"main": {"commands": []}}

        group = Group()

        def names():
            return sorted(group.groups["main"]["commands"])
        """, """
        import home
        home.group.groups["main"]["commands"].append("NAME")
        """),
    "init_subclass": ("""
        class Base:
            known = {}

            def __init_subclass__(cls):
                assert cls.name not in Base.known
                Base.known[cls.name] = cls

        def names():
            return sorted(Base.known)
        """, """
        from home import Base

        class Part(Base):
            name = "NAME"
        """),
    "metaclass": ("""
        class Meta(type):
            known = {}

            def __init__(cls, name, bases, namespace):
                assert name not in Meta.known
                Meta.known[name] = cls

        class Base(metaclass=Meta):
            pass

        def names():
            return sorted(Meta.known)[1:]
        """, """
        from home import Base

        class NAME(Base):
            pass
        """),
    "metaclass alone": ("""
        class Meta(type):
            known = {}

            def __init__(cls, name, bases, namespace):
                assert name not in Meta.known
                Meta.known[name] = cls

        def names():
            return sorted(Meta.known)
        """, """
        from home import Meta

        class NAME(metaclass=Meta):
            pass
        """),
    "subclasses": ("""
        class Base:
            pass

        def names():
            return sorted(cls.__name__ for cls in Base.__subclasses__())
        """, """
        import home

        class NAME(home.Base):
            pass
        """),
    "inner class": ("""
        class Base:
            pass

        def names():
            return sorted(cls.name for cls in Base.__subclasses__())
        """, """
        from home import Base

        class View:
            class Form(Base):
                name = "NAME"
        """),
    "singledispatch": ("""
        import functools

        @functools.singledispatch
        def name(value):
            return "?"

        def names():
            return sorted(name.dispatch(cls)(None)
                          for cls in name.registry if cls is not object)
        """, """
        from home import name

        class Thing:
            pass

        @name.register(Thing)
        def name_of_thing(value):
            return "NAME"
        """),
    "own function that runs": ("""
        known = []
        names = lambda: sorted(known)
        """, """
        import home

        def setup():
            home.known.append("NAME")

        setup()
        """),
    "own class that runs": ("""
        known = []
        names = lambda: sorted(known)
        """, """
        import home

        class Setup:
            def __init__(self):
                home.known.append("NAME")

        Setup()
        """),
    "import in a function that runs": ("""
        known = []
        names = lambda: sorted(known)
        """, """
        def setup():
            from home import known
            known.append("NAME")

        setup()
        """),
    "import star": ("""
        known = []
        names = lambda: sorted(known)
        """, """
        from home import *
        known.append("NAME")
        """),
    "comprehension": ("""
        known = []
        names = lambda: sorted(known)
        """, """
        import home
        [home.known.append(name) for name in ("NAME",)]
        """),
    "exec": ("""
        known = []
        names = lambda: sorted(known)
        """, """
        exec("import home; home.known.append('NAME')")
        """),
    "importlib": ("""
        known = []
        names = lambda: sorted(known)
        """, """
        from mod_python import apache
        apache.import_module("home").known.append("NAME")
        """),
    "module put in its own place": ("""
        import sys

        class Home:
            known = ()

            def __init__(self):
                self.list = []

            def names(self):
                return sorted(self.list)

        sys.modules[__name__] = Home()
        """, """
        import home
        home.list.append("NAME")
        """),
    "attribute of the module": ("""
        def names():
            return sorted(name for name in globals()
                          if name in ("first", "second", "third", "other"))
        """, """
        import home
        home.NAME = True
        """),
}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_edited_module_is_registered_once_and_so_are_the_others(site, kind):
    registry(site, *REGISTRIES[kind])
    assert_registered_once(site, "other")


@pytest.mark.parametrize("kind", REGISTRIES)
def test_what_registered_and_is_gone_from_the_file_is_gone(site, kind):
    registry(site, *REGISTRIES[kind])
    assert site.texts() == {"['first', 'second', 'third']"}
    site.edit("third.py", "import home\n")
    assert site.texts() == {"['first', 'second']"}
    site.edit("third.py", counted(REGISTRIES[kind][1].replace("NAME", "back")
                                  if "attribute of the m" not in kind else
                                  "import home\nhome.other = True\n"))
    assert site.texts() == {str(sorted(
        ["first", "second",
         "other" if "attribute of the m" in kind else "back"]))}
