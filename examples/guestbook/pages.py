"""What the visitor sees."""

from html import escape

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Guest book</title>
<style>
body { max-width: 40em; margin: 2em auto; padding: 0 1em;
       font: 17px/1.5 system-ui, sans-serif }
input, textarea { width: 100%%; font: inherit; box-sizing: border-box }
article { border-top: 1px solid #ccc; margin-top: 1em }
.trouble { color: #b00 }
</style>
</head>
<body>
<h1>Guest book</h1>
%(trouble)s
<form method="post" action="sign">
<input type="hidden" name="token" value="%(token)s">
<p><label>Name <input name="name" value="%(name)s"></label></p>
<p><label>Text <textarea name="text" rows="4">%(text)s</textarea></label></p>
<p><button>Sign</button></p>
</form>
%(entries)s
</body>
</html>
"""
ENTRY = """\
<article><p>%s</p>
<p><small>%s, %s</small></p></article>
"""


def book(entries, token, name, text, trouble):
    return PAGE % {
        "token": escape(token), "name": escape(name), "text": escape(text),
        "trouble": trouble and f"<p class=\"trouble\">{escape(trouble)}</p>",
        "entries": "".join(
            ENTRY % (escape(said).replace("\n", "<br>\n"), escape(who), when)
            for who, said, when in entries)}
