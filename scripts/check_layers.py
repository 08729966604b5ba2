#!/usr/bin/env python3
"""Checks the direction of #include between and within the layers of src/.

A file includes only its own layer and those below it; core sees neither
httpd nor Python, server does not see Python. A unit is x.c with x.h; no chain
of includes leads from a unit back to itself.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
# From the bottom up. What stands in src/ itself wires the layers.
LAYERS = ("core", "server", "runtime", "importer", "objects", "web", "hooks")
TOP = len(LAYERS)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
HTTPD = re.compile(r"(httpd|ap_\w+|http_\w+|util_\w+|mpm_common|scoreboard|"
                   r"mod_\w+)\.h$")
PYTHON = re.compile(r"(Python|structmember|pyconfig)\.h$|runtime/python\.h$")


def layer_of(path):
    parts = path.relative_to(SOURCE).parts
    if len(parts) == 1:
        return TOP
    return LAYERS.index(parts[0]) if parts[0] in LAYERS else None


def unit_of(path):
    return str(path.relative_to(SOURCE).with_suffix(""))


def name_of(layer):
    return "src" if layer == TOP else LAYERS[layer]


def check_file(path, edges):
    """Yield faults; enter the includes of path into edges."""
    layer = layer_of(path)
    if layer is None:
        yield f"{path.parent.name}/ is not a layer ({', '.join(LAYERS)})"
        return
    for quote, name in INCLUDE.findall(path.read_text(encoding="utf-8")):
        target = SOURCE / name
        if quote == '"' and target.is_file():
            below = layer_of(target)
            if below is not None and below > layer:
                yield f"{name_of(layer)} includes {name}, which is above it"
            if unit_of(target) != unit_of(path):
                edges.setdefault(unit_of(path), set()).add(unit_of(target))
        elif quote == '"':
            yield f'"{name}" is not a file under src/'
        if layer == LAYERS.index("core") and HTTPD.match(name):
            yield f"core includes {name}: it must not know httpd"
        if layer < LAYERS.index("runtime") and PYTHON.search(name):
            yield f"{name_of(layer)} includes {name}: it must not know Python"


def find_cycle(edges):
    """A list of units that leads back to its first, or None."""
    done, path = set(), []

    def visit(unit):
        if unit in path:
            return path[path.index(unit):] + [unit]
        if unit in done:
            return None
        path.append(unit)
        for target in sorted(edges.get(unit, ())):
            cycle = visit(target)
            if cycle:
                return cycle
        path.pop()
        done.add(unit)
        return None

    for unit in sorted(edges):
        cycle = visit(unit)
        if cycle:
            return cycle
    return None


def main():
    edges = {}
    faults = []
    paths = sorted((*SOURCE.rglob("*.c"), *SOURCE.rglob("*.h")))
    for path in paths:
        for fault in check_file(path, edges):
            faults.append(f"{path.relative_to(ROOT)}: {fault}")
    while True:
        cycle = find_cycle(edges)
        if not cycle:
            break
        faults.append("include cycle: " + " -> ".join(cycle))
        edges[cycle[-2]].discard(cycle[-1])
    print("".join(fault + "\n" for fault in faults), end="")
    print(f"check_layers: {len(paths)} files, {len(faults)} faults")
    return 1 if faults or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
