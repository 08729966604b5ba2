#!/usr/bin/env python3
"""Compares the log codes of src/ with docs/errors.md.

Every code is used at one place and has one entry, a heading that begins with
it, which says the cause, the effect and what to do. No message of level
warning or above goes without a code.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
CODE = re.compile(r"MPY\d{4}")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
HEADING = re.compile(r"^#+\s+`?(MPY\d{4})`?.*$", re.MULTILINE)
PARTS = ("cause", "effect", "what to do")
# mp_log_plain() and mp_log_write(..., NULL, ...) carry no code.
UNCODED = re.compile(r"\bmp_log_plain\s*\((?P<arguments>[^;\"]*)\"")
LOUD = re.compile(r"\bAPLOG_(WARNING|ERR|CRIT|ALERT|EMERG)\b")


def blank(match):
    """Take a comment away and keep its lines."""
    return "\n" * match.group().count("\n")


def read_sources():
    """Where each code is used, and the loud messages without one."""
    used, uncoded = {}, []
    for path in sorted((*(ROOT / "src").rglob("*.c"),
                        *(ROOT / "src").rglob("*.h"))):
        text = COMMENT.sub(blank, path.read_text(encoding="utf-8"))
        name = path.relative_to(ROOT)

        def place(match):
            return f"{name}:{text.count(chr(10), 0, match.start()) + 1}"

        for match in CODE.finditer(text):
            used.setdefault(match.group(), []).append(place(match))
        for match in UNCODED.finditer(text):
            if LOUD.search(match.group("arguments")):
                uncoded.append(place(match))
    return used, uncoded


def read_page():
    """{code: text of its entry}, and the codes that have several."""
    entries, double = {}, []
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    headings = list(HEADING.finditer(text))
    for match, following in zip(headings, headings[1:] + [None]):
        code = match.group(1)
        if code in entries:
            double.append(code)
        end = following.start() if following else len(text)
        entries[code] = text[match.end():end].lower()
    return entries, double


def main():
    used, uncoded = read_sources()
    entries, double = read_page()
    faults = [f"{place}: a message from warning up has no code"
              for place in uncoded]
    for code, places in sorted(used.items()):
        if len(places) > 1:
            faults.append(f"{code} is used at {', '.join(places)}")
        if code not in entries:
            faults.append(f"{places[0]}: {code} has no entry in "
                          f"{PAGE.relative_to(ROOT)}")
    for code in double:
        faults.append(f"{code} has several entries in "
                      f"{PAGE.relative_to(ROOT)}")
    for code, text in sorted(entries.items()):
        if code not in used:
            faults.append(f"{code} has an entry in {PAGE.relative_to(ROOT)} "
                          "but is not used")
        missing = [part for part in PARTS if part not in text]
        if missing:
            faults.append(f"the entry of {code} does not say: "
                          + ", ".join(missing))
    print("".join(fault + "\n" for fault in faults), end="")
    print(f"check_codes: {len(used)} codes, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
