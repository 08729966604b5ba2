"""An output filter: puts the menu of the site into each page.

httpd calls it with one piece of the page after the other. What came so far is
kept on the request; with the end of the page all of it goes on."""

from mod_python import apache

from menu import ITEMS

STYLE = (b"<style>body{max-width:40em;margin:2em auto;"
         b"font:17px/1.5 system-ui,sans-serif}nav a{margin-right:1em}</style>")


def fixuphandler(req):
    req.register_output_filter("frame", outputfilter)
    req.add_output_filter("frame")
    return apache.OK


def outputfilter(filter):
    req = filter.req
    page = getattr(req, "page_so_far", b"")
    data = filter.read()
    while data:
        page += data
        data = filter.read()
    req.page_so_far = page
    if data is None:
        filter.write(framed(page, req.uri))
        filter.close()


def framed(page, uri):
    return (page.replace(b"</head>", STYLE + b"</head>", 1)
            .replace(b"<body>", b"<body>\n" + menu(uri).encode(), 1))


def menu(uri):
    links = "".join(
        f"<b>{title}</b>" if uri.endswith(f"/{page}")
        else f"<a href=\"{page}\">{title}</a>" for page, title in ITEMS)
    return f"<nav>{links}</nav>"
