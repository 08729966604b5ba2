"""Directories whose .htaccess files name interpreters, in each of the ways
there are. Some share a name; there must be as many interpreters as names."""

from kinds import Kind, Page, locations

NAMED = """
from mod_python import apache

def handler(req):
    req.content_type = "text/plain"
    name = apache.interpreter
    if name.startswith(req.document_root()):
        name = name[len(req.document_root()):]
    req.write(name if req.interpreter == apache.interpreter else "mixed", 0)
    return apache.OK

def count(req):
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    req.write(str(len(interpreters.list_all())))
    return apache.OK
"""
PROGRAM = "SetHandler mod_python\nPythonHandler named\n"

# Directory, its .htaccess, the name of the interpreter.
DIRECTORIES = [
    ("named/one", "PythonInterpreter first", "first"),
    ("named/two", "PythonInterpreter second", "second"),
    ("named/three", "PythonInterpreter first", "first"),
    ("named/main", "PythonInterpreter main_interpreter", "main_interpreter"),
    ("places", PROGRAM + "PythonInterpPerDirectory On", "/site/places/"),
    ("places/a", "", "/site/places/a/"),
    ("places/b", "", "/site/places/b/"),
    ("places/b/c", "PythonInterpreter second", "second"),
    ("places/d", PROGRAM + "PythonInterpPerDirective On", "/site/places/d/"),
    ("words", PROGRAM + "PythonInterpPerDirective On", "/site/words/"),
    ("words/a", "", "/site/words/"),
    ("words/b", "", "/site/words/"),
    ("words/b/c", PROGRAM, "/site/words/b/c/"),
    ("host", "", "localhost"),
]
NAMES = {name for _, _, name in DIRECTORIES} - {"main_interpreter"}
CONFIGURATION = """\
<Directory "${SITE}">
    AllowOverride All
    Require all granted
</Directory>
<DirectoryMatch "^${SITE}/(named|host)">
    SetHandler mod_python
    PythonHandler ${SITE}/named.py
</DirectoryMatch>
"""


def configuration(_tools):
    return CONFIGURATION + locations(
        {"/interpreters": "named::count"},
        "PythonInterpreter main_interpreter")


def finish(server, claims, names):
    count = int(server.get("/interpreters").text)
    claims.add(count == names, f"interpreters: {count} for {names} names")


KIND = Kind(
    pages=[Page(f"/site/{directory}/page", name, 1 / len(DIRECTORIES))
           for directory, _, name in DIRECTORIES],
    files={"named.py": NAMED,
           **{f"{directory}/.htaccess": text + "\n"
              for directory, text, _ in DIRECTORIES}},
    configuration=configuration, together=True, finish=finish,
    interpreters=tuple(name.replace("/site/", "${SITE}/") for name in NAMES),
    one_interpreter=False)
