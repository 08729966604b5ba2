"""A guest book: / shows it, POST to /sign adds to it."""

import hmac
import secrets

from mod_python import apache, util

import entries
import pages

MOST_NAME, MOST_TEXT = 60, 2000


def handler(req):
    session = req.get_session()
    if "token" not in session:
        session["token"] = secrets.token_urlsafe(16)
        session.save()
    if req.uri.endswith("/sign"):
        return sign(req, session)
    return show(req, session, apache.HTTP_OK)


def show(req, session, status, text="", trouble=""):
    req.status = status
    req.content_type = "text/html; charset=utf-8"
    req.headers_out["Cache-Control"] = "no-store"
    page = pages.book(entries.latest(req), session["token"],
                      session.get("name", ""), text, trouble)
    if not req.header_only:
        req.write(page, 0)
    return apache.OK


def sign(req, session):
    if req.method != "POST":
        req.allow_methods(["POST"], 1)
        return apache.HTTP_METHOD_NOT_ALLOWED
    form = util.FieldStorage(req)
    # A form of somebody else's page does not know the token.
    if not hmac.compare_digest(form.getfirst("token", "").encode(),
                               session["token"].encode()):
        return apache.HTTP_FORBIDDEN
    name = form.getfirst("name", "").strip()
    text = form.getfirst("text", "").strip()
    session["name"] = name[:MOST_NAME]
    session.save()
    if not name or not text:
        return show(req, session, apache.HTTP_BAD_REQUEST, text,
                    "A name and a text are needed.")
    entries.add(req, name[:MOST_NAME], text[:MOST_TEXT])
    # After a POST the client is sent to the page: reloading it sends nothing.
    req.headers_out["Location"] = req.uri[:-len("sign")]
    return apache.HTTP_SEE_OTHER
