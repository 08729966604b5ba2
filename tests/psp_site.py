"""Sites whose files are PSP pages, and handlers that run pages."""


def pages(site):
    """psp({name: text}): the site, with these files as pages."""
    def write(files, more=""):
        site.write(files)
        site.serve("mod_python.psp", more)
        return site
    return write


def inside(text, more="from mod_python import apache, psp"):
    """A handler whose function body is `text`."""
    lines = "\n".join("    " + line for line in text.strip().split("\n"))
    return f"{more}\n\ndef handler(req):\n{lines}\n    return apache.OK\n"
