"""mp_conn: the connection, in requests and in connection handlers."""

import ast
import random
import socket
import struct

import pytest

from inline import serve, value

NAMES = ("base_server", "local_addr", "client_addr", "client_ip", "local_ip",
         "remote_host", "local_host", "remote_logname", "aborted",
         "keepalive", "keepalives", "double_reverse", "id", "notes",
         "_conn_rec")

HANDLER = '''
from mod_python import apache


def kind(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__


def connectionhandler(conn):
%s
    return apache.OK
'''


# attributes

def test_addresses_of_both_ends(site):
    serve(site, """
        conn = req.connection
        return (conn.client_addr, conn.client_ip, conn.local_addr,
                conn.local_ip)
        """)
    with site.server.connect() as connection:
        answer = connection.get(site.url())
        port = connection.socket.getsockname()[1]
    assert ast.literal_eval(answer.text) == (
        ("127.0.0.1", port), "127.0.0.1", ("127.0.0.1", site.server.port),
        "127.0.0.1")


def test_old_names_of_the_client_work_and_are_logged(site):
    assert value(site, """
        conn = req.connection
        return (conn.remote_ip == conn.client_ip,
                conn.remote_addr == conn.client_addr)
        """) == (True, True)
    site.log.expect("MPY0302", level="warn", count=2)


def test_what_is_not_known_is_none(site):
    assert value(site, """
        conn = req.connection
        return (conn.remote_host, conn.remote_logname, conn.aborted,
                conn.double_reverse, type(conn.id).__name__)
        """) == (None, None, 0, 0, "int")


def test_the_base_server_is_that_of_the_address(site):
    assert value(site, """
        return req.connection.base_server.server_hostname
        """) == "localhost"


def test_keepalives_counts_the_requests_before(site):
    serve(site, "return req.connection.keepalives")
    with site.server.connect() as connection:
        assert [connection.get(site.url()).text for _ in range(3)] == [
            "0", "1", "2"]


def test_keepalive_can_be_set_to_close(site):
    assert value(site, """
        conn = req.connection
        wrong = (kind(setattr, conn, "keepalive", 7),
                 kind(setattr, conn, "keepalive", "x"),
                 kind(delattr, conn, "keepalive"))
        conn.keepalive = apache.AP_CONN_CLOSE
        return conn.keepalive, wrong
        """) == (1, ("ValueError", "TypeError", "AttributeError"))


def test_notes_last_as_long_as_the_connection(site):
    serve(site, """
        notes = req.connection.notes
        notes.add("seen", "x")
        return len(notes)
        """)
    with site.server.connect() as connection:
        assert [connection.get(site.url()).text for _ in range(3)] == [
            "1", "2", "3"]


def test_requests_of_a_connection_share_one_object(site):
    site.write({"keep.py": "kept = []\n"})
    serve(site, """
        import keep
        keep.kept.append(req.connection)
        return (keep.kept[0] is req.connection,
                req.connection is req.connection)
        """)
    with site.server.connect() as connection:
        connection.get(site.url())
        assert connection.get(site.url()).text == "(True, True)"


def test_unknown_attributes_are_refused_and_ours_stay(site):
    assert value(site, f"""
        conn = req.connection
        return (kind(setattr, conn, "spam", 1), kind(lambda: conn.spam),
                {{kind(setattr, conn, name, 1) for name in {NAMES}
                  if name != "keepalive"}},
                {{kind(delattr, conn, name) for name in {NAMES}}})
        """) == ("AttributeError", "AttributeError", {"AttributeError"},
                 {"AttributeError"})


def test_hlist_is_there_in_connection_handlers_only(site):
    assert value(site, "return kind(lambda: req.connection.hlist)"
                 ) == "AttributeError"


