"""Requests and responses over http.client.

`request()` opens a connection for one request and reads to the end of the
stream, so that when it returns httpd is done with the request: its log and
cleanup phases have run and their log lines are written. A `Connection` stays
open and knows which child process answers it."""

import concurrent.futures
import dataclasses
import http.client
import json
import os
import socket
import threading

from . import processes

TIMEOUT = 20.0


@dataclasses.dataclass(frozen=True)
class Response:
    """What came back. `headers` looks names up without regard to case."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self):
        return self.body.decode("utf-8", "surrogateescape")

    def json(self):
        return json.loads(self.body)


class Connection:
    """One keep-alive connection. Close it, or use it in a with statement:
    under prefork it occupies a whole child. children(): the processes that
    may answer it."""

    def __init__(self, port, timeout=TIMEOUT, children=None):
        self._http = http.client.HTTPConnection("127.0.0.1", port,
                                                timeout=timeout)
        self._http.connect()
        self.socket = self._http.sock
        self._children = children
        self._server_port = port
        self._client_port = self.socket.getsockname()[1]

    def send(self, path, method="GET", headers=None, body=None):
        """The first half of request()."""
        headers = headers or {}
        self._http.putrequest(method, path, skip_accept_encoding=True,
                              skip_host="Host" in headers)
        chunked = not (body is None or isinstance(body, (bytes, str)))
        if isinstance(body, str):
            body = body.encode()
        if chunked:
            self._http.putheader("Transfer-Encoding", "chunked")
        elif body is not None:
            self._http.putheader("Content-Length", str(len(body)))
        for name, value in headers.items():
            self._http.putheader(name, value)
        self._http.endheaders(body, encode_chunked=chunked)

    def receive(self):
        """The second half of request()."""
        response = self._http.getresponse()
        body = response.read()
        return Response(response.status, response.reason, response.headers,
                        body)

    def request(self, path, method="GET", headers=None, body=None):
        """`body`: bytes, str, or an iterable of bytes that is sent chunked."""
        self.send(path, method, headers, body)
        return self.receive()

    def get(self, path, **more):
        return self.request(path, **more)

    def child(self):
        """The id of the process that accepted this connection. Only after a
        first response."""
        return processes.owner_of_socket(self._children(), self._server_port,
                                         self._client_port)

    def close(self):
        self._http.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def request(port, path, method="GET", headers=None, body=None,
            timeout=TIMEOUT):
    """One request on a connection of its own, to the end of the stream."""
    with Connection(port, timeout) as connection:
        stream = socket.socket(fileno=os.dup(connection.socket.fileno()))
        with stream:
            response = connection.request(
                path, method, {"Connection": "close", **(headers or {})}, body)
            stream.settimeout(timeout)
            try:
                while stream.recv(65536):
                    pass
            except ConnectionResetError:
                pass  # httpd closed before it read all of our body
    return response


def raw(port, data, timeout=TIMEOUT):
    """Send bytes as they are; everything that comes back until httpd closes.
    For requests that http.client would refuse to make."""
    with socket.create_connection(("127.0.0.1", port), timeout) as stream:
        stream.sendall(data)
        parts = []
        while True:
            try:
                part = stream.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            parts.append(part)
    return b"".join(parts)


def later(function, *args, **more):
    """Call function in a thread of its own. A Future: result(seconds)."""
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(function(*args, **more))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def together(function, count, seconds=60):
    """function(number) in `count` threads that begin at the same moment; the
    list of results in order of number. The first exception is raised."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait(seconds)
        return function(number)

    futures = [later(run, number) for number in range(count)]
    return [future.result(seconds) for future in futures]
