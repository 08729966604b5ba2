"""One kept-alive connection, for benchmarks whose requests load.c cannot send:
bodies, many headers, answers that are to be looked at."""

import socket


class Client:
    """Use with `with`. RuntimeError for what is no answer with status 200."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.settimeout(20)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._socket.close()

    def ask(self, request):
        """(head, body) of the answer, as bytes."""
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(data.decode("latin-1"))
        parts = [body]
        if is_chunked(head):
            end = body[-5:]
            while end != b"0\r\n\r\n":
                parts.append(self._more())
                end = (end + parts[-1])[-5:]
        else:
            missing = length_of(head) - len(body)
            while missing > 0:
                parts.append(self._more())
                missing -= len(parts[-1])
        body = b"".join(parts)
        return head, joined(body) if is_chunked(head) else body

    def expect(self, request, answer):
        """RuntimeError if the body is not this one."""
        body = self.ask(request)[1]
        if body != answer:
            raise RuntimeError(f"the answer is {body!r}, not {answer!r}")

    def _more(self):
        data = self._socket.recv(1 << 20)
        if not data:
            raise RuntimeError("the server has closed the connection")
        return data


def is_chunked(head):
    return b"\r\nTransfer-Encoding: chunked" in head


def joined(body):
    """What the chunks of a body hold."""
    parts = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[end + 2:end + 2 + size])
        at = end + 2 + size + 2


def length_of(head):
    return int(head.split(b"Content-Length: ")[1].split()[0])