def test_a_connection_expires_when_it_is_closed(site):
    site.write({"keep.py": "kept = []\n"})
    serve(site, f"""
        import keep
        conn = req.connection
        keep.kept.append((conn, conn.notes))
        if len(keep.kept) == 1:
            return None
        conn, notes = keep.kept[0]
        return {{kind(function) for function in (
            [lambda name=name: getattr(conn, name) for name in {NAMES}]
            + [conn.read, conn.readline, notes.keys,
               lambda: conn.write("x"), lambda: conn.log_error("x"),
               lambda: setattr(conn, "keepalive", 0)])}}
        """)
    site.get_from_each_child()
    assert site.texts() == {"{'ExpiredError'}"}


def test_a_connection_is_refused_to_another_thread(site):
    assert value(site, """
        conn = req.connection
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append(kind(lambda: conn.client_ip)))
        thread.start()
        thread.join()
        return seen
        """) == ["RuntimeError"]


def test_ended_connections_leave_nothing_behind(own_server):
    server = own_server(children=1)
    serve(server.site, """
        import sys
        conn = req.connection
        conn.notes["a"] = conn.client_ip
        gc.collect()
        return sys.getallocatedblocks()
        """)

    def blocks(count):
        return min(int(server.site.get().text) for _ in range(count))

    blocks(50)
    before = blocks(20)
    blocks(200)
    assert blocks(20) - before < 50


# connection handlers

@pytest.fixture
def handler(own_server):
    """handler(body) serves a port with a connection handler of this body; it
    is called with bytes to send and answers what came back."""

    def start(body, name="${SITE}/conn.py", more=""):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        lines = "\n".join("    " + line for line in body.split("\n"))
        server = own_server(f"""
            Listen 127.0.0.1:{port}
            <VirtualHost 127.0.0.1:{port}>
                ServerName conn.example
                PythonConnectionHandler {name}
                {more}
            </VirtualHost>
            """, files={"conn.py": HANDLER % lines})

        def talk(data=b"", reset=False):
            stream = socket.create_connection(("127.0.0.1", port), 20)
            with stream:
                stream.sendall(data)
                if reset:
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack("ii", 1, 0))
                    return b""
                stream.shutdown(socket.SHUT_WR)
                parts = [stream.recv(65536)]
                while parts[-1]:
                    parts.append(stream.recv(65536))
                return b"".join(parts)

        talk.server = server
        return talk

    return start


def indented(text):
    return "\n".join(line[8:] for line in text.strip("\n").split("\n"))


def test_an_echo_handler_sends_every_line_back(handler):
    talk = handler(indented("""
        line = conn.readline()
        while line is not None:
            conn.write(line)
            line = conn.readline()
        """))
    data = b"".join(bytes([byte]) * byte + b"\n" for byte in range(256)
                    if byte != 10) + b"x" * 100000 + b"\nlast"
    assert talk(data) == data
    assert talk(b"") == b""


def test_a_connection_handler_is_found_by_the_python_path(handler):
    talk = handler("conn.write('here')", "conn",
                   "PythonPath \"sys.path + ['${SITE}']\"")
    assert talk() == b"here"


def test_read_takes_what_is_there_or_everything(handler):
    talk = handler(indented("""
        first = conn.read(5)
        rest = conn.read(-1)
        conn.write(repr((first, rest, conn.read(), conn.readline())))
        """))
    first, rest, *ends = ast.literal_eval(talk(b"x" * 50000).decode())
    assert 0 < len(first) <= 5
    assert first + rest == b"x" * 50000
    assert ends == [None, None]


@pytest.mark.parametrize("seed", range(3))
def test_any_mix_of_reads_gives_the_data_back(handler, seed):
    talk = handler(indented(f"""
        import random
        random.seed({seed})
        parts = [b""]
        while parts[-1] is not None:
            size = random.randint(0, 40)
            read = random.choice([conn.read, conn.readline])
            parts.append(read(size))
            if parts[-1] is not None:
                assert parts[-1] and (not size or len(parts[-1]) <= size)
                if read == conn.readline:
                    assert b"\\n" not in parts[-1][:-1]
        conn.write(b"".join(parts[:-1]))
        """))
    generator = random.Random(seed)
    data = bytes(generator.choice(b"ab\n") for _ in range(20000))
    assert talk(data) == data


