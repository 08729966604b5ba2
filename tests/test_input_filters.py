"""Input filters: PythonInputFilter and req.register_input_filter(); api.md
1.2, 1.3, 3.1 and 3.5."""

import ast
import pathlib
import random
import socket
import subprocess
import textwrap

import pytest

from filtered import input_filtered, upper

UPPER = upper("inputfilter")


def test_a_filter_of_the_configuration_changes_a_body(own_server):
    server = own_server("""
        <Directory ${SITE}>
            PythonInputFilter upper up
            SetInputFilter UP
            SetHandler mod_python
            PythonHandler upper
        </Directory>
        """, files={"upper.py": textwrap.dedent(UPPER) + """
def handler(req):
    req.write(req.read())
    return 0
"""})
    assert server.site.post(body=b"some text").text == "SOME TEXT"


@pytest.mark.parametrize("body", [
    b"", b"a", b"some text", b"line\n" * 50_000,
    [b"chunk,"] * 100, [b"x" * 100_000] * 5,
], ids=["empty", "byte", "text", "lines", "chunks", "large chunks"])
@pytest.mark.parametrize("handler", [
    "req.write(req.read())", "for line in req:\n    req.write(line)",
    "while data := req.read(1000):\n    req.write(data)",
])
def test_every_body_passes(site, body, handler):
    input_filtered(site, UPPER, handler)
    whole = body if isinstance(body, bytes) else b"".join(body)
    assert site.post(body=body).body == whole.upper()


@pytest.mark.parametrize("read", [
    "filter.read()", "filter.read(1)", "filter.read(777)",
    "filter.readline()", "filter.readline(5)",
])
def test_every_way_of_reading_gives_the_same_data(site, read):
    source = random.Random(3)
    data = b"".join(source.randbytes(source.randrange(200)) + b"\n"
                    for _ in range(500))
    input_filtered(site, f"""
        def inputfilter(filter):
            while data := {read}:
                filter.write(data)
        """)
    assert site.post(body=data).body == data


def test_lines_are_whole_however_they_arrive(site):
    input_filtered(site, """
        def inputfilter(filter):
            while line := filter.readline():
                filter.write(repr(line))
        """)
    with socket.create_connection(("127.0.0.1", site.server.port), 20) as s:
        s.sendall(b"POST " + site.url().encode() + b" HTTP/1.0\r\n"
                  b"Content-Length: 18\r\n\r\nfirst ")
        for part in (b"li", b"ne\nla", b"st", b"\n.."):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(part)
        s.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: s.recv(1000), b""))
    assert answer.endswith(rb"b'first line\n'b'last\n'b'..'"), answer


def test_attributes(site):
    input_filtered(site, """
        def inputfilter(filter):
            data = filter.read()
            if data:
                filter.write(repr([filter.name, filter.is_input,
                                   filter.handler is inputfilter,
                                   filter.req.method]))
        """)
    assert ast.literal_eval(site.post(body=b"x").text) == [
        "f", 1, True, "POST"]


@pytest.mark.parametrize("before", [
    "", "filter.read(3)", "filter.read()", "filter.write('lost')",
    "filter.write(filter.read(3).upper())", "filter.pass_on()",
    "filter.readline()", "filter.close()",
])
def test_after_an_exception_everything_passes(site, before):
    input_filtered(site, f"""
        def inputfilter(filter):
            {before}
            1 / 0
        """)
    body = b"some text\n" * 5000
    assert site.post(body=body).body == body
    site.log.expect("MPY0430: PythonInputFilter .* ZeroDivisionError")


@pytest.mark.parametrize("code, answer", [
    ("filter.write(filter.read(2)); filter.disable()", b"abcdef"),
    ("filter.write(filter.read(2).upper()); filter.pass_on()", b"ABcdef"),
    ("filter.write(filter.read(2) or b'')", b"ab"),
    ("filter.read() and filter.write('x')", b"x"),
    ("raise apache.SERVER_RETURN(apache.OK)", b""),
    ("filter.flush(); filter.write(filter.read() or b'')", b"abcdef"),
    ("pass", b""),
])
def test_ways_to_end_a_call(site, code, answer):
    input_filtered(site, f"""
        def inputfilter(filter):
            {code}
        """)
    with site.server.connect() as connection:
        for _ in range(3):
            assert connection.request(site.url(), "POST",
                                      body=b"abcdef").body == answer


