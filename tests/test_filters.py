"""Output filters, and what both kinds have in common: PythonOutputFilter,
req.register_*_filter(), req.add_*_filter() and the filter object; api.md 1.2,
1.3, 3.1 and 3.5. Input filters are in test_input_filters.py."""

import ast
import gzip
import hashlib
import itertools
import random
import socket
import textwrap

import pytest

from httpd import ServerFailed
from httpd.processes import memory

_HEAD = """\
from mod_python import apache
import os


def setup(req):
    req.register_output_filter("f", outputfilter)
    req.add_output_filter("f")
    return apache.OK


"""
UPPER = """
    def outputfilter(filter):
        data = filter.read()
        while data:
            filter.write(data.upper())
            data = filter.read()
        if data is None:
            filter.close()
    """
IDENTITY = UPPER.replace(".upper()", "")
_numbers = itertools.count(1)


def filtered(site, code, handler="", more=""):
    """Everything that the site answers passes outputfilter() of this code.
    With a handler (code, too) it answers for every URL."""
    name = f"filtered{next(_numbers)}"
    text = _HEAD + textwrap.dedent(code)
    lines = f"PythonFixupHandler {name}::setup\n{more}\n"
    if handler:
        text += "\n\ndef handler(req):\n" + textwrap.indent(
            textwrap.dedent(handler).strip("\n"), "    ")
        text += "\n    return apache.OK\n"
        lines += f"SetHandler mod_python\nPythonHandler {name}\n"
    site.write({name + ".py": text})
    site.htaccess(lines)


def configured(own_server, lines, files, more="", **choices):
    """A server whose site has these lines in its <Directory>."""
    return own_server(f"<Directory ${{SITE}}>\n{textwrap.dedent(lines)}\n"
                      f"</Directory>\n{more}\n", files=files, **choices)


# The directives

def test_a_filter_of_the_configuration_changes_a_file(own_server):
    server = configured(own_server, """
        PythonOutputFilter upper Upper
        SetOutputFilter UPPER
        """, {"upper.py": UPPER, "page.txt": "some text\n"})
    response = server.site.get("page.txt")
    assert response.text == "SOME TEXT\n"
    assert response.headers.get("Content-Length") in (None, "10")


def test_the_length_of_the_response_is_that_of_what_is_sent(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": "def outputfilter(filter):\n"
                      "    filter.write((filter.read() or b'') * 2)\n",
              "page.txt": "x" * 2_500_000})
    with server.connect() as connection:
        for _ in range(3):
            assert connection.get("/site/page.txt").text == "x" * 5_000_000


def test_the_name_is_the_handler_unless_given(own_server):
    server = configured(own_server, """
        PythonOutputFilter upper::outputfilter
        AddOutputFilter upper::outputfilter .txt
        """, {"upper.py": UPPER, "page.txt": "text", "page.css": "text"})
    assert server.site.get("page.txt").text == "TEXT"
    assert server.site.get("page.css").text == "text"


def test_a_filter_is_added_by_type(own_server):
    server = configured(own_server, """
        PythonOutputFilter upper upper
        AddOutputFilterByType UPPER text/plain
        """, {"upper.py": UPPER, "page.txt": "text", "page.html": "text"})
    assert server.site.get("page.txt").text == "TEXT"
    assert server.site.get("page.html").text == "text"


def test_the_inner_section_wins(own_server):
    mark = ("def outputfilter(filter):\n"
            "    filter.write('{}' + filter.read().decode())\n"
            "    filter.close()\n")
    server = own_server("""
        PythonOutputFilter ${SITE}/outer.py mark
        PythonOutputFilter ${SITE}/other.py other
        SetOutputFilter mark;other
        <Directory ${SITE}/in>
            PythonOutputFilter inner mark
        </Directory>
        """, files={"outer.py": mark.format("outer "),
                    "other.py": mark.format("other "),
                    "in/inner.py": mark.format("inner "),
                    "in/page.txt": "text", "page.txt": "text"})
    assert server.site.get("page.txt").text == "other outer text"
    assert server.site.get("in/page.txt").text == "other inner text"


