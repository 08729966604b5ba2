"""FieldStorage and its fields: api.md 6.1; D1, D2, D12, D29."""

import hashlib
import random
import socket

import pytest

from bodies import (
    URLENCODED, file_part, multipart, part, pieces, posted, serve_form, show,
    uploaded)
from httpd import together
from inline import serve, value

ITEMS = "return [(name, str(value)) for name, value in form.items()]"


# query string and body

def test_fields_of_the_query_come_first(site):
    assert show(site, ITEMS, "?b=1&a=2", **posted(b"a=3&b=4")) == [
        ("b", "1"), ("a", "2"), ("a", "3"), ("b", "4")]


def test_fields_of_the_query_come_before_parts(site):
    assert show(site, ITEMS, "?a=1", **uploaded(part(b"2"))) == [
        ("a", "1"), ("a", "2")]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_the_body_is_read_for_post_only(site, method):
    assert show(site, "return form.keys(), req.read()", "?a=1", method=method,
                body=b"b=2", headers={"Content-Type": URLENCODED}) == (
        ["a"], b"b=2")


def test_a_get_without_a_query_is_an_empty_form(site):
    assert show(site, "return len(form), form.keys(), repr(form)") == (
        0, [], "[]")


def test_a_body_without_a_content_type_is_urlencoded(site):
    serve_form(site, ITEMS)
    assert b"('a', 'x y')" in site.server.raw(
        b"POST /%s/ HTTP/1.0\r\nContent-Length: 5\r\n\r\na=x+y"
        % site.name.encode())


def test_a_body_with_a_charset_is_urlencoded(site):
    assert show(site, ITEMS, **posted(
        b"a=%E4", URLENCODED.upper() + "; charset=latin-1")) == [
            ("a", "\udce4")]


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/mixed",
                                  "Multipart/Related"])
def test_every_kind_of_multipart_is_read(site, kind):
    assert show(site, ITEMS, **uploaded(
        part(b"1"), kind=kind + "; boundary=xx")) == [("a", "1")]


@pytest.mark.parametrize("kind", ["application/json", "text/plain",
                                  "multipartx", "x"])
def test_other_bodies_are_501(site, kind):
    serve_form(site, ITEMS)
    assert site.request(**posted(b"{}", kind)).status == 501


def test_parameters_after_the_boundary_do_not_matter(site):
    """D29"""
    assert show(site, ITEMS, **uploaded(
        part(b"1"), kind="multipart/form-data; boundary=xx; charset=utf-8")
        ) == [("a", "1")]


def test_a_boundary_may_be_quoted(site):
    assert show(site, ITEMS, **uploaded(
        part(b"1"), boundary="a b:c",
        kind='multipart/form-data; x=1; Boundary="a b:c" ; y=2')) == [
            ("a", "1")]


@pytest.mark.parametrize("body, kind, why", [
    (multipart(part(b"1")), "multipart/form-data", "no usable boundary"),
    (multipart(part(b"1")), "multipart/form-data; boundary=", "no usable"),
    (b"a=1", "multipart/form-data; boundary=xx", "not in the body"),
    (multipart(part(b"1"), end=b""), "multipart/form-data; boundary=xx",
     "before its last boundary"),
    (b"--xx\r\nContent-Disposition: form-", "multipart/x; boundary=xx",
     "in the headers"),
], ids=["none", "empty", "absent", "truncated", "headers"])
def test_a_multipart_body_that_is_none_is_400(site, body, kind, why):
    serve_form(site, ITEMS)
    assert site.request(**posted(body, kind)).status == 400
    site.log.expect(f"MPY0501.*{why}", "warn")


def test_a_handler_may_catch_what_is_wrong_with_a_form(site):
    assert value(site, """
        from mod_python import util
        try:
            util.FieldStorage(req)
        except apache.SERVER_RETURN as error:
            return error.args
        """, **posted(b"x", "multipart/form-data; boundary=xx")) == (400,)
    site.log.expect("MPY0501")


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_body_may_be_chunked(site, size):
    assert show(site, ITEMS, **posted(pieces(b"name=v%C3%A9l&b=2", size))) == [
        ("name", "vél"), ("b", "2")]
    request = uploaded(part(b"1\r\n2"), file_part(b"3"))
    request["body"] = pieces(request["body"], size)
    assert show(site, "return str(form['a']), form['file'].value",
                **request) == ("1\r\n2", b"3")


