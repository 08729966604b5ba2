"""Forms: the fields of a query string and of a body, uploaded files.

    from mod_python import apache, util

    def handler(req):
        form = util.FieldStorage(req)
        req.write("Hello, %s" % form.getfirst("name", "stranger"))
        return apache.OK

Nearly all of it is made by the built-in module ``_web``; docs/forms.md says
how to use it.
"""

import html

from mod_python import apache

try:
    from _web import (
        Field, FieldList, FieldStorage, StringField, apply_fs_data,
        parse_header, parse_qs, parse_qsl)
except ImportError as absent:
    raise ImportError(
        "mod_python.util exists only inside httpd: it needs the built-in "
        "module _web, which mod_python.so brings along",
        name="mod_python.util") from absent

readBlockSize = 65368
"""What the classic mod_python read of a body at a time; nothing uses it."""

_NOTE = '<p>The document has moved <a href="%s">here</a></p>\n'


def redirect(req, location, permanent=0, text=None):
    """Send the client to another place; does not return.

    req: mp_request. location: str, a URL or path; TypeError for anything
    else, ValueError for CR, LF or NUL in it. permanent: true for status 301
    instead of 302. text: the body, str or bytes; by default a line of HTML
    with a link. OSError when a part of the body has been sent already.
    Raises SERVER_RETURN(DONE), which ends the handler.
    """
    if not isinstance(location, str):
        raise TypeError("location must be str, not "
                        + type(location).__name__)
    if req.sent_bodyct:
        raise OSError("cannot redirect: a part of the body has been sent")
    req.err_headers_out["Location"] = location
    req.status = (apache.HTTP_MOVED_PERMANENTLY if permanent
                  else apache.HTTP_MOVED_TEMPORARILY)
    if text is None:
        req.content_type = "text/html; charset=utf-8"
        text = _NOTE % html.escape(location)
    req.write(text)
    raise apache.SERVER_RETURN(apache.DONE)
