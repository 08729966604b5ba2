"""The page of the example site. Edit it, save it, refresh the browser."""

import os
import platform
import time
from html import escape

from mod_python import apache

from greeting import greet
from shop import receipt

TITLE = "It works"

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
  body {{ font: 17px/1.5 sans-serif; max-width: 44em; margin: 3em auto;
         padding: 0 1em; color: #222; background: #fdfdfb; }}
  h1 {{ color: #357; }}
  td, th {{ padding: .3em 1em .3em 0; text-align: left;
           border-bottom: 1px solid #ddd; vertical-align: top; }}
  code {{ background: #eef; padding: .1em .3em; }}
  footer {{ color: #777; margin-top: 2em; font-size: 85%; }}
</style>
<h1>{title}</h1>
<p>This page was made by Python inside Apache. Change any of these files in
<code>{directory}</code>, save it, and refresh: there is nothing to restart.
<table>
<tr><th>You see<th>Edit
<tr><td>{title}<td><code>hello.py</code>, the handler
<tr><td>{greeting}<td><code>greeting.py</code>, imported by hello.py, and
<code>words.py</code>, imported by greeting.py
<tr><td>{receipt}<td><code>shop/</code>, a package: <code>__init__.py</code>
imports <code>.basket</code>, which imports <code>.prices</code>
</table>
<p>Break one of them on purpose and refresh: the page shows the error. Mend it
and refresh again.
<footer>{when}, process {process}, Python {python}</footer>
</html>
"""


def handler(req):
    """Answer one request. req is Apache's request; see docs/README.md."""
    req.content_type = "text/html; charset=utf-8"
    req.write(PAGE.format(
        title=escape(TITLE),
        directory=escape(os.path.dirname(__file__)),
        greeting=escape(greet("world")),
        receipt=escape(receipt()),
        when=time.strftime("%H:%M:%S"),
        process=os.getpid(),
        python=platform.python_version()))
    return apache.OK
