"""mp_table: httpd's tables of text in the clothes of a dict."""

import ast

import pytest

from inline import serve, value

ALL_BYTES = bytes(range(0x80, 0x100))

# A table in a few lines of Python, to compare with.
MODEL = '''
import random


def lower(text):
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


class Model:
    def __init__(self):
        self.pairs = []

    def values(self, key):
        return [v for k, v in self.pairs if lower(k) == lower(key)]

    def delete(self, key):
        self.pairs = [(k, v) for k, v in self.pairs if lower(k) != lower(key)]

    def set(self, key, value):
        """In place of the first entry of this key."""
        pairs, place = [], None
        for k, v in self.pairs:
            if lower(k) != lower(key):
                pairs.append((k, v))
            elif place is None:
                place = len(pairs)
                pairs.append((k, value))
        self.pairs = pairs if place is not None else pairs + [(key, value)]


def key():
    return "".join(random.choice("aAbB1 é\\udce9")
                   for _ in range(random.randint(0, 3)))


def text():
    return random.choice(["", "x", "ÿ", "\\udcff", "☃", "a\\nb", "v" * 300])


def step(table, model):
    k, v, act = key(), text(), random.choice(
        "set add add get first delete contains pop default update copy "
        "clear".split())
    there = model.values(k)
    if act == "set":
        table[k] = v
        model.set(k, v)
    elif act == "add":
        table.add(k, v)
        model.pairs.append((k, v))
    elif act == "get" and there:
        assert table[k] == (there[0] if len(there) == 1 else there)
    elif act == "get":
        try:
            table[k]
        except KeyError as error:
            assert error.args == (k,)
        else:
            raise AssertionError("no KeyError")
    elif act == "first":
        assert table.get(k, 5) == (there[0] if there else 5)
    elif act == "delete":
        del table[k]
        model.delete(k)
    elif act == "contains":
        assert (k in table) is bool(there)
        assert table.has_key(k) == int(bool(there))
    elif act == "pop" and model.pairs:
        assert table.popitem() == model.pairs.pop()
    elif act == "default":
        assert table.setdefault(k, v) == (there[0] if there else v)
        if not there:
            model.pairs.append((k, v))
    elif act == "update":
        table.update({k: v})
        model.set(k, v)
    elif act == "copy":
        copy = table.copy()
        assert copy == table
        copy["only here"] = "1"
        assert copy != table
    elif act == "clear" and (len(table) > 40 or random.random() < .1):
        table.clear()
        model.pairs = []


def check(table, model):
    assert table.items() == model.pairs
    assert list(table.iteritems()) == model.pairs
    assert list(table) == table.keys() == [k for k, _ in model.pairs]
    assert list(table.itervalues()) == table.values()
    assert len(table) == len(model.pairs)


def compare(table, steps, seed):
    random.seed(seed)
    model = Model()
    for _ in range(steps):
        step(table, model)
        check(table, model)
    return steps
'''


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("table", ["apache.table()", "req.notes"])
def test_random_operations_agree_with_a_model(site, table, seed):
    site.write({"model.py": MODEL})
    assert value(site, f"""
        import model
        table = {table}
        table.clear()
        return model.compare(table, 3000, {seed})
        """) == 3000


# keys and values

def test_keys_are_compared_without_case_and_otherwise_byte_for_byte(site):
    assert value(site, """
        table = apache.table({"Key": "1", "a1": "2", "É": "3"})
        return [name in table for name in
                ("KEY", "key", "a 1", "A1", "é", "É", "Ke")]
        """) == [True, True, False, True, False, True, False]


def test_several_values_of_a_key_read_as_a_list(site):
    assert value(site, """
        table = apache.table()
        table.add("a", "1")
        table.add("b", "2")
        table.add("A", "3")
        return table["a"], table.get("a"), len(table), repr(table)
        """) == (["1", "3"], "1", 3, "{'a': '1', 'b': '2', 'A': '3'}")


def test_an_assignment_replaces_all_values_of_a_key(site):
    assert value(site, """
        table = apache.table()
        table.add("a", "1")
        table.add("A", "2")
        table["a"] = "3"
        return table.items()
        """) == [("a", "3")]


def test_deleting_an_absent_key_is_silent(site):
    assert value(site, """
        table = apache.table({"a": "1"})
        del table["b"]
        del table["A"]
        return table.items()
        """) == []


def test_popitem_removes_one_entry_and_no_other(site):
    assert value(site, """
        table = apache.table()
        for key, text in ("a", "1"), ("b", "2"), ("A", "3"):
            table.add(key, text)
        popped = [table.popitem() for _ in range(3)]
        return popped, kind(table.popitem)
        """) == ([("A", "3"), ("b", "2"), ("a", "1")], "KeyError")


