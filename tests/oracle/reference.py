"""What Python itself makes of a tree; see fresh.py, which does it."""

import json
import pathlib
import subprocess
import sys

PROGRAM = pathlib.Path(__file__).with_name("fresh.py")


class Reference:
    """The process that forks the fresh ones. `ask`, do something else
    meanwhile, then `answer`."""

    def __init__(self):
        # Not -I: the tests may run with a Python of another version.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", PROGRAM], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._asked = self._answered = 0

    def ask(self, root, pages):
        """root: the directory as httpd is configured with it; pages: names of
        modules."""
        json.dump({"root": str(root), "pages": list(pages)},
                  self._process.stdin)
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._asked += 1

    def answer(self):
        """{"alone", "together", "plain"}: see fresh.py."""
        while self._answered < self._asked:  # more: nobody waited for them
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError("the reference process has ended")
            self._answered += 1
        return {kind: [tuple(pair) for pair in answers]
                for kind, answers in json.loads(line).items()}

    def close(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
