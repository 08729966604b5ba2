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


THREADED = {"mpm": "worker", "children": 1}
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
    "classes in a list": ("""
        class Base:
            pass

        def names():
            return sorted(cls.name for cls in Base.__subclasses__())
        """, """
        from home import Base

        def make():
            class Part(Base):
                name = "NAME"
            return Part

        parts = [make()]
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


# Monkey patches and plain values

PATCHES = {
    "function": ("def answer():\n    return 'plain'\n",
                 "import home\n"
                 "original = home.answer\n"
                 "home.answer = lambda: f'one({original()})'\n"),
    "method": ("class Thing:\n    def answer(self):\n        return 'plain'\n\n"
               "def answer():\n    return Thing().answer()\n",
               "from home import Thing\n"
               "original = Thing.answer\n"
               "Thing.answer = lambda self: f'one({original(self)})'\n"),
    "special method": (
        "class Thing:\n    def __str__(self):\n        return 'plain'\n\n"
        "def answer():\n    return str(Thing())\n",
        "from home import Thing\n"
        "original = Thing.__str__\n"
        "Thing.__str__ = lambda self: f'one({original(self)})'\n"),
    "instance": ("class Thing:\n    def answer(self):\n        return 'plain'\n"
                 "\nthing = Thing()\n\n"
                 "def answer():\n    return thing.answer()\n",
                 "from home import thing\n"
                 "original = thing.answer\n"
                 "thing.answer = lambda: f'one({original()})'\n"),
    "code": ("def answer():\n    return 'plain'\n",
             "import home\n"
             "def other():\n    return 'one(plain)'\n\n"
             "home.answer.__code__ = other.__code__\n"),
    "setattr": ("def answer():\n    return 'plain'\n",
                "import home\n"
                "original = home.answer\n"
                "def patch():\n"
                "    return 'one(%s)' % original()\n\n"
                "setattr(home, 'answer', patch)\n"),
    "string": ("word = 'plain'\ndef answer():\n    return word\n",
               "import home\nhome.word = 'one(%s)' % home.word\n"),
    "tuple": ("words = 'plain',\ndef answer():\n    return words[0]\n",
              "import home\nhome.words = 'one(%s)' % home.words,\n"),
}


@pytest.mark.parametrize("kind", PATCHES)
def test_patch_of_another_module_is_applied_once(site, kind):
    home, patch = PATCHES[kind]
    site.write({"home.py": home, "patch.py": patch,
                "index.py": page("home.answer()", "import home, patch")})
    site.serve("index")
    assert site.texts() == {"one(plain)"}
    site.replace("patch.py", "one(", "two(")
    assert site.texts() == {"two(plain)"}
    site.edit("patch.py", "import home\n")
    assert site.texts() == {"plain"}


@pytest.mark.parametrize("before, after", [
    ("False", "True"), ("10", "20"), ("0.5", "1.5"), ("'a'", "'b'"),
    ("None", "1"), ("{}", "{1: 2}"), ("b'a'", "b'b'")])
def test_value_that_is_no_longer_set_is_the_old_one(site, before, after):
    site.write({"settings.py": f"VALUE = {before}\n",
                "local.py": f"import settings\nsettings.VALUE = {after}\n",
                "index.py": page("settings.VALUE", "import settings, local")})
    site.serve("index")
    assert site.texts() == {str(eval(after))}
    site.edit("local.py", "import settings\n")
    assert site.texts() == {str(eval(before))}


# Frameworks

def test_flask_application_in_two_modules_reloads(site):
    site.write({
        "app.py": counted("""
            from flask import Flask
            app = Flask(__name__)
            """),
        "views.py": counted("""
            from app import app

            @app.route("/")
            def index():
                return "one"
            """),
        "index.py": page("answer()", """
            import views
            from app import app

            def answer():
                rules = len(list(app.url_map.iter_rules("index")))
                return app.test_client().get("/").text, rules
            """)})
    site.serve("index")
    assert site.texts() == {"('one', 1)"}
    site.each_child_ran()
    site.replace("views.py", "one", "two")
    assert site.texts() == {"('two', 1)"}
    assert site.each_child_ran() == {"app.py": 1, "views.py": 1}
    site.replace("views.py", "two", "three")
    assert site.texts() == {"('three', 1)"}
    site.replace("app.py", "app = ", "main = app = ")
    assert site.texts() == {"('three', 1)"}


def test_flask_application_of_an_old_request_stays_as_it_was(own_server):
    server = own_server(**THREADED, files={
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "views.py": """
            from app import app

            @app.route("/")
            def index():
                return "one"
            """,
        "index.py": page("answer(req)", """
            import harness, views
            from app import app

            def answer(req):
                if req.args:
                    harness.wait(__file__, "old")
                client = app.test_client()
                return client.get("/").text, client.get("/more").status_code
            """)})
    site = server.site
    site.serve("index")
    assert site.get().text == "('one', 404)"
    old = site.later("?old")
    site.wait_parked("old")
    site.replace("views.py", '"one"', '"two"\n\n'
                 '@app.route("/more")\ndef more():\n    return "more"')
    assert site.get().text == "('two', 200)"
    site.open_gate("old")
    assert old.result(20).text == "('one', 404)"
    assert site.get().text == "('two', 200)"


def test_flask_blueprints_reload(site):
    blueprint = """
        from flask import Blueprint

        bp = Blueprint("NAME", __name__)
        """
    views = """
        from shop.NAME import bp

        @bp.route("/NAME")
        def show():
            return "NAME one"
        """
    site.write({
        "shop/__init__.py": "",
        "shop/cart.py": counted(blueprint.replace("NAME", "cart")),
        "shop/cart_views.py": counted(views.replace("NAME", "cart")),
        "shop/order.py": counted(blueprint.replace("NAME", "order")),
        "shop/order_views.py": counted(views.replace("NAME", "order")),
        "shop/application.py": counted("""
            from flask import Flask
            from shop import cart, cart_views, order, order_views

            def create():
                app = Flask(__name__)
                app.register_blueprint(cart.bp)
                app.register_blueprint(order.bp)
                return app

            app = create()
            """),
        "index.py": page("answer()", """
            from shop.application import app

            def answer():
                client = app.test_client()
                return client.get("/cart").text, client.get("/order").text
            """)})
    site.serve("index")
    assert site.texts() == {"('cart one', 'order one')"}
    site.replace("shop/cart_views.py", "one", "two")
    assert site.texts() == {"('cart two', 'order one')"}
    site.replace("shop/order_views.py", "one", "two")
    assert site.texts() == {"('cart two', 'order two')"}
    site.replace("shop/cart_views.py", "/cart", "/new")
    assert "404" in site.get().text and "cart two" not in site.get().text


def test_bottle_application_in_three_modules_reloads(site):
    site.write({
        "app.py": counted("from bottle import Bottle\napp = Bottle()\n"),
        "first.py": counted("""
            from app import app

            @app.get("/first")
            def show():
                return "one"
            """),
        "second.py": counted("""
            import app

            @app.app.route("/second", method="GET")
            def show():
                return "one"
            """),
        "index.py": page("answer()", """
            import first, second
            from app import app

            def get(path):
                result = []
                body = app({"PATH_INFO": path, "REQUEST_METHOD": "GET"},
                           lambda status, *_: result.append(status))
                return b"".join(body).decode()

            def answer():
                return get("/first"), get("/second"), len(app.routes)
            """)})
    site.serve("index")
    assert site.texts() == {"('one', 'one', 2)"}
    site.each_child_ran()
    site.replace("first.py", "one", "two")
    assert site.texts() == {"('two', 'one', 2)"}
    assert site.each_child_ran() == {"app.py": 1, "first.py": 1,
                                     "second.py": 1}
    site.edit("first.py", "")
    assert site.texts() == {str((site.get().text and eval(
        site.get().text)[0], "one", 1))}


# Where the other module is

def test_registry_behind_the_init_of_a_package_is_found(site):
    site.write({
        "core/__init__.py": "from core.api import register, names\n",
        "core/api.py": "from core._store import register, names\n",
        "core/_store.py": counted("""
            _known = []
            register = _known.append

            def names():
                return sorted(_known)
            """),
        "part.py": counted("from core import register\nregister('one')\n"),
        "index.py": page("core.names()", "import core, part")})
    site.serve("index")
    assert site.texts() == {"['one']"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"['two']"}


def test_registry_in_the_first_of_a_hundred_parts_of_a_package_is_found(site):
    site.write({
        "core/__init__.py": "".join(
            f"from . import part{number:03}\n" for number in range(100)),
        "part.py": "from core import part000\npart000.known.append('one')\n",
        "last.py": "from core.part099 import add\nadd('one')\n",
        "index.py": page("(p.known, q.known)", """
            import part, last
            from core import part000 as p, part099 as q
            """),
        **{f"core/part{number:03}.py": "known = []\nadd = known.append\n"
           for number in range(100)}})
    site.serve("index")
    assert site.texts() == {"(['one'], ['one'])"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"(['two'], ['one'])"}
    site.replace("last.py", "one", "two")
    assert site.texts() == {"(['two'], ['two'])"}


def test_registry_that_a_called_function_imports_late_is_found(site):
    site.write({
        "store.py": "known = []\n",
        "tool.py": """
            def register(name):
                import store
                store.known.append(name)
            """,
        "part.py": "import tool\ntool.register('one')\n",
        "index.py": page("store.known", "import store, part")})
    site.serve("index")
    assert site.texts() == {"['one']"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"['two']"}


def test_module_that_hands_itself_to_an_imported_function_is_found(site):
    site.write({
        "home.py": "known = {}\n",
        "part.py": "def setup(known):\n    known['part'] = 'one'\n",
        "index.py": page("home.known", """
            import home, part
            part.setup(home.known)
            """)})
    site.serve("index")
    assert site.texts() == {"{'part': 'one'}"}
    site.replace("part.py", "'part'", "'other'")
    assert site.texts() == {"{'other': 'one'}"}


METHODS = {
    "base": ("class Base:\n    def __init_subclass__(cls):\n"
             "        cls().run()\n",
             "class Part(Base):\n"),
    "decorator": ("def Base(cls):\n    cls().run()\n    return cls\n",
                  "@Base\nclass Part:\n"),
    "metaclass": ("class Base(type):\n    def __init__(cls, *more):\n"
                  "        cls().run()\n",
                  "class Part(metaclass=Base):\n"),
}


@pytest.mark.parametrize("kind", METHODS)
def test_registry_that_a_method_fills_at_once_is_found(site, kind):
    base, line = METHODS[kind]
    site.write({
        "store.py": "known = []\n",
        "base.py": base,
        "part.py": "import store\nfrom base import Base\n\n" + line +
                   "    def run(self):\n"
                   "        store.known.append('one')\n",
        "index.py": page("store.known", "import store, part")})
    site.serve("index")
    assert site.texts() == {"['one']"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"['two']"}


def test_registry_behind_more_code_than_can_be_followed_is_found(site):
    functions = "".join(f"def f{n}(name):\n    return name, {n}\n\n"
                        for n in range(1000))
    calls = ", ".join(f"f{n}" for n in range(1000))
    site.write({
        "store.py": "known = []\n",
        "tool.py": functions + ("import store\n\n"
                                "def register(name):\n"
                                f"    all = [{calls}]\n"
                                "    last(name)\n\n"
                                "def last(name):\n"
                                "    store.known.append(name)\n"),
        "part.py": "import tool\ntool.register('one')\n",
        "index.py": page("store.known", "import store, part")})
    site.serve("index")
    assert site.texts() == {"['one']"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"['two']"}


def test_registry_that_is_reached_the_long_way_first_is_found(site):
    far = "".join(f"def f{n}(name):\n    return f{n + 1}(name)\n\n"
                  for n in range(4))
    site.write({
        "store.py": "known = []\n",
        "near.py": "import store\n\n"
                   "def register(name):\n    enter(name)\n\n"
                   "def enter(name):\n    store.known.append(name)\n",
        "far.py": "from near import register as f4\n\n" + far,
        "part.py": "import far\nfar.f0\n"
                   "from near import register\nregister('one')\n",
        "index.py": page("store.known", "import store, part")})
    site.serve("index")
    assert site.texts() == {"['one']"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"['two']"}


def test_registry_that_a_callback_fills_is_found(site):
    site.write({
        "store.py": "import signals\nknown = []\n"
                    "signals.listeners.append(lambda name:"
                    " known.append(name))\n",
        "signals.py": "listeners = []\n\n"
                      "def send(name):\n"
                      "    for listener in listeners:\n"
                      "        listener(name)\n",
        "part.py": "import signals\nsignals.send('one')\n",
        "index.py": page("store.known", "import store, part")})
    site.serve("index")
    assert site.texts() == {"['one']"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"['two']"}


def test_registry_behind_a_renamed_import_is_found(site):
    site.write({
        "store.py": "known = []\nadd = known.append\n",
        "api.py": "from store import add as register\n",
        "part.py": "from api import register as enter\nenter('one')\n",
        "index.py": page("store.known", "import store, part")})
    site.serve("index")
    assert site.texts() == {"['one']"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"['two']"}


def test_effect_is_put_down_to_the_innermost_body(site):
    site.write({
        "home.py": counted("known = []\n"),
        "inner.py": counted("import home\nhome.known.append('inner')\n"),
        "outer.py": counted("import home\nbefore = list(home.known)\n"
                            "import inner\nvalue = 1\n"),
        "index.py": page("(home.known, outer.value)",
                         "import outer, home")})
    site.serve("index")
    site.texts()
    site.each_child_ran()
    site.replace("outer.py", "value = 1", "value = 2")
    assert site.texts() == {"(['inner'], 2)"}
    assert site.each_child_ran() == {"outer.py": 1}
    site.replace("inner.py", "'inner'", "'other'")
    assert site.texts() == {"(['other'], 2)"}


def test_effects_before_and_after_a_nested_import_are_both_found(site):
    site.write({
        "home.py": counted("known = []\n"),
        "inner.py": counted("import home\nhome.known.append('inner')\n"),
        "before.py": counted("import home\nhome.known.append('one')\n"
                             "import inner\n"),
        "after.py": counted("import home, inner\n"
                            "home.known.append('one')\n"),
        "index.py": page("home.known", "import before, after, home")})
    site.serve("index")
    assert site.texts() == {"['one', 'inner', 'one']"}
    site.replace("before.py", "one", "two")
    assert site.texts() == {"['two', 'inner', 'one']"}
    site.replace("after.py", "one", "two")
    assert site.texts() == {"['two', 'inner', 'two']"}


def test_effect_that_an_edit_brings_is_known_from_then_on(site):
    site.write({
        "home.py": counted("known = []\n"),
        "part.py": counted("import home\n"),
        "index.py": page("home.known", "import part, home")})
    site.serve("index")
    assert site.texts() == {"[]"}
    site.edit("part.py", counted("import home\nhome.known.append('one')\n"))
    assert site.texts() == {"['one']"}
    site.replace("part.py", "one", "two")
    assert site.texts() == {"['two']"}
    site.edit("part.py", counted("import home\n"))
    assert site.texts() == {"[]"}
    site.each_child_ran()
    site.edit("part.py", counted("import home\nvalue = 1\n"))
    site.texts()
    assert site.each_child_ran() == {"part.py": 1}


def test_log_says_that_the_other_module_is_taken_along(site):
    site.write({"home.py": "known = []\n",
                "part.py": "import home\nhome.known.append(1)\n",
                "index.py": page("home.known", "import part, home")})
    site.serve("index")
    site.texts()
    site.replace("part.py", "1", "2")
    site.get()
    site.log.expect("home.py.*depends on .*part", level="info")


def test_number_that_counts_requests_meanwhile_is_no_effect(own_server):
    server = own_server(**THREADED, files={
        "home.py": counted("hits = 0\n\ndef helper():\n    return 1\n"),
        "user.py": counted("""
            import harness, home
            value = home.helper()
            harness.wait(__file__, "body")
            """),
        "index.py": page("answer(req)", """
            import home

            def answer(req):
                home.hits += 1
                if req.args:
                    import user
                return home.hits
            """)})
    site = server.site
    # Whoever looks for changes would wait for the body that is parked.
    site.serve("index", "PythonAutoReload Off")
    site.get()
    loading = site.later("?load")
    site.wait_parked("body")
    counts = [int(site.get().text) for _ in range(3)]
    site.open_gate("body")
    assert int(loading.result(20).text) == counts[-1]
    site.serve("index")
    site.each_child_ran()
    site.replace("user.py", "value", "other")
    site.get("?load")
    assert site.each_child_ran() == {"user.py": 1}


# Failures

def test_body_that_fails_after_registering_fails_with_its_own_error(site):
    site.write({
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "views.py": """
            from app import app

            @app.route("/")
            def index():
                return "one"

            missing
            """,
        "index.py": page("app.test_client().get('/').text",
                         "from app import app\nimport views")})
    site.serve("index", "PythonDebug On")
    for _ in range(6):
        assert "name 'missing' is not defined" in site.get().text
    site.log.expect("MPY0401", count=6)
    site.replace("views.py", "missing", "")
    assert site.texts() == {"one"}


def test_edit_that_fails_after_registering_heals_with_the_next(site):
    home, part = REGISTRIES["dict"]
    site.write({
        "home.py": home,
        "part.py": "import home\n",
        "index.py": page("home.names()", "import home, part")})
    site.serve("index", "PythonReloadFailure keep")
    assert site.texts() == {"[]"}
    site.edit("part.py", part.replace("NAME", "one") + "\nmissing\n")
    site.texts()
    site.log.expect("MPY0202.*part.py", count=2)
    site.edit("part.py", part.replace("NAME", "one"))
    assert site.texts() == {"['one']"}
    site.edit("part.py", part.replace("NAME", "two"))
    assert site.texts() == {"['two']"}


def test_view_is_added_to_a_flask_application_that_has_served(site):
    site.write({
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "views.py": "from app import app\n",
        "index.py": page("app.test_client().get('/').text[:3]",
                         "from app import app\nimport views")})
    site.serve("index")
    assert site.texts() == {"<!d"}
    site.edit("views.py", """
        from app import app

        @app.route("/")
        def index():
            return "one"
        """)
    assert site.texts() == {"one"}
    site.replace("views.py", "one", "two")
    assert site.texts() == {"two"}


# Mere use

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
