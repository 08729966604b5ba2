"""What `import x` inside a function costs when x is loaded: of a hot module
in hot code, beside CPython's own of a cold module in cold code.

Used by reload.py. Both run in one request of one child, in short turns of
random order, and are timed by the thread's CPU clock."""

import operator
import statistics

import rig

LOOPS = 2000            # of a turn
LIMIT_RATIO = 1.0

LOCATION = """\
<Location "/page">
    Require all granted
    SetHandler mod_python
    PythonHandler page
    PythonAutoReload On
</Location>
"""

# The same functions for both, with other names in their imports.
FUNCTIONS = """
import time


def plain(count):
    started = time.thread_time_ns()
    for _ in range(count):
        import {plain}
    return time.thread_time_ns() - started


def name(count):
    started = time.thread_time_ns()
    for _ in range(count):
        from {plain} import {attribute}
    return time.thread_time_ns() - started


def dotted(count):
    started = time.thread_time_ns()
    for _ in range(count):
        import {package}.{part}
    return time.thread_time_ns() - started


def dotted_name(count):
    started = time.thread_time_ns()
    for _ in range(count):
        from {package}.{part} import {part_attribute}
    return time.thread_time_ns() - started


def part(count):
    started = time.thread_time_ns()
    for _ in range(count):
        from {package} import {part}
    return time.thread_time_ns() - started
"""

HOT = FUNCTIONS.format(plain="child", attribute="value", package="pkg",
                       part="part", part_attribute="value")
COLD = FUNCTIONS.format(plain="string", attribute="digits", package="json",
                        part="decoder", part_attribute="JSONDecoder")

FORMS = {"plain": "import x", "name": "from x import y",
         "dotted": "import a.b", "dotted_name": "from a.b import y",
         "part": "from a import b"}

PAGE = f"""
import json
import random

import cold_imports
import hot_imports

FORMS = {list(FORMS)!r}
TURNS = [(form, module) for form in FORMS
         for module in (hot_imports, cold_imports)]


def handler(req):
    times = {{}}
    for _ in range(int(req.args)):
        random.shuffle(TURNS)
        for form, module in TURNS:
            times.setdefault(form + "," + module.KIND, []).append(
                getattr(module, form)({LOOPS}))
    req.content_type = "application/json"
    req.write(json.dumps(times))
    return 0
"""

FILES = {
    "page.py": PAGE, "child.py": "value = 1\n", "pkg/__init__.py": "",
    "pkg/part.py": "value = 2\n", "hot_imports.py": "KIND = 'hot'\n" + HOT,
}


def measure(_tools, arguments, claims):
    server = rig.BareServer(rig.Bare(rig.ours() + LOCATION), FILES)
    (server.root / "lib" / "cold_imports.py").write_text(
        "KIND = 'cold'\n" + COLD)
    with server, server.connect() as connection:
        connection.get("/page?2")
        response = connection.get(f"/page?{arguments.rounds or 200}")
        if response.status != 200:
            raise RuntimeError(server.said())
        times = response.json()
    for form, text in FORMS.items():
        hot, cold = times[f"{form},hot"], times[f"{form},cold"]
        ratio = statistics.median(map(operator.truediv, hot, cold))
        claims.limit(
            f"import: {text:17} {statistics.median(hot) / LOOPS:4.0f} ns hot, "
            f"{statistics.median(cold) / LOOPS:4.0f} ns CPython's own",
            ratio, LIMIT_RATIO, "times")
