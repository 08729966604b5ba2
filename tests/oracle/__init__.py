"""The oracle: whatever was edited, in whatever order, every URL answers what a
freshly started server on the same files would answer.

Random trees of modules and random edits are made (`model`, `edits`), written
below a real httpd and asked for (`lab`), and compared with what Python itself
makes of the same files in processes that have seen nothing else
(`reference`). Now and then a second httpd, restarted for the purpose, has to
agree. A tree and edits that lead to a difference are made as small as
possible and printed as a test (`report`).

    tests/test_oracle.py     a fixed set, for a bounded time
    ./run oracle --minutes 5 on and on, always others
"""

from .lab import Lab
from .reference import Reference
from .steps import Step

__all__ = ["Lab", "Reference", "Step"]
