"""Where the module is that another one changes: behind a package, a function,
a callback, a nested import. An edit of the one takes the other along."""

import pytest

from httpd import counted, page

THREADED = {"mpm": "worker", "children": 1}


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