@pytest.mark.parametrize("headers", [b"", b"Content-Length: 0\r\n"])
@pytest.mark.parametrize("kind", [b"", b"Content-Type: multipart/form-data; "
                                       b"boundary=xx\r\n"])
def test_no_body_is_an_empty_form(site, headers, kind):
    serve_form(site, "return form.keys()")
    answer = site.server.raw(b"POST /%s/ HTTP/1.0\r\n%s%s\r\n" % (
        site.name.encode(), headers, kind))
    assert b" 200 " in answer and answer.endswith(b"[]")


def test_what_the_program_has_read_is_gone(site):
    assert show(site, ITEMS, form="""
        from mod_python import util
        req.read(4)
        form = util.FieldStorage(req)
        """, **posted(b"a=1&b=2")) == [("b", "2")]


def test_the_body_can_be_read_once(site):
    assert show(site, """
        again = util.FieldStorage(req)
        return form.keys(), again.keys(), req.read()
        """, "?q=1", **posted(b"a=1")) == (["q", "a"], ["q"], b"")


def test_a_form_is_made_of_a_request_only(site):
    assert value(site, """
        from mod_python import util
        return [kind(util.FieldStorage), kind(util.FieldStorage, 5),
                kind(util.FieldStorage, req, file_callback=5),
                kind(util.FieldStorage, req, field_callback="x")]
        """) == ["TypeError"] * 4


# text

def test_names_and_values_are_str(site):
    assert show(site, """
        return [(type(name).__name__, type(str(value)).__name__,
                 isinstance(value, str)) for name, value in form.items()]
        """, "?a=1", **posted(b"b=2")) == [("str", "str", True)] * 2


def test_names_and_values_are_utf_8_and_wrong_bytes_are_kept(site):
    """D29: no 500 for them"""
    assert show(site, """
        items = [(name, str(value)) for name, value in form.items()]
        return items, form["n\\udcff"].value.encode("utf-8",
                                                    "surrogateescape")
        """, "?%C3%A9=%E2%82%AC&n%ff=%00%e4") == (
            [("é", "€"), ("n\udcff", "\0\udce4")], b"\0\xe4")


def test_charsets_that_the_client_declares_are_not_consulted(site):
    assert show(site, ITEMS, **uploaded(
        part(b"iso-8859-1", 'form-data; name="_charset_"'),
        part(b"\xe4", 'form-data; name="a"',
             "Content-Type: text/plain; charset=iso-8859-1"))) == [
                 ("_charset_", "iso-8859-1"), ("a", "\udce4")]


def test_what_is_not_utf_8_is_read_in_the_charset_of_the_site(site):
    assert show(site, """
        return ([(name, str(value)) for name, value in form.items()],
                [str(value) for value in form["é"]], form["f"].filename)
        """, "?%e9=%e4&%C3%A9=%C3%A4&%80=%80", "PythonFormCharset cp1252",
        **posted(multipart(part(b"\x80").replace(b'"a"', b'"\xe9"'),
                           file_part(b"", "ä.txt", "f").replace(
                               "ä".encode(), b"\xe4")),
                 "multipart/form-data; boundary=xx")) == (
            [("é", "ä"), ("é", "ä"), ("€", "€"), ("é", "€"),
             ("f", "Field('f', <file 'ä.txt'>)")],
            ["ä", "ä", "€"], "ä.txt")


def test_a_charset_that_python_does_not_know_is_an_error(site):
    serve_form(site, ITEMS, "PythonFormCharset klingon-1")
    assert site.get("?a=1").status == 500
    site.log.expect("PythonOption mod_python.form.charset: Python knows no "
                    "encoding 'klingon-1'")


def test_no_byte_is_an_error_in_any_charset(site):
    assert show(site, """
        return [form["a"].value, form["b"].value, form["c"].value]
        """, "?a=%ff%41%42&b=%81&c=ok", "PythonFormCharset utf-16-le") == [
            "\udcffAB", "\udc81", "ok"]


# limits