@pytest.mark.parametrize("handler", [
    "f::upper", "f::tools.upper", "f::Upper.filter", "./f.py::upper",
    "${SITE}/f.py::upper",
])
def test_every_form_of_handler_is_a_filter(own_server, handler):
    server = configured(own_server, f"""
        PythonOutputFilter {handler} f
        SetOutputFilter f
        """, {"f.py": """
            def upper(filter):
                filter.write(filter.read().upper())

            class tools:
                upper = upper
                def __new__(cls, filter):
                    return cls

            class Upper:
                def __init__(self, filter):
                    self.given = filter
                def filter(self, filter):
                    assert self.given is filter
                    upper(filter)
            """, "page.txt": "text"})
    assert server.site.get("page.txt").text == "TEXT"


@pytest.mark.parametrize("line, said", [
    ("PythonOutputFilter f DEFLATE", "'DEFLATE' already"),
    ("PythonOutputFilter f Mod_Python", "'Mod_Python' already"),
    ("PythonInputFilter f http_in", "'http_in' already"),
    ("PythonOutputFilter f::", "no object"),
    ("PythonOutputFilter", "takes"), ("PythonOutputFilter a b c", "takes"),
])
def test_wrong_directives_are_refused(own_server, line, said):
    with pytest.raises(ServerFailed, match=said):
        own_server(line)


def test_a_htaccess_file_has_no_filter_directives(site):
    site.htaccess("PythonOutputFilter f f\n")
    assert site.get().status == 500
    site.log.expect("PythonOutputFilter not allowed here")


def test_a_name_without_a_handler_here_is_reported(own_server):
    server = own_server("""
        <Directory ${SITE}/one>
            PythonOutputFilter upper upper
        </Directory>
        SetOutputFilter upper
        """, files={"one/upper.py": UPPER, "one/page.txt": "text",
                    "page.txt": "text"})
    assert server.site.get("one/page.txt").text == "TEXT"
    response = server.site.get("page.txt")
    assert (response.text, response.headers["Content-Length"]) == ("text", "4")
    server.log.expect("MPY0431: filter 'upper' does nothing")


# Registration for a request

def test_registered_filters_are_strings_or_callables(site):
    site.write({"page.py": """
        from mod_python import apache

        def outputfilter(filter):
            filter.write((filter.read() or b"") + b"1")

        def more(filter):
            filter.write((filter.read() or b"") + b"2")

        def handler(req):
            req.register_output_filter("One", "page")
            req.register_output_filter("two", "page::more")
            req.register_output_filter("three", lambda filter: filter.write(
                (filter.read() or b"") + b"3"), "/tmp")
            for name in "ONE", "two", "three":
                req.add_output_filter(name)
            req.write("x")
            return apache.OK
        """})
    site.serve("page")
    text = site.get().text
    assert text.startswith("x123")


def test_a_registered_filter_comes_from_its_directory(site):
    site.write({"else/where.py": UPPER, "page.py": """
        from mod_python import apache

        def handler(req):
            req.register_output_filter("f", "where", "else")
            req.add_output_filter("f")
            req.write("text")
            return apache.OK
        """})
    site.serve("page")
    assert site.get().text == "TEXT"


def test_a_registration_ends_with_its_request(site):
    site.write({"page.py": """
        from mod_python import apache

        def handler(req):
            if req.args:
                req.register_output_filter("mine", print)
            try:
                req.add_output_filter("mine")
            except ValueError as error:
                req.write(str(error))
            return apache.OK
        """})
    site.serve("page")
    with site.server.connect() as connection:
        connection.get(site.url("?x"))
        assert connection.get(site.url()).text \
            == "there is no filter named 'mine'"


def test_wrong_registrations_are_refused(site):
    site.write({"page.py": """
        from mod_python import apache

        def kind(function, *args):
            try:
                return function(*args)
            except Exception as error:
                return type(error).__name__

        def handler(req):
            req.write(repr([kind(register, *wrong)
                for register in (req.register_input_filter,
                                 req.register_output_filter)
                for wrong in (("f",), (1, "f"), ("f", 1), ("f", None),
                              ("f", ""), ("a\\0", "f"), ("f", "m", 1),
                              ("f", "m", "x\\0"))]))
            return apache.OK
        """})
    site.serve("page")
    assert ast.literal_eval(site.get().text) == [
        "TypeError", "TypeError", "ValueError", "ValueError", "ValueError",
        "ValueError", "TypeError", "ValueError"] * 2


