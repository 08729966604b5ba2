"""Python Server Pages: HTML with Python in it.

    PythonHandler mod_python.psp

makes pages of files. Everything here can be used in pages by its name, as
can ``os`` and ``sys`` and what else this module imports. What runs at each
request is in C; this module has the class ``PSP``, and what is done once for
each page.
"""

import dis
import html
import importlib.util
import linecache
import marshal
import os
import re
import sys
from hashlib import sha256
from html import escape
from types import CodeType, TracebackType

import _apache
import _psp
import _web
from _psp import parse, parsestring
from _web import PSPInterface
from _web import psp_handler as handler

from mod_python import Session, apache, util

# What pages do not get.
_PRIVATE = {"dis", "importlib", "linecache", "marshal", "sha256", "html",
            "re", "CodeType", "TracebackType"}

_OPTION = "mod_python.psp.cache_database_filename"


class PSP:
    """A page, for one request.

    filename: the page's file (str), relative to the directory of the file
    that the request is for; string: the text of a page (str or bytes).
    Neither: ``req.filename``; both: ValueError. vars: dict of globals of the
    page. A file that is missing raises SERVER_RETURN(HTTP_NOT_FOUND); one
    that cannot be made a page raises SyntaxError, UnicodeDecodeError or
    OSError.
    """

    def __init__(self, req, filename=None, string=None, vars={}):
        if filename is not None and string is not None:
            raise ValueError("PSP() takes a filename or a string, not both")
        self.req = req
        self.vars = vars
        self.string = string
        self.filename = None
        if string is not None:
            self._page = _page_of_string(req, string)
            return
        if filename is None:
            filename = req.filename
        self.filename = _beside(req, filename)
        self._page = _web.psp_find(req, self.filename)
        if self._page is None:
            req.log_error(f"PSP page {self.filename!r} does not exist",
                          apache.APLOG_INFO)
            raise apache.SERVER_RETURN(apache.HTTP_NOT_FOUND)

    @property
    def code(self):
        """What a run executes: code."""
        return self._page.code

    def run(self, vars={}, flush=0):
        """Run the page. vars: further globals (dict), which win over those
        of the constructor. With flush true what it wrote is sent. Raises
        what the page raises, unless it has an error page."""
        _web.psp_run(self.req, self._page, self.vars, vars, bool(flush))

    def __str__(self):
        """Set the content type text/html, run the page, and return ""."""
        self.req.content_type = "text/html"
        self.run()
        return ""

    def display_code(self):
        """Write a listing of the page beside the program that it becomes, as
        HTML."""
        if self.string is not None:
            page = _as_bytes(self.string)
            program = parsestring(self.string)
        else:
            with open(self.filename, "rb") as file:
                page = file.read()
            program = parse(self.filename)
        self.req.write(_listing(page, program), 0)


def _beside(req, filename):
    """The absolute path of a file named from a request."""
    base = os.path.dirname(req.filename or "")
    return os.path.abspath(os.path.join(base, filename))


# Pages in strings: the last ones are kept, by what their text and their
# directory are.

_MOST_STRINGS = 512
_strings = {}  # (text, directory) -> [times used, page]


def _as_bytes(text):
    if isinstance(text, str):
        return text.encode("utf-8", "surrogateescape")
    return bytes(text)


def _page_of_string(req, text):
    directory = os.path.dirname(req.filename or "") + "/"
    key = text, directory
    row = _strings.get(key)
    if row is None:
        page = _web.psp_make(_as_bytes(text), req.filename or "<string>",
                             directory)
        if page.included:
            return page  # nobody looks after those files
        if len(_strings) >= _MOST_STRINGS:
            _forget_some()
        row = _strings[key] = [0, page]
    row[0] += 1
    return row[1]