LIMITED = {
    "Fields": ("3", posted(b"a=1&b=2&c=3"), posted(b"a=1&b=2&c=3&d=4"),
               "3 fields"),
    "FieldSize": ("10", posted(b"name=value1"), posted(b"name=value12"),
                  "10 bytes in one field"),
    "Memory": ("20", posted(b"name1=value&name2=value"),
               posted(b"name1=value&name2=values"),
               "20 bytes in all fields"),
    "Body": ("1k", posted(b"a=" + bytes(1022)), posted(b"a=" + bytes(1023)),
             "1024 bytes in the body"),
    "Headers": ("2", uploaded(part(b"", 'form-data; name="a"', "A: 1")),
                uploaded(part(b"", 'form-data; name="a"', "A: 1", "B: 2")),
                "2 headers in one part"),
    "HeaderSize": ("100", uploaded(part(b"", 'form-data; name="a"',
                                        "A: " + 50 * "x")),
                   uploaded(part(b"", 'form-data; name="a"',
                                 "A: " + 60 * "x")),
                   "100 bytes in the headers of one part"),
    "Files": ("2", uploaded(file_part(b""), file_part(b""), part(b"")),
              uploaded(file_part(b""), file_part(b""), file_part(b"")),
              "2 files"),
    "FileSize": ("1000", uploaded(file_part(bytes(1000)), file_part(b"x")),
                 uploaded(file_part(bytes(1001))), "1000 bytes in one file"),
}


def option(name):
    """FieldSize: field_size"""
    return "".join("_" + c.lower() if c.isupper() else c
                   for c in name).lstrip("_")


@pytest.mark.parametrize("by", ["directive", "option"])
@pytest.mark.parametrize("name", LIMITED)
def test_what_exceeds_a_limit_is_413(site, name, by):
    number, within, beyond, text = LIMITED[name]
    serve_form(site, "return len(form.list)",
          f"PythonFormLimit{name} {number}" if by == "directive" else
          f"PythonOption mod_python.form.limit_{option(name)} {number}")
    assert site.request(**within).status == 200
    assert site.request(**beyond).status == 413
    site.log.expect(f"MPY0500.* more than {text}.*raise "
                    f"PythonFormLimit{name} ", "warn")


@pytest.mark.parametrize("name", ["FieldSize", "Memory", "Fields", "Body"])
def test_limits_hold_for_parts_too(site, name):
    serve_form(site, "return len(form.list)", f"PythonFormLimit{name} 100")
    one = part(bytes(150))
    many = [part(b"") for _ in range(101)]
    assert site.request(**uploaded(*many if name == "Fields" else [one])
                        ).status == 413
    site.log.expect(f"MPY0500.*PythonFormLimit{name} ")


def test_limits_hold_for_the_query_too(site):
    serve_form(site, "return len(form.list)", "PythonFormLimitFields 3")
    assert site.get("?a=1&b=2&c=3").status == 200
    assert site.get("?a=1&b=2&c=3&d=4").status == 413
    assert site.request("?a=1&b=2", **posted(b"c=3&d=4")).status == 413
    site.log.expect("MPY0500", count=2)


def test_a_limit_of_0_is_none(site):
    serve_form(site, "return len(form.list)", "PythonFormLimitFields 0")
    assert site.request(**posted(b"a=1&" * 2000)).text == "2000"


def test_1000_fields_are_the_default_limit(site):
    serve_form(site, "return len(form.list)")
    assert site.request(**posted(b"a=1&" * 1000)).text == "1000"
    assert site.request(**posted(b"a=1&" * 1001)).status == 413
    site.log.expect("MPY0500.* 1000 fields")


def test_a_program_may_set_a_limit_for_its_request(site):
    assert show(site, "return len(form.list)", form="""
        from mod_python import util
        req.get_options()["mod_python.form.limit_fields"] = "5"
        form = util.FieldStorage(req)
        """, more="PythonFormLimitFields 1", **posted(b"a=1&" * 5)) == 5


@pytest.mark.parametrize("text", ["many", "-1", "1KB", ""])
def test_a_limit_that_is_no_number_is_refused(own_server, text):
    server = own_server(f"PythonFormLimitBody \"{text}\"", start=False)
    with pytest.raises(AssertionError, match="PythonFormLimitBody"):
        server.start()


def test_an_option_that_is_no_number_is_an_error(site):
    serve_form(site, ITEMS, "PythonOption mod_python.form.limit_body many")
    assert site.get("?a=1").status == 500
    site.log.expect("mod_python.form.limit_body: 'many' is not a number")


