"""Modules that change what other modules own: an edit of one of them takes the
other along, once, and leaves what old requests see alone. Where the other is
found: test_effect_search.py; what is no change: test_uses.py."""

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
