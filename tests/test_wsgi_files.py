"""wsgi.file_wrapper: files as the bodies of responses (api.md 6.7, D24)."""

import pytest

from wsgi_site import closed, serve, value

DATA = bytes(range(256)) * 1000


def serve_file(site, code, more=""):
    site.write({"data.bin": DATA, "small.bin": DATA[:1000]})
    serve(site, f"""
        import os
        HERE = os.path.dirname(__file__)

        def application(environ, start_response):
            wrap = environ["wsgi.file_wrapper"]
            headers = []
            file = open(os.path.join(HERE, "data.bin"), "rb")
            small = os.path.join(HERE, "small.bin")
{code}
            start_response("200 OK", headers)
            return result
        """, more)


WRAPPED = [
    ("result = wrap(file)", DATA), ("result = wrap(file, 5)", DATA),
    ("result = wrap(open(small, 'rb'))", DATA[:1000]),
    ("result = wrap(open(small, 'rb', 0))", DATA[:1000]),
    ("file.seek(1000); result = wrap(file)", DATA[1000:]),
    ("file.read(10); result = wrap(file)", DATA[10:]),
    ("file.seek(0, 2); result = wrap(file)", b""),
    ("file.seek(10**9); result = wrap(file)", b""),
    ("result = wrap(file); headers.append(('Content-Length', '70000'))",
     DATA[:70000]),
    ("import io; result = wrap(io.BytesIO(b'memory'))", b"memory"),
    ("import tempfile; t = tempfile.NamedTemporaryFile(); t.write(b'temp');"
     " t.seek(1); result = wrap(t)", b"emp"),
    ("import tempfile; t = tempfile.TemporaryFile(); t.write(b'temp');"
     " t.seek(0); result = wrap(t)", b"temp"),
    ("import io; result = wrap(io.StringIO('t\\u20ac'))", "t€".encode()),
    ("result = iter(wrap(file, 1000))", DATA),
    ("result = [next(wrap(file, 10))]", DATA[:10])]


@pytest.mark.parametrize("number", range(len(WRAPPED)))
def test_a_wrapped_file_is_the_body(site, number):
    code, body = WRAPPED[number]
    serve_file(site, f"            {code}")
    for _ in range(2):
        assert site.get().body == body


def test_a_file_with_content_of_its_own_is_read_not_sent(site):
    """GzipFile has the fileno() of what it decompresses."""
    serve_file(site, """
            import gzip
            name = os.path.join(os.environ.get("TMPDIR", "/tmp"),
                                f"mp-{os.getpid()}-{id(environ)}.gz")
            with gzip.open(name, "wb") as packed:
                packed.write(b"unpacked" * 10)
            result = wrap(gzip.open(name))
            os.unlink(name)
""")
    assert site.get().body == b"unpacked" * 10


def test_a_pipe_is_read_not_sent(site):
    serve_file(site, """
            end, other = os.pipe()
            os.write(other, b"through a pipe")
            os.close(other)
            result = wrap(open(end, "rb"))
""")
    assert site.get().body == b"through a pipe"


@pytest.mark.parametrize("name", ["data.bin", "small.bin"])
def test_a_range_of_a_file_is_answered_by_httpd(site, name):
    serve_file(site, f"            result = wrap(open(os.path.join(HERE, "
                     f"{name!r}), 'rb'))")
    with site.server.connect() as connection:
        response = connection.get(site.url(), headers={"Range":
                                                       "bytes=100-199"})
        assert response.status == 206
        assert response.body == DATA[100:200]
        size = site.path(name).stat().st_size
        assert response.headers["Content-Range"] == f"bytes 100-199/{size}"
        assert connection.get(site.url(), headers={
            "Range": "bytes=-10"}).body == DATA[:size][-10:]
        assert connection.get(site.url(), headers={
            "Range": f"bytes={size}-"}).status == 416
        assert connection.get(site.url()).body == DATA[:size]


@pytest.mark.parametrize("sendfile", ["On", "Off"])
@pytest.mark.parametrize("mmap", ["On", "Off"])
def test_files_are_sent_with_and_without_sendfile_and_mmap(
        own_server, sendfile, mmap):
    server = own_server(f"EnableSendfile {sendfile}\nEnableMMAP {mmap}")
    serve_file(server.site, "            result = wrap(file)")
    with server.connect() as connection:
        for _ in range(3):
            assert connection.get(server.site.url()).body == DATA


def test_a_wrapped_file_has_a_length_and_keeps_the_connection(site):
    serve_file(site, "            result = wrap(file)")
    with site.server.connect() as connection:
        for _ in range(3):
            response = connection.get(site.url())
            assert response.headers["Content-Length"] == str(len(DATA))


def test_a_file_shorter_than_content_length_does_not_look_complete(site):
    serve_file(site, "            result = wrap(file)\n            "
                     "headers.append(('Content-Length', '1000000'))")
    answer = site.server.raw(f"GET {site.url()} HTTP/1.1\r\nHost: x\r\n\r\n"
                             .encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 1000000" in head
    assert body == DATA
    site.log.expect("RuntimeError: the application has sent 256000 bytes")


def test_head_of_a_file_has_its_headers(site):
    serve_file(site, "            result = wrap(file)")
    with site.server.connect() as connection:
        for _ in range(2):
            response = connection.request(site.url(), "HEAD")
            assert (response.status, response.body) == (200, b"")
            assert response.headers["Content-Length"] == str(len(DATA))


def test_the_file_is_closed_also_through_its_own_close(site):
    serve(site, """
        class File:
            def __init__(self):
                self.left = [b"a", b"b"]

            def read(self, size):
                return self.left.pop(0) if self.left else b""

            def close(self):
                harness.note(__file__)

        def application(environ, start_response):
            plain(start_response)
            return environ["wsgi.file_wrapper"](File())
        """)
    site.forget_executions()
    assert site.get().text == "ab"
    assert closed(site) == 1


def test_the_program_may_close_the_file_before_it_has_gone_out(site):
    """httpd has a descriptor of its own."""
    large = DATA * 40
    serve_file(site, "            result = wrap(open(HERE + '/large', 'rb'))")
    site.write({"large": large})
    with site.server.connect() as connection:
        for _ in range(3):
            connection.send(site.url())
            site.server.get("/")  # until then the file may be closed
            assert connection.receive().body == large


def test_wrapper_has_what_pep_3333_gives_it(site):
    assert value(site, """
        import io
        wrap = environ["wsgi.file_wrapper"]
        file = io.BytesIO(b"abc")
        wrapper = wrap(file, 2)
        said = [list(wrapper), wrapper.filelike is file, wrapper.block_size,
                wrapper.close(), file.closed, wrap(object()).close()]
        return said + [outcome(wrap).partition(":")[0],
                       outcome(wrap, file, "x").partition(":")[0]]
        """) == [[b"ab", b"c"], True, 2, None, True, None, "TypeError",
                 "TypeError"]
