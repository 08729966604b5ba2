"""A hot application of a hundred small modules whose page shows the version of
every one of them, so a page that is old, or mixed of old and new, is told from
the right one.

Used by latency.py, memory.py and restarts.py."""

import rig
from httpd import save

LOCATION = """\
<Location "/{path}">
    Require all granted
    SetHandler mod_python
    PythonHandler {handler}
    PythonAutoReload On
</Location>
"""

MODULE = """\
{imports}

VERSION = {version}


class Thing:
    \"\"\"Something that takes a little memory.\"\"\"

    table = {{number: str(number) for number in range(50)}}

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return f"{{self.name}}={{VERSION}}"


SHOWN = sorted({{str(Thing({name!r})), {shown}}})
"""

PAGE = """

def handler(req):
    req.content_type = "text/plain"
    req.write(" ".join(SHOWN))
    return 0


def count(req):
    import gc
    import sys
    import memory_in_use
    gc.collect()
    req.write(f"{len(gc.get_objects())} {sys.getallocatedblocks()} "
              f"{memory_in_use.malloc_bytes()}")
    return 0


def census(req):
    import gc
    from mod_python import apache
    gc.collect()
    req.write("\\n".join(map(str, apache.census())))
    return 0
"""

# Bytes that malloc has handed out, where the C library tells.
MEMORY = """
import ctypes


class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks",
        "fsmblks", "uordblks", "fordblks", "keepcost")]


def malloc_bytes():
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if not mallinfo:
        return 0
    mallinfo.restype = Info
    info = mallinfo()
    return info.uordblks + info.hblkhd
"""

PARTS = "abcdefghijklmnopqrs"


def _uses():
    """What each module imports: leaves, a package whose parts import them,
    modules that import the parts, and the page."""
    uses = {"settings": (), "middle": ()}
    for number in range(60):
        uses[f"leaf{number:02}"] = ()
    for number, letter in enumerate(PARTS):
        used = [f"leaf{(3 * number + more) % 60:02}" for more in range(4)]
        if number % 4 == 0:
            used.append("settings")
        if number % 3 == 2:
            used.append(f"middle.{PARTS[number - 1]}")
        uses[f"middle.{letter}"] = tuple(used)
    for number in range(18):
        uses[f"top{number:02}"] = (f"middle.{PARTS[number]}",
                                   f"middle.{PARTS[number + 1]}")
    uses["page"] = (*(f"top{number:02}" for number in range(18)), "leaf57",
                    "leaf58", "leaf59")
    return uses


USES = _uses()
assert len(USES) == 100


class Graph:
    """The files of the application as they are now, and the page they give.
    """

    def __init__(self):
        self.versions = dict.fromkeys(USES, 0)

    def file(self, name):
        path = name.replace(".", "/")
        return path + ("/__init__.py" if name == "middle" else ".py")

    def source(self, name):
        uses = USES[name]
        text = MODULE.format(
            imports="\n".join(f"import {used}" for used in uses),
            version=self.versions[name], name=name,
            shown=", ".join(f"*{used}.SHOWN" for used in uses))
        return text + (PAGE if name == "page" else "")

    def files(self):
        return {"memory_in_use.py": MEMORY,
                **{self.file(name): self.source(name) for name in USES}}

    def text(self):
        """All modules but the package itself, which nobody shows."""
        return " ".join(sorted(f"{name}={version}" for name, version
                               in self.versions.items() if name != "middle"))

    def edit(self, site, name, how):
        """The next version of a module, saved."""
        self.versions[name] += 1
        save(site.path(self.file(name)), self.source(name).encode(), how)

    def spoil(self, site, name):
        """A version that does not load."""
        save(site.path(self.file(name)),
             (self.source(name) + "\n\nraise ValueError('spoilt')\n").encode(),
             "rename")

    def server(self, more="", **config):
        conf = rig.ours() + LOCATION.format(path="page", handler="page")
        return rig.BareServer(rig.Bare(conf + more, **config), self.files())


def ask(connection, path="/page"):
    response = connection.get(path)
    return response.text if response.status == 200 else (
        f"status {response.status}")
