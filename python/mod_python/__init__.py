"""mod_python: Python inside Apache httpd.

Programs that run in the server write ``from mod_python import apache``.
This package itself and its ``version`` can be imported anywhere.
"""

from mod_python.version import version as mp_version

__version__ = mp_version
