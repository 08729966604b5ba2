"""FieldStorage as a mapping, and its fields: api.md 6.1; D2."""

from bodies import file_part, multipart, part, posted, show, uploaded
from inline import value

ITEMS = "return [(name, str(value)) for name, value in form.items()]"


# the mapping

QUERY = "?b=1&a=2&b=3&c=4"


def test_an_item_is_the_value_or_a_list_of_several(site):
    assert show(site, """
        return (str(form["a"]), [str(one) for one in form["b"]],
                kind(lambda: form["z"]), kind(lambda: form[5]),
                kind(lambda: form[b"a"]))
        """, QUERY) == ("2", ["1", "3"], "KeyError", "KeyError", "KeyError")


def test_a_missing_item_is_named_by_its_keyerror(site):
    assert value(site, """
        from mod_python import util
        try:
            util.FieldStorage(req)["missing"]
        except KeyError as error:
            return error.args
        """) == ("missing",)


def test_get_gives_the_value_or_the_default(site):
    assert show(site, """
        return (str(form.get("a", 5)), len(form.get("b")), form.get("z"),
                form.get("z", 5), form.get("z", default=6),
                form.get(name="z", default=7), kind(form.get),
                kind(form.get, "a", 1, 2), kind(form.get, "a", other=1))
        """, QUERY) == ("2", 2, None, 5, 6, 7, "TypeError", "TypeError",
                        "TypeError")


def test_getfirst_gives_the_first_value_or_the_default(site):
    assert show(site, """
        return (str(form.getfirst("b")), form.getfirst("z"),
                form.getfirst("z", 5), form.getfirst("z", default=6))
        """, QUERY) == ("1", None, 5, 6)


def test_getlist_gives_all_values(site):
    assert show(site, """
        return [[str(one) for one in form.getlist(name)]
                for name in ("a", "b", "z")]
        """, QUERY) == [["2"], ["1", "3"], []]


def test_keys_are_distinct_names_in_order(site):
    assert show(site, "return form.keys(), list(form), len(form)", QUERY) == (
        ["b", "a", "c"], ["b", "a", "c"], 3)


def test_items_are_in_the_order_of_the_form(site):
    assert show(site, ITEMS, QUERY) == [("b", "1"), ("a", "2"), ("b", "3"),
                                        ("c", "4")]


def test_in_and_has_key_know_the_names(site):
    assert show(site, """
        return ("a" in form, "z" in form, 5 in form, form.has_key("a"),
                form.has_key("z"))
        """, QUERY) == (True, False, False, True, False)


def test_a_name_may_be_any_text(site):
    assert show(site, """
        return [str(form[name]) for name in
                ("", "é", "\\udcff", "a b", util.StringField("x"))]
        """, "?=1&%C3%A9=2&%ff=3&a+b=4&x=5") == ["1", "2", "3", "4", "5"]


def test_names_are_found_among_many(site):
    query = "?" + "&".join(f"n{i}={i}&m=x{i}" for i in range(100))
    assert show(site, """
        return (all(str(form[f"n{i}"]) == str(i) for i in range(100)),
                len(form["m"]), "n100" in form, len(form),
                str(form.getfirst("m")))
        """, query) == (True, 100, False, 101, "x0")


def test_del_removes_all_fields_of_a_name(site):
    assert show(site, """
        del form["b"]
        def remove():
            del form["b"]
        return form.keys(), kind(remove)
        """, QUERY) == (["a", "c"], "KeyError")


def test_assignment_replaces_all_fields_of_a_name(site):
    assert show(site, """
        form["b"] = "new"
        form["d"] = b"bytes"
        form["e"] = 5
        return form.items() == [("a", "2"), ("c", "4"), ("b", "new"),
                                ("d", "bytes"), ("e", "5")], form["b"].name
        """, QUERY) == (True, "b")


def test_add_field_appends(site):
    assert show(site, """
        form.add_field("b", "5")
        form.add_field(name="x", value="6")
        return [str(one) for one in form["b"]], str(form["x"])
        """, QUERY) == (["1", "3", "5"], "6")


def test_clear_removes_everything(site):
    assert show(site, """
        form.clear()
        return len(form), form.list == [], "a" in form, form.items()
        """, QUERY) == (0, True, False, [])


def test_list_is_a_fieldlist_that_programs_may_change(site):
    assert show(site, """
        field = util.StringField("9")
        field.name = "z"
        form.list.append(field)
        table = form.list.table()
        result = (type(form.list).__name__, isinstance(form.list, list),
                  form.list is form.list, str(form["z"]),
                  {name: [str(one) for one in values]
                   for name, values in table.items()})
        form.list = form.list[:1]
        return result, form.keys(), type(form.list).__name__
        """, QUERY) == (
            ("FieldList", True, True, "9",
             {"b": ["1", "3"], "a": ["2"], "c": ["4"], "z": ["9"]}),
            ["b"], "FieldList")


def test_an_object_of_a_field_stays_the_same(site):
    assert show(site, """
        first = form["a"]
        return (form["a"] is first, form.getfirst("a") is first,
                form.list[1] is first, form["a"] is first)
        """, QUERY) == (True,) * 4


def test_the_repr_shows_the_fields(site):
    assert show(site, "return repr(form), repr(form['a'])", QUERY) == (
        "[Field('b', '1'), Field('a', '2'), Field('b', '3'), "
        "Field('c', '4')]", "Field('a', '2')")


