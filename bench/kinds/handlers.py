"""Pages that make cycles through the request, its methods, tables and
connection, keep exceptions with their tracebacks, register cleanups, redirect,
and raise."""

from kinds import Kind, Page, locations

KEEPER = """
from mod_python import apache

class Kept:
    def __init__(self, req):
        self.req = req
        self.tables = req.headers_in, req.headers_out, req.notes
        self.connection = req.connection
        self.server = req.server

def fail(req):
    local = req
    raise ValueError(req)

def cycles(req):
    req.kept = Kept(req)
    req.write_later = req.write
    req.words = (word for word in [req])
    next(req.words)
    try:
        fail(req)
    except ValueError as error:
        req.error = error
    req.register_cleanup(repr, req.kept)
    req.headers_out["X-Kept"] = str(len(req.kept.tables))

def handler(req):
    req.content_type = "text/plain"
    cycles(req)
    if req.uri == "/redirect":
        req.internal_redirect("/keeper")
    elif req.uri == "/raise":
        raise apache.SERVER_RETURN(apache.OK)
    else:
        req.write("ok", 0)
    return apache.OK
"""

KIND = Kind(
    pages=[Page("/keeper", "ok", 0.8), Page("/redirect", "ok", 0.1),
           Page("/raise", "", 0.1)],
    files={"keeper.py": KEEPER},
    configuration=lambda tools: locations(dict.fromkeys(
        ("/keeper", "/redirect", "/raise"), "keeper")))