def _forget_some():
    """The quarter that was used least."""
    rows = sorted(_strings.items(), key=lambda item: item[1][0])
    for key, _ in rows[:_MOST_STRINGS // 4]:
        _strings.pop(key, None)


# From a program to code. Called by C, once for each page.

_FAR = 1 << 20
"""Lines of the n-th included file begin at n times this."""


# As PEP 263 has it: in the first line, or in the second below a comment.
_CODING = re.compile(rb"\A(?:[ \t\f]*(?:#[^\n]*)?\n)?"
                     rb"[ \t\f]*#[^\n]*?coding[:=][ \t]*[-\w.]")


def _decode(program):
    """A program as text: UTF-8, or what its coding line says."""
    if _CODING.match(program):
        return importlib.util.decode_source(program)
    return program.decode()


def _globals():
    """What every page can use."""
    return {name: value for name, value in globals().items()
            if not name.startswith("_") and name not in _PRIVATE}


def _compile(program, file, lines, included):
    """(code, whether it gives `req` or `str` another meaning) of a program.

    lines: (file number, line) of each of its lines, None when it is all the
    page's.
    """
    def move(line):
        if lines is None or not 0 < line <= len(lines):
            return line
        number, line = lines[line - 1]
        return number * _FAR + line

    try:
        text = _decode(program)
        code = _cached(program, file) or _compile_text(program, text, file)
    except SyntaxError as error:
        if error.lineno is not None:
            _show_error(error, move(error.lineno), file, included)
        raise
    except UnicodeDecodeError as error:
        line = move(program.count(b"\n", 0, error.start) + 1)
        error.add_note(f"in {_name(line, file, included)}, line "
                       f"{line % _FAR}")
        raise
    return _move_lines(code, move, included), int(_restyles(code))


def _compile_text(program, text, file):
    code = compile(text, file, "exec", dont_inherit=True)
    _cache(program, file, code)
    return code


def _name(line, file, included):
    """The file that a line is of."""
    return included[line // _FAR - 1] if line >= _FAR else file


def _show_error(error, line, file, included):
    """A syntax error is of the page, not of the program."""
    error.filename = _name(line, file, included)
    error.lineno = line % _FAR
    error.text = linecache.getline(error.filename, error.lineno) or None
    error.offset = error.end_offset = error.end_lineno = None


def _restyles(code):
    """Does it, or a function of it, assign to the global `req` or `str`?"""
    if {"req", "str"}.isdisjoint(code.co_names):
        inner = False
    else:
        inner = any(step.opname.startswith(("STORE_NAME", "STORE_GLOBAL",
                                            "DELETE_NAME", "DELETE_GLOBAL",
                                            "IMPORT_STAR"))
                    and step.argval in ("req", "str")
                    for step in dis.get_instructions(code))
    return inner or any(_restyles(const) for const in code.co_consts
                        if isinstance(const, CodeType))


# Lines. The columns of a program are not those of its page, so they go.

def _put_number(table, number):
    """A signed number, as CPython's tables of lines have it."""
    number = -number << 1 | 1 if number < 0 else number << 1
    while number >= 64:
        table.append(0x40 | number & 63)
        number >>= 6
    table.append(number)


def _move_lines(code, move, included):
    """The same code, its lines moved."""
    lines = [move(code.co_firstlineno)]
    for _, _, line in code.co_lines():
        if line is not None:
            lines.append(move(line))
    file, base = code.co_filename, 0
    number = lines[0] // _FAR
    if number and code.co_name != "<module>" and all(
            line // _FAR == number for line in lines):
        file, base = included[number - 1], number * _FAR  # all of it is there
    table = bytearray()
    before = lines[0]
    for start, end, line in code.co_lines():
        units = (end - start) // 2
        while units > 0:
            size = min(units, 8)
            units -= size
            if line is None:
                table.append(0x80 | 15 << 3 | size - 1)
                continue
            table.append(0x80 | 13 << 3 | size - 1)
            _put_number(table, move(line) - before)
            before = move(line)
    return code.replace(
        co_filename=file,
        co_firstlineno=lines[0] - base,
        co_linetable=bytes(table),
        co_consts=tuple(_move_lines(const, move, included)
                        if isinstance(const, CodeType) else const
                        for const in code.co_consts))


def _stand_in(file, line, name):
    """A frame of a file that has no code of its own."""
    code = compile("raise Exception", file, "exec").replace(
        co_name=name, co_firstlineno=line)
    try:
        exec(code, {"__name__": "mod_python.psp", "__file__": file})
    except Exception as error:
        return error.__traceback__.tb_next.tb_frame


def _show_included(exc, file, included):
    """In the traceback of an exception that a page raised, show the lines of
    the files that it includes as theirs."""
    steps = []
    step = exc.__traceback__
    while step is not None:
        steps.append(step)
        step = step.tb_next
    chain = None
    for step in reversed(steps):
        frame, line, last = step.tb_frame, step.tb_lineno, step.tb_lasti
        if frame.f_code.co_filename == file and line >= _FAR:
            name = included[line // _FAR - 1]
            line, last = line % _FAR, -1
            frame = _stand_in(name, line, frame.f_code.co_name)
        chain = TracebackType(chain, frame, last, line)
    exc.__traceback__ = chain


# The cache in a dbm file, if an administrator wants one: what is compiled
# once need not be compiled in the next process.

def _cache_file():
    req = _apache._current_request()
    if req is None:
        return None
    options = req.get_options()
    return options.get(_OPTION) or options.get("PSPDbmCache")


def _cache_key(program, file):
    digest = sha256(importlib.util.MAGIC_NUMBER)
    digest.update(b"%d" % sys.flags.optimize)
    digest.update(os.fsencode(file) + b"\0" + program)
    return digest.digest()


def _is_private(directory):
    """What others could have put there is not executed."""
    try:
        info = os.stat(directory)
        private = (info.st_uid in (0, os.geteuid())
                   and not info.st_mode & 0o022)
        reason = "others can write to it"
    except OSError as error:
        private, reason = False, error.strerror
    if not private:
        _web.psp_warn_directory(f"the directory {directory!r} of the PSP "
                                f"cache is not used: {reason}")
    return private


def _with_cache(use):
    """use(database), unless there is none, or another process has it."""
    name = _cache_file()
    if not name:
        return None
    import dbm
    name = os.path.join(apache.server_root(), name)
    if not _is_private(os.path.dirname(name)):
        return None
    if not _apache._global_trylock(apache.main_server, None, 0):
        return None
    try:
        with dbm.open(name, "c", 0o600) as database:
            return use(database)
    except (OSError, EOFError, ValueError, TypeError, *dbm.error) as error:
        _web.psp_warn_cache(f"the PSP cache {name!r} cannot be used: "
                            f"{type(error).__name__}: {error}")
        return None
    finally:
        _apache._global_unlock(apache.main_server, None, 0)


def _cached(program, file):
    def read(database):
        data = database.get(_cache_key(program, file))
        return data and marshal.loads(data)
    return _with_cache(read)


def _cache(program, file, code):
    def write(database):
        database[_cache_key(program, file)] = marshal.dumps(code)
    _with_cache(write)


# What the object `psp` in pages does seldom. Called by C.

def _error_page(psp, filename):
    req = psp.req
    if filename.startswith("/"):
        path = req.document_root() + filename
    else:
        path = os.path.join(os.path.dirname(psp.filename), filename)
    return PSP(req, path)


def _apply_data(psp, object, **kw):
    return util.apply_fs_data(object, psp.form, req=psp.req, **kw)


def _redirect(psp, location, permanent=0):
    util.redirect(psp.req, location, permanent)


# The listing of a page beside its program.

_LISTING = """\
<!DOCTYPE html>
<html><head><title>PSP listing</title><style>
td {{ vertical-align: top; font-family: monospace; white-space: pre; }}
td:first-child {{ color: #777; text-align: right; padding-right: 1em; }}
</style></head><body>
<table border="0" cellspacing="2">
<tr><th>line<th>page<th>program</tr>
{}
</table></body></html>
"""


def _listing(page, program):
    try:
        text = _decode(page)
    except (SyntaxError, UnicodeDecodeError):
        text = page.decode("utf-8", "replace")
    rows = []
    ours, theirs = text.splitlines(), program.splitlines()
    for number in range(max(len(ours), len(theirs))):
        cells = [escape(lines[number]) if number < len(lines) else ""
                 for lines in (ours, theirs)]
        rows.append(f"<tr><td>{number + 1}<td>{cells[0]}<td>{cells[1]}</tr>")
    return _LISTING.format("\n".join(rows))


def _answer_listing(req):
    """The listing of the page that req.filename names with an underscore
    after it, if that is a page which this client may see."""
    if not _web.psp_is_page(req, req.uri[:-1], req.filename[:-1]):
        return apache.HTTP_NOT_FOUND
    page = PSP(req, req.filename[:-1])
    req.content_type = "text/html"
    page.display_code()
    return apache.OK
