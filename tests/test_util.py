"""mod_python.util apart from FieldStorage: api.md 6.1, functions; D1, D2."""

import ast
import textwrap

from inline import serve, value

PAGE = """\
import random
import urllib.parse

from mod_python import apache, util


def kind(function, *args, **more):
    try:
        return function(*args, **more)
    except Exception as error:
        return type(error).__name__


def handler(req):
    req.write(repr(code(req)))
    return apache.OK


def code(req):
"""


def run(site, code, path="", **request):
    """What the code returned; util, random and urllib.parse are imported."""
    site.write({"page.py": PAGE + textwrap.indent(textwrap.dedent(code),
                                                  "    ") + "\n"})
    site.serve("page")
    response = site.request(path, **request)
    assert response.status == 200, (response.status, response.text)
    return ast.literal_eval(response.text)


# parse_qs and parse_qsl

def test_parse_qs_gives_lists_of_str_for_str(site):
    assert run(site, """
        return util.parse_qs("a=1&b=x+y&a=2&c=%C3%A9")
        """) == {"a": ["1", "2"], "b": ["x y"], "c": ["é"]}


def test_parse_qs_gives_bytes_for_bytes(site):
    assert run(site, """
        return util.parse_qs(b"a=1&b=x+y&a=%ff"), util.parse_qsl(b"a=%e9")
        """) == ({b"a": [b"1", b"\xff"], b"b": [b"x y"]},
                         [(b"a", b"\xe9")])


def test_parse_qsl_gives_pairs_in_order(site):
    assert run(site, """
        return util.parse_qsl("b=1&a=2&b=3")
        """) == [("b", "1"), ("a", "2"), ("b", "3")]


def test_only_the_ampersand_separates_fields(site):
    assert run(site, "return util.parse_qsl('a=1;b=2&c=3')") == [
        ("a", "1;b=2"), ("c", "3")]


def test_blank_values_are_dropped_unless_kept(site):
    assert run(site, """
        text = "a=&b&=&c=1&&=d"
        return (util.parse_qsl(text), util.parse_qsl(text, 1),
                util.parse_qs(text, keep_blank_values=True),
                util.parse_qsl(text, 0, 1), util.parse_qs(b"a", True, True))
        """) == (
            [("c", "1"), ("", "d")],
            [("a", ""), ("b", ""), ("", ""), ("c", "1"), ("", "d")],
            {"a": [""], "b": [""], "": ["", "d"], "c": ["1"]},
            [("c", "1"), ("", "d")], {b"a": [b""]})


def test_an_escaped_nul_is_data(site):
    assert run(site, "return util.parse_qsl('a%00b=%00')") == [
        ("a\0b", "\0")]


def test_wrong_bytes_become_surrogates_and_wrong_escapes_stay(site):
    assert run(site, """
        return util.parse_qsl("a=%ff&%c3=%zz%4&c=100%"), util.parse_qsl(
            "a=\\udcff")
        """) == ([("a", "\udcff"), ("\udcc3", "%zz%4"),
                          ("c", "100%")], [("a", "\udcff")])


def test_names_and_values_of_1_to_20_characters_are_those_of_the_library(site):
    """D1"""
    assert run(site, """
        wrong = []
        for name in range(1, 21):
            for value in range(1, 21):
                text = "n" * name + "=" + "v" * value
                for form in (text, text + "&" + text, "x=y&" + text):
                    if util.parse_qsl(form) != urllib.parse.parse_qsl(form):
                        wrong.append(form)
                    as_bytes = form.encode()
                    if util.parse_qsl(as_bytes) != urllib.parse.parse_qsl(
                            as_bytes):
                        wrong.append(as_bytes)
        return wrong
        """) == []


def test_short_names_and_values_of_any_characters_are_those_of_the_library(
        site):
    """D1: every pair of lengths, with characters that tell where they came
    from: of ASCII, of other scripts, and escaped ones."""
    assert run(site, """
        alphabets = ["abcdefghijklmnopqrstuvwxyz", "0123456789" * 2,
                     "é€𐀀" * 7, ["%%%02X" % n for n in range(40, 60)],
                     ["%C3%A9", "+", "a", "%00", "%"] * 4]
        chance = random.Random(5)
        wrong, asked = [], 0

        def pairs(text, blank):
            # The library takes and gives no bytes beyond ASCII.
            found = urllib.parse.parse_qsl(text, blank)
            return found, [(name.encode(), value.encode())
                           for name, value in found]

        def lists(found):
            made = {}
            for name, value in found:
                made.setdefault(name, []).append(value)
            return made

        for name in range(1, 21):
            for value in range(1, 21):
                one, other = chance.choice(alphabets), chance.choice(alphabets)
                text = "%s=%s&id=7" % ("".join(one[:name]),
                                       "".join(other[-value:]))
                for blank in (False, True):
                    for form, found in zip((text, text.encode()),
                                           pairs(text, blank)):
                        asked += 1
                        if (util.parse_qsl(form, blank) != found
                                or util.parse_qs(form, blank)
                                != lists(found)):
                            wrong.append((form, found))
        return wrong[:3], asked
        """) == ([], 1600)


