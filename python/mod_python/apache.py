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

from mod_python import errorlog

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