def test_setdefault_stores_what_is_missing_and_returns_it(site):
    assert value(site, """
        table = apache.table({"there": "1"})
        return (table.setdefault("there", "2"), table.setdefault("new", "3"),
                table.setdefault("empty"), table.items())
        """) == ("1", "3", "", [("there", "1"), ("new", "3"), ("empty", "")])


def test_str_bytes_and_subclasses_are_stored_and_read_as_str(site):
    assert value(site, r"""
        class Text(str):
            pass
        table = apache.table()
        table[Text("a")] = Text("b")
        table[b"c\xff"] = b"d\xff"
        return table.items(), type(table["a"]).__name__
        """) == ([("a", "b"), ("c\udcff", "d\udcff")], "str")


def test_other_types_are_refused(site):
    assert value(site, """
        table = apache.table()
        seen = set()
        for wrong in None, 5, 1.5, [], {}, object():
            seen |= {kind(table.__setitem__, "a", wrong),
                     kind(table.__setitem__, wrong, "a"),
                     kind(table.add, "a", wrong),
                     kind(table.__getitem__, wrong),
                     kind(table.__contains__, wrong),
                     kind(table.__delitem__, wrong),
                     kind(table.get, wrong)}
        return seen, len(table)
        """) == ({"TypeError"}, 0)


def test_nul_is_refused_in_every_table(site):
    assert value(site, r"""
        seen = set()
        for table in (apache.table(), req.notes, req.headers_out,
                      req.subprocess_env):
            seen |= {kind(table.__setitem__, "a\0", "b"),
                     kind(table.__setitem__, "a", b"b\0c"),
                     kind(table.add, "a", "\0")}
        return seen
        """) == {"ValueError"}


def test_line_ends_are_refused_in_headers_and_kept_in_other_tables(site):
    assert value(site, r"""
        seen = set()
        for table in req.headers_in, req.headers_out, req.err_headers_out:
            for end in "\r", "\n", "x\r\ny":
                seen |= {kind(table.__setitem__, "a", end),
                         kind(table.__setitem__, end, "a"),
                         kind(table.add, "a", end),
                         kind(table.update, {"a": end}),
                         kind(table.setdefault, "new", end)}
        req.notes["a\r\n"] = "\r\nb"
        return seen, req.notes["a\r\n"]
        """) == ({"ValueError"}, "\r\nb")


# making, filling, comparing

def test_a_table_is_made_from_a_mapping_or_pairs(site):
    assert value(site, """
        return [apache.table(source).items() for source in
                ({"a": "b"}, [("a", "b"), ["c", 5]], {1: None}, (), ["xy"],
                 apache.table([("a", "b")]))]
        """) == [[("a", "b")], [("a", "b"), ("c", "5")], [("1", "None")], [],
                 [("x", "y")], [("a", "b")]]


def test_what_is_neither_mapping_nor_pairs_is_refused_as_dict_does(site):
    assert value(site, """
        return [kind(apache.table, source) for source in
                (5, [5], [(1, 2, 3)], ["a"])] + [kind(apache.table, a=1)]
        """) == ["TypeError", "TypeError", "ValueError", "ValueError",
                 "TypeError"]


def test_update_wants_a_mapping_and_passes_its_errors_on(site):
    assert value(site, """
        class Broken:
            def __str__(self):
                raise ZeroDivisionError
        table = apache.table({"a": "1", "b": "2"})
        table.update({"A": 3})
        return (table.items(), kind(table.update, [("a", "b")]),
                kind(table.update, {"c": Broken()}))
        """) == ([("a", "3"), ("b", "2")], "AttributeError",
                 "ZeroDivisionError")


def test_updating_from_a_table_takes_all_values_of_its_keys(site):
    assert value(site, """
        source = apache.table()
        source.add("a", "1")
        source.add("A", "2")
        table = apache.table({"a": "old", "b": "3"})
        table.update(source)
        return table.items()
        """) == [("b", "3"), ("a", "1"), ("A", "2")]


def test_tables_compare_as_dicts_and_differ_from_anything_else(site):
    assert value(site, """
        table = apache.table({"a": "b"})
        return ([table == other for other in
                 ({"a": "b"}, apache.table(a_pair), {"a": "c"}, {}, None, 1,
                  "a", [("a", "b")], dict)],
                {"a": "b"} == table, table != {"a": "b"}, table != 5)
        """.replace("a_pair", '[("a", "b")]')) == (
            [True, True] + [False] * 7, True, False, True)


