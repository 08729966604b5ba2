"""Tracebacks with the lines that ran.

A request that runs an older version of a reloadable module must not be shown
the lines of the newer file. The importer keeps the source of every version
that is in use, so for the time of formatting linecache is given that.
"""

from __future__ import annotations

import importlib.util
import linecache
import traceback
from types import TracebackType
from typing import Any


def _chain(exc: BaseException | None) -> list[BaseException]:
    """exc, and everything that is shown with it."""
    found: list[BaseException] = []
    waiting = [exc]
    while waiting:
        one = waiting.pop()
        if one is None or any(one is known for known in found):
            continue
        found.append(one)
        waiting += [one.__cause__, one.__context__]
        waiting += getattr(one, "exceptions", ())
    return found


def _versions(exc: BaseException) -> dict[str, bytes]:
    """{file: source that ran} of the reloadable modules in a traceback."""
    sources: dict[str, bytes] = {}
    for one in _chain(exc):
        step: TracebackType | None = one.__traceback__
        while step is not None:
            info = step.tb_frame.f_globals.get("__mp_info__")
            source = getattr(info, "source", None)
            if isinstance(source, bytes):
                sources[info.file] = source
            step = step.tb_next
    return sources


def _seed(file: str, source: bytes) -> None:
    try:
        text = importlib.util.decode_source(source)
    except (SyntaxError, UnicodeDecodeError):
        return
    # Without a time stamp linecache does not compare it with the disk.
    linecache.cache[file] = (len(source), None, text.splitlines(True), file)


def format_exception(exc: BaseException) -> list[str]:
    """What traceback.format_exception(exc) answers, with the lines that ran.

    Where one traceback holds two versions of a file, the innermost decides.
    """
    cache: dict[str, Any] = linecache.cache
    sources = _versions(exc)
    before = {file: cache.get(file) for file in sources}
    try:
        for file, source in sources.items():
            _seed(file, source)
        return traceback.format_exception(exc)
    finally:
        for file, entry in before.items():
            if entry is None:
                cache.pop(file, None)
            else:
                cache[file] = entry
