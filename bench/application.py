"""A hot application as people write them: a leaf with a value that changes,
modules of about sixty lines that import it, a page that imports them all.

Used by visible.py and stall.py. The modules are of four kinds that take
turns: plain functions and classes; decorated functions, with the decorator
from another hot module; a dataclass; an enum and a named tuple."""

LEAF = "value = {version}\n"

TOOLS = '''\
"""Decorators of the application."""

import functools
import time


def timed(function):
    """Remember how long the last call took."""

    @functools.wraps(function)
    def wrapper(*args, **more):
        started = time.perf_counter()
        try:
            return function(*args, **more)
        finally:
            wrapper.last = time.perf_counter() - started

    wrapper.last = None
    return wrapper


def named(name):
    """Give a function another name to be shown."""

    def decorate(function):
        function.shown_as = name
        return function

    return decorate
'''

HEAD = '''\
"""Module {number} of the application."""

import json
import logging
{imports}
from leaf import value

log = logging.getLogger(__name__)

NUMBER = {number}
DEFAULTS = {{"colour": "blue", "size": 12, "tags": ["a", "b", "c"]}}
'''

TAIL = '''

class Record:
    """A row with a name, an identifier and options."""

    fields = ("name", "identifier", "options")

    def __init__(self, name, identifier, options=None):
        self.name = name
        self.identifier = identifier
        self.options = dict(DEFAULTS, **(options or {{}}))

    def as_json(self):
        data = {{field: getattr(self, field) for field in self.fields}}
        return json.dumps(data, sort_keys=True)

    @property
    def is_valid(self):
        return bool(self.name) and self.identifier > 0


def answer():
    """What the page shows of this module."""
    return value
'''

PLAIN = '''

class Store:
    """Records by name, and how often each was asked for."""

    def __init__(self):
        self.records = {{}}
        self.asked = collections.Counter()

    def add(self, record):
        if not record.is_valid:
            raise ValueError(record.name)
        self.records[record.name] = record
        return record

    def find(self, name, default=None):
        self.asked[name] += 1
        return self.records.get(name, default)


def load(lines):
    """A store from lines of name, colon, number."""
    store = Store()
    for line in lines:
        match = PATTERN.match(line)
        if match:
            store.add(Record(match["name"], int(match["number"])))
        else:
            log.warning("not understood: %r", line)
    return store


PATTERN = re.compile(r"(?P<name>\\w+):(?P<number>\\d+)")
'''

DECORATED = '''

class Report:
    """Lines with a title, sorted."""

    def __init__(self, title, lines=()):
        self.title = title
        self.lines = list(lines)

    def add(self, text, *args):
        self.lines.append(text % args if args else text)

    def __str__(self):
        return "\\n".join([self.title, *sorted(self.lines)])


@functools.lru_cache(maxsize=128)
def weight(name, size=12):
    """How heavy a name is."""
    return sum(map(ord, name)) * size + NUMBER


@timed
def collect(records):
    """A report of all valid records."""
    report = Report("records")
    for record in records:
        if record.is_valid:
            report.add("%s %d", record.name, weight(record.name))
    return report


@named("today")
def today():
    return datetime.date.today()
'''

DATACLASS = '''

@dataclasses.dataclass(frozen=True)
class Point:
    """A place in the plane."""

    x: int
    y: int = 0
    label: str = ""
    tags: list = dataclasses.field(default_factory=list, compare=False)

    def moved(self, dx: int, dy: int) -> "Point":
        return dataclasses.replace(self, x=self.x + dx, y=self.y + dy)

    def distance(self, other: "Point") -> float:
        return math.hypot(self.x - other.x, self.y - other.y)


def outline(points):
    """The length of the way through all the points and back."""
    points = list(points)
    if len(points) < 2:
        return 0.0
    pairs = zip(points, points[1:] + points[:1])
    return sum(first.distance(second) for first, second in pairs)


def parse(text):
    for word in text.split():
        x, _, y = word.partition(",")
        yield Point(int(x), int(y or 0))
'''

ENUM = '''

class Colour(enum.Enum):
    """What may be chosen."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"

    @property
    def is_warm(self):
        return self is Colour.RED


class Choice(NamedTuple):
    """What somebody chose."""

    who: str
    colour: Colour
    reason: Optional[str] = None


def count(choices: List[Choice]) -> Dict[Colour, int]:
    """How often each colour was chosen."""
    counts = {{colour: 0 for colour in Colour}}
    for choice in choices:
        counts[choice.colour] += 1
    return counts


def winner(choices: List[Choice]) -> Optional[Colour]:
    counts = count(choices)
    return max(counts, key=counts.get) if counts else None
'''

KINDS = (
    ("import collections\nimport re\n", PLAIN),
    ("import datetime\nimport functools\n\nfrom tools import named, timed",
     DECORATED),
    ("import dataclasses\nimport math\n", DATACLASS),
    ("import enum\nfrom typing import Dict, List, NamedTuple, Optional\n",
     ENUM),
)

PAGE = '''\
import {modules}

MODULES = [{modules}]


def handler(req):
    req.content_type = "text/plain"
    req.write(" ".join(sorted({{str(module.answer()) for module in MODULES}})))
    return 0
'''


def leaf(version):
    return LEAF.format(version=version)


def module(number, package=""):
    imports, middle = KINDS[number % len(KINDS)]
    text = (HEAD + middle + TAIL).format(number=number, imports=imports)
    if package:
        for name in ("leaf", "tools"):
            text = text.replace(f"from {name} ", f"from {package}.{name} ")
    return text


def names(dependents, package=""):
    """Of the modules that an edit of the leaf executes again: the leaf, the
    dependents, and the last of them is the page."""
    before = f"{package}." if package else ""
    return [f"{before}leaf",
            *(f"{before}m{number:03}" for number in range(dependents - 1)),
            f"{before}page"]


def _page(middle):
    text = PAGE.format(modules=", ".join(middle))
    if len(middle) == 1 and middle[0].endswith("leaf"):
        text = text.replace("module.answer()", "module.value")
    return text


def files(dependents, package=""):
    """{name: text}. The page is one of the dependents; with only one it
    imports the leaf itself. With a package all are parts of that, and import
    each other by their full names."""
    middle = names(dependents, package)[1:-1] or names(dependents, package)[:1]
    texts = {"leaf.py": leaf(0), "tools.py": TOOLS, "page.py": _page(middle)}
    for number in range(dependents - 1):
        texts[f"m{number:03}.py"] = module(number, package)
    if package:
        texts = {f"{package}/{name}": text for name, text in texts.items()}
        texts[f"{package}/__init__.py"] = ""
    return texts