def test_what_a_length_promises_is_not_reserved(site):
    """D12, D29"""
    serve(site, """
        import resource
        from mod_python import util
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = kind(util.FieldStorage, req)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        req.write("%s %s" % (result, after - before < 10000))
        """, "PythonFormLimitBody 0\nLimitRequestBody 0\n")
    for kind in (URLENCODED, "multipart/form-data; boundary=xx"):
        with socket.create_connection(("127.0.0.1", site.server.port)) as one:
            one.sendall(b"POST /%s/ HTTP/1.1\r\nHost: x\r\nContent-Type: %s"
                        b"\r\nContent-Length: 10000000000\r\n\r\n--xx\r\n1234"
                        % (site.name.encode(), kind.encode()))
            one.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: one.recv(65536), b""))
        assert b"OSError True" in answer


def test_a_client_that_goes_away_is_an_oserror(site):
    serve(site, """
        from mod_python import util
        try:
            util.FieldStorage(req)
        except OSError as error:
            apache.log_error("form: %s" % error, apache.APLOG_WARNING)
        """)
    for body, kind in ((b"a=1", URLENCODED),
                       (b"--xx\r\n\r\n1", "multipart/form-data; boundary=xx")):
        with socket.create_connection(("127.0.0.1", site.server.port)) as one:
            one.sendall(b"POST /%s/ HTTP/1.1\r\nHost: x\r\nContent-Type: %s"
                        b"\r\nContent-Length: 100\r\n\r\n%s"
                        % (site.name.encode(), kind.encode(), body))
    site.log.expect("form: Client read error", count=2)


def test_a_form_that_is_waited_for_keeps_nobody_from_python(site):
    serve(site, """
        import threading
        from mod_python import util
        ended = threading.Event()
        turns = []
        def turn():
            while not ended.wait(0.001):
                turns.append(1)
        thread = threading.Thread(target=turn)
        thread.start()
        util.FieldStorage(req)
        ended.set()
        thread.join()
        return len(turns) > 100
        """)
    with socket.create_connection(("127.0.0.1", site.server.port)) as one:
        one.settimeout(20)
        one.sendall(b"POST /%s/ HTTP/1.0\r\nContent-Length: 3\r\n\r\na="
                    % site.name.encode())
        with pytest.raises(TimeoutError):
            one.settimeout(1)
            one.recv(1)
        one.settimeout(20)
        one.sendall(b"1")
        assert b"".join(iter(lambda: one.recv(65536), b"")).endswith(b"True")


def test_strict_parsing_is_accepted_and_ignored(site):
    assert show(site, ITEMS, "?a=1&b&&=", form="""
        from mod_python import util
        form = util.FieldStorage(req, 0, 1)
        """) == [("a", "1")]


def test_blank_values_are_kept_when_asked_for(site):
    assert show(site, ITEMS, "?a=&b", form="""
        from mod_python import util
        form = util.FieldStorage(req, keep_blank_values=True)
        """, **posted(b"c=&d=1")) == [("a", ""), ("b", ""), ("c", ""),
                                      ("d", "1")]


def test_empty_parts_are_kept_always(site):
    assert show(site, ITEMS, **uploaded(part(b""))) == [("a", "")]
    assert show(site, ITEMS, form="""
        from mod_python import util
        class Form(util.FieldStorage):
            pass
        form = Form(req)
        """, **posted(b"--xx\r\n\r\n\r\n--xx--",
                      "multipart/form-data; boundary=xx")) == [(None, "")]


# parts

