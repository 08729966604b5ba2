"""What the importer knows about modules, put into words.

mod_python.apache has the functions for programs: module_info(),
modules_graph(), request_modules_graph() and reload_history(). details() is
for the error page of PythonDebug.
"""

from __future__ import annotations

import html
import os
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import _apache

_Facts = dict[str, Any]       # of one module: _apache._module_facts()
_Table = dict[str, _Facts]    # of one generation: label -> facts


class ModuleInfo(NamedTuple):
    """One version of a reloadable module: apache.module_info()."""

    label: str
    """Its name, unique in this interpreter."""
    file: str | None
    """Its file; None for a namespace package."""
    mtime: float
    """Last modification of the file, as it was when it was executed: seconds
    since 1970, like all times here."""
    ctime: float
    """When it was executed."""
    atime: float
    """When a handler in it was last called; 0.0: never."""
    instance: int
    """How often the module was executed in this process, this time
    included."""
    generation: int
    """Number of the newest generation that has this version."""
    direct: int
    """How often handlers in it were called."""
    indirect: int
    """How often an import found it loaded."""
    children: tuple[str, ...]
    """Labels of the modules it depends on."""
    path: tuple[str, ...]
    """Its __mp_path__."""
    reload: bool
    """True while its newest files do not load."""
    reason: str
    """Why it was executed."""
    edges: Mapping[str, str]
    """Of each child: "import", "late import", "package" or "effect"."""
    data: tuple[str, ...]
    """The data files that it read while it was executed."""
    size: int
    """Of its source, in bytes."""


class Failure(NamedTuple):
    """What did not load in a refresh."""

    file: str | None
    """The file that failed, if that is known."""
    exception: str
    """"Type: message"."""
    modules: int
    """How many modules stayed at the last good version because of it."""


class Refresh(NamedTuple):
    """One refresh: apache.reload_history()."""

    time: float
    """When it took effect, in seconds since 1970."""
    generation: int
    """The number of the generation it made."""
    seconds: float
    """How long it took."""
    modules: Mapping[str, str]
    """label -> reason, of each module that was to be executed."""
    failures: tuple[Failure, ...]


# Asking the importer

def _facts_of(instances: Mapping[str, Any]) -> _Table:
    return {label: _apache._module_facts(instance)
            for label, instance in instances.items()}


def _file_key(path: str) -> str:
    return os.path.realpath(path)


def _find(label: Any, table: Mapping[str, Any]) -> Any:
    """The mp_instance that module_info() is asked about."""
    if isinstance(label, ModuleType):
        instance = getattr(label, "__mp_info__", None)
        if instance is None:
            raise KeyError(label.__name__)
        return instance
    if isinstance(label, os.PathLike):
        label = os.fspath(label)
    if label in table or not isinstance(label, str) or "/" not in label:
        return table[label]
    same = {_file_key(instance.file): instance
            for instance in table.values() if instance.file}
    try:
        return same[_file_key(label)]
    except KeyError:
        raise KeyError(label) from None


def info(label: Any, caller: dict[str, Any]) -> ModuleInfo:
    """apache.module_info() for code with these globals."""
    _, table, _ = _apache._generation_seen(caller)
    _, _, failures = _apache._generation_committed()
    facts = _apache._module_facts(_find(label, table))
    path = facts["path"]
    return ModuleInfo(
        label=facts["label"], file=facts["file"],
        mtime=facts["mtime"], ctime=facts["ctime"], atime=facts["atime"],
        instance=facts["instance"], generation=facts["generation"],
        direct=facts["direct"], indirect=facts["indirect"],
        children=tuple(facts["edges"]),
        path=tuple(path) if isinstance(path, (list, tuple)) else (),
        reload=facts["label"] in failures,
        reason=facts["reason"] or _usual_reason(facts),
        edges=MappingProxyType(facts["edges"]), data=facts["data"],
        size=facts["size"])


def _usual_reason(facts: _Facts) -> str:
    return "loaded again" if facts["instance"] > 1 else "first import"


def history() -> list[Refresh]:
    """apache.reload_history()."""
    return [
        Refresh(when, generation, seconds, MappingProxyType(dict(reasons)),
                tuple(Failure(file, _in_one_line(error), count)
                      for error, file, count in failures))
        for when, generation, seconds, reasons, failures
        in _apache._reload_history()]


def _in_one_line(error: object) -> str:
    """"Type: message" of an exception, or of the text of one."""
    if isinstance(error, str):
        return error
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # a __str__ of the program's own
        return name
    return f"{name}: {text}" if text else name


# Who uses whom

def _used_by(facts: _Facts, table: _Table) -> Iterator[str]:
    """The modules that this one uses.

    A package and its parts are refreshed together, so each depends on the
    other; but a package uses only those parts that it imports itself.
    """
    for label, kind in facts["edges"].items():
        if label in table and (kind != "package" or label == facts["parent"]):
            yield label


def _reached(start: str | None, table: _Table) -> list[str]:
    """start and all that it uses, nearest first."""
    found = [start] if start in table else []
    known = set(found)
    for label in found:
        for target in _used_by(table[label], table):
            if target not in known:
                known.add(target)
                found.append(target)
    return found


