"""Random modules: their texts, and the files of a whole tree of them.

A module is a few parts, most of them an import of another in one of many
forms. Every module has

    w      its own name and version
    v      a list: w, and what the parts made of others and of data files
           while it was imported
    see()  a list: v, and what the parts see when they are called; that
           includes what others registered with the module
    handler(req)   answers see(): any module can be a page

so that an answer shows all that the page can reach. No text contains a
module's __name__, which differs between httpd and Python.

What is answered must not depend on what was asked for before, or nothing
could be compared. So names have an order, and a module imports later ones
only, and may copy things out of them. Cycles are made by modules of `RING`
and of `SIDE`, which import each other in any order, and use nothing of each
other before they are called: any way into a cycle is as good as any other.
Modules of SIDE register with each other; the others do not and import nothing
of SIDE, and only they are imported inside functions.
"""

import dataclasses

PAGES = ("h0", "h1", "h2", "h3")
SIDE = ("r", "f", "f.s", "f.t", "g", "m", "m.s", "o")
PLAIN = ("a", "b", "p", "p.s", "p.t", "p.q", "p.q.s", "l", "l.s")
RING = ("c", "d", "e", "k", "k.s", "k.t")
NAMES = PAGES + SIDE + PLAIN + RING
DATA = ("x.txt", "y.json", "p/x.txt", "k/y.json")
STANDARD = "colorsys"  # a module of the standard library, small and unused

# How a target is imported. x is the name it gets, t the target's full name.
FORMS = {
    "as": "import {t} as {x}",
    "plain": "import {t}",
    "from": "from {parent} import {last} as {x}",
    "value": "from {t} import v as {x}",
    "star": "from {t} import *",
    "dunder": '{x} = __import__("{t}", globals(), None, ["v"])',
    "exec": 'exec("import {t} as {x}")',
    "class": "class C{x}:\n    import {t} as found\n{x} = C{x}.found",
    "lambda": '{x} = (lambda: __import__("{t}", globals(), None, ["v"]))()',
    "any": 'from {t} import any_{x} as {x}',  # module __getattr__
    "late": "",
    "late value": "",
    "late package": "",
}
CYCLIC = {"plain", "as", "from"}  # those that work in the middle of a cycle
MODULES = {"as", "plain", "from", "dunder", "exec", "class", "lambda"}
GUARDS = {"": "", "import": "ImportError", "all": "Exception"}
BREAKS = {
    "syntax": "def (",
    "indent": "  w = 1",
    "run": "1 / 0",
    "import": "import nowhere",
    "name": "from os import nowhere",
    "exit": "raise SystemExit",
    "early": "",  # 1 / 0 before all else
}


# What a module of SIDE has for others to put something into: its text, what it
# adds to see(), and the ways in which others, to whom it is {t}, do so.
COLLECTORS = (
    ("items = []\n"
     "def register(function):\n"
     "    items.append(function())\n"
     "    return function",
     "sorted(items)",
     ("{t}.items.append(w)",
      "@{t}.register\ndef f{t}():\n    return w",
      "{t}.items += [w]")),
    ("table = {}",
     "sorted(table)",
     ("{t}.table[w] = 1",
      "{t}.table.update(dict.fromkeys([w]))",
      "{t}.table.setdefault(w, see)")),
    ("class Base:\n"
     "    kinds = []\n"
     "    def __init_subclass__(cls):\n"
     "        Base.kinds.append(cls.word)",
     "sorted(Base.kinds)",
     ("class K{t}({t}.Base):\n    word = w",
      "K{t} = type('K', ({t}.Base,), {{'word': w}})")),
    ("class Root:\n"
     "    pass\n"
     "def children():\n"
     "    import gc\n"
     "    gc.collect()\n"
     "    return sorted(one.word for one in Root.__subclasses__())",
     "children()",
     ("class C{t}({t}.Root):\n    word = w",)),
    ("class Meta(type):\n"
     "    kinds = {}\n"
     "    def __init__(cls, name, bases, space):\n"
     "        Meta.kinds[space['word']] = 1\n"
     "class Model(metaclass=Meta):\n"
     "    word = ''",
     "sorted(Meta.kinds)",
     ("class M{t}({t}.Model):\n    word = w",)),
    ("class Box:\n"
     "    def __init__(self):\n"
     "        self.words = set()\n"
     "    def add(self, word):\n"
     "        self.words.add(word)\n"
     "        return self\n"
     "box = Box()",
     "sorted(box.words) + sorted(vars(box))",
     ("{t}.box.add(w)",
      "{t}.box.words.add(w)",
      "setattr({t}.box, 'has ' + w, 1)")),
    ("",
     "sorted(x for x in globals() if x[:4] == 'set ')",
     ("setattr({t}, 'set ' + w, 1)",
      "vars({t})['set ' + w] = 1")),
)


@dataclasses.dataclass(frozen=True)
class Part:
    """Texts of a part: at the top of the module; what it adds to v, or None;
    what it adds to see(), or None; what stands after v; what stands before
    everything else, so that it is there in the middle of a cycle, too."""

    top: str
    value: str | None = None
    seen: str | None = None
    after: str | None = None
    before: str | None = None
    collects: int | None = None  # which of COLLECTORS it is


@dataclasses.dataclass(frozen=True)
class Data:
    """A file that is no module."""

    name: str
    version: int

    def text(self):
        word = f"{self.name} {self.version}"
        return f'["{word}"]\n' if self.name.endswith(".json") else word


