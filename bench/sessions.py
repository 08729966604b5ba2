#!/usr/bin/env python3
"""Server CPU of a session that is found by its cookie, locked, read, changed
and saved; beside a C module that does the same over the same kind of store,
and beside Debian's mod_python and mod_php where they are installed.

    python3 bench/sessions.py [--mpms prefork] [--servers c,ours]

Server and client share one CPU. Every answer is compared: the session counts
requests. Exit status 0 only if ours is within its limit and below the
others."""

import os
import tempfile

import rig
import visits

LIMIT = 2.0

PYTHON = """\
from mod_python import apache

def count(req):
    session = req.get_session()
    session["n"] = n = session.get("n", 0) + 1
    session.save()
    req.content_type = "text/plain"
    req.write("%d\\n" % n, 0)
    return apache.OK
"""

CLASSIC = """\
from mod_python import apache, Session

def count(req):
    # With one child it has one lock, and divides by the number of the others.
    session = Session.Session(req, lock=0)
    session["n"] = n = session.get("n", 0) + 1
    session.save()
    req.content_type = "text/plain"
    req.write("%d\\n" % n, 0)
    return apache.OK
"""

PHP = """<?php session_start(); header("Content-Type: text/plain");
$_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1;
echo $_SESSION["n"], "\\n";
"""


class Counting(visits.Visit):
    """The answers are 1, 2, 3, ..."""

    def __init__(self):
        super().__init__()
        self.number = 0

    def is_right(self, body):
        self.number += 1
        return body == b"%d\n" % self.number


def main():
    # PHP makes its files in a directory that is there already.
    with tempfile.TemporaryDirectory(prefix="sessions-") as directory:
        os.chmod(directory, 0o1777)
        return measure(directory)


def measure(directory):
    shmcb = (f"LoadModule socache_shmcb_module {rig.apxs('LIBEXECDIR')}"
             "/mod_socache_shmcb.so\n")
    return visits.main(
        __doc__, "/count", "c_sessions", "count", LIMIT, Counting,
        ours={"count.py": PYTHON}, debian={"count.py": CLASSIC},
        php={"count.php": PHP}, more=shmcb,
        php_lines=f'php_admin_value session.save_path "{directory}"\n'
                  "php_admin_value session.cookie_httponly 1\n"
                  "php_admin_value session.cookie_samesite Lax\n")


if __name__ == "__main__":
    rig.main(main)