def test_a_part_with_a_filename_is_a_file(site):
    assert show(site, """
        field = form["file"]
        return (type(field).__name__, field.name, field.filename, field.type,
                field.ctype, field.type_options, field.disposition,
                field.disp, field.disposition_options, field.disp_options,
                sorted(field.headers.items()), field.value)
        """, **uploaded(file_part(
            b"data", "a;b.txt", "file", "content-type: Image/PNG; q=\"1\"",
            "X-Other: one"))) == (
                "Field", "file", "a;b.txt", "image/png", "image/png",
                {"q": "1"}, "form-data", "form-data",
                {"name": "file", "filename": "a;b.txt"},
                {"name": "file", "filename": "a;b.txt"},
                [("Content-Disposition",
                  'form-data; name="file"; filename="a;b.txt"'),
                 ("X-Other", "one"),
                 ("content-type", 'Image/PNG; q="1"')], b"data")


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_000_000])
def test_a_file_keeps_its_bytes_and_is_at_its_beginning(site, size):
    data = random.Random(size).randbytes(size)
    serve_form(site, """
        import hashlib
        import os
        file = form["file"].file
        where = file.tell()
        data = file.read()
        return (where, len(data), hashlib.sha256(data).hexdigest(),
                form["file"].value == data, file.tell(),
                os.fstat(file.fileno()).st_nlink)
        """)
    assert site.request(**uploaded(file_part(data))).text == repr(
        (0, size, hashlib.sha256(data).hexdigest(), True, 0, 0))


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_file_is_a_real_binary_file(site, size):
    assert show(site, """
        import io
        import shutil
        file = form["file"].file
        copy = io.BytesIO()
        shutil.copyfileobj(file, copy)
        file.seek(0)
        wrapper = io.TextIOWrapper(file, "latin-1")
        text = wrapper.read()
        wrapper.detach()
        return (isinstance(file, io.BufferedIOBase), file.readable(),
                file.writable(), file.seekable(), len(copy.getvalue()),
                len(text))
        """, **uploaded(file_part(bytes(size)))) == (
            True, True, True, True, size, size)


# the temporary files that this process has open
FILES = """
    import os
    from mod_python import util

    def files():
        found = set()
        for fd in os.listdir("/proc/self/fd"):
            try:
                if os.readlink("/proc/self/fd/" + fd).endswith(" (deleted)"):
                    found.add(fd)
            except FileNotFoundError:
                pass  # the directory itself, closed by now
        return found

    before = files()
    form = util.FieldStorage(req)
    """


def test_a_small_file_needs_no_file_until_it_is_asked_for(site):
    assert show(site, """
        value, first = form["file"].value, len(files() - before)
        form["file"].file
        return value, first, len(files() - before)
        """, form=FILES, **uploaded(file_part(b"data"))) == (b"data", 0, 1)


def test_how_much_of_a_file_stays_in_memory_can_be_set(site):
    assert show(site, "return len(files() - before)", form=FILES,
                more="PythonFormSpoolSize 3", **uploaded(
                    file_part(b"1234"), file_part(b"123"))) == 1


def test_a_file_is_closed_when_its_field_dies(site):
    assert show(site, """
        files = [form[name].file for name in ("small", "large")]
        open_before = [file.closed for file in files]
        del form
        return open_before, [file.closed for file in files]
        """, **uploaded(file_part(b"x", "a", "small"),
                        file_part(bytes(100_000), "a", "large"))) == (
            [False, False], [True, True])


def test_files_leave_nothing_behind(site):
    assert show(site, """
        import os
        import tempfile
        name = tempfile.mkdtemp()
        tempfile.tempdir, before = name, tempfile.tempdir
        try:
            form = util.FieldStorage(req)
            form["file"].file
        finally:
            tempfile.tempdir = before
        found = os.listdir(name)
        os.rmdir(name)
        return form["file"].value == bytes(100_000), found
        """, form="from mod_python import util", **uploaded(
            file_part(bytes(100_000)))) == (True, [])
    # that no descriptor stays open is looked at after each test


def test_a_file_that_cannot_be_stored_is_an_oserror(site):
    assert value(site, """
        import tempfile
        from mod_python import util
        tempfile.tempdir, before = "/nonexistent", tempfile.tempdir
        try:
            return outcome(util.FieldStorage, req)
        finally:
            tempfile.tempdir = before
        """, **uploaded(file_part(bytes(100_000)))) == (
            "OSError: an uploaded file cannot be stored: No such file or "
            "directory")


def test_an_empty_filename_is_an_empty_value(site):
    assert show(site, """
        field = form["file"]
        return type(field).__name__, field.value, field.filename, field.type
        """, **uploaded(file_part(
            b"", "", "file", "Content-Type: application/octet-stream"))) == (
                "StringField", "", None, "application/octet-stream")


def test_a_filename_may_be_extended(site):
    assert show(site, "return form['f'].filename", **uploaded(part(
        b"", "form-data; name=f; filename*=UTF-8''na%C3%AFve.txt"))) == (
            "naïve.txt")


