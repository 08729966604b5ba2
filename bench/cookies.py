#!/usr/bin/env python3
"""Server CPU of a signed cookie that is read, checked and set again; beside a
C module that does the same with OpenSSL, and beside Debian's mod_php where it
is installed. (Debian's mod_python cannot sign with Python 3.8 or later.)

    python3 bench/cookies.py [--mpms prefork] [--servers c,ours]

Server and client share one CPU. Every answer is compared. Exit status 0 only
if ours is within its limit and below the others."""

import hashlib
import hmac

import rig
import visits

LIMIT = 1.4
SECRET = "a secret of the usual length, for all of them"

PYTHON = f"""\
from mod_python import Cookie, apache

SECRET = {SECRET!r}

def signed(req):
    cookie = Cookie.get_cookie(req, "user", Cookie.SignedCookie,
                               secret=SECRET)
    value = cookie.value if cookie else "ada"
    Cookie.add_cookie(req, Cookie.SignedCookie(
        "user", value, SECRET, path="/", samesite="Lax", httponly=True))
    req.content_type = "text/plain"
    req.write(value, 0)
    req.write("\\n", 0)
    return apache.OK
"""

PHP = f"""<?php header("Content-Type: text/plain");
$secret = "{SECRET}";
$value = "ada";
$text = $_COOKIE["user"] ?? "";
if (strlen($text) >= 64) {{
    $rest = substr($text, 64);
    if (hash_equals(hash_hmac("sha256", "user=" . $rest, $secret),
                    substr($text, 0, 64))) {{
        $value = $rest;
    }}
}}
setcookie("user", hash_hmac("sha256", "user=" . $value, $secret) . $value,
          ["path" => "/", "httponly" => true, "samesite" => "Lax"]);
echo $value, "\\n";
"""


class Signed(visits.Visit):
    """Each cookie that comes back must be the right one."""

    expected = "user=" + hmac.new(SECRET.encode(), b"user=ada",
                                  hashlib.sha256).hexdigest() + "ada"

    def is_right(self, body):
        return body == b"ada\n" and self.cookie in (None, self.expected)


def main():
    return visits.main(
        __doc__, "/signed", "c_cookies", "signed", LIMIT, Signed,
        ours={"signed.py": PYTHON}, debian=None, php={"signed.php": PHP})


if __name__ == "__main__":
    rig.main(main)