# The filter object

ATTRIBUTES = """
    def outputfilter(filter):
        data = filter.read()
        filter.write(repr([
            str(type(filter)), filter.name, filter.is_input, filter.closed,
            filter.softspace, filter.req.uri, str(filter.handler),
            filter.dir, filter.parent and filter.parent.handler]))
    """


def test_attributes_of_a_configured_filter(own_server):
    server = configured(own_server, """
        PythonOutputFilter f::outputfilter NAME
        SetOutputFilter name
        """, {"f.py": ATTRIBUTES, "page.txt": "x"})
    assert ast.literal_eval(server.site.get("page.txt").text) == [
        "<class 'mp_filter'>", "name", 0, 0, 0, "/site/page.txt",
        "f::outputfilter", f"{server.site.directory}/", None]


def test_attributes_of_a_registered_filter(site):
    site.write({"f.py": ATTRIBUTES, "page.py": """
        from mod_python import apache

        def handler(req):
            req.register_output_filter("Name", "f::outputfilter")
            req.add_output_filter("nAME")
            req.write("x", 0)
            return apache.OK
        """})
    site.serve("page")
    text = site.get().text
    assert ast.literal_eval(text) == [
        "<class 'mp_filter'>", "Name", 0, 0, 0, site.url(),
        "f::outputfilter", f"{site.directory}/", "page"]


def test_some_attributes_can_be_set(site):
    filtered(site, """
        def kind(*args):
            try:
                return (setattr if len(args) == 3 else delattr)(*args)
            except Exception as error:
                return type(error).__name__

        def outputfilter(filter):
            filter.read()
            seen = [kind(filter, *change) for change in (
                ("other", 1), ("closed", 1), ("name", "x"), ("handler", 1),
                ("softspace", "x"), ("softspace",), ("req",), ("dir",))]
            filter.softspace = 5
            filter.req = "mine"
            filter.write(repr(seen + [filter.softspace, filter.req]))
        """)
    site.write({"page.txt": "x"})
    assert ast.literal_eval(site.get("page.txt").text) == [
        "AttributeError"] * 4 + ["TypeError"] + ["AttributeError"] * 3 + [
        5, "mine"]


def test_wrong_arguments_are_refused(site):
    filtered(site, """
        def kind(function, *args, **more):
            try:
                return function(*args, **more)
            except Exception as error:
                return type(error).__name__

        def outputfilter(filter):
            seen = [kind(filter.write, wrong) for wrong in (1, None, [b""])]
            seen += [kind(filter.write), kind(filter.read, "x"),
                     kind(filter.read, 1, 2), kind(filter.readline, limit=1)]
            seen += [filter.read(0), filter.read(len=2), filter.readline(0),
                     filter.readline(len=1)]
            filter.write(repr(seen))
        """)
    site.write({"page.txt": "text\n"})
    assert ast.literal_eval(site.get("page.txt").text) \
        == ["TypeError"] * 7 + [b"", b"te", b"", b"x"]


def test_a_closed_filter_refuses(site):
    filtered(site, """
        def outputfilter(filter):
            filter.close()
            filter.close()
            seen = [filter.closed]
            for use in filter.read, filter.readline, lambda: filter.write(""):
                try:
                    use()
                except ValueError as error:
                    seen.append(str(error))
            filter.req.log_error(repr(seen), apache.APLOG_NOTICE)
        """)
    site.write({"page.txt": "x"})
    assert site.get("page.txt").text == ""
    site.log.expect(r"\[1(, 'I/O operation on closed filter'){3}\]")


