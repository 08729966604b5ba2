"""Cookies: plain ones, signed ones, and signed ones with Python values.

    from mod_python import Cookie

    Cookie.add_cookie(req, "language", "en", path="/", max_age=86400)
    language = Cookie.get_cookie(req, "language")

All of it is made by the built-in module ``_web``; docs/cookies.md says how to
use it.
"""

try:
    from _web import (
        Cookie, CookieError, MarshalCookie, SignedCookie, add_cookie,
        get_cookie, get_cookies)
except ImportError as absent:
    raise ImportError(
        "mod_python.Cookie exists only inside httpd: it needs the built-in "
        "module _web, which mod_python.so brings along",
        name="mod_python.Cookie") from absent

DOWNGRADE = Cookie.DOWNGRADE
IGNORE = Cookie.IGNORE
EXCEPTION = Cookie.EXCEPTION
