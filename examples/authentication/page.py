"""A page that knows who is reading it."""

from html import escape

from mod_python import apache


def handler(req):
    req.content_type = "text/html; charset=utf-8"
    if req.user is None:
        req.write("<h1>Welcome</h1><p><a href=\"members/page.py\">For "
                  "members</a> (try ada, with the password lovelace)</p>\n")
    else:
        req.write(f"<h1>Welcome, {escape(req.user)}</h1>\n")
    return apache.OK
