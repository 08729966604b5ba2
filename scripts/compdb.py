#!/usr/bin/env python3
"""Writes the compilation database that clangd and clang-tidy read.

    compdb.py compile_commands.json "the compiler and its flags" source...
"""

import json
import shlex
import sys
from pathlib import Path


def main():
    output, command, *sources = sys.argv[1:]
    here = str(Path.cwd())
    rows = [{"directory": here, "file": source,
             "arguments": shlex.split(command) + ["-c", source]}
            for source in sources]
    Path(output).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
