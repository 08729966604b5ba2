"""Multipart bodies and files: api.md 6.1; D29."""

import hashlib
import random

import pytest

from bodies import (
    file_part, multipart, part, pieces, posted, serve_form, show, uploaded)
from inline import value

ITEMS = "return [(name, str(value)) for name, value in form.items()]"


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
