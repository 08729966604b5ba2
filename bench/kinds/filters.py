"""An input and an output filter that keep themselves, and a page of
server-side includes."""

import rig
from kinds import Kind, Page, locations

FILTERED = """
def outputfilter(filter):
    filter.req.kept = filter
    data = filter.read()
    while data:
        filter.write(data.upper())
        data = filter.read()
    if data is None:
        filter.close()

inputfilter = outputfilter

def handler(req):
    req.content_type = "text/plain"
    req.read()
    req.write("ok", 0)
    return 0
"""
INCLUDE = """<!--#python exec="
import filtered
filter.req.kept = filter
filter.write('o')
" --><!--#python eval="1 / 0" --><!--#python eval="'k'" -->"""

CONFIGURATION = """\
<IfModule !mod_include.c>
    LoadModule include_module {modules}/mod_include.so
</IfModule>
PythonInputFilter filtered take
PythonOutputFilter filtered give
<Location "/site/include.shtml">
    Require all granted
    Options +Includes
    SetOutputFilter INCLUDES
    SSIErrorMsg [error]
</Location>
"""

KIND = Kind(
    pages=[Page("/filtered", "OK", 0.5),
           Page("/site/include.shtml", "o[error]k", 0.5)],
    files={"filtered.py": FILTERED, "include.shtml": INCLUDE},
    configuration=lambda tools: (
        CONFIGURATION.format(modules=rig.apxs("LIBEXECDIR"))
        + locations({"/filtered": "filtered"}, "SetInputFilter take",
                    "SetOutputFilter give")))
