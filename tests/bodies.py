"""What the tests of forms share: bodies, and handlers that look at them."""

import ast
import textwrap

from inline import serve

URLENCODED = "application/x-www-form-urlencoded"

FORM = """
    from mod_python import util
    form = util.FieldStorage(req)
    """


def serve_form(site, code, more="", form=FORM):
    """A handler with this code; form is the FieldStorage of the request."""
    serve(site, textwrap.dedent(form) + "\n" + textwrap.dedent(code), more)


def show(site, code, path="", more="", form=FORM, **request):
    """What such code returned."""
    serve_form(site, code, more, form)
    response = site.request(path, **request)
    assert response.status == 200, (response.status, response.text)
    return ast.literal_eval(response.text)


def posted(body, kind=URLENCODED):
    """Arguments of a request with this body."""
    headers = {} if kind is None else {"Content-Type": kind}
    return {"method": "POST", "body": body, "headers": headers}


def part(data, disposition='form-data; name="a"', *more):
    """One part: its headers and its data (bytes)."""
    lines = [f"Content-Disposition: {disposition}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def multipart(*parts, boundary="xx", end=b"--\r\n"):
    """A whole body; each part is bytes: headers, empty line, data."""
    line = b"--" + boundary.encode()
    return b"".join(line + b"\r\n" + one + b"\r\n" for one in parts
                    ) + line + end


def uploaded(*parts, kind="multipart/form-data; boundary=xx", **more):
    """Arguments of a request with a multipart body."""
    return posted(multipart(*parts, **more), kind)


def file_part(data, filename="file.txt", name="file", *more):
    return part(data, f'form-data; name="{name}"; filename="{filename}"',
                *more)


def pieces(body, size):
    """The body as an iterable: it is sent chunked."""
    return [body[at:at + size] for at in range(0, len(body), size)]
