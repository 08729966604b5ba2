"""Forms that nobody would send, over a real server: api.md 6.1; D2, D29.

MP_SOAK=50 sends 100,000 of them."""

import os
import random
import re
import socket

import pytest

from bodies import URLENCODED, file_part, multipart, part

SOAK = int(os.environ.get("MP_SOAK", "1"))  # times the work of soak tests
FORMS = 2000 * SOAK
SLACK = 4096  # kB that a child may grow after its first forms

PAGE = """
    from mod_python import apache, util

    def handler(req):
        form = util.FieldStorage(req, keep_blank_values=1)
        for name, field in form.items():
            form[name], form.getfirst(name), form.getlist(name)
            field.value, field.filename, field.type, field.type_options
            field.disposition, field.disposition_options
            field.headers.items(), field.file.read(), repr(field)
        util.apply_fs_data(lambda **fields: fields, form)
        util.parse_qs(req.args or ""), util.parse_header(
            req.headers_in.get("Content-Type", ""))
        req.write("%d\\n" % len(form), 0)
        return apache.OK
    """

TOKENS = (b"\r\n--xx", b"--xx", b"\r\n--xx--", b"\r\n\r\n", b"\r", b"\n",
          b"\r\n", b"\0", b"%", b"%4", b"%00", b"&", b"=", b"+", b";", b'"',
          b"\\", b"filename=", b"filename*=utf-8''%ff", b"name=", b":",
          b"Content-Disposition: form-data; name=", b"Content-Type: ", b"\t",
          b"\xff", b"\xc3", b"x" * 300)
KINDS = (URLENCODED, "multipart/form-data; boundary=xx")
BODIES = (
    b"a=1&b=2&name=long+value%20with+escapes&b=3&empty=&%C3%A9=%E2%82%AC",
    multipart(part(b"value"), file_part(b"data\r\n" * 5),
              part(b"", 'form-data; name="empty"'),
              file_part(b"\x89PNG\r\n\x1a\n\0", "b.png", "c",
                        "Content-Type: image/png")))


def mutate(chance, text):
    """A few random changes: bytes, pieces, words that mean something."""
    text = bytearray(text)
    for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((1, 1, 2, 5, 30)))
        what = chance.randrange(5)
        if what == 0:
            text[at:end] = chance.randbytes(end - at)
        elif what == 1:
            del text[at:end]
        elif what == 2:
            text[at:at] = text[at:end]
        elif what == 3:
            text[at:at] = chance.choice(TOKENS)
        else:
            del text[max(at, 1):]
    return bytes(text)


def clean(text, pattern):
    """Only what may stand in a request line or in a header."""
    return re.sub(pattern, b"", text)


def form_request(chance):
    """The bytes of one request."""
    which = chance.randrange(2)
    body = mutate(chance, BODIES[which])
    kind = KINDS[which].encode()
    if chance.randrange(10) == 0:
        kind = clean(mutate(chance, kind), rb"[^ -~]").strip()
    query = clean(mutate(chance, b"a=1&b=%20"), rb"[^a-z0-9&=%+;]")
    head = b"POST /site/?%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n" % (
        query, kind)
    if chance.randrange(4):
        return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    size = chance.choice((1, 3, 50, 1000))
    chunks = [body[at:at + size] for at in range(0, len(body), size)]
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks
        ) + b"0\r\n\r\n"


class Client:
    """Sends requests; connects again when the server has closed."""

    def __init__(self, port):
        self._port = port
        self._stream = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._close()

    def status(self, request):
        """The status of the answer."""
        if not self._stream:
            self._stream = socket.create_connection(("127.0.0.1",
                                                     self._port), 20)
        self._stream.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
        while len(body) < length:
            body += self._more()
        if b"Connection: close" in head:
            self._close()
        return int(head.split()[1])

    def _more(self):
        data = self._stream.recv(65536)
        assert data, "no answer"
        return data

    def _close(self):
        if self._stream:
            self._stream.close()
        self._stream = None


def memory(pid):
    """What belongs to the process alone, in kB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"Private_Dirty: +(\d+)", file.read()).group(1))


@pytest.mark.seconds(60 + 30 * SOAK)
def test_random_forms_give_answers_that_the_log_explains(own_server):
    server = own_server(
        "PythonFormLimitFields 10\nPythonFormLimitHeaders 4\n"
        "PythonFormSpoolSize 100\nMaxKeepAliveRequests 0",
        files={"page.py": PAGE,
               ".htaccess": "SetHandler mod_python\nPythonHandler page\n"},
        mpm="prefork", children=1)
    server.log.allow("MPY050[01]")
    chance = random.Random(11)
    pid, = server.children()
    statuses = {}
    after_first = None
    with Client(server.port) as client:
        for number in range(FORMS):
            status = client.status(form_request(chance))
            statuses[status] = statuses.get(status, 0) + 1
            if number == FORMS // 4:
                after_first = memory(pid)
    assert set(statuses) <= {200, 400, 413, 501}, statuses
    assert statuses[200] > FORMS // 4, statuses
    server.log.expect("MPY0501", count=statuses[400])
    server.log.expect("MPY0500", count=statuses[413])
    assert len(server.log.matching("MPY0501")) == statuses[400]
    assert len(server.log.matching("MPY0500")) == statuses[413]
    assert server.children() == {pid}
    assert memory(pid) - after_first < SLACK
