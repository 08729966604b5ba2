"""Who may have what the publisher publishes: __auth__, __access__ and
__auth_realm__, as attributes and inside of functions (defects.md D28)."""

import base64
import itertools
import textwrap

import pytest

GOOD = ("eggs", "spam")
BAD = ("eggs", "bacon")
OTHER = ("joe", "spam")


@pytest.fixture
def published(site):
    def write(files, more=""):
        site.write(files)
        site.serve("mod_python.publisher", more)
        return site
    return write


def basic(user, password):
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": "Basic " + token}


def statuses(site, path="page/page"):
    """What nobody, the right client, one with a wrong password and another
    one get."""
    return [site.get(path, headers=headers).status for headers in (
        {}, basic(*GOOD), basic(*BAD), basic(*OTHER))]


# Every rule in every place. What is said to be: nobody, GOOD, BAD, OTHER.

AUTH = {
    "function": ("def __auth__({self}req, user, password):\n"
                 "    return (user, password) == ('eggs', 'spam')\n",
                 [401, 200, 401, 401]),
    "dict": ("__auth__ = {'eggs': 'spam', 'ham': 'x'}\n",
             [401, 200, 401, 401]),
    "dict of bytes": ("__auth__ = {'eggs': b'spam'}\n",
                      [401, 200, 401, 401]),
    "empty dict": ("__auth__ = {}\n", [401, 401, 401, 401]),
    "true": ("__auth__ = 1\n", [401, 200, 200, 200]),
    "false": ("__auth__ = 0\n", [401, 401, 401, 401]),
    "none": ("__auth__ = None\n", [401, 401, 401, 401]),
}

ACCESS = {
    "function": ("def __access__({self}req, user):\n"
                 "    return user == 'eggs'\n", [403, 200, 200, 403]),
    "list": ("__access__ = ['eggs', 'ham']\n", [403, 200, 200, 403]),
    "tuple": ("__access__ = ('eggs',)\n", [403, 200, 200, 403]),
    "set": ("__access__ = {'eggs'}\n", [403, 200, 200, 403]),
    "empty list": ("__access__ = []\n", [403, 403, 403, 403]),
    "true": ("__access__ = 1\n", [200, 200, 200, 200]),
    "false": ("__access__ = 0\n", [403, 403, 403, 403]),
    "none": ("__access__ = None\n", [403, 403, 403, 403]),
}


def indent(text, levels=1):
    return textwrap.indent(text, "    " * levels)


def plain(rules):
    return rules.replace("{self}", "")


def module(rules, doc):
    return plain(rules) + "def page(req):\n" + doc + "    return 'in'\n"


def function(rules, doc):
    return "def page(req):\n" + doc + indent(plain(rules)) + \
        "    return 'in'\n"


def method(rules, doc):
    return "class C:\n    def f(self, req):\n" + indent(doc) + \
        indent(plain(rules), 2) + "        return 'in'\npage = C().f\n"


def class_of_instance(rules, doc):
    return "class C:\n" + doc + indent(rules.replace("{self}", "self, ")) + \
        "    def __call__(self, req):\n        return 'in'\npage = C()\n"


def call_of_instance(rules, doc):
    return "class C:\n    def __call__(self, req):\n" + indent(doc) + \
        indent(plain(rules), 2) + "        return 'in'\npage = C()\n"


def attribute(rules, doc):
    lines = "".join(f"if '{name}' in globals():\n"
                    f"    page.{name} = globals().pop('{name}')\n"
                    for name in ("__auth__", "__access__"))
    return plain(rules) + "def page(req):\n" + doc + \
        "    return 'in'\n" + lines


def decorated(rules, doc):
    return ("import functools\n"
            "def decorate(function):\n"
            "    @functools.wraps(function)\n"
            "    def inner(req):\n"
            "        return function(req)\n"
            "    return inner\n"
            "@decorate\n") + function(rules, doc)


PLACES = [module, function, method, class_of_instance, call_of_instance,
          attribute, decorated]