def test_file_callback_gives_the_object_for_a_file(site):
    body = uploaded(file_part(b"data" * 10_000, "näme.txt", "file"),
                    part(b"text"))
    assert show(site, """
        field = form["file"]
        return (made[0].name, made[0].closed, len(made), field.file is made[0],
                field.filename, len(field.value), str(form["a"]),
                made[0].sizes == 40000)
        """, form="""
        import io
        from mod_python import util
        made = []
        class Storage(io.BytesIO):
            sizes = 0
            def __init__(self, name):
                super().__init__()
                self.name = name
                made.append(self)
            def write(self, data):
                self.sizes += len(data)
                assert type(data) is bytes
                return super().write(data)
        form = util.FieldStorage(req, file_callback=Storage)
        """, **body) == ("näme.txt", False, 1, True, "näme.txt", 40_000,
                         "text", True)


def test_field_callback_gives_the_object_for_a_value(site):
    assert show(site, """
        return (str(form["a"]), form["file"].value, len(made),
                made[0].getvalue())
        """, form="""
        import io
        from mod_python import util
        made = []
        def make():
            made.append(io.BytesIO())
            return made[-1]
        form = util.FieldStorage(req, field_callback=make)
        """, **uploaded(part("välue".encode()), file_part(b"data"))) == (
            "välue", b"data", 1, "välue".encode())


def test_what_a_callback_raises_ends_the_form(site):
    assert value(site, """
        from mod_python import util
        def fail(name):
            raise KeyError(name)
        return kind(util.FieldStorage, req, file_callback=fail)
        """, **uploaded(file_part(b"x"))) == "KeyError"
    assert value(site, """
        from mod_python import util
        class Full:
            def write(self, data):
                raise LookupError("full")
        return kind(util.FieldStorage, req, 0, 0, None, Full)
        """, **uploaded(part(b"x"))) == "LookupError"


def test_an_object_of_a_callback_needs_only_write(site):
    assert show(site, "return form['file'].file.got, form['file'].filename",
                form="""
        from mod_python import util
        class Sink:
            def __init__(self, name):
                self.got = b""
            def write(self, data):
                self.got += data
        form = util.FieldStorage(req, file_callback=Sink)
        """, **uploaded(file_part(b"data"))) == (b"data", "file.txt")


# tolerance

@pytest.mark.parametrize("body, items", [
    (b"--xx\nContent-Disposition: form-data; name=a\n\n1\n--xx--\n",
     [("a", "1")]),
    (b'--xx\r\nContent-Disposition: form-data; name="a"\n\r\n1\r\n--xx--',
     [("a", "1")]),
    (b"--xx\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n--xx--",
     [("a", "1")]),
    (b"--xx\r\nno colon\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
     b"--xx--", [("a", "1")]),
    (b"--xx\r\nX-Y: z\r\n\r\n1\r\n--xx--", [(None, "1")]),
    (b"--xx\r\n\r\n1\r\n--xx--", [(None, "1")]),
    (b"preamble\r\n--xx\r\nContent-Disposition: x; name=a\r\n\r\n1\r\n--xx--"
     b"\r\nepilogue", [("a", "1")]),
    (b"--xx\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--xx-- ",
     [("a", "1")]),
], ids=["linefeeds", "linefeed", "folded", "colon", "disposition", "headers",
        "around", "blank"])
def test_what_clients_do_wrong_is_tolerated(site, body, items):
    """D29"""
    assert show(site, ITEMS, **posted(
        body, "multipart/form-data; boundary=xx")) == items


def test_a_closing_boundary_without_crlf_is_no_data(site):
    """D29"""
    assert show(site, "return form['file'].value", **uploaded(
        file_part(b"data"), end=b"--")) == b"data"


def test_a_content_type_without_a_slash_is_octet_stream(site):
    assert show(site, "return form['file'].type", **uploaded(file_part(
        b"", "f", "file", "Content-Type: rubbish"))) == (
            "application/octet-stream")


def test_a_field_without_a_name_has_the_name_none(site):
    assert show(site, """
        return (form.keys(), str(form[None]), None in form, "" in form,
                form.list[0].name)
        """,
        **posted(b"--xx\r\n\r\n1\r\n--xx--",
                 "multipart/form-data; boundary=xx")) == (
                     [None], "1", True, False, None)