def test_a_kept_filter_expires_with_its_call(own_server):
    server = own_server(children=1)
    filtered(server.site, """
        kept = []

        def outputfilter(filter):
            seen = []
            for old in kept:
                for use in (old.read, old.readline, old.flush, old.close,
                            old.pass_on, old.disable, lambda: old.write("x"),
                            lambda: old.req, lambda: old.name,
                            lambda: old.closed, lambda: old.parent):
                    try:
                        use()
                    except apache.ExpiredError as error:
                        seen.append("mp_filter" in str(error))
            kept[:] = [filter]
            filter.write(repr(seen))
        """)
    server.site.write({"page.txt": "x"})
    assert server.site.get("page.txt").text == "[]"
    assert server.site.get("page.txt").text == repr([True] * 11)


def test_another_thread_is_refused(site):
    filtered(site, """
        import threading

        def outputfilter(filter):
            seen = []
            def use():
                try:
                    filter.read()
                except RuntimeError as error:
                    seen.append(str(error))
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
            filter.write(repr(seen))
        """)
    site.write({"page.txt": "x"})
    assert "may only be used by the thread" in site.get("page.txt").text


# Reading and writing

@pytest.mark.parametrize("read", [
    "filter.read()", "filter.read(1)", "filter.read(7000)",
    "filter.readline()", "filter.readline(100)", "filter.readline(5)",
    "random.choice((filter.read, filter.readline))("
    "random.choice((-1, 1, 50, 9000)))",
])
def test_every_way_of_reading_gives_the_same_data(site, read):
    source = random.Random(3)
    data = b"".join(source.randbytes(source.randrange(200)) + b"\n"
                    for _ in range(1000))
    filtered(site, f"""
        import random

        def outputfilter(filter):
            while data := {read}:
                filter.write(data)
            if data is None:
                filter.close()
        """)
    site.write({"page.bin": data})
    assert site.get("page.bin").body == data


def test_lines_have_their_ends(site):
    filtered(site, """
        def outputfilter(filter):
            while line := filter.readline():
                filter.write(repr(line))
            filter.write(repr(line))
        """)
    site.write({"page.txt": "one\n\ntwo\nlast"})
    assert site.get("page.txt").text == r"b'one\n'b'\n'b'two\n'b'last'None"


def test_a_line_goes_on_behind_a_piece(site):
    """Files are handed out in pieces of a MiB."""
    line = "x" * 1_000_000 + "\n"
    filtered(site, """
        def outputfilter(filter):
            while line := filter.readline():
                filter.write("%d," % len(line))
        """)
    site.write({"page.txt": line * 5})
    assert site.get("page.txt").text == "1000001," * 5


def test_written_data_are_copied(site):
    """D11: temporaries of every size."""
    filtered(site, """
        def outputfilter(filter):
            filter.read()
            for power in range(21):
                size = 1 << power
                data = bytearray(b"%d" % (power % 10)) * size
                filter.write(data)
                filter.write(memoryview(data)[:1])
                data[:] = b"-" * size
                del data
            filter.write("\\u20ac\\udcff")
            filter.close()
        """)
    site.write({"page.txt": "x"})
    assert site.get("page.txt").body == b"".join(
        b"%d" % (power % 10) * ((1 << power) + 1)
        for power in range(21)) + "\u20ac".encode() + b"\xff"


@pytest.mark.seconds(120)
def test_no_file_is_in_memory_as_a_whole(own_server):
    server = own_server(children=1)
    filtered(server.site, """
        def outputfilter(filter):
            data = filter.read()
            if data is None:
                filter.write(b"")
                return
            assert len(data) <= 1 << 20, len(data)
            filter.write(data)

        def memory():
            with open("/proc/self/status") as file:
                return [int(line.split()[1]) for line in file
                        if line.startswith("RssAnon")][0]
        """)
    data = random.Random(5).randbytes(1 << 20) * 200
    server.site.write({"page.bin": data, "small.bin": b"x"})
    server.site.get("small.bin")
    pid, = server.children()
    peak = f"/proc/{pid}/clear_refs"
    with open(peak, "w", encoding="ascii") as file:
        file.write("5")
    before = _status(pid, "VmHWM")
    body = server.site.get("page.bin").body
    assert hashlib.sha256(body).digest() == hashlib.sha256(data).digest()
    assert _status(pid, "VmHWM") - before < 40_000


def _status(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file
                    if line.startswith(name))