DOCS = {"no docstring": "", "docstring": "    'A page.'\n"}


def together(auth, access):
    """What both rules make of each client."""
    return [first if first != 200 else second
            for first, second in zip(auth, access)]


@pytest.mark.seconds(120)
@pytest.mark.parametrize("doc", DOCS.values(), ids=DOCS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_every_rule_holds_in_every_place(published, place, doc):
    rules = {}
    for kind, table in ("auth", AUTH), ("access", ACCESS):
        for name, (text, wanted) in table.items():
            rules[f"{kind}_{name}".replace(" ", "_")] = text, wanted
    for (one, (text, first)), (two, (more, second)) in itertools.product(
            AUTH.items(), ACCESS.items()):
        name = f"both_{one}_{two}".replace(" ", "_")
        rules[name] = text + more, together(first, second)
    site = published({f"{name}.py": place(text, doc)
                      for name, (text, _) in rules.items()})
    found = {name: statuses(site, f"{name}/page") for name in rules}
    assert found == {name: wanted for name, (_, wanted) in rules.items()}


WRAPPED = {
    "lru_cache": "@functools.lru_cache\n",
    "lru_cache with arguments": "@functools.lru_cache(maxsize=3)\n",
    "wraps over lru_cache": "@decorate\n@functools.lru_cache\n",
}


@pytest.mark.parametrize("decorators", WRAPPED.values(), ids=WRAPPED)
def test_rules_hold_inside_of_what_is_wrapped(published, decorators):
    site = published({"page.py": f'''\
import functools

def decorate(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

{decorators}def page(a=1):
    __auth__ = {{"eggs": "spam"}}
    return "in"
'''})
    assert statuses(site) == [401, 200, 401, 401]


def test_rules_hold_inside_of_partial_functions(published):
    site = published({"page.py": '''\
import functools

class C:
    def method(self, x, y=1):
        __auth__ = {"eggs": "spam"}
        return "in"

page = functools.partial(C().method, "x")
twice = functools.partial(functools.partial(C.method, C()), "x")

class D:
    page = functools.partialmethod(C.method, "x")

d = D()
'''})
    assert statuses(site) == [401, 200, 401, 401]
    assert statuses(site, "page/twice") == [401, 200, 401, 401]
    assert statuses(site, "page/d/page") == [401, 200, 401, 401]


@pytest.mark.parametrize("outer, inner, wanted", [
    ("__auth__ = {'eggs': 'spam'}", "__access__ = ['eggs']",
     [401, 200, 401, 401]),
    ("__auth__ = {'eggs': 'spam', 'joe': 'spam'}", "__access__ = ['joe']",
     [401, 403, 401, 200]),
    ("__access__ = ['eggs']", "__auth__ = {'joe': 'spam', 'eggs': 'spam'}",
     [403, 200, 401, 403]),
    ("__auth__ = {'eggs': 'spam'}", "__auth__ = 0", [401, 401, 401, 401]),
    ("__auth__ = 0", "__auth__ = 1", [401, 401, 401, 401]),
    ("__access__ = 0", "__access__ = 1", [403, 403, 403, 403])])
def test_rules_of_the_module_and_of_the_function_must_both_hold(
        published, outer, inner, wanted):
    site = published({"page.py": f"{outer}\n"
                                 f"def page(req):\n    {inner}\n"
                                 "    return 'in'\n"})
    assert statuses(site) == wanted


def test_every_step_of_a_path_is_guarded(published):
    site = published({"page.py": """\
        class Node:
            pass
        open = Node()
        open.closed = Node()
        open.closed.__auth__ = {"eggs": "spam"}
        open.closed.leaf = "leaf"
        open.leaf = "leaf"
        """})
    assert site.get("page/open/leaf").text == "leaf"
    assert statuses(site, "page/open/closed/leaf") == [401, 200, 401, 401]


# Realms

REALM = "    __auth_realm__ = 'inner'\n"


@pytest.mark.parametrize("text, realm", [
    ("__auth__ = {}\ndef page():\n    pass\n", "unknown"),
    ("__auth_realm__ = 'outer'\n__auth__ = {}\ndef page():\n    pass\n",
     "outer"),
    ("__auth_realm__ = 'outer'\ndef page():\n    __auth__ = {}\n", "outer"),
    ("__auth_realm__ = 'outer'\ndef page():\n    __auth__ = {}\n" + REALM,
     "inner"),
    ("class C:\n    __auth__ = {}\n" + REALM + "page = C()\n", "inner"),
    ("def page():\n    pass\npage.__auth__ = {}\n"
     "page.__auth_realm__ = 'attribute'\n", "attribute"),
    ("__auth_realm__ = 'a \"quoted\" one'\n__auth__ = {}\n",
     'a \\"quoted\\" one')])
def test_the_challenge_names_the_realm(published, text, realm):
    site = published({"page.py": text})
    response = site.get("page/page")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == f'Basic realm="{realm}"'


def test_a_realm_cannot_inject_headers(published):
    site = published({"page.py": "__auth_realm__ = 'x\\r\\nX-Evil: 1'\n"
                                 "__auth__ = {}\n"})
    response = site.get("page/page")
    assert response.status == 500
    assert "X-Evil" not in response.headers
    site.log.expect("ValueError")


# Headers

BY_DICT = "def page(req):\n    __auth__ = {'eggs': 'spam'}\n    return 'in'\n"


@pytest.mark.parametrize("header, status", [
    ("Basic", 400), ("Basic ", 400), ("Basic !!!!", 400),
    ("Basic ZWdncw==", 400),                 # eggs, without a colon
    ("Basic ZWdnczpzcGFt", 200), ("basic ZWdnczpzcGFt", 200),
    ("Basic  ZWdnczpzcGFt ", 200), ("Basic ZWdnczpzcGFt=", 200),
    ("Basic ZWdnczpzcGFtA", 400), ("Basic ZWdnczpzcGFt====", 400),
    ("Basic ZWdnczpzcGF!", 400), ("Basic ZWdnczpzcGFtAA==", 400),
    ("Basic OnNwYW0=", 401),                 # no user
    ("Bearer ZWdnczpzcGFt", 401), ("Digest username=\"eggs\"", 401),
    ("Basically ZWdnczpzcGFt", 401)])
def test_headers_are_basic_or_malformed_or_of_another_scheme(
        published, header, status):
    site = published({"page.py": BY_DICT})
    assert site.get("page/page", headers={"Authorization": header}
                    ).status == status


@pytest.mark.parametrize("header", ["Basic !!!!", "Bearer x", "Basic"])
def test_headers_are_nobody_s_business_where_no_password_is_wanted(
        published, header):
    site = published({"page.py": """\
        def open():
            return "open"
        def users():
            __access__ = [None]
            return "users"
        """})
    headers = {"Authorization": header}
    assert site.get("page/open", headers=headers).text == "open"
    assert site.get("page/users", headers=headers).text == "users"


def test_users_and_passwords_are_utf_8(published):
    site = published({"page.py": "def page(req):\n"
                                 "    __auth__ = {'\\u00e4': '\\u00f6:x'}\n"
                                 "    return 'in'\n"})
    assert site.get("page/page", headers=basic("ä", "ö:x")).text == "in"


def test_a_rule_is_given_request_user_and_password(published):
    site = published({"page.py": """\
        seen = []
        def __auth__(req, user, password):
            seen.append((req.method, user, password))
            return True
        def __access__(req, user):
            seen.append((req.uri.endswith("page/page"), user))
            return True
        def page(req):
            return repr(seen)
        """})
    assert site.get("page/page", headers=basic("a", "b:c")).text == \
        "[('GET', 'a', 'b:c'), (True, 'a')]"


# Rules inside of functions

def test_rules_inside_see_the_globals_of_the_page(published):
    site = published({"page.py": """\
        USERS = {"eggs": "spam"}
        def page(req):
            def __auth__(req, user, password, users=(1, 2), *, strict=True):
                return strict and users == (1, 2) \\
                    and USERS.get(user) == password
            return "in"
        """})
    assert statuses(site) == [401, 200, 401, 401]


def test_a_global_may_be_the_rule_of_a_function(published):
    site = published({"page.py": """\
        USERS = {"eggs": "spam"}
        def page(req):
            __auth__ = USERS
            return "in"
        """})
    assert statuses(site) == [401, 200, 401, 401]


@pytest.mark.parametrize("body", [
    "__auth__ = 1; __auth__ = {'eggs': 'spam'}",
    "a = b = __auth__ = {'eggs': 'spam'}",
    "__auth__: dict = {'eggs': 'spam'}",
    "x = 0\n    def __auth__(req, user, password) -> bool:\n"
    "        return password == 'spam' and user == 'eggs'\n    y = 0",
    "'doc'\n    __auth__ = {\n        'eggs':\n        'spam',\n    }",
    "keys = [x for x in 'a']\n    __auth__ = {'eggs': 'spam'}",
    "def other(__auth__=1):\n        pass\n"
    "    __auth__ = {'eggs': 'spam'}"])
def test_rules_inside_may_be_written_in_many_ways(published, body):
    site = published({"page.py": f"def page(req):\n    {body}\n"
                                 "    return 'in'\n"})
    if body.count("__auth__ =") > 1:
        assert statuses(site) == [403] * 4
        site.log.expect("MPY0550")
    else:
        assert statuses(site) == [401, 200, 401, 401]


@pytest.mark.parametrize("body", [
    "if req:\n        __auth__ = {'eggs': 'spam'}",
    "if req:\n        def __access__(req, user):\n            return 1",
    "for __access__ in [1]:\n        pass",
    "with open('/dev/null') as __access__:\n        pass",
    "import os as __access__",
    "from os import path as __auth__",
    "class __access__:\n        pass",
    "__access__ = dict(eggs='spam')",
    "__access__ = [1] + [2]",
    "(__access__ := 1)",
    "__access__, x = 1, 2",
    "__access__ = 1\n    __access__ += 1",
    "__access__ = 1\n    del __access__",
    "async def __access__(req, user):\n        return True",
    "@staticmethod\n    def __access__(req, user):\n        return True",
    "x = 1\n    def __access__(req, user):\n        return x",
    "x = 1\n    __access__ = x",
    "def __access__(req, user, x=len('a')):\n        return True",
    "try:\n        1\n    except ValueError as __access__:\n        pass",
    "match 1:\n        case __access__:\n            pass",
    "__access__ = NOWHERE",
    "__auth_realm__ = str(1)\n    __auth__ = 1"])
def test_what_cannot_be_read_lets_nobody_in(published, body):
    site = published({"page.py": f"def page(req):\n    {body}\n"
                                 "    return 'secret'\n"})
    assert statuses(site) == [403] * 4
    site.log.expect("MPY0550")


def test_a_function_without_a_source_lets_nobody_in(published):
    site = published({"page.py": """\
        exec(compile("def page(req):\\n    __access__ = 1\\n"
                     "    return 'secret'\\n", "nowhere", "exec"))
        """})
    assert statuses(site) == [403] * 4
    site.log.expect("MPY0550")


def test_a_function_whose_source_was_changed_lets_nobody_in(published):
    site = published({
        "page.py": """\
            import sys
            sys.path.insert(0, __file__.rpartition("/")[0] + "/cold")
            try:
                import changing_access as changing
            finally:
                del sys.path[0]
            class Page(changing.Base):
                pass
            page = Page()
            """,
        "cold/changing_access.py": """\
            class Base:
                def __call__(self, req):
                    __access__ = 0
                    return "secret"
            """})
    site.get_from_each_child("page/page") # each has the first version
    assert statuses(site) == [403] * 4
    site.replace("cold/changing_access.py", "__access__ = 0",
                 "__access__ = 1")
    assert statuses(site) == [403] * 4
    site.log.allow("MPY0550")


def test_arguments_of_these_names_are_no_rules(published):
    site = published({"page.py": "def page(__access__=0, *__auth__):\n"
                                 "    return 'in'\n"})
    assert site.get("page/page").text == "in"


def test_names_that_are_only_read_are_no_rules(published):
    site = published({"page.py": """\
        class Thing:
            __access__ = 0
        def page():
            return str(Thing.__access__)
        """})
    assert site.get("page/page").text == "0"


def test_lines_with_two_functions_let_nobody_in(published):
    site = published({"page.py": """\
        if 1:
            def page(req): __access__ = 0; return "secret"
        """})
    assert statuses(site) == [403] * 4


def test_an_edited_rule_counts_at_the_next_request(published):
    site = published({"page.py": "def page(req):\n    __access__ = 1\n"
                                 "    return 'in'\n"})
    assert set(site.texts("page/page")) == {"in"}
    site.replace("page.py", "__access__ = 1", "__access__ = 0")
    assert {response.status for response
            in site.get_from_each_child("page/page").values()} == {403}


# Rules that do not decide

@pytest.mark.parametrize("rule", [
    "async def {name}(*args):\n    return True\n",
    "def {name}(*args):\n    yield True\n",
    "async def {name}(*args):\n    yield True\n"])
@pytest.mark.parametrize("name, status", [("__auth__", 401),
                                          ("__access__", 403)])
def test_generators_and_coroutines_let_nobody_in(published, rule, name,
                                                 status):
    site = published({"page.py": rule.format(name=name)
                      + "def page():\n    return 'secret'\n"})
    assert site.get("page/page", headers=basic(*GOOD)).status == status
    site.log.expect("MPY0551")


def test_a_rule_that_raises_lets_nobody_in(published):
    site = published({"page.py": """\
        def __access__(req, user):
            raise KeyError("this is why")
        def page():
            return "secret"
        """})
    assert site.get("page/page").status == 500
    site.log.expect("KeyError")


def test_a_rule_may_end_the_request(published):
    site = published({"page.py": """\
        from mod_python import apache
        def __access__(req, user):
            raise apache.SERVER_RETURN(apache.HTTP_GONE)
        """})
    assert site.get("page/page").status == 410


def test_a_mapping_is_asked_like_a_dict(published):
    site = published({"page.py": """\
        import collections, types
        class Users:
            def __getitem__(self, user):
                return {"eggs": "spam"}[user]
            def keys(self):
                return ["eggs"]
        class A:
            __auth__ = Users()
            __str__ = lambda self: "in"
        class B(A):
            __auth__ = types.MappingProxyType({"eggs": "spam"})
        class C(A):
            __auth__ = collections.UserDict(eggs="spam")
        a, b, c = A(), B(), C()
        """})
    for name in "abc":
        assert statuses(site, "page/" + name) == [401, 200, 401, 401]


def test_a_password_that_is_no_text_never_fits(published):
    site = published({"page.py": "__auth__ = {'eggs': None, 'joe': 17}\n"
                                 "page = 'secret'\n"})
    assert statuses(site) == [401] * 4
    assert site.get("page/page", headers=basic("eggs", "None")).status == 401
    assert site.get("page/page", headers=basic("joe", "17")).status == 401


# For other packages

def test_process_auth_hands_on_what_it_found(published):
    site = published({"page.py": """\
        from mod_python import apache, publisher
        class Outer:
            __auth_realm__ = "outer"
            __auth__ = {"eggs": "spam"}
        class Inner:
            __access__ = ["eggs"]
        def page(req):
            found = publisher.process_auth(req, Outer())
            return repr((found, publisher.process_auth(req, Inner(), *found),
                         publisher.process_auth(req, object())))
        """})
    client = "('outer', 'eggs', 'spam')"
    assert site.get("page/page", headers=basic(*GOOD)).text == \
        f"({client}, {client}, ('unknown', None, None))"
    assert site.get("page/page").status == 401