NEAR = (b"", b"\r", b"\n", b"\r\n", b"\r\r", b"\n\n", b"\r\n\r\n", b"x\r",
        b"\rx", b"\r\n-", b"\r\n--", b"\r\n--x", b"\r\n--xy", b"\n--x",
        b"-", b"--", b"\0", b"\r\n--xx x", b"\r\n--xx-y\r")


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 8])
def test_data_are_never_damaged_where_the_body_is_cut(site, chunk):
    serve_form(site, """
        return [form["file"][i].value for i in range(COUNT)]
        """.replace("COUNT", str(len(NEAR))))
    request = uploaded(*(file_part(data) for data in NEAR))
    request["body"] = pieces(request["body"], chunk)
    assert site.request(**request).text == repr(list(NEAR))


@pytest.mark.parametrize("around", [8000, 8192, 65536])
def test_data_are_never_damaged_at_the_edges_of_buffers(site, around):
    serve_form(site, """
        import hashlib
        return hashlib.sha256(form["file"].value).hexdigest()
        """)
    for shift in range(12):
        head = len(multipart(file_part(b"")).split(b"\r\n\r\n")[0]) + 4
        data = b"x" * (around - head - shift) + b"\r\n--x\r\n\r\r\n" * 3
        assert site.request(**uploaded(file_part(data))).text == repr(
            hashlib.sha256(data).hexdigest())


# what browsers and programs send

def test_a_form_of_chrome_is_read(site):
    line = "----WebKitFormBoundaryzuW5nPZQFQCwQtg4"
    body = multipart(
        part(b"text default", 'form-data; name="text1"'),
        part("aωb".encode(), 'form-data; name="text2"'),
        file_part(b"Content of a.txt.\r\n", "a.txt", "file1",
                  "Content-Type: text/plain"),
        file_part("aωb".encode(), "%22b%22.html", "file2",
                  "Content-Type: text/html"),
        file_part(b"", "", "file3", "Content-Type: application/octet-stream"),
        boundary=line)
    assert show(site, """
        return [form.getfirst(name).value for name in form], form.keys()
        """, **posted(body, "multipart/form-data; boundary=" + line)) == (
            ["text default", "aωb", b"Content of a.txt.\r\n", "aωb".encode(),
             ""], ["text1", "text2", "file1", "file2", "file3"])


def test_a_form_of_firefox_is_read(site):
    line = "---------------------------9051914041544843365972754266"
    body = multipart(
        part(b"a\r\nb", 'form-data; name="text"'),
        file_part(b"\x89PNG\r\n\x1a\n\0\0", "bild ö.png", "f",
                  "Content-Type: image/png"), boundary=line)
    assert show(site, """
        return str(form["text"]), form["f"].filename, form["f"].value
        """, **posted(body, "multipart/form-data; boundary=" + line)) == (
            "a\r\nb", "bild ö.png", b"\x89PNG\r\n\x1a\n\0\0")


def test_a_form_of_curl_is_read(site):
    line = "------------------------d74496d66958873e"
    body = multipart(
        part(b"value", 'form-data; name="field"'),
        file_part(b"line\n", 'a\\"b\\\\c.txt', "upload",
                  "Content-Type: text/plain"), boundary=line)
    assert show(site, """
        return str(form["field"]), form["upload"].filename
        """, **posted(body, "multipart/form-data; boundary=" + line)) == (
            "value", 'a"b\\c.txt')


def test_a_form_of_an_old_internet_explorer_is_read(site):
    assert show(site, "return form['f'].filename, form['f'].type",
                **uploaded(file_part(
                    b"x", "C:\\Documents\\new file.txt", "f",
                    "Content-Type: application/x-msdownload"))) == (
                        "C:\\Documents\\new file.txt",
                        "application/x-msdownload")


def test_a_form_of_requests_is_read(site):
    line = "5a2f1cb35d1d4b2b8a4ca1a1b5c1f3a7"
    body = multipart(
        part(b"1", 'form-data; name="a"'),
        part(b"data", "form-data; name=\"f\"; "
             "filename*=utf-8''%E2%82%AC.txt", "Content-Type: text/plain"),
        boundary=line)
    assert show(site, "return str(form['a']), form['f'].filename", **posted(
        body, "multipart/form-data; boundary=" + line)) == ("1", "€.txt")


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


