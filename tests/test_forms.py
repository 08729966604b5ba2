"""What a FieldStorage is read from: api.md 6.1; D1, D2, D12, D29."""

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


# 32 MiB that go beyond one limit each
LARGE = 1 << 25
BEYOND = {
    "Fields": posted(b"a=1&" * (LARGE >> 2)),
    "FieldSize": posted(b"name=" + bytes(LARGE)),
    "Memory": posted(b"a=value&" * (LARGE >> 3)),
    "Body": posted(b"a=" + bytes(LARGE)),
    "Headers": uploaded(*[part(b"", 'form-data; name="a"', "A: 1", "B: 2")]
                        * (LARGE // 70)),
    "HeaderSize": uploaded(part(b"", 'form-data; name="a"',
                                "A: " + LARGE * "x")),
    "Files": uploaded(*[file_part(b"12345")] * (LARGE // 80)),
    "FileSize": uploaded(file_part(bytes(LARGE))),
}


def peak_memory(pid):
    """kB that it had at most."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(file.read().split("VmHWM:")[1].split()[0])


@pytest.mark.parametrize("name", LIMITED)
def test_what_is_far_beyond_a_limit_takes_no_memory(own_server, name):
    number, within, _, _ = LIMITED[name]
    site = own_server(children=1).site
    serve_form(site, "return len(form.list)",
               f"PythonFormLimit{name} {number}\n"
               + "PythonFormLimitFields 0" * (name == "Memory"))
    request = BEYOND[name]
    assert site.request(**within).status == 200
    child, = site.server.children()
    before = peak_memory(child)
    for body in (request["body"], pieces(request["body"], 1 << 16)):
        assert site.request(**{**request, "body": body}).status == 413
    assert peak_memory(child) - before < 2048
    site.log.expect(f"MPY0500.*PythonFormLimit{name} ", count=2)


def test_headers_without_a_limit_take_no_more_than_all_fields(own_server):
    site = own_server(children=1).site
    serve_form(site, "return len(form.list)",
               "PythonFormLimitHeaderSize 0\nPythonFormLimitMemory 1M")
    child, = site.server.children()
    assert site.request(**uploaded(part(b"1"))).text == "1"
    before = peak_memory(child)
    assert site.request(**BEYOND["HeaderSize"]).status == 413
    assert peak_memory(child) - before < 4096
    site.log.expect("MPY0500.*PythonFormLimitMemory ")


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


def test_headers_of_parts_count_as_memory(site):
    serve_form(site, "return len(form.list)", "PythonFormLimitMemory 1K")
    one = part(b"", 'form-data; name="a"', "A: " + 100 * "x")
    assert site.request(**uploaded(*[one] * 5)).text == "5"
    assert site.request(**uploaded(*[one] * 20)).status == 413
    site.log.expect("MPY0500.*PythonFormLimitMemory")


# requests

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