def test_much_more_may_be_written_than_read(own_server):
    server = own_server(children=1)
    filtered(server.site, """
        def outputfilter(filter):
            if filter.read():
                for _ in range(1000):
                    filter.write(b"x" * 100_000)
            else:
                filter.close()
        """)
    server.site.write({"page.txt": "x"})
    pid, = server.children()
    server.site.get("page.txt")
    before = _status(pid, "VmHWM")
    assert len(server.site.get("page.txt").body) == 100_000_000
    assert _status(pid, "VmHWM") - before < 20_000


# Brigades

def test_metadata_stay_in_their_places(own_server):
    """D35. mod_bucketeer makes bucket ends, brigade ends and FLUSH of three
    control characters; empty buckets, too."""
    source = random.Random(7)
    texts = ["".join(source.choice(("\x02", "\x10", "\x06", "ab\n", "c"))
                     for _ in range(size)) for size in (1, 2, 3, 8, 60, 400)]
    texts += ["\x06", "\x06a", "a\x06", "\x06\x06a\x06\x06", "a\x06b\x02c"]
    files = {f"{number}.txt": text for number, text in enumerate(texts)}
    server = configured(own_server, """
        PythonOutputFilter f::loop loop
        PythonOutputFilter f::once once
        PythonOutputFilter f::lines lines
        <FilesMatch txt>
            SetOutputFilter BUCKETEER;loop;once;lines
        </FilesMatch>
        """, {**files, "f.py": """
            def loop(filter):
                data = filter.read()
                while data:
                    filter.write(data)
                    data = filter.read()
                if data is None:
                    filter.close()

            def once(filter):
                filter.write(filter.read() or b"")

            def lines(filter):
                while line := filter.readline():
                    filter.write(line)
            """}, modules=("bucketeer",))
    for name, text in files.items():
        plain = text.translate({2: None, 6: None, 16: None})
        assert server.site.get(name).text == plain, text


def test_flushed_data_arrive_while_the_handler_runs(site):
    filtered(site, UPPER, """
        import harness
        req.write("now")
        harness.wait(__file__, "flushed")
        """)
    with site.server.connect() as connection:
        connection.send(site.url())
        data = b""
        while b"NOW" not in data:
            data += connection.socket.recv(1000)
        site.wait_parked("flushed")
        site.open_gate("flushed")


def test_a_filter_flushes_by_itself(site):
    filtered(site, """
        def outputfilter(filter):
            import harness
            filter.write("first,")
            filter.flush()
            harness.wait(__file__, "flushed")
            filter.write(filter.read())
            filter.close()
        """)
    site.write({"page.txt": "last"})
    with site.server.connect() as connection:
        connection.send(site.url("page.txt"))
        data = b""
        while b"first," not in data:
            data += connection.socket.recv(1000)
        site.wait_parked("flushed")
        site.open_gate("flushed")
        while b"last" not in data:
            data += connection.socket.recv(1000)


@pytest.mark.parametrize("end", ["", "filter.close()"])
def test_a_response_is_complete_whether_closed_or_not(site, end):
    filtered(site, f"""
        def outputfilter(filter):
            data = filter.read()
            if data:
                filter.write(data)
                data = filter.read()
            if data is None:
                filter.write("end")
                {end}
        """)
    site.write({"page.txt": "text,"})
    with site.server.connect() as connection:
        for _ in range(3):
            assert connection.get(site.url("page.txt")).text == "text,end"


def test_what_comes_behind_a_close_is_dropped(site):
    filtered(site, """
        def outputfilter(filter):
            filter.write(filter.read() + b"end")
            filter.close()
        """, "for n in range(5):\n    req.write(str(n))")
    with site.server.connect() as connection:
        for _ in range(3):
            assert connection.get(site.url()).text == "0end"


def test_what_is_not_read_is_dropped(site):
    filtered(site, """
        def outputfilter(filter):
            filter.write(filter.read(3))
        """)
    site.write({"page.txt": "12345"})
    assert site.get("page.txt").text == "123"


def test_disable_lets_the_rest_pass(site):
    filtered(site, """
        def outputfilter(filter):
            filter.write(filter.read(2).upper())
            filter.disable()
            filter.write(filter.read(1))
            filter.write("|")
        """, "req.write('abcdef')\nreq.write('ghi')")
    assert site.get().text == "ABc|defghi"


