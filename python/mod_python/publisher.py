"""Publishes the objects of modules: URLs name functions.

    PythonHandler mod_python.publisher

With ``page.py``

    def hello(req, name="stranger"):
        return f"Hello, {name}!"

``/page/hello?name=Ann`` answers "Hello, Ann!". docs/publisher.md says what
is published and how it is protected. What runs at each request is in C; this
module has the names, and reads rules that stand inside of functions.
"""

import ast
import inspect
import linecache
import weakref
from types import CodeType, FunctionType

from _web import get_page, process_auth, publish_object, resolve_object
from _web import publisher_handler as handler

_NAMES = ("__auth__", "__access__", "__auth_realm__")


# Rules inside of functions are read from the source, because that says what
# is certain to be assigned, whatever Python makes of it; and the source counts
# only if it compiles to the code of the function. Called by C.

class _Unreadable(Exception):
    """Why rules cannot be read. Then nobody is let in."""


_known = {}  # id of a code -> (weak reference to it, what _read() answered)


def _nested_rules(function):
    """((rule,) or () for each of _NAMES) of a function; or str: why they
    cannot be read."""
    code = function.__code__
    key = id(code)
    row = _known.get(key)
    if row is None or row[0]() is not code:
        try:
            found = _read(function)
        except _Unreadable as reason:
            found = str(reason)
        except (SyntaxError, UnicodeDecodeError, RecursionError) as error:
            found = f"cannot be read: {error}"
        if not isinstance(found, str) or "__mp_info__" in \
                function.__globals__:
            _known[key] = (weakref.ref(
                code, lambda _, key=key: _known.pop(key, None)), found)
    else:
        found = row[1]
    if isinstance(found, str):
        return f"has rules of access inside that {found}; nobody is let in"
    try:
        return tuple((make(function),) if make else () for make in found)
    except _Unreadable as reason:
        return f"has rules of access inside that {reason}; nobody is let in"


def _read(function):
    """For each of _NAMES a callable that makes the rule for a function with
    this code, or None."""
    code = function.__code__
    tree = ast.parse(_source(function))
    compiled = compile(tree, code.co_filename, "exec", dont_inherit=True)
    if not any(_is_same(code, other) for other in _all_codes(compiled)):
        raise _Unreadable("cannot be read: its source is not at hand, or was "
                          "changed since")
    found = [node for node in ast.walk(tree)
             if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
             and node.name == code.co_name
             and _first_line(node) == code.co_firstlineno]
    if len(found) != 1:
        raise _Unreadable("cannot be told from another function's on its "
                          "line")
    bound = _bindings(found[0].body)
    count = (code.co_argcount + code.co_kwonlyargcount
             + bool(code.co_flags & inspect.CO_VARARGS)
             + bool(code.co_flags & inspect.CO_VARKEYWORDS))
    locals_ = {*code.co_varnames, *code.co_cellvars} \
        - set(code.co_varnames[:count])
    return [_read_rule(name, found[0].body, bound, code)
            if name in locals_ else None for name in _NAMES]


def _source(function):
    """The text that the function was made of: str or bytes."""
    code = function.__code__
    info = function.__globals__.get("__mp_info__")
    if info is not None and info.file == code.co_filename:
        return info.source
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    return "".join(lines)


def _all_codes(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _all_codes(const)


def _is_same(one, other):
    if (one.co_code, one.co_names, one.co_varnames, one.co_cellvars,
            one.co_freevars, one.co_firstlineno, one.co_name,
            one.co_flags, len(one.co_consts)) != (
            other.co_code, other.co_names, other.co_varnames,
            other.co_cellvars, other.co_freevars, other.co_firstlineno,
            other.co_name, other.co_flags, len(other.co_consts)):
        return False
    for mine, theirs in zip(one.co_consts, other.co_consts):
        if isinstance(mine, CodeType) and isinstance(theirs, CodeType):
            if not _is_same(mine, theirs):
                return False
        elif type(mine) is not type(theirs) or mine != theirs:
            return False
    return True


def _first_line(node):
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _bindings(body):
    """{name: how often} of what the statements of a function bind, at any
    depth, but not in functions and classes of their own."""
    found = {}
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        names = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef,
                             ast.ClassDef)):
            names = [node.name]
            waiting += node.decorator_list
        elif isinstance(node, ast.Lambda):
            pass
        else:
            if isinstance(node, ast.Name):
                names = [] if isinstance(node.ctx, ast.Load) else [node.id]
            elif isinstance(node, ast.alias):
                names = [(node.asname or node.name).partition(".")[0]]
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                names = node.names
            elif isinstance(node, (ast.ExceptHandler, ast.MatchAs,
                                   ast.MatchStar)):
                names = [node.name] if node.name else []
            elif isinstance(node, ast.MatchMapping):
                names = [node.rest] if node.rest else []
            waiting += ast.iter_child_nodes(node)
        for name in names:
            found[name] = found.get(name, 0) + 1
    return found


def _read_rule(name, body, bound, code):
    """What the function assigns to name, at the top level of its body."""
    if bound.get(name) != 1:
        raise _Unreadable(f"cannot be read: {name} is given a meaning more "
                          "than once")
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _read_function(name, node, code)
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value:
            targets, value = [node.target], node.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name
               for target in targets):
            return _read_value(name, value, bound, code)
    raise _Unreadable(f"cannot be read: {name} is not assigned at the top "
                      "level of the function")


def _literal(name, node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise _Unreadable(f"cannot be read: {name} is no constant, and no "
                          "literal of constants") from None


def _read_value(name, node, bound, code):
    if isinstance(node, ast.Name) and node.id not in bound \
            and node.id not in code.co_varnames + code.co_freevars:
        def from_globals(function):
            try:
                return function.__globals__[node.id]
            except KeyError:
                raise _Unreadable(f"cannot be read: there is no global "
                                  f"{node.id}") from None
        return from_globals
    value = _literal(name, node)
    return lambda function: value


def _read_function(name, node, code):
    inner = [const for const in code.co_consts
             if isinstance(const, CodeType) and const.co_name == name
             and const.co_firstlineno == _first_line(node)]
    if node.decorator_list or len(inner) != 1:
        raise _Unreadable(f"cannot be read: the function {name} is decorated")
    if inner[0].co_freevars:
        raise _Unreadable(f"cannot be read: the function {name} uses "
                          "variables of the function around it")
    defaults = tuple(_literal(name, one) for one in node.args.defaults)
    named = {argument.arg: _literal(name, one)
             for argument, one in zip(node.args.kwonlyargs,
                                      node.args.kw_defaults) if one}

    def make(function):
        rule = FunctionType(inner[0], function.__globals__, name, defaults)
        rule.__kwdefaults__ = named
        return rule
    return make