@dataclasses.dataclass(frozen=True)
class Module:
    name: str
    version: int
    parts: tuple = ()
    broken: str | None = None

    def text(self):
        """The text of its file."""
        tops = [part.top for part in self.parts if part.top]
        afters = [part.after for part in self.parts if part.after]
        values = [part.value for part in self.parts if part.value]
        seen = [part.seen for part in self.parts if part.seen]
        label = self.name.replace(".", "_")
        lines = ["1 / 0"] if self.broken == "early" else []
        lines += [part.before for part in self.parts if part.before]
        lines += tops
        lines += [f'w = only_{label} = "{self.name} {self.version}"',
                  f"v = [{', '.join(['w', *values])}]", *afters]
        if self.broken and BREAKS[self.broken]:
            lines.append(BREAKS[self.broken])
        lines += ["def see(n=3):",
                  f"    return [{', '.join(['v', *seen])}]",
                  "def handler(req):",
                  "    req.write(repr(see()))",
                  "    return 0", ""]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a part stands: a module, and as what its file is written."""

    name: str
    is_package: bool

    @property
    def package(self):
        return self.name if self.is_package else self.name.rpartition(".")[0]


def import_part(place, number, target, form, guard, is_used, relative):
    """The Part that imports the module `target` in one of FORMS. number: of
    the part in its module. is_used: during the import, too."""
    if not is_used and not form.startswith("late") and form not in CYCLIC:
        form = "as"
    parent, _, last = target.rpartition(".")
    if form == "from" and not parent:
        form = "as"
    x = f"_{number}"
    if form.startswith("late"):
        return _late_part(place, x, target, form, guard, relative)
    top = FORMS[form].format(t=target, x=x, parent=parent, last=last)
    if relative and place.package and form in ("as", "from", "value", "star",
                                               "any"):
        top = _relative(place, target, form, x) or top
    found = target if form == "plain" else x
    if guard:
        top = _guarded(top, GUARDS[guard], f"{x} = None")
        if form == "plain":
            top = f"{x} = 1\n{top}"
    return _use(top, form, found, x, guard, is_used)


def _use(top, form, found, x, guard, is_used):
    when = f"{x} and " if guard else ""
    if form == "star":
        return Part(top, 'sorted(x for x in globals() if x[:5] == "only_")')
    if form not in MODULES:
        return Part(top, x, x)
    value = f"{when}getattr({found}, 'v', 0)" if is_used else None
    return Part(top, value,
                f"{when}n and getattr({found}, 'see', str)(n - 1)")


def _late_part(place, x, target, form, guard, relative):
    parent, _, last = target.rpartition(".")
    statement = f"import {target} as x"
    if form == "late value":
        statement = f"from {target} import v as x"
    elif form == "late package" and parent:
        statement = f"from {parent} import {last} as x"
    if relative and place.package:
        kind = "value" if form == "late value" else "as"
        statement = _relative(place, target, kind, "x") or statement
    result = "x" if form == "late value" else "getattr(x, 'v', 0)"
    body = f"{statement}\nreturn {result}"
    if guard:
        body = _guarded(body, GUARDS[guard] + " as error",
                        "return type(error).__name__")
    return Part(f"def {x}():\n" + _indented(body), None, f"{x}()")


def _relative(place, target, form, x):
    """The import written with dots, or None if it cannot be."""
    top = place.package.split(".")
    names = target.split(".")
    if top[0] != names[0] or target == top[0]:
        return None
    same = 0
    while (same < len(top) and same < len(names) - 1
           and top[same] == names[same]):
        same += 1
    dots = "." * (len(top) - same + 1)
    if len(dots) > 1:
        return None
    rest = names[same:]
    if form in ("as", "from"):
        return f"from {dots}{'.'.join(rest[:-1])} import {rest[-1]} as {x}"
    what = {"value": f"v as {x}", "star": "*", "any": f"any_{x} as {x}"}[form]
    return f"from {dots}{'.'.join(rest)} import {what}"


def _guarded(text, exceptions, otherwise):
    return (f"try:\n{_indented(text)}\nexcept {exceptions}:\n"
            f"{_indented(otherwise)}")


def _indented(text):
    return "\n".join("    " + line for line in text.split("\n"))


def collector_part(number):
    """The module collects what others register with it."""
    kind = number % len(COLLECTORS)
    text, seen, _ = COLLECTORS[kind]
    return Part("", None, seen, None, text, kind)


def registration_part(number, target, kind, way):
    """The module registers with `target`, which collects so."""
    x = f"_{number}"
    ways = COLLECTORS[kind][2]
    text = ways[way % len(ways)].format(t=x)
    return Part(f"import {target} as {x}", None, None,
                _guarded(text, "AttributeError", "pass"))


def data_part(number, name, form, guard):
    """The module reads a file beside it."""
    x = f"_{number}"
    file = f'__file__.rpartition("/")[0] + "/{name}"'
    top = {
        "open": f"with open({file}) as {x}_file:\n    {x} = {x}_file.read()",
        "path": ("import pathlib\n"
                 f"{x} = pathlib.Path({file}).read_text()"),
        "json": f"import json\n{x} = json.load(open({file}))",
        "lines": f"{x} = [*open({file}, 'rb')]",
    }[form]
    if guard:
        top = _guarded(top, "Exception", f"{x} = None")
    return Part(top, x)


def getattr_part():
    """Any name that begins with any_ can be imported from the module."""
    return Part("", before="def __getattr__(name):\n"
                           "    if name[:4] != 'any_':\n"
                           "        raise AttributeError(name)\n"
                           "    return [name, w]")


def all_part(names):
    return Part(f"__all__ = {list(names)!r}")


def standard_part(x):
    """A local module may stand in front of one of the standard library."""
    return Part(f"import {STANDARD} as _{x}", f"getattr(_{x}, 'w', 'std')")