def test_pass_on_hands_on_what_is_there(site):
    filtered(site, """
        def outputfilter(filter):
            data = filter.read(2)
            if data:
                filter.write(b"<" + data + b">")
                filter.pass_on()
                filter.write(b"|%r" % filter.read())
        """, "req.write('abcdef')\nreq.write('ghi')")
    assert site.get().text == "<ab>cdef|b''<gh>i|b''"


# Failures

@pytest.mark.parametrize("before", [
    "", "filter.read(3)", "filter.read()", "filter.write('lost')",
    "filter.write(filter.read(3).upper())",
    "filter.readline(); filter.close()",
    "filter.pass_on()",
])
def test_after_an_exception_everything_passes(site, before):
    filtered(site, f"""
        def outputfilter(filter):
            {before}
            1 / 0
        """, "for n in range(4):\n    req.write('text%d,' % n)")
    assert site.get().text == "text0,text1,text2,text3,"
    site.log.expect("MPY0430: PythonOutputFilter .* ZeroDivisionError")


def test_an_exception_in_a_later_call_keeps_what_was_sent(site):
    filtered(site, """
        def outputfilter(filter):
            data = filter.read()
            if data == b"text2,":
                raise ValueError(data)
            filter.write(data.upper() if data else b"")
        """, "for n in range(4):\n    req.write('text%d,' % n)")
    assert site.get().text == "TEXT0,TEXT1,text2,text3,"
    site.log.expect("MPY0430: .* ValueError: b'text2,'")


@pytest.mark.parametrize("text, said", [
    ("def other(filter): pass", "contains no 'outputfilter'"),
    ("outputfilter = None", "not callable"), ("1 / 0", "ZeroDivisionError"),
    ("def outputfilter(:", "SyntaxError"),
])
def test_a_handler_that_cannot_be_had_lets_content_pass(own_server, text,
                                                        said):
    server = configured(own_server, """
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": text, "page.txt": "text"})
    with server.connect() as connection:
        assert connection.get("/site/page.txt").text == "text"
    server.log.expect(f"MPY0430: .*{said}")


def test_server_return_ends_the_call(site):
    filtered(site, """
        def outputfilter(filter):
            data = filter.read()
            if data:
                filter.write(data.upper())
                raise apache.SERVER_RETURN(apache.OK, 203)
        """, "req.write('one,', 0)\nreq.write('two', 0)")
    response = site.get()
    assert (response.status, response.text) == (203, "ONE,TWO")


def test_a_client_that_goes_away_is_nobodys_fault(site):
    filtered(site, """
        def outputfilter(filter):
            import harness
            filter.write(filter.read())
            filter.flush()
            harness.wait(__file__, "closed")
            for _ in range(100):
                filter.write("x" * 100_000)
                filter.flush()
        """)
    site.write({"page.txt": "text"})
    with site.server.connect() as connection:
        connection.send(site.url("page.txt"))
        connection.socket.recv(10)
        site.wait_parked("closed")
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     b"\1\0\0\0\0\0\0\0")
    site.open_gate("closed")
    site.log.expect("PythonOutputFilter .*: the client went away")


@pytest.mark.parametrize("use", [
    "filter.req.write('x')", "filter.req.flush()",
    "filter.req.sendfile(__file__)",
])
@pytest.mark.parametrize("handler", ["", "req.write('text')"])
def test_a_filter_must_not_write_through_its_request(site, use, handler):
    filtered(site, f"""
        def outputfilter(filter):
            if filter.read():
                try:
                    {use}
                except RuntimeError as error:
                    filter.write(str(error))
        """, handler)
    site.write({"page.txt": "text"})
    assert site.get("page.txt").text == (
        "an output filter must not write through its request: use "
        "filter.write()")


def test_a_filter_must_not_redirect_its_request(site):
    filtered(site, """
        def outputfilter(filter):
            if filter.read():
                try:
                    filter.req.internal_redirect("/other")
                except RuntimeError as error:
                    filter.write(str(error))
        """)
    site.write({"page.txt": "text"})
    assert site.get("page.txt").text.startswith("a filter must not redirect")


# Beside other things of httpd

def test_filters_are_stacked(own_server):
    count = 8
    server = configured(own_server, "\n".join(
        f"PythonOutputFilter f::f{number} f{number}"
        for number in range(count)) + "\nSetOutputFilter "
        + ";".join(f"f{number}" for number in range(count)), {
            "page.txt": "x", "f.py": "".join(
                f"def f{number}(filter):\n"
                f"    filter.write((filter.read() or b'') + b'{number}')\n"
                for number in range(count))})
    text = server.site.get("page.txt").text
    assert text.startswith("x01234567")


@pytest.mark.parametrize("order", ["f;DEFLATE", "DEFLATE;f"])
def test_deflate_may_follow_and_precede(own_server, order):
    server = configured(own_server, f"""
        PythonOutputFilter f f
        <Files page.txt>
            SetOutputFilter {order}
        </Files>
        """, {"f.py": UPPER if order[0] == "f" else IDENTITY,
              "page.txt": "some text " * 10_000})
    response = server.site.get("page.txt", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    text = gzip.decompress(response.body).decode()
    assert text.lower() == "some text " * 10_000
    assert text.isupper() == (order[0] == "f")


def test_ratelimit_may_follow(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        <Files page.txt>
            SetOutputFilter f;RATE_LIMIT
            SetEnv rate-limit 10000
        </Files>
        """, {"f.py": UPPER, "page.txt": "some text " * 100_000},
        modules=("ratelimit",))
    assert server.site.get("page.txt").text == "SOME TEXT " * 100_000