# Graphs

_STYLES = {"late import": "dashed", "package": "dotted", "effect": "bold"}


def graph(verbose: int = 0) -> str:
    """apache.modules_graph()."""
    number, instances, failures = _apache._generation_committed()
    table = _facts_of(instances)
    return _draw(number, table, list(table), failures, verbose)


def request_graph(caller: dict[str, Any], verbose: int = 0) -> str:
    """apache.request_modules_graph() for code with these globals."""
    number, instances, failures = _apache._generation_seen(caller)
    table = _facts_of(instances)
    labels = _reached(_apache._request_module(), table)
    return _draw(number, table, labels, failures, verbose)


def _draw(number: int, table: _Table, labels: list[str],
          failures: Mapping[str, BaseException], verbose: int) -> str:
    lines = ["digraph modules {",
             f"    graph [rankdir=LR, label={_quote(f'generation {number}')}"
             "];",
             "    node [shape=box];"]
    for label in sorted(labels):
        shown = _describe(table[label]) if verbose else [label]
        look = ", color=red" if label in failures else ""
        lines.append(f"    {_quote(label)} [label={_quote_lines(shown)}"
                     f"{look}];")
    drawn = set(labels)
    for label in sorted(labels):
        for target, kind in sorted(table[label]["edges"].items()):
            if target in drawn:
                lines.append(f"    {_quote(label)} -> {_quote(target)}"
                             f"{_edge_look(kind, verbose)};")
    return "\n".join(lines) + "\n}\n"


def _edge_look(kind: str, verbose: int) -> str:
    look = []
    if verbose:
        look.append(f"label={_quote(kind)}")
    if kind in _STYLES:
        look.append(f"style={_STYLES[kind]}")
    return f" [{', '.join(look)}]" if look else ""


def _describe(facts: _Facts) -> list[str]:
    """The lines of a node in a verbose graph."""
    return [facts["label"],
            f"file: {facts['file'] or '(namespace package)'}",
            f"mtime: {_moment(facts['mtime'])}",
            f"ctime: {_moment(facts['ctime'])}",
            f"atime: {_moment(facts['atime'])}",
            f"instance: {facts['instance']}",
            f"generation: {facts['generation']}",
            f"direct: {facts['direct']}",
            f"indirect: {facts['indirect']}",
            f"path: {facts['path']}"]


def _moment(seconds: float) -> str:
    if not seconds:
        return "never"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _escape(text: str) -> str:
    return (text.replace("\\", "\\\\").replace('"', '\\"')
            .replace("\n", "\\\\n"))


def _quote(text: str) -> str:
    """As a string of the DOT language."""
    return f'"{_escape(text)}"'


def _quote_lines(lines: list[str]) -> str:
    if len(lines) == 1:
        return _quote(lines[0])
    return '"' + "".join(f"{_escape(line)}\\l" for line in lines) + '"'


# The error page

def details(label: str | None, began: float) -> str:
    """HTML about the modules of a request that began at this time, whose
    handler is in the module `label`."""
    number, instances, failures = _apache._generation_seen(None)
    table = _facts_of(instances)
    labels = _reached(label, table)
    # What was loaded meanwhile for a module that then did not load.
    known = set(labels)
    labels += sorted(name for name, facts in table.items()
                     if facts["ctime"] >= began and name not in known)
    text = "".join(_section(table[name], failures.get(name), began)
                   for name in labels)
    if not text:
        text = "<p>The request uses no reloadable module.</p>\n"
    text = ("<h2>MODULE CACHE DETAILS</h2>\n"
            f"<p>Generation {number}: {len(instances)} modules, "
            f"of which the request uses {len(labels)}.</p>\n{text}")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _section(facts: _Facts, failure: BaseException | None,
             began: float) -> str:
    """One module of details()."""
    instance = str(facts["instance"])
    if facts["ctime"] >= began:
        instance += " [RELOAD]" if facts["instance"] > 1 else " [IMPORT]"
    generation = str(facts["generation"])
    if failure is not None:
        generation += f" [ERROR] {_in_one_line(failure)}"
    rows = [
        ("FileName", facts["file"] or "(namespace package)"),
        ("Instance", f"{instance}, {facts['reason'] or _usual_reason(facts)}"),
        ("Generation", generation),
        ("Modified", _moment(facts["mtime"])),
        ("Imported", _moment(facts["ctime"])),
        ("ModulePath", str(facts["path"]) if facts["path"] else ""),
        ("Children", _names(facts, late=False)),
        ("Friends", _names(facts, late=True)),
        ("Data files", ", ".join(facts["data"])),
    ]
    text = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>\n"
                   for name, value in rows if value)
    kind = ""
    if failure is not None:
        kind = ' class="failed"'
    elif facts["ctime"] >= began:
        kind = ' class="loaded"'
    return (f"<section{kind}><h3>{html.escape(facts['label'])}</h3>\n"
            f"<dl>\n{text}</dl></section>\n")


def _names(facts: _Facts, late: bool) -> str:
    return ", ".join(name for name, kind in facts["edges"].items()
                     if (kind == "late import") is late)
