"""The C module of hello.py beside mod_python: what httpd and malloc do by
themselves."""

from kinds import Kind, Page

CONFIGURATION = """\
<Location "/control">
    Require all granted
    SetHandler yardstick
    CHello On
</Location>
"""

KIND = Kind(
    pages=[Page("/control", "Hello\n", 1)], files={},
    configuration=lambda tools: tools.c_module("c_hello") + CONFIGURATION)