def test_a_sub_request_has_filters_of_its_own(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        Options +Includes
        <Files outer.txt>
            SetOutputFilter INCLUDES;f
        </Files>
        <Files inner.txt>
            SetOutputFilter f
        </Files>
        """, {"f.py": """
            def outputfilter(filter):
                depth = "inner" if filter.req.main else "outer"
                while data := filter.read():
                    filter.write(f"[{depth} {data.decode()}]")
            """, "outer.txt": '1<!--#include virtual="inner.txt" -->2',
              "inner.txt": "x"})
    text = server.site.get("outer.txt").text
    assert "[inner x]" in text
    assert text.replace("][outer ", "").count("outer") <= 1


def test_an_internal_redirect_has_the_filters_of_its_target(site):
    site.write({"page.py": """
        from mod_python import apache

        def brackets(filter):
            while data := filter.read():
                filter.write(b"[" + data + b"]")

        def setup(req):
            if req.prev:
                req.register_output_filter("f", brackets)
                req.add_output_filter("f")
            return apache.OK

        def handler(req):
            if not req.args:
                req.register_output_filter("g", lambda filter: 1 / 0)
                req.add_output_filter("g")
                req.internal_redirect(req.uri + "?x")
            else:
                req.write("target")
            return apache.OK
        """})
    site.serve("page", "PythonFixupHandler page::setup")
    assert site.get().text == "[target]"


def test_error_documents_are_filtered_as_what_they_are(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        <FilesMatch "missing|error">
            SetOutputFilter f
        </FilesMatch>
        ErrorDocument 404 /site/error.txt
        """, {"f.py": UPPER, "error.txt": "not here"})
    response = server.site.get("missing")
    assert (response.status, response.text) == (404, "NOT HERE")


