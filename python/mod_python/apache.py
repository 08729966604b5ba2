"""What a program that runs inside httpd works with.

Nearly everything here is made by the built-in module ``_apache``, which
exists in every interpreter of the server: the constants (``HTTP_NOT_FOUND``,
``OK``, ``APLOG_ERR``, ...), the types (``table``, ``mp_request``, ...), the
exceptions ``SERVER_RETURN`` and ``ExpiredError``, and the functions. The
types of all of it are in ``apache.pyi``.
"""

import os
import sys

try:
    from _apache import *
    import _apache
except ImportError as absent:
    raise ImportError(
        "mod_python.apache exists only inside httpd: it needs the built-in "
        "module _apache, which mod_python.so brings along; run this code "
        "from a handler, or test what does not need the server apart from it",
        name="mod_python.apache") from absent

from mod_python import census as _census
from mod_python import errorlog
from mod_python import modules as _modules
from mod_python.cgi import (
    CGIStdin, CGIStdout, NullIO, build_cgi_env, restore_nocgi, setup_cgi)

interpreter = None
"""Name of the interpreter this code runs in: str, set by init()."""

main_server = None
"""The main server of this httpd: mp_server, set by init()."""

make_table = mp_table = table
exists_config = exists_config_define


def init(name, server):
    """Called by the server, once in each interpreter, before any handler.

    name: str, the interpreter's name. server: mp_server, the main server.
    """
    global interpreter, main_server
    interpreter = name
    main_server = server
    sys.argv = ["mod_python"]
    errorlog.install(server.loglevel)


def register_cleanup(callable, data=None):
    """Call ``callable(data)`` when this child process of httpd ends.

    It runs in the interpreter that registered it, last registered first; an
    exception is logged and the next one still runs. Nothing runs when the
    process is killed. ValueError if callable is not callable. Never pass a
    request in data: it is gone by then.
    """
    _apache.register_cleanup(interpreter, main_server, callable, data)


def get_current_config():
    """The directives in force for the running request, as req.get_config()
    gives them: a table. Outside of requests those of the main server."""
    return (_apache._current_request() or main_server).get_config()


def get_current_options():
    """The PythonOptions in force for the running request, as
    req.get_options() gives them: a table. Outside of requests those of the
    main server."""
    return (_apache._current_request() or main_server).get_options()


def allow_methods(*args):
    """Add methods to the header Allow of the running request: constants M_*
    or names. RuntimeError outside of requests. (ap_allow_methods)"""
    req = _apache._current_request()
    if req is None:
        raise RuntimeError("allow_methods() is for requests; none is running")
    req.allow_methods([method if isinstance(method, str)
                       else _METHODS[method] for method in args])


_METHODS = {number: name[2:].replace("_", "-")
            for name, number in vars(_apache).items()
            if name.startswith("M_") and name != "M_INVALID"}


class PROG_TRACEBACK(Exception):
    """raise PROG_TRACEBACK(*sys.exc_info()): raise that exception again, with
    its own traceback. The class itself is never raised."""

    def __new__(cls, type, value=None, traceback=None):
        if isinstance(type, tuple):
            type, value, traceback = type
        if not isinstance(value, BaseException):
            value = type() if value is None else type(value)
        return value.with_traceback(traceback)


def module_info(label):
    """What the importer knows about a reloadable module: a ModuleInfo.

    label: str, the module's full name, as in ``__name__`` and in the log, or
    the path of its file; or a module. Seen with the eyes of the running
    request: the version that it uses. KeyError for what is not reloadable,
    or not loaded.

    Attributes: label, file, mtime, ctime (when it was executed), atime (when
    a handler in it was last called), instance (how often it was executed),
    generation, direct and indirect (use counts), children (labels), path (its
    ``__mp_path__``), reload (True while its newest files do not load), reason
    (why it was executed), edges (child -> kind), data (files that it read),
    size (of its source).
    """
    return _modules.info(label, sys._getframe(1).f_globals)


def modules_graph(verbose=0):
    """All reloadable modules of this interpreter and what they import, as a
    graph in the DOT language (str): that which new requests will see.

    Imports inside functions are dashed, the bonds of a package dotted,
    modules tied by what one did to the other bold; red is what does not load.
    verbose: nodes carry file, times and counts; edges are labelled.
    """
    return _modules.graph(verbose)


def request_modules_graph(verbose=0):
    """The same of the modules that the running handler's module uses, itself
    included, as this request sees them. Empty outside a request."""
    return _modules.request_graph(sys._getframe(1).f_globals, verbose)


def reload_history():
    """The last refreshes of this interpreter, at most 100, newest last: a
    list of Refresh.

    Attributes: time (float, when it took effect), generation (int), seconds
    (float, how long it took), modules (label -> reason), failures (tuple of
    Failure: file, exception as text, modules that stayed as they were).
    """
    return _modules.history()


def census(seconds=5.0):
    """Old versions of modules that no request uses and that are alive all
    the same, with what holds them: a list of Survivor.

    str() of each is a chain such as ``page (version 3) <- function cleanup
    (/srv/www/page.py:12) <- atexit callback``. Collects garbage first, and
    looks through the heap for at most so many seconds: for the programmer,
    not for every request.
    """
    return _census.take(seconds)


def module_mtime(module):
    """The time of last modification of the module's file, in seconds (float).

    0.0 for a module without a file, and when the file is gone.
    """
    try:
        return os.path.getmtime(module.__file__)
    except (AttributeError, TypeError, OSError):
        return 0.0


_MISSING = object()


def resolve_object(module, obj_str, arg=None, silent=0):
    """The object that a handler string names after ``::``.

    obj_str: "name" or "name.attr.attr", followed from module by getattr. A
    class on the way, but not at the end of it, is instantiated with arg as
    its only argument, and the way goes on from the instance. When an element
    is missing: None if silent is true, else AttributeError, naming the file.
    """
    found = module
    for name in obj_str.split("."):
        if found is not module and isinstance(found, type):
            found = found(arg)
        found = getattr(found, name, _MISSING)
        if found is _MISSING:
            if silent:
                return None
            where = getattr(module, "__file__", None) or module.__name__
            raise AttributeError(
                f"module '{where}' contains no '{obj_str}'")
    return found