def test_a_table_has_no_hash_and_no_order(site):
    assert value(site, """
        table = apache.table()
        return kind(hash, table), kind(lambda: table < table)
        """) == ("TypeError", "TypeError")


def test_a_copy_is_independent(site):
    assert value(site, """
        copy = req.headers_in.copy()
        copy["x"] = "y"
        return "x" in req.headers_in, copy["host"] == req.headers_in["Host"]
        """) == (False, True)


def test_iteration_ends_with_an_error_when_the_size_changes(site):
    assert value(site, """
        table = apache.table({"a": "1", "b": "2"})
        seen = []
        for method in table.__iter__, table.iterkeys, table.itervalues, \\
                table.iteritems:
            iterator = method()
            next(iterator)
            table.add("c", "3")
            seen.append(kind(next, iterator))
            del table["c"]
            seen.append(kind(next, iterator))
        return set(seen), str(type(iter(table)))
        """) == ({"RuntimeError"}, "<class 'dictionary-iterator'>")


def test_a_subclass_makes_instances_of_its_own(site):
    assert value(site, """
        class Options(apache.table):
            def __init__(self, source, *, more):
                super().__init__(source)
                self.more = more
        options = Options({"a": "b"}, more=5)
        return (type(options).__name__, isinstance(options, apache.table),
                options["a"], options.more)
        """) == ("Options", True, "b", 5)


def test_unknown_attributes_are_refused(site):
    assert value(site, """
        return [kind(setattr, table, "x", 1) for table in
                (apache.table(), req.notes, apache.table)]
        """) == ["AttributeError", "AttributeError", "TypeError"]


# live views

def test_headers_set_in_a_table_are_sent_and_repeated_ones_too(site):
    serve(site, """
        req.headers_out["X-One"] = "1"
        req.headers_out.add("Set-Cookie", "a=1")
        req.headers_out.add("Set-Cookie", "b=2")
        """)
    headers = site.get().headers
    assert headers["X-One"] == "1"
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_every_byte_of_a_header_is_read_and_sent_back_as_it_was(site):
    serve(site, """
        req.headers_out["X-Back"] = req.headers_in["X-Raw"]
        req.write(ascii(req.headers_in.items()))
        """)
    answer = site.server.raw(
        b"GET " + site.url().encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: close\r\nX-Raw: " + ALL_BYTES + b"\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"\r\nX-Back: " + ALL_BYTES + b"\r\n" in head + b"\r\n"
    raw = dict(ast.literal_eval(_dechunked(body)))["X-Raw"]
    assert raw.encode("utf-8", "surrogateescape") == ALL_BYTES


def _dechunked(body):
    size, _, rest = body.partition(b"\r\n")
    try:
        return rest[:int(size, 16)].decode()
    except ValueError:
        return body.decode()


def test_a_view_follows_an_internal_fast_redirect(site):
    site.write({
        "early.py": """
            from mod_python import apache

            def fixuphandler(req):
                if not hasattr(req, "early"):
                    req.early = req.subprocess_env
                return apache.OK
            """,
        "index.page": ""})
    serve(site, """
        req.subprocess_env["NOW"] = "1"
        early = getattr(req, "early", None)
        return early is not None and early.get("NOW")
        """, "DirectoryIndex index.page\nPythonFixupHandler early\n")
    site.replace(".htaccess", "SetHandler mod_python",
                 '<Files "index.page">\nSetHandler mod_python\n</Files>')
    assert site.get().text == "'1'"


def test_a_view_expires_with_its_request(site):
    site.write({"keep.py": "views = []\n"})
    serve(site, """
        import keep
        if not keep.views:
            keep.views += [req.headers_in, req.notes, iter(req.notes)]
            return None
        headers, notes, iterator = keep.views
        return [kind(function) for function in (
            headers.keys, notes.items, headers.copy, headers.clear,
            notes.popitem, lambda: headers["a"], lambda: repr(notes),
            lambda: notes == {}, lambda: len(headers), lambda: iter(notes),
            lambda: next(iterator), lambda: apache.table(headers))]
        """)
    site.get_from_each_child()
    assert site.texts() == {str(["ExpiredError"] * 12)}


def test_a_view_is_refused_to_another_thread(site):
    assert value(site, """
        headers = req.headers_in
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append(outcome(headers.keys)))
        thread.start()
        thread.join()
        return seen
        """) == ["RuntimeError: mp_request may only be used by the thread "
                 "that serves the request"]


def test_a_table_written_for_ever_does_not_grow(site):
    assert value(site, """
        def size():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        table = apache.table()
        for number in range(20000):
            table["key"] = "x" * 100
        before = size()
        for number in range(200000):
            table["key"] = "x" * 100
        return size() - before < 4000000
        """) is True
