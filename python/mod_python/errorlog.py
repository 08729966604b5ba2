"""The standard library's logging, written to httpd's error log.

apache.init() puts one ErrorLogHandler on the root logger, so that a plain
``logging.getLogger(__name__).warning("...")`` in any program ends up in the
log of the virtual host whose request it serves, at the level it was given.
A program that configures logging itself can name the handler as
``mod_python.errorlog.ErrorLogHandler``.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import _apache

from mod_python import tracebacks

_LEVELS = (
    (logging.CRITICAL, _apache.APLOG_CRIT),
    (logging.ERROR, _apache.APLOG_ERR),
    (logging.WARNING, _apache.APLOG_WARNING),
    (logging.INFO, _apache.APLOG_INFO),
)


def httpd_level(levelno: int) -> int:
    """httpd's level for a level of logging; those between count as the
    standard one below them."""
    for floor, level in _LEVELS:
        if levelno >= floor:
            return level
    return _apache.APLOG_DEBUG


def logging_level(loglevel: int) -> int:
    """The least level of logging worth making records for, under a LogLevel.

    Never above WARNING, the root logger's own default: what httpd does not
    want of the rest, it leaves out itself.
    """
    if loglevel >= _apache.APLOG_DEBUG:
        return logging.DEBUG
    if loglevel >= _apache.APLOG_INFO:
        return logging.INFO
    return logging.WARNING


class ErrorLogFormatter(logging.Formatter):
    """"name: message"; only the message for the root logger.

    Time, process, client and level are httpd's business (ErrorLogFormat).
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        if record.name == "root":
            return record.message
        return f"{record.name}: {record.message}"


    def formatException(self, ei: Any) -> str:
        """The lines of the version that ran, not those of the file now."""
        if ei[1] is None:
            return super().formatException(ei)
        return "".join(tracebacks.format_exception(ei[1])).rstrip("\n")


class ErrorLogHandler(logging.Handler):
    """Writes each record to the error log of httpd.

    To the log of the request, else of the connection, whose handler runs in
    this thread, else to the main server's. A record of many lines (a
    traceback) becomes as many lines in the log. Nothing raised here reaches
    the program that logs.
    """

    def __init__(self, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self.setFormatter(ErrorLogFormatter())
        self._failure = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(self.format(record), httpd_level(record.levelno))
        except Exception:
            self.handleError(record)

    def _write(self, text: str, level: int) -> None:
        text = text.replace("\0", "\\x00")
        try:
            _apache.log_here(text, level)
        except ValueError:
            # A surrogate that stands for no byte. The record is worth more
            # than its characters.
            plain = text.encode("ascii", "backslashreplace").decode("ascii")
            _apache.log_here(plain, level)

    def handleError(self, record: logging.LogRecord) -> None:
        # The report goes to sys.stderr, which a program may have turned into
        # a logger, or into something that raises.
        if getattr(self._failure, "reporting", False):
            return
        self._failure.reporting = True
        try:
            super().handleError(record)
        except Exception:
            pass
        finally:
            self._failure.reporting = False


def install(loglevel: int) -> None:
    """Put the handler on the root logger, unless that has one already.

    The root logger's level then follows loglevel, the main server's, where
    that shows more than WARNING.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    root.addHandler(ErrorLogHandler())
    root.setLevel(min(root.level, logging_level(loglevel)))
