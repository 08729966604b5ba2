"""python3 -m oracle --minutes N

Random trees and edits for so many minutes, in turn with PythonReloadFailure
error and keep. Prints how many, and ends with 1 and a test when a URL answers
what a fresh server would not. The MPM is that of MP_MPM."""

import argparse
import sys

from .lab import Difference, Lab
from .search import search_on


def main():
    parser = argparse.ArgumentParser(prog="oracle")
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    labs = [Lab("error"), Lab("keep")]
    try:
        search_on(labs, options.minutes, lambda text: print(text, flush=True))
    except Difference as error:
        print(error)
        return 1
    finally:
        for lab in labs:
            lab.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