def test_a_form_outlives_its_request(site):
    site.write({"page.py": """
        from mod_python import apache, util

        kept = []

        def handler(req):
            if kept:
                form = kept.pop()
                req.write(repr([str(form["a"]), form["file"].filename,
                                form["file"].file.read(), form.keys()]))
            else:
                kept.append(util.FieldStorage(req))
            return apache.OK
        """})
    site.serve("page")
    with site.server.connect() as one:
        request = uploaded(part(b"1"), file_part(b"2"))
        assert one.request(site.url(), **request).body == b""
        assert one.get(site.url()).text == repr(
            ["1", "file.txt", b"2", ["a", "file"]])


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


def test_a_callback_may_look_at_the_form_and_begin_it_anew(site):
    assert value(site, """
        import io
        from mod_python import util
        seen = []
        class Form(util.FieldStorage):
            def __init__(self, req):
                super().__init__(req, file_callback=self.make)
            def make(self, name):
                seen.append((len(self), self.keys(), len(self.list)))
                if name == "2.txt":
                    util.FieldStorage.__init__(self, req)
                return io.BytesIO()
        form = Form(req)
        return seen, [(name, field.value) for name, field in form.items()]
        """, "?q=1", **uploaded(
            part(b"x"), file_part(b"1", "1.txt", "one"),
            file_part(b"2", "2.txt", "two"), part(b"y", "form-data; name=b"))
        ) == ([(0, [], 0), (0, [], 0)],
              [("q", "1"), ("a", "x"), ("one", b"1"), ("two", b"2"),
               ("b", "y")])


def test_headers_of_parts_count_as_memory(site):
    serve_form(site, "return len(form.list)", "PythonFormLimitMemory 1K")
    one = part(b"", 'form-data; name="a"', "A: " + 100 * "x")
    assert site.request(**uploaded(*[one] * 5)).text == "5"
    assert site.request(**uploaded(*[one] * 20)).status == 413
    site.log.expect("MPY0500.*PythonFormLimitMemory")


def test_a_form_passes_the_input_filters(site):
    serve(site, """
        from mod_python import util
        def double(filter):
            data = filter.read()
            while data:
                filter.write(data.replace(b"=", b"=x"))
                data = filter.read()
            if data is None:
                filter.close()
        req.register_input_filter("double", double)
        req.add_input_filter("double")
        form = util.FieldStorage(req)
        return [(name, str(value)) for name, value in form.items()]
        """)
    for body in (b"a=1&b=2", pieces(b"a=1&b=2", 2)):
        assert site.request(**posted(body)).text == repr(
            [("a", "x1"), ("b", "x2")])


def test_a_filter_does_not_read_the_form_of_its_request(site):
    serve(site, """
        from mod_python import util
        found = []
        def spy(filter):
            found.append(kind(util.FieldStorage, filter.req))
            filter.pass_on()
        req.register_input_filter("spy", spy)
        req.add_input_filter("spy")
        form = util.FieldStorage(req)
        return found[0], form.keys()
        """)
    assert site.request(**posted(b"a=1")).text == repr(("RuntimeError",
                                                        ["a"]))


def test_another_thread_cannot_read_the_form(site):
    assert value(site, """
        import threading
        from mod_python import util
        found = []
        thread = threading.Thread(
            target=lambda: found.append(kind(util.FieldStorage, req)))
        thread.start()
        thread.join()
        return found
        """, **posted(b"a=1")) == ["RuntimeError"]


def test_a_form_of_a_request_that_is_over_is_refused(site):
    site.write({"page.py": """
        from mod_python import apache, util

        kept = []

        def handler(req):
            if kept:
                try:
                    util.FieldStorage(kept.pop())
                except apache.ExpiredError as error:
                    req.write(type(error).__name__)
            else:
                kept.append(req)
            return apache.OK
        """})
    site.serve("page")
    with site.server.connect() as one:
        one.request(site.url(), **posted(b"a=1"))
        assert one.get(site.url()).text == "ExpiredError"


def test_forms_of_many_threads_are_each_their_own(site):
    serve_form(site, """
        return str(form["a"]), form["file"].value[-8:], len(form["file"].value)
        """, "PythonFormSpoolSize 5000")

    def send(number):
        wrong = []
        for turn in range(20):
            own = f"{number:04}{turn:04}".encode()
            answer = site.request(**uploaded(part(own), file_part(
                bytes(number * 1000) + own))).text
            if answer != repr((own.decode(), own, number * 1000 + 8)):
                wrong.append(answer)
        return wrong

    assert together(send, 12) == [[]] * 12
