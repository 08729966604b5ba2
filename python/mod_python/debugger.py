"""PythonEnablePdb: runs a handler in Python's debugger, on the terminal.

The C code calls runcall() when the directive is On and httpd was started with
-DONE_PROCESS or -X. sys.stdout is the error log inside httpd, so the debugger
gets descriptors 0 and 1 themselves.
"""

import pdb
import sys


def runcall(handler, argument):
    """Call handler(argument) under pdb and return its result.

    Raises what the handler raises, and bdb.BdbQuit when the user quits.
    """
    with (open(0, encoding="utf-8", closefd=False) as stdin,
          open(1, "w", encoding="utf-8", closefd=False) as stdout):
        debugger = pdb.Pdb(stdin=stdin, stdout=stdout)
        debugger.reset()
        # Not Pdb.runcall(), which hides that the user quit.
        sys.settrace(debugger.trace_dispatch)
        try:
            return handler(argument)
        finally:
            sys.settrace(None)