def test_an_early_close_ends_the_body_and_no_request_is_smuggled(site):
    """What is left of the body must not be read as the next request."""
    input_filtered(site, """
        def inputfilter(filter):
            filter.write(filter.read(4))
            filter.close()
        """)
    body = b"text" + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" * 5000
    with site.server.connect() as connection:
        for _ in range(3):
            for sent in (body, [body[:100], body]):
                assert connection.request(site.url(), "POST",
                                          body=sent).body == b"text"


def test_a_body_that_nobody_reads_passes_too(site):
    input_filtered(site, UPPER, "req.write('unread')")
    with site.server.connect() as connection:
        for _ in range(3):
            assert connection.request(site.url(), "POST",
                                      body=b"text" * 5000).text == "unread"


def test_a_filter_must_not_read_through_its_request(site):
    input_filtered(site, """
        def inputfilter(filter):
            if filter.read():
                try:
                    filter.req.read()
                except RuntimeError as error:
                    filter.write(str(error))
        """)
    assert site.post(body=b"x").text == (
        "an input filter must not read the body of its request: use "
        "filter.read()")


def test_too_large_a_body_is_refused_as_ever(site):
    input_filtered(site, UPPER)
    site.htaccess(site.text(".htaccess") + "\nLimitRequestBody 1000\n")
    assert site.post(body=b"x" * 1001).status == 413
    assert site.post(body=[b"x" * 600] * 2).status == 413
    site.log.allow("AH0|Requested content-length|Read content-length")


def test_a_client_that_goes_away_raises_in_the_handler(site):
    input_filtered(site, UPPER, """
        try:
            req.read()
        except OSError as error:
            req.log_error("seen: %s" % error, apache.APLOG_NOTICE)
        """)
    with socket.create_connection(("127.0.0.1", site.server.port), 20) as s:
        s.sendall(b"POST " + site.url().encode() + b" HTTP/1.1\r\n"
                  b"Host: x\r\nContent-Length: 100\r\n\r\nsome")
    site.log.expect("seen: Client read error")


def test_filters_are_stacked_and_may_unpack(site):
    import zlib
    name = "stacked"
    site.write({name + ".py": """
        from mod_python import apache

        def mark(text):
            def inputfilter(filter):
                while data := filter.read():
                    filter.write(data.replace(b".", text + b"."))
            return inputfilter

        def setup(req):
            for text in b"1", b"2", b"3":
                req.register_input_filter(text.decode(), mark(text))
                req.add_input_filter(text.decode())
            req.add_input_filter("DEFLATE")
            return apache.OK

        def handler(req):
            req.write(req.read())
            return apache.OK
        """})
    site.serve(name, f"PythonFixupHandler {name}::setup")
    packer = zlib.compressobj(wbits=31)
    body = packer.compress(b"a.b.") + packer.flush()
    assert site.request(method="POST", body=body, headers={
        "Content-Encoding": "gzip"}).text == "a321.b321."


# Modes of reading. No program of Python asks for any but one, so a C module
# does: it writes what each call gave, "mode:data|".