def test_write_sends_temporaries_of_any_size_exactly(handler):
    sizes = [1, 100, 8191, 8192, 8193, 65536, 1 << 20, (3 << 20) + 1]
    talk = handler(indented(f"""
        for size in {sizes}:
            conn.write(("x" * size).upper())
            conn.write(b"y" * size)
            conn.write(bytearray(b"z" * size))
        conn.write("")
        conn.write("\\u00e9")
        """))
    assert talk() == b"".join(b"X" * size + b"y" * size + b"z" * size
                              for size in sizes) + "é".encode()


def test_only_text_and_bytes_can_be_written(handler):
    talk = handler(indented("""
        conn.write(repr([kind(conn.write, wrong) for wrong in (None, 5, [])]))
        """))
    assert ast.literal_eval(talk().decode()) == ["TypeError"] * 3


def test_a_write_to_a_client_that_has_gone_is_an_oserror(handler):
    talk = handler(indented("""
        try:
            while True:
                conn.write(b"x" * 100000)
        except OSError as error:
            conn.log_error(f"write failed: {error}", apache.APLOG_INFO)
        """))
    talk(b"go", reset=True)
    talk.server.log.expect("write failed: Connection write error: ")


def test_a_connection_handler_sees_its_handlers_and_server(handler):
    talk = handler(indented("""
        handlers = conn.hlist
        seen = [handlers.handler.rsplit("/", 1)[-1], handlers.directory,
                handlers.location, handlers.parent]
        handlers.next()
        handlers.next()
        seen += [handlers.handler, repr(handlers) != ""]
        conn.write(repr((seen, conn.base_server.server_hostname)))
        """))
    assert ast.literal_eval(talk().decode()) == (
        ["conn.py", None, None, None, None, True], "conn.example")


@pytest.mark.parametrize("result", ["None", "'OK'", "1.5"])
def test_a_result_that_is_no_number_is_an_error(handler, result):
    talk = handler(f"conn.write('said')\nreturn {result}")
    assert talk(b"x") == b"said"
    talk.server.log.expect("MPY0410: .*conn.py: TypeError: a connection "
                           "handler must return an int")


def test_declined_leaves_the_connection_to_httpd(handler):
    talk = handler("return apache.DECLINED")
    answer = talk(b"GET /health.txt HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"healthy\n")


def test_only_the_first_connection_handler_runs(handler):
    talk = handler("conn.write('first')\nreturn apache.DECLINED",
                   "${SITE}/conn.py ${SITE}/no.py")
    assert talk(b"x").startswith(b"first")
    assert talk(b"x").count(b"first") == 1


def test_a_blocked_write_does_not_stop_other_threads(handler):
    talk = handler(indented("""
        try:
            conn.write(b"x" * 50000000)
        except OSError:
            conn.log_error("the client has gone", apache.APLOG_INFO)
        """))
    talk.server.site.write({"page.py": "def handler(req):\n"
                            "    req.write('free')\n    return 0\n"})
    talk.server.site.serve("page")
    port = int(next(
        line.rsplit(":", 1)[1].rstrip(">") for line in
        (talk.server.root / "httpd.conf").read_text().splitlines()
        if "<VirtualHost" in line))
    with socket.create_connection(("127.0.0.1", port), 20) as stream:
        stream.sendall(b"go")  # only then httpd accepts (AcceptFilter)
        assert stream.recv(1) == b"x"  # it writes now, and we do not read
        if talk.server.config.mpm == "prefork":  # the other threads are
            answers = {talk.server.site.get().text}  # in other children
        else:
            answers = talk.server.site.texts()
        assert answers == {"free"}
    talk.server.log.expect("the client has gone")