def test_random_texts_parse_as_by_the_library(site):
    """D2"""
    assert run(site, """
        chance = random.Random(7)
        wrong = []
        for _ in range(20000):
            text = bytes(chance.choices(b"ab=&%+;123zfF\\xff\\x00\\xc3\\xa9",
                                        k=chance.randrange(40)))
            as_latin = urllib.parse.parse_qsl(text.decode("latin-1"), True,
                                              encoding="latin-1")
            if util.parse_qsl(text, True) != [
                    (name.encode("latin-1"), value.encode("latin-1"))
                    for name, value in as_latin]:
                wrong.append(text)
            as_text = text.decode("latin-1")
            if util.parse_qsl(as_text, 1) != urllib.parse.parse_qsl(
                    as_text, True, errors="surrogateescape"):
                wrong.append(as_text)
        return wrong[:5]
        """) == []


def test_parsing_leaks_nothing(site):
    """D2"""
    assert run(site, """
        import gc
        import sys
        text = "&".join("name%d=%%ff%d" % (i, i) for i in range(100))
        def blocks():
            gc.collect()
            return sys.getallocatedblocks()
        for _ in range(50):
            util.parse_qs(text), util.parse_qsl(text, 1)
            util.parse_header('a; b="c"')
        before = blocks()
        for _ in range(500):
            util.parse_qs(text), util.parse_qsl(text, 1)
            util.parse_header('a; b="c"')
        return abs(blocks() - before) < 50
        """) is True


def test_parse_qs_takes_text_only(site):
    assert run(site, """
        return [kind(util.parse_qs, 5), kind(util.parse_qsl, None),
                kind(util.parse_qs), util.parse_qs(""), util.parse_qsl(b"")]
        """) == ["TypeError", "TypeError", "TypeError", {}, []]


# parse_header

def test_parse_header_gives_type_and_parameters(site):
    assert run(site, """
        return (util.parse_header('Text/HTML; Charset=UTF-8; q="a;b"'),
                util.parse_header(b'form-data; name="x"'),
                util.parse_header("text/plain"), util.parse_header(""))
        """) == (
            ("text/html", {"charset": "UTF-8", "q": "a;b"}),
            ("form-data", {"name": "x"}), ("text/plain", {}), ("", {}))


def test_parse_header_reads_paths_and_escaped_quotes(site):
    assert run(site, r"""
        return util.parse_header(
            r'form-data; filename="C:\dir\a\"b\\c.txt"; n = 1')
        """) == ("form-data", {"filename": 'C:\\dir\\a"b\\c.txt',
                                       "n": "1"})


def test_read_block_size_is_there(site):
    assert run(site, "return util.readBlockSize") == 65368


# apply_fs_data

FORM = """
form = util.FieldStorage(req, keep_blank_values=1)

def call(what, **args):
    return util.apply_fs_data(what, form, **args)

"""


def apply(site, code, query):
    """The same, with call(what): what apply_fs_data() makes of the query."""
    return run(site, FORM + textwrap.dedent(code), path="?" + query)


def test_apply_gives_a_function_the_fields_it_accepts(site):
    assert apply(site, """
def plain(a, b, c="none"):
    return a, b, c
return call(plain)
""", "b=2&a=1&other=3") == ("1", "2", "none")


def test_apply_counts_keyword_only_arguments(site):
    assert apply(site, """
def only(a, *rest, b, c=4):
    return a, rest, b, c
return call(only)
""", "a=1&b=2&rest=9") == ("1", (), "2", 4)


def test_apply_leaves_positional_only_arguments_alone(site):
    assert apply(site, """
def mixed(a=0, /, b=1, **more):
    return a, b, more
def none(a=0, /, b=1):
    return a, b
return call(mixed), call(none)
""", "a=1&b=2&c=3") == ((0, "2", {"a": "1", "c": "3"}), (0, "2"))


def test_apply_gives_methods_classes_and_instances_their_fields(site):
    assert apply(site, """
class Plain:
    def __init__(self, a):
        self.a = a
    def method(self, b):
        return self.a, b
    @classmethod
    def of_class(cls, b):
        return cls.__name__, b
    @staticmethod
    def static(c):
        return c
class New:
    def __new__(cls, b):
        return b
class Called:
    def __call__(self, c, a="x"):
        return c, a
made = call(Plain)
return (made.a, call(made.method), call(Plain.of_class), call(Plain.static),
        call(New), call(Called()))
""", "a=1&b=2&c=3") == ("1", ("1", "2"), ("Plain", "2"), "3", "2",
                                ("3", "1"))


def test_apply_honours_a_call_set_on_the_instance(site):
    assert apply(site, """
class Holder:
    pass
holder = Holder()
holder.__call__ = lambda b: "called with " + b
return call(holder)
""", "b=2") == "called with 2"


