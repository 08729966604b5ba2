"""What a program sees that was written for CGI: an environment, and streams.

apache.py shows all of it as its own. Not the old module of the standard
library, which parsed forms.
"""

import codecs
import os
import re
import sys

HEAD_MAX = 65536
"""How many bytes a script may send before the empty line behind its
headers."""

_END_OF_HEAD = re.compile(rb"\A\r?\n|\r?\n\r?\n")


class NullIO:
    """A file that holds nothing and does nothing; every call is harmless."""

    def tell(self):
        return 0

    def read(self, n=-1):
        return ""

    def readline(self, length=None):
        return ""

    def readlines(self):
        return []

    def write(self, s):
        return len(s)

    def writelines(self, list):
        for text in list:
            self.write(text)

    def isatty(self):
        return False

    def flush(self):
        pass

    def close(self):
        pass

    def detach(self):
        pass

    def seek(self, pos, mode=0):
        pass


class CGIStdin(NullIO):
    """The body of a request as standard input: str (UTF-8, surrogateescape);
    `buffer` gives bytes. req: the request. Errors are those of req.read()."""

    def __init__(self, req):
        self.req = req
        self.buffer = req
        self._decoder = codecs.getincrementaldecoder("utf-8")(
            "surrogateescape")

    def read(self, n=-1):
        """The text of up to n bytes (negative: all that remain)."""
        return self._text(self.req.read(n))

    def readline(self, n=-1):
        return self._text(self.req.readline(n))

    def readlines(self, n=-1):
        return [self._text(line) for line in self.req.readlines(n)]

    def _text(self, data):
        return self._decoder.decode(data, not data)


class CGIStdout(NullIO):
    """The response as standard output.

    Takes str and bytes. First comes the header block, up to an empty line:
    ``Status:`` sets req.status, ``Content-Type:`` req.content_type, the rest
    is added to req.headers_out. What follows is the body. ValueError for a
    header line without a colon, and for a block of more than HEAD_MAX bytes.
    """

    def __init__(self, req):
        self.req = req
        self.pos = 0
        self.headers_sent = 0
        self._head = b""

    @property
    def buffer(self):
        return self

    def tell(self):
        return self.pos

    def write(self, s):
        """Send str or bytes; how many of them that were."""
        data = (s.encode("utf-8", "surrogateescape") if isinstance(s, str)
                else bytes(s))
        self.pos += len(data)
        if not self.headers_sent:
            data = self._read_head(data)
        if data:
            self.req.write(data, 0)
        return len(s)

    def flush(self):
        if self.headers_sent:
            self.req.flush()

    def _read_head(self, data):
        """Take the header block off; what is left is of the body."""
        self._head += data
        end = _END_OF_HEAD.search(self._head)
        if (end.start() if end else len(self._head)) > HEAD_MAX:
            raise ValueError(f"no empty line ends the header block of the "
                             f"script within {HEAD_MAX} bytes")
        if not end:
            return b""
        for line in self._head[:end.start()].splitlines():
            self._set_header(line.decode("utf-8", "surrogateescape"))
        self.headers_sent = 1
        return self._head[end.end():]

    def _set_header(self, line):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"the script sent a header without a colon, "
                             f"{line!r}; print() an empty line before the "
                             f"body")
        name, value = name.strip(), value.strip()
        if name.lower() == "status":
            self.req.status = int(value.split()[0])
        elif name.lower() == "content-type":
            self.req.content_type = value
        else:
            self.req.headers_out.add(name, value)


def build_cgi_env(req):
    """The environment of a CGI program for this request: a dict of str.

    req.subprocess_env with add_cgi_vars(), SCRIPT_NAME (the URI without path
    info), GATEWAY_INTERFACE, and HTTP_AUTHORIZATION when the client sent it.
    """
    req.add_cgi_vars()
    env = dict(req.subprocess_env.items())
    info = req.path_info or ""
    env["SCRIPT_NAME"] = (req.uri[:-len(info)]
                          if info and req.uri.endswith(info) else req.uri)
    env["GATEWAY_INTERFACE"] = "Python-CGI/1.1"
    authorization = req.headers_in.get("authorization")
    if authorization is not None:
        env["HTTP_AUTHORIZATION"] = authorization
    return env


def setup_cgi(req):
    """Make this process look like a CGI program: environment, standard
    input and output, no arguments. They belong to the whole process: one
    request at a time. Returns (environment, stdin, stdout), to be given to
    restore_nocgi()."""
    saved = dict(os.environ), sys.stdin, sys.stdout
    os.environ.update(build_cgi_env(req))
    sys.stdin = CGIStdin(req)
    sys.stdout = CGIStdout(req)
    sys.argv = []
    return saved


def restore_nocgi(env, si, so):
    """Undo setup_cgi(); env, si, so: what it returned."""
    os.environ.clear()
    os.environ.update(env)
    sys.stdin = si
    sys.stdout = so
    sys.argv = ["mod_python"]
