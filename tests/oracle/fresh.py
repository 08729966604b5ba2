"""Runs as a process of its own: what Python's own import makes of a tree.

Reads requests as lines of JSON and answers each with a line of JSON. Every
answer comes from processes that are forked for it and that have imported
nothing of any tree before. Nothing of mod_python is in here.

A request is {"root": DIR, "pages": [module, ...]}. The answer has three lists
of [status, text], one for each page:

"alone"     the page asked for by itself in a process of its own.
"together"  all pages asked for in order, twice, in one process, as a browser
            would a server; the second answers. A page that fails to load
            leaves nothing behind, neither modules nor what they did.
"plain"     the same, but what a page that fails to load has imported stays, as
            in Python.
"""

import importlib
import io
import json
import os
import pathlib  # noqa: what modules use is there before the fork
import sys


class Request:
    """As much of a request object as the pages use."""

    def __init__(self):
        self.parts = []

    def write(self, text):
        self.parts.append(text)


def load(page):
    """The module, or None if it does not load."""
    try:
        return importlib.import_module(page)
    except BaseException:
        return None


def call(module):
    """[status, text] of a page that is loaded or is not."""
    if module is None:
        return [500, ""]
    request = Request()
    try:
        module.handler(request)
    except BaseException:
        return [500, ""]
    return [200, "".join(request.parts)]


def apart(root, function, *arguments):
    """The result of function in a forked process."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            sys.path.insert(0, root)
            answer = json.dumps(function(*arguments)).encode()
            with open(writer, "wb") as file:
                file.write(answer)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    return json.loads(answer)


def loads(page):
    """Does the page load, given what is loaded? Found out in a fork, which
    goes on with it if so: only then does this function return at all."""
    pid = os.fork()
    if pid:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == 0:
            os._exit(0)  # the fork has done the rest
        return None
    module = load(page)
    if module is None:
        os._exit(1)
    return module


def together(pages, try_load):
    modules = {}
    for last in (False, True):
        answers = []
        for page in pages:
            if page not in modules:
                module = try_load(page)
                if module is not None:
                    modules[page] = module
            answers.append(call(modules.get(page)))
    return answers


def main():
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        request = json.loads(line)
        root, pages = request["root"], request["pages"]
        alone = [apart(root, lambda: call(load(page))) for page in pages]
        plain = rolled_back = apart(root, together, pages, load)
        if alone != plain:  # else it makes no difference who came before
            rolled_back = apart(root, together, pages, loads)
        answer = {"alone": alone, "together": rolled_back, "plain": plain}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