READER = r"""
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <util_filter.h>
#include <stdlib.h>
#include <string.h>

static void
ask(request_rec *r, char mode, apr_off_t size)
{
    static const struct {
        char letter; ap_input_mode_t mode; apr_read_type_e block;
    } rows[] = {
        {'b', AP_MODE_READBYTES, APR_BLOCK_READ},
        {'n', AP_MODE_READBYTES, APR_NONBLOCK_READ},
        {'l', AP_MODE_GETLINE, APR_BLOCK_READ},
        {'s', AP_MODE_SPECULATIVE, APR_BLOCK_READ},
        {'x', AP_MODE_EXHAUSTIVE, APR_BLOCK_READ},
        {'i', AP_MODE_INIT, APR_BLOCK_READ},
        {'e', AP_MODE_EATCRLF, APR_NONBLOCK_READ},
    };
    apr_bucket_brigade *bb = apr_brigade_create(r->pool,
                                                r->connection->bucket_alloc);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].letter != mode) {
            continue;
        }
        apr_status_t status = ap_get_brigade(r->input_filters, bb,
                                             rows[i].mode, rows[i].block,
                                             size);
        ap_rprintf(r, "%c:", mode);
        if (APR_STATUS_IS_EAGAIN(status)) {
            ap_rputs("again", r);
        }
        else if (status != APR_SUCCESS) {
            ap_rputs("failed", r);
        }
    }
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t length;
        if (APR_BUCKET_IS_EOS(b)) {
            ap_rputs("<EOS>", r);
        }
        else if (apr_bucket_read(b, &data, &length, APR_BLOCK_READ) == 0) {
            ap_rwrite(data, length, r);
        }
    }
    ap_rputs("|", r);
    apr_brigade_destroy(bb);
}

/* The query is a list of calls: "b5,l,s10". */
static int
handler(request_rec *r)
{
    if (strcmp(r->handler, "reader")) {
        return DECLINED;
    }
    for (const char *at = r->args; at && *at; at++) {
        ask(r, at[0], atoi(at + 1));
        at = strchr(at, ',');
        if (!at) {
            break;
        }
    }
    ap_rflush(r);
    return OK;
}

static void
hooks(apr_pool_t *pool)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(reader) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, 0
};
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """The path of the compiled module."""
    directory = tmp_path_factory.mktemp("reader")
    source = directory / "reader.c"
    source.write_text(READER, encoding="utf-8")

    def apxs(name):
        return subprocess.run(["apxs", "-q", name], check=True, text=True,
                              capture_output=True).stdout.strip()

    includes = ["-I" + apxs(name) for name in
                ("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")]
    target = directory / "reader.so"
    subprocess.run(["cc", "-std=gnu11", "-shared", "-fPIC", "-o", target,
                    *apxs("EXTRA_CPPFLAGS").split(), *includes, source],
                   check=True)
    for path in (directory, *directory.parents):
        if path == pathlib.Path("/tmp"):
            break
        path.chmod(0o755)
    return target


@pytest.mark.parametrize("query, body, answer", [
    ("b5,b100,b100", "one two", "b:ONE T|b:WO<EOS>|b:<EOS>|"),
    ("l,l,l,l", "one\n\ntwo", "l:ONE\n|l:\n|l:TWO<EOS>|l:<EOS>|"),
    ("s3,s100,b2,s2,b100", "abcdef",
     "s:ABC|s:ABC|b:AB|s:C|b:C|"),
    ("b2,l,b100", "abc\ndef", "b:AB|l:C\n|b:DEF<EOS>|"),
    ("i,b100", "abc", "i:|b:ABC<EOS>|"),
    ("e,b100", "abc", "e:|b:ABC<EOS>|"),
    ("x,b5", "abc", "x:ABC<EOS>|b:<EOS>|"),
    ("b100,b100,b100", "", "b:<EOS>|b:<EOS>|b:<EOS>|"),
])
def test_every_mode_of_reading_is_served(own_server, reader, query, body,
                                         answer):
    server = own_server(f"""
        LoadModule reader_module {reader}
        <Directory ${{SITE}}>
            PythonInputFilter upper up
            SetInputFilter up
            SetHandler reader
        </Directory>
        """, files={"upper.py": UPPER})
    with server.connect() as connection:
        for _ in range(2):
            response = connection.request("/site/?" + query, "POST", body=body)
            assert response.text == answer


def test_a_reader_that_does_not_wait_is_told_so(own_server, reader):
    server = own_server(f"""
        LoadModule reader_module {reader}
        <Directory ${{SITE}}>
            PythonInputFilter upper up
            SetInputFilter up
            SetHandler reader
        </Directory>
        """, files={"upper.py": UPPER})
    with socket.create_connection(("127.0.0.1", server.port), 20) as stream:
        stream.sendall(b"POST /site/?n5,n5 HTTP/1.0\r\n"
                       b"Content-Length: 5\r\n\r\n")
        answer = b""
        while not answer.endswith(b"n:again|n:again|"):
            part = stream.recv(1000)
            assert part, answer
            answer += part


@pytest.mark.seconds(180)
def test_memory_stays_flat_over_many_requests(own_server):
    """D3: 20,000 bodies, a part of which fail or are closed early."""
    server = own_server("LogLevel crit\n", children=1)
    input_filtered(server.site, """
        count = 0

        def inputfilter(filter):
            global count
            count += 1
            if count % 10 == 0:
                raise KeyError(count)
            data = filter.read()
            if count % 10 == 1:
                filter.close()
                return
            while data:
                filter.write(data.upper())
                data = filter.read()
            filter.close()
        """)

    def anonymous():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file
                        if line.startswith("RssAnon"))

    body = b"some text " * 400
    with server.connect() as connection:
        for _ in range(2000):
            connection.request("/site/", "POST", body=body)
        pid = connection.child()
        before = anonymous()
        for _ in range(20_000):
            connection.request("/site/", "POST", body=body)
        assert anonymous() - before < 600
