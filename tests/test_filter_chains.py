"""Filters beside other parts of httpd: stacked, with mod_deflate, in
sub-requests, redirects, error pages and ranges; their modules, interpreters
and memory."""

import gzip

import pytest

from filtered import configured, output_filtered, status, upper
from httpd.processes import memory

UPPER = upper("outputfilter")
IDENTITY = UPPER.replace(".upper()", "")


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


def test_mod_filter_decides_when_its_name_is_the_filters_own(own_server):
    server = configured(own_server, """
        PythonOutputFilter upper UPPER
        FilterDeclare UPPER
        FilterProvider UPPER UPPER "%{REQUEST_URI} =~ /loud/"
        FilterChain UPPER
        """, {"upper.py": UPPER, "loud.txt": "text", "quiet.txt": "text"})
    assert server.site.get("loud.txt").text == "TEXT"
    assert server.site.get("quiet.txt").text == "text"


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


PASSING = """
    def outputfilter(filter):
        filter.pass_on()
    """
TAGGING = """
    def outputfilter(filter):
        filter.req.headers_out["ETag"] = '"mine"'
        while data := filter.read():
            filter.write(data.upper())
    """


def test_head_and_304_have_no_body(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": PASSING, "page.txt": "text"})
    with server.connect() as connection:
        first = connection.get("/site/page.txt")
        assert connection.request("/site/page.txt", "HEAD").body == b""
        again = connection.get("/site/page.txt", headers={
            "If-None-Match": first.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert connection.get("/site/page.txt").text == "text"


def test_a_browser_that_reloads_sees_an_edited_filter(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": UPPER, "page.txt": "Text"})
    first = server.site.get("page.txt")
    assert first.text == "TEXT"
    assert not {"ETag", "Last-Modified"} & set(first.headers.keys())
    server.site.edit("f.py", UPPER.replace("upper", "lower"))
    assert server.site.get("page.txt").text == "text"


def test_validators_that_a_filter_sets_stay(own_server):
    server = configured(own_server, """
        PythonOutputFilter f f
        SetOutputFilter f
        """, {"f.py": TAGGING, "page.txt": "text"})
    response = server.site.get("page.txt")
    assert response.text == "TEXT"
    assert response.headers["ETag"] == '"mine"'
    assert "Last-Modified" not in response.headers


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
    output_filtered(site, """
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
    output_filtered(server.site, """
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
        before = status(pid, "RssAnon")
        for _ in range(20_000):
            connection.get("/site/page.txt")
        assert status(pid, "RssAnon") - before < 600