# fields

def test_a_stringfield_is_a_str_with_the_attributes_of_a_field(site):
    assert show(site, """
        field = form["a"]
        return (isinstance(field, str), field == "é", len(field),
                field.upper(), field.name, field.value,
                type(field.value).__name__, type(str(field)).__name__,
                field.file.read(), field.filename, dict(field.headers),
                field.type, field.ctype, field.type_options,
                field.disposition, field.disp, field.disposition_options,
                field.disp_options, field.decode(), field.decode("latin-1"),
                type(field.decode("utf-8", errors="x")).__name__)
        """, "?a=%C3%A9") == (
            True, True, 1, "É", "a", "é", "str", "str", "é".encode(), None,
            {}, "text/plain", "text/plain", {}, None, None, {}, {}, "é", "é",
            "str")


def test_a_stringfield_of_a_part_knows_its_headers(site):
    assert show(site, """
        field = form["a"]
        return (sorted(field.headers.items()), field.type, field.type_options,
                field.disposition, field.disposition_options)
        """, **uploaded(part(b"x", 'form-data; name="a"; more=1',
                             "Content-Type: text/html; charset=x"))) == (
            [("Content-Disposition", 'form-data; name="a"; more=1'),
             ("Content-Type", "text/html; charset=x")], "text/html",
            {"charset": "x"}, "form-data", {"name": "a", "more": "1"})


def test_attributes_of_fields_can_be_set(site):
    assert show(site, """
        results = []
        for field in (form["a"], form["file"]):
            field.name = "other"
            field.filename = "x"
            field.type = "y"
            field.headers = {"z": 1}
            field.own = 5
            results.append((field.name, field.filename, field.ctype,
                            field.headers, field.own))
            assert vars(field) == {"own": 5}
        form.own = 6
        assert vars(form) == {"own": 6}
        return results
        """, **uploaded(part(b"1"), file_part(b"2"))) == [
            ("other", "x", "y", {"z": 1}, 5)] * 2


def test_programs_may_make_fields_themselves(site):
    assert value(site, """
        import io
        from mod_python import util
        field = util.Field("a", io.BytesIO(b"data"), "text/x", {"q": "1"},
                           "form-data", {"filename": "b.txt"}, {"h": "v"})
        bare = util.Field("b")
        text = util.StringField("value")
        return (field.name, field.value, field.file.tell(), field.type,
                field.type_options, field.disposition, field.filename,
                field.headers, bare.name, bare.file, bare.value, bare.filename,
                text.name, text.value, repr(text), kind(util.Field))
        """) == ("a", b"data", 0, "text/x", {"q": "1"}, "form-data", "b.txt",
                 {"h": "v"}, "b", None, None, None, None, "value",
                 "Field(None, 'value')", "TypeError")


def test_fields_and_forms_can_be_subclassed(site):
    assert show(site, """
        import io
        class Mine(util.Field):
            def __init__(self, name, more):
                super().__init__(name, io.BytesIO(b"x"))
                self.more = more
        class Form(util.FieldStorage):
            def __init__(self, req):
                super().__init__(req, keep_blank_values=True)
                self.extra = 1
            def __getitem__(self, name):
                return "<%s>" % super().__getitem__(name)
        class Text(util.StringField):
            def shout(self):
                return self.upper()
        mine, own = Mine("n", 5), Form(req)
        return (mine.name, mine.value, mine.more, own["a"], own.extra,
                own.keys(), Text("x").shout(), type(Text("x").value).__name__)
        """, "?a=1&b=") == ("n", b"x", 5, "<1>", 1, ["a", "b"], "X", "str")


def test_a_subclass_of_field_closes_its_file_too(site):
    assert value(site, """
        import io
        from mod_python import util
        class Mine(util.Field):
            pass
        files = [io.BytesIO(), io.BytesIO()]
        fields = [Mine("a", files[0]), util.Field("b", files[1])]
        fields[0].itself = fields[0]
        del fields
        import gc
        gc.collect()
        return [file.closed for file in files]
        """) == [True, True]


def test_forms_leak_nothing(site):
    """D2"""
    site.write({"page.py": """
        import gc
        import sys

        from mod_python import apache, util

        def handler(req):
            form = util.FieldStorage(req)
            form.items(), form.list.table(), form["a"].headers
            form["file"].file.read(), form.get("z"), form["a"].type_options
            gc.collect()
            req.write(str(sys.getallocatedblocks()))
            return apache.OK
        """})
    site.serve("page", "PythonFormSpoolSize 5")
    body = multipart(part(b"1"), file_part(b"small"), file_part(b"larger", "x",
                                                                "other"))
    with site.server.connect() as one:
        counts = [int(one.request(site.url("?q=%ff"), **posted(
            body, "multipart/form-data; boundary=xx")).text)
            for _ in range(500)]
    # Python itself warms up for a while; a leak would be 250.
    assert abs(counts[-1] - counts[250]) < 100, counts


def test_a_stringfield_can_be_copied_and_pickled(site):
    assert show(site, """
        import copy
        import pickle
        field = form["a"]
        field.own = 5
        copies = [copy.copy(field), copy.deepcopy(field),
                  pickle.loads(pickle.dumps(field)),
                  pickle.loads(pickle.dumps(field, 0))]
        return [(type(one).__name__, str(one), one.name, one.own)
                for one in copies]
        """, QUERY) == [("StringField", "2", "a", 5)] * 4