def test_apply_gives_everything_to_a_function_with_keywords(site):
    assert apply(site, """
def every(a, **more):
    return a, more
return call(every, req=7), call(lambda **more: more)
""", "a=1&b=2&b=3&req=x") == (
        ("1", {"b": ["2", "3"], "req": 7}),
        {"a": "1", "b": ["2", "3"], "req": "x"})


def test_apply_makes_a_list_of_several_values_and_plain_str_of_one(site):
    assert apply(site, """
def types(a, b):
    return type(a).__name__, b, type(b[0]).__name__
first = call(types)
form.list
return first, call(types)
""", "a=1&b=2&b=") == (("str", ["2", ""], "str"),
                               ("str", ["2", ""], "str"))


def test_apply_never_lets_a_field_replace_an_argument_of_the_caller(site):
    """D29: a field named req"""
    assert apply(site, """
def one(req, a):
    return req, a
def other(a):
    return a
return call(one, req=5), call(other, req=5, more=6), call(
    lambda req: req, req=None)
""", "req=evil&req=more&a=1") == ((5, "1"), "1", None)


def test_apply_calls_what_has_no_known_signature_without_arguments(site):
    assert apply(site, """
import functools
def given(a="nothing"):
    return a
class Plain:
    pass
return (call(dict), call(functools.partial(given)), type(call(Plain)).__name__,
        call([1].copy))
""", "a=1") == ({}, "nothing", "Plain", [1])


def test_apply_passes_on_what_the_function_raises(site):
    assert apply(site, """
def needs(a, missing):
    pass
def fails(a):
    raise LookupError(a)
return kind(call, needs), kind(call, fails), kind(call, 5), kind(
    util.apply_fs_data, fails), kind(util.apply_fs_data, needs, 5)
""", "a=1") == ("TypeError", "LookupError", "TypeError", "TypeError",
                        "AttributeError")


def test_apply_takes_any_object_with_a_list_of_fields(site):
    assert apply(site, """
class Fields:
    pass
fields = Fields()
field = util.StringField("value")
field.name = "a"
fields.list = [field]
return util.apply_fs_data(lambda a: (a, type(a).__name__), fields)
""", "") == ("value", "str")


def test_apply_takes_many_arguments(site):
    names = [f"name{i}" for i in range(40)]
    assert apply(site, f"""
def many({", ".join(names)}):
    return sorted(locals().values())
return call(many)
""", "&".join(f"{name}=v{name}" for name in names)) == sorted(
        "v" + name for name in names)


def test_apply_leaks_nothing(site):
    assert apply(site, """
import gc
import sys
def plain(a, b=2, *, c=3):
    return a
def every(**more):
    return more
def blocks():
    gc.collect()
    return sys.getallocatedblocks()
def work():
    for _ in range(300):
        call(plain, req=req), call(every, req=req), kind(call, lambda x: x)
work()
before = blocks()
work()
return abs(blocks() - before) < 30
""", "a=1&b=2&b=3") is True


# redirect

def redirect(site, arguments, **request):
    serve(site, f"""
        from mod_python import util
        util.redirect(req, {arguments})
        """)
    return site.get(**request)


def test_redirect_sends_302_with_a_note(site):
    response = redirect(site, "'/there?a=1&b=2'")
    assert (response.status, response.headers["Location"]) == (
        302, "/there?a=1&b=2")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<a href="/there?a=1&amp;b=2">' in response.text


def test_redirect_sends_301_when_it_is_permanent(site):
    assert redirect(site, "'/there', permanent=1").status == 301


def test_redirect_sends_the_text_it_is_given(site):
    assert redirect(site, "'/there', 0, 'gone'").text == "gone"
    assert redirect(site, "'/there', text=b'bytes'").text == "bytes"


def test_redirect_escapes_markup_of_the_location(site):
    """D29"""
    text = redirect(site, "'/<script>\"&\\''").text
    assert "<script>" not in text and "&lt;script&gt;&quot;&amp;&#x27;" in text


def test_redirect_refuses_what_is_no_location(site):
    assert value(site, """
        from mod_python import util
        return [kind(util.redirect, req, location) for location in
                (None, b"/x", 5, "/a\\r\\nX: y", "/a\\nb", "/a\\0b")]
        """) == ["TypeError"] * 3 + ["ValueError"] * 3


def test_redirect_is_oserror_once_the_body_has_begun(site):
    assert value(site, """
        from mod_python import util
        req.write(" ")
        return kind(util.redirect, req, "/there")
        """) == "OSError"


def test_redirect_ends_the_handler(site):
    assert value(site, """
        from mod_python import util
        class Stop:
            err_headers_out = {}
            sent_bodyct = status = 0
            content_type = None
            def write(self, text):
                self.text = text
        stop = Stop()
        try:
            util.redirect(stop, "/x")
        except apache.SERVER_RETURN as error:
            return error.args == (apache.DONE,), stop.status, stop.text
        """) == (True, 302,
                 '<p>The document has moved <a href="/x">here</a></p>\n')
