"""All threads of a child at once, each by turns in three interpreters: as deep
as Python goes, asleep, in threads of their own, with errors, in the middle of
another interpreter's page.

A page says what is wrong with the thread it ran on: Python must have the same
threading.local there as the last time, and must go as deep as always."""

import rig
from kinds import Kind, Page, locations

SOAK = """
import _thread
import sys
import threading
import time

from mod_python import apache

FRAMES = 20     # that a handler may have above it

local = threading.local()
seen = set()    # threads that ran here
depths = set()  # how deep Python went from a page


def depth():
    "How many calls there are until RecursionError."
    count = 0

    def call():
        nonlocal count
        count += 1
        call()
    try:
        call()
    except RecursionError:
        return count


def same_thread():
    here = _thread.get_ident(), _thread.get_native_id()
    seen.add(here)
    if getattr(local, "here", here) != here:
        raise RuntimeError(f"{local.here} has become {here}")
    local.here = here


def dive(least):
    "How deep; RuntimeError unless Python goes as deep here as it should."
    deep = depth()
    if deep < least:
        raise RuntimeError(f"RecursionError after {deep} calls")
    calls = 0

    def through_c(_):
        nonlocal calls
        calls += 1
        return max((0,), key=through_c)
    try:
        through_c(0)
    except RecursionError:
        if calls < least // 3:
            raise RuntimeError(f"RecursionError after {calls} calls by C")
    nested = []
    for _ in range(2 * sys.getrecursionlimit()):
        nested = [nested]
    try:
        repr(nested)
    except RecursionError:
        return deep


def plain(req):
    pass


def deep(req):
    depths.add(dive(sys.getrecursionlimit() - FRAMES))


def sleep(req):
    time.sleep(0.002)


def errors(req):
    req.failing = True
    try:
        dive_without_end()
    except RecursionError as error:
        req.error = error


def dive_without_end():
    dive_without_end()


def spawn(req):
    result = []
    thread = threading.Thread(target=lambda: result.append(dive(
        sys.getrecursionlimit() - FRAMES)))
    thread.start()
    thread.join()
    if not result:
        raise RuntimeError("a thread went wrong")


def hop(req):
    req.internal_redirect("/soak-two/deep")


def end(req):
    raise ValueError(req)


def handler(req):
    same_thread()
    name = req.uri.rsplit("/", 1)[1]
    globals()[name](req)
    same_thread()
    if name != "hop":
        req.content_type = "text/plain"
        req.write(f"{apache.interpreter} {name}", 0)
    if name in ("errors", "sleep"):
        req.register_cleanup(end, req)
    return apache.OK


def loghandler(req):
    "A bogus error here would be said by the next page."
    same_thread()
    if hasattr(req, "failing"):
        dive_without_end()
    return apache.OK


def report(req):
    "Threads and depths of this interpreter."
    req.write(f"{len(seen)} {len(depths)} {min(depths)} {max(depths)}")
    return apache.OK
"""
INCLUDE = """\
<!--#python exec="
import soak
soak.same_thread()
soak.deep(filter.req)
filter.write('in ')
" -->[<!--#include virtual="/soak-one/deep" -->]\
[<!--#include virtual="/soak-two/sleep" -->]\
<!--#python eval="soak.apache.interpreter" -->"""
CONFIGURATION = """\
LogLevel python:emerg
<IfModule !mod_include.c>
    LoadModule include_module {modules}/mod_include.so
</IfModule>
<Location "/site/soak.shtml">
    Require all granted
    Options +Includes
    SetOutputFilter INCLUDES
    PythonInterpreter main_interpreter
</Location>
"""
INTERPRETERS = {"main": "main_interpreter", "one": "one", "two": "two"}
THREADS = 32
# The share of the requests of each interpreter, and the connections; there
# must not be more of these than threads.
SHARES = {"plain": (0.2, 4), "deep": (0.05, 3), "sleep": (0.045, 1),
          "errors": (0.005, 1), "spawn": (0.01, 1)}


def configuration(_tools):
    return CONFIGURATION.format(modules=rig.apxs("LIBEXECDIR")) + "".join(
        locations({f"/soak-{word}": "soak"}, f"PythonInterpreter {name}",
                  "PythonLogHandler soak")
        + locations({f"/report-{word}": "soak::report"},
                    f"PythonInterpreter {name}")
        for word, name in INTERPRETERS.items())


def pages():
    for word, name in INTERPRETERS.items():
        for page, (share, connections) in SHARES.items():
            yield Page(f"/soak-{word}/{page}", f"{name} {page}", share,
                       connections)
    yield Page("/soak-one/hop", "two deep", 0.035)
    yield Page("/site/soak.shtml",
               "in [one deep][two sleep]main_interpreter", 0.035)


def finish(server, claims, _names):
    threads = 1 if server.config.mpm == "prefork" else THREADS
    for word, name in INTERPRETERS.items():
        seen, depths, least, most = map(
            int, server.get(f"/report-{word}").text.split())
        claims.add(seen >= threads, f"soak: threads that ran in {name}: "
                                    f"{seen} (at least {threads})")
        print(f"     soak: {depths} different depths, {least} to {most}")


KIND = Kind(pages=list(pages()), files={"soak.py": SOAK,
                                        "soak.shtml": INCLUDE},
            configuration=configuration, together=True,
            interpreters=("one", "two"), threads=THREADS,
            # Until each thread has run each page in each interpreter.
            warm_up=0.5, finish=finish)
