"""Output filters, and what both kinds have in common: PythonOutputFilter,
req.register_*_filter(), req.add_*_filter() and the filter object; api.md 1.2,
1.3, 3.1 and 3.5. Beside other parts of httpd: test_filter_chains.py; input
filters: test_input_filters.py."""

import ast
import hashlib
import itertools
import random
import socket

import pytest

from filtered import configured, output_filtered, status, upper
from httpd import ServerFailed
from httpd.processes import memory

UPPER = upper("outputfilter")


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
    output_filtered(site, """
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
    output_filtered(site, """
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
    output_filtered(site, """
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
    output_filtered(server.site, """
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
    output_filtered(site, """
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
    output_filtered(site, f"""
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
    output_filtered(site, """
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
    output_filtered(site, """
        def outputfilter(filter):
            while line := filter.readline():
                filter.write("%d," % len(line))
        """)
    site.write({"page.txt": line * 5})
    assert site.get("page.txt").text == "1000001," * 5


def test_written_data_are_copied(site):
    """D11: temporaries of every size."""
    output_filtered(site, """
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


@pytest.mark.parametrize("how", ["written", "flushed", "kept"])
def test_long_bytes_are_whole_when_they_leave_late(site, how):
    """No copy is made of them, and the next ones are in the same memory."""
    output_filtered(site, f"""
        how = "{how}"
        kept = []

        def outputfilter(filter):
            if not filter.read():
                return
            if how == "kept":
                kept.append(filter)
            for number in range(200):
                filter.write(b"%03d," % number * 5000)
                if how == "flushed":
                    filter.flush()
                bytearray(b"-" * 20000)
        """)
    site.write({"page.txt": "x"})
    with site.server.connect() as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                     65536)
        connection.send(site.url("page.txt"))
        body = connection.receive().body
    assert body == b"".join(b"%03d," % number * 5000 for number in range(200))


@pytest.mark.seconds(120)
def test_no_file_is_in_memory_as_a_whole(own_server):
    server = own_server(children=1)
    output_filtered(server.site, """
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
    before = status(pid, "VmHWM")
    body = server.site.get("page.bin").body
    assert hashlib.sha256(body).digest() == hashlib.sha256(data).digest()
    assert status(pid, "VmHWM") - before < 40_000


def test_much_more_may_be_written_than_read(own_server):
    server = own_server(children=1)
    output_filtered(server.site, """
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
    before = status(pid, "VmHWM")
    assert len(server.site.get("page.txt").body) == 100_000_000
    assert status(pid, "VmHWM") - before < 20_000


# Brigades

def test_metadata_stay_in_their_places(own_server):
    """D35. mod_bucketeer makes bucket ends, brigade ends and FLUSH of three
    control characters."""
    source = random.Random(7)
    marks = "\x02", "\x10", "\x06", "ab\n", "c"
    texts = ["".join(source.choices(marks, k=size)) for size in (8, 60, 400)]
    texts += ["".join(every) for size in range(1, 5)
              for every in itertools.product(marks, repeat=size)]
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
    with server.connect() as connection:
        for name, text in files.items():
            plain = text.translate({2: None, 6: None, 16: None})
            seen = connection.get(server.site.url(name)).text
            assert seen == plain, text


def test_flushed_data_arrive_while_the_handler_runs(site):
    output_filtered(site, UPPER, """
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
    output_filtered(site, """
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
    output_filtered(site, f"""
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
    output_filtered(site, """
        def outputfilter(filter):
            filter.write(filter.read() + b"end")
            filter.close()
        """, "for n in range(5):\n    req.write(str(n))")
    with site.server.connect() as connection:
        for _ in range(3):
            assert connection.get(site.url()).text == "0end"


def test_what_is_not_read_is_dropped(site):
    output_filtered(site, """
        def outputfilter(filter):
            filter.write(filter.read(3))
        """)
    site.write({"page.txt": "12345"})
    assert site.get("page.txt").text == "123"


def test_disable_lets_the_rest_pass(site):
    output_filtered(site, """
        def outputfilter(filter):
            filter.write(filter.read(2).upper())
            filter.disable()
            filter.write(filter.read(1))
            filter.write("|")
        """, "req.write('abcdef')\nreq.write('ghi')")
    assert site.get().text == "ABc|defghi"


def test_pass_on_hands_on_what_is_there(site):
    output_filtered(site, """
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
    "filter.write(filter.read(3).upper())", "filter.write(b'lost' * 5000)",
    "filter.readline(); filter.close()",
    "filter.pass_on()",
])
def test_after_an_exception_everything_passes(site, before):
    output_filtered(site, f"""
        def outputfilter(filter):
            {before}
            1 / 0
        """, "for n in range(4):\n    req.write('text%d,' % n)")
    assert site.get().text == "text0,text1,text2,text3,"
    site.log.expect("MPY0430: PythonOutputFilter .* ZeroDivisionError")


def test_an_exception_in_a_later_call_keeps_what_was_sent(site):
    output_filtered(site, """
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
    output_filtered(site, """
        def outputfilter(filter):
            data = filter.read()
            if data:
                filter.write(data.upper())
                raise apache.SERVER_RETURN(apache.OK, 203)
        """, "req.write('one,', 0)\nreq.write('two', 0)")
    response = site.get()
    assert (response.status, response.text) == (203, "ONE,TWO")


def test_a_client_that_goes_away_is_nobodys_fault(site):
    output_filtered(site, """
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
    output_filtered(site, f"""
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
    output_filtered(site, """
        def outputfilter(filter):
            if filter.read():
                try:
                    filter.req.internal_redirect("/other")
                except RuntimeError as error:
                    filter.write(str(error))
        """)
    site.write({"page.txt": "text"})
    assert site.get("page.txt").text.startswith("a filter must not redirect")
