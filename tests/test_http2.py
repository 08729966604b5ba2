"""HTTP/2 by mod_http2: many requests of one connection at once, each with its
own state. Without TLS (h2c) by prior knowledge; with it in test_tls.py."""

import socket

import h2.config
import h2.connection
import h2.events
import pytest

from httpd import page

STREAMS = 100
# mod_http2 does not work with prefork, whichever the others run on.
HTTP2 = {"mpm": "event", "children": 1, "threads": 16, "modules": ("http2",)}
PROTOCOLS = "Protocols h2c http/1.1\nH2MaxSessionStreams 200\n"
HTACCESS = "SetHandler mod_python\nPythonHandler hello\n"
ECHO = """
    import threading, time
    from mod_python import apache

    together = threading.Barrier(4, timeout=20)

    def accesshandler(req):
        req.mine = req.args
        return apache.OK

    def handler(req):
        if req.args.startswith("meet"):
            together.wait()
        text = req.read()
        req.headers_out["X-Number"] = req.headers_in["x-number"]
        req.write(f"{req.mine} {req.args} {len(text)} {text[-20:]!r} "
                  f"{req.protocol} {req.method}")
        return apache.OK

    def loghandler(req):
        assert req.mine == req.args
        return apache.OK
    """


class Client:
    """One HTTP/2 connection, and what its streams have received."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(20)
        self.port = self._socket.getsockname()[1]
        config = h2.config.H2Configuration(client_side=True,
                                           header_encoding="utf-8")
        self._state = h2.connection.H2Connection(config)
        self._state.initiate_connection()
        self._flush()
        self.headers, self.bodies, self.ended = {}, {}, set()
        self.resets, self.trailers = {}, {}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._socket.close()

    def send(self, path, body=None, **headers):
        """Begin a request; its stream."""
        stream = self._state.get_next_available_stream_id()
        self._state.send_headers(stream, [
            (":method", "GET" if body is None else "POST"), (":path", path),
            (":scheme", "http"), (":authority", "localhost"),
            *((name.replace("_", "-"), value)
              for name, value in headers.items())], body is None)
        if body is not None:
            self._send_body(stream, body)
        self._flush()
        return stream

    def _send_body(self, stream, body):
        while body:
            room = min(self._state.local_flow_control_window(stream),
                       self._state.max_outbound_frame_size, len(body))
            if room == 0:
                self._flush()
                self.receive()
                continue
            self._state.send_data(stream, body[:room])
            body = body[room:]
        self._state.end_stream(stream)

    def reset(self, stream):
        self._state.reset_stream(stream)
        self._flush()

    def receive(self):
        """Take in what has come, at least something."""
        data = self._socket.recv(65536)
        assert data, "the server has closed the connection"
        for event in self._state.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.headers[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] = (
                    self.bodies.get(event.stream_id, b"") + event.data)
                self._state.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                self.trailers[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets[event.stream_id] = event.error_code
                self.ended.add(event.stream_id)
        self._flush()

    def finish(self, *streams):
        """Wait for the ends of these; the text of the last."""
        while not set(streams) <= self.ended:
            self.receive()
        return self.bodies.get(streams[-1], b"").decode()

    def _flush(self):
        self._socket.sendall(self._state.data_to_send())


@pytest.fixture
def server(own_server):
    return own_server(PROTOCOLS, **HTTP2, files={
        "hello.py": ECHO, ".htaccess": HTACCESS
        + "PythonAccessHandler hello\nPythonLogHandler hello\n"})


def test_request_says_what_it_came_by(server):
    with Client(server.port) as client:
        stream = client.send(server.site.url("?plain"), x_number="1")
        assert client.finish(stream) == "plain plain 0 b'' HTTP/2.0 GET"
        assert client.headers[stream][":status"] == "200"


def test_hundred_streams_at_once_are_not_mixed(server):
    with Client(server.port) as client:
        streams = {}
        for number in range(STREAMS):
            body = (b"%d," % number) * (number * 50) if number % 2 else None
            stream = client.send(server.site.url(f"?number{number}"), body,
                                 x_number=str(number))
            streams[stream] = number, body or b""
        client.finish(*streams)
        for stream, (number, body) in streams.items():
            method = "POST" if number % 2 else "GET"
            assert client.headers[stream][":status"] == "200"
            assert client.headers[stream]["x-number"] == str(number)
            assert client.bodies[stream].decode() == (
                f"number{number} number{number} {len(body)} {body[-20:]!r} "
                f"HTTP/2.0 {method}")


def test_streams_of_one_connection_run_at_the_same_time(server):
    with Client(server.port) as client:
        streams = [client.send(server.site.url(f"?meet{number}"),
                               x_number="0") for number in range(4)]
        client.finish(*streams)
        assert {client.headers[stream][":status"]
                for stream in streams} == {"200"}


def test_stream_that_is_reset_disturbs_no_other(own_server):
    server = own_server(PROTOCOLS, **HTTP2, files={
        ".htaccess": HTACCESS, "hello.py": """
            import harness
            from mod_python import apache

            def handler(req):
                if req.args == "reset":
                    harness.wait(__file__, "middle")
                    for _ in range(1000):
                        req.write("x" * 10000)
                req.write(str(req.args))
                return apache.OK
            """})
    with Client(server.port) as client:
        away = client.send(server.site.url("?reset"))
        server.site.wait_parked("middle")
        client.reset(away)
        server.site.open_gate("middle")
        for number in range(20):
            stream = client.send(server.site.url(f"?{number}"))
            assert client.finish(stream) == str(number)


def test_large_response_arrives_whole_beside_small_ones(own_server):
    server = own_server(PROTOCOLS, **HTTP2, files={
        ".htaccess": HTACCESS, "hello.py": """
            from mod_python import apache

            def handler(req):
                for number in range(int(req.args)):
                    req.write(f"{number:9}\\n", 0)
                return apache.OK
            """})
    with Client(server.port) as client:
        large = client.send(server.site.url("?200000"))
        small = [client.send(server.site.url("?1")) for _ in range(20)]
        client.finish(large, *small)
        assert client.bodies[large] == b"".join(
            b"%9d\n" % number for number in range(200000))
        assert {client.bodies[stream] for stream in small} == {
            b"        0\n"}


def test_trailers_follow_the_body(own_server):
    server = own_server(PROTOCOLS, **HTTP2, files={
        ".htaccess": HTACCESS, "hello.py": """
            from mod_python import apache

            def handler(req):
                req.write("body")
                req.trailers_out["X-Sum"] = "4"
                return apache.OK
            """})
    with Client(server.port) as client:
        stream = client.send(server.site.url())
        assert client.finish(stream) == "body"
        assert client.trailers[stream]["x-sum"] == "4"


def test_connection_handler_sees_the_connection_and_no_streams(own_server):
    server = own_server(f"""
        {PROTOCOLS}
        PythonConnectionHandler ${{SITE}}/gate.py
        """, **HTTP2, files={
            "gate.py": """
                import sys
                from mod_python import apache

                def connectionhandler(conn):
                    print("gate", conn.client_addr[1], file=sys.stderr)
                    return apache.DECLINED
                """,
            "hello.py": page("1"), ".htaccess": HTACCESS})
    server.log.allow("gate")
    with Client(server.port) as client:
        streams = [client.send(server.site.url()) for _ in range(10)]
        client.finish(*streams)
        assert {client.bodies[stream] for stream in streams} == {b"1"}
        assert len(server.log.matching(f"gate {client.port}$")) == 1


def test_edit_is_seen_by_the_next_stream(own_server):
    server = own_server(PROTOCOLS, **HTTP2, files={
        "hello.py": page("child.value", "import child"),
        "child.py": "value = 0\n", ".htaccess": HTACCESS})
    with Client(server.port) as client:
        for number in range(1, 20):
            server.site.edit("child.py", f"value = {number}\n")
            stream = client.send(server.site.url())
            assert client.finish(stream) == str(number)