def test_a_canned_error_page_passes_no_filter(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": "1 / 0"})
    response = server.site.get("missing")
    assert response.status == 404
    assert "Not Found" in response.text


def test_head_and_304_have_no_body(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": UPPER, "page.txt": "text"})
    with server.connect() as connection:
        first = connection.get("/site/page.txt")
        assert connection.request("/site/page.txt", "HEAD").body == b""
        again = connection.get("/site/page.txt", headers={
            "If-None-Match": first.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert connection.get("/site/page.txt").text == "TEXT"


def test_a_range_is_one_of_the_filtered_content(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": """
            def outputfilter(filter):
                data = filter.read()
                filter.write((data or b"") * 3)
            """, "page.txt": "0123"})
    response = server.site.get("page.txt", headers={"Range": "bytes=5-6"})
    assert (response.status, response.text) in ((206, "12"),
                                                (200, "0123" * 3))


# Modules and interpreters

def test_an_edited_filter_is_new_at_the_next_request(own_server):
    """Without any phase of Python: the filter pins."""
    server = configured(own_server, """
        PythonOutputFilter f f
        <FilesMatch txt>
            SetOutputFilter f
        </FilesMatch>
        """, {"page.txt": "x", "f.py": """
            import part

            def outputfilter(filter):
                filter.write(part.text if filter.read() else b"")
            """, "part.py": "text = 'one'\n"}, children=1)
    assert server.site.get("page.txt").text == "one"
    server.site.edit("part.py", "text = 'two'\n")
    assert server.site.get("page.txt").text == "two"


def test_a_request_sees_one_version_of_its_filter(site):
    site.write({"f.py": "def outputfilter(filter):\n"
                        "    filter.write((filter.read() or b'') + b'old ')\n",
                "page.py": """
        from mod_python import apache
        import harness

        def handler(req):
            req.register_output_filter("f", "f")
            req.add_output_filter("f")
            req.write("1")
            if req.args:
                harness.wait(__file__, "edited")
            req.write("2")
            return apache.OK
        """})
    site.serve("page")
    site.get()
    answer = site.later("?wait")
    site.wait_parked("edited")
    site.replace("f.py", "old", "new")
    assert "old" not in site.get().text
    site.open_gate("edited")
    text = answer.result(20).text
    assert "new" not in text
    assert text.startswith("1old 2old ")


def test_a_filter_has_the_interpreter_of_its_directory(own_server):
    who = ("from mod_python import apache\n"
           "def outputfilter(filter):\n"
           "    data = filter.read()\n"
           "    while data:\n"
           "        filter.write(data + apache.interpreter.encode() + b'|')\n"
           "        data = filter.read()\n"
           "def handler(req):\n"
           "    req.write(apache.interpreter + '|', 0)\n"
           "    req.flush()\n"
           "    req.write('then ' + apache.interpreter + '|')\n"
           "    return apache.OK\n")
    server = own_server("""
        PythonInterpPerDirective On
        <Directory ${SITE}>
            PythonOutputFilter who who
            SetOutputFilter who
        </Directory>
        <Directory ${SITE}/in>
            SetHandler mod_python
            PythonHandler who
        </Directory>
        """, files={"who.py": who, "in/who.py": who}, interpreter="")
    outer, inner = (f"{server.site.directory}/",
                    f"{server.site.directory}/in/")
    assert server.site.get("in/page").text == (
        f"{inner}|{outer}|then {inner}|{outer}|")


def test_a_failing_python_path_lets_content_pass(own_server):
    server = configured(own_server, """
        PythonPath "1 / 0"
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": UPPER, "page.txt": "text"})
    assert server.site.get("page.txt").text == "text"
    server.log.expect("MPY0430: .*ZeroDivisionError")


def test_phase_and_handler_list_stay_those_of_the_handler(site):
    filtered(site, """
        def outputfilter(filter):
            data = filter.read()
            if data:
                filter.write(f"{data.decode()} {filter.req.phase} ")
        """, "req.write('in')\nreq.write(req.phase)")
    assert site.get().text \
        == "in PythonHandler PythonHandler PythonHandler "


# Memory

@pytest.mark.seconds(180)
def test_memory_stays_flat_over_many_requests(own_server):
    """D3: 20,000 requests through a filter, a fifth of which fail or close
    early."""
    server = own_server("LogLevel crit\n", children=1)
    filtered(server.site, """
        count = 0

        def outputfilter(filter):
            global count
            count += 1
            data = filter.read()
            if count % 10 == 0:
                raise KeyError(count)
            if count % 10 == 1:
                filter.close()
                return
            while data:
                filter.write(data.upper())
                data = filter.read()
            filter.close()
        """)
    server.site.write({"page.txt": "some text " * 400})
    with server.connect() as connection:
        for _ in range(2000):
            connection.get("/site/page.txt")
        pid = connection.child()
        before = _status(pid, "RssAnon")
        for _ in range(20_000):
            connection.get("/site/page.txt")
        assert _status(pid, "RssAnon") - before < 600
