#!/usr/bin/env python3
"""Finds mutable C globals in the objects and compares them with globals.txt.

    check_globals.py [build directory]

What the compiler put into a writable section is mutable, static locals and
thread-local variables included. Tables of constants with pointers in them are
in .data.rel.ro and do not count. Each line of globals.txt is a source file, a
name, and the reason why that one may exist; file and name may be patterns. A
variable without a line is a fault, and so is a line without a variable.
"""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "scripts" / "globals.txt"
# value, flags, section, size, name (objdump -t)
SYMBOL = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(.+)$")
WRITABLE = re.compile(r"^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)")
READ_ONLY = re.compile(r"^\.data\.rel\.ro")


def plain_name(symbol):
    """The name in the source: gcc numbers static locals (once.0), clang puts
    the function before them (attach.once)."""
    symbol = symbol.removeprefix(".hidden ")
    return re.sub(r"\.\d+$", "", symbol).split(".")[-1]


def read_object(path):
    result = subprocess.run(["objdump", "-t", path], check=True, text=True,
                            capture_output=True)
    for line in result.stdout.splitlines():
        match = SYMBOL.match(line)
        if not match:
            continue
        flags, section, name = match.groups()
        if flags[5] == "d" or READ_ONLY.match(section):
            continue  # the section's own symbol, or constants
        if WRITABLE.match(section):
            yield plain_name(name.strip())


def read_list():
    """[file pattern, name pattern, reason, line number]"""
    rows = []
    for number, line in enumerate(LIST.read_text().splitlines(), 1):
        words = line.split(None, 2)
        if not words or words[0].startswith("#"):
            continue
        rows.append((words + ["", ""])[:3] + [number])
    return rows


def main():
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build")
    faults, found = [], []
    for source in sorted((ROOT / "src").rglob("*.c")):
        path = build / "obj" / source.relative_to(ROOT / "src")
        path = path.with_suffix(".o")
        name = str(source.relative_to(ROOT))
        if not path.is_file():
            faults.append(f"{name}: no object in {build}: build first")
            continue
        found.extend((name, symbol) for symbol in read_object(path))
    rows = read_list()
    matched = set()
    for name, symbol in found:
        fits = [row[3] for row in rows
                if fnmatch.fnmatchcase(name, row[0])
                and fnmatch.fnmatchcase(symbol, row[1])]
        matched.update(fits)
        if not fits:
            faults.append(f"{name}: {symbol} is a mutable global: make it "
                          "const or part of a state, or give the reason in "
                          f"{LIST.relative_to(ROOT)}")
    for file, symbol, reason, number in rows:
        place = f"{LIST.relative_to(ROOT)}:{number}"
        if number not in matched:
            faults.append(f"{place}: there is no {symbol} in {file}")
        if not reason:
            faults.append(f"{place}: no reason for {symbol} in {file}")
    print("".join(fault + "\n" for fault in faults), end="")
    print(f"check_globals: {len(found)} globals, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
