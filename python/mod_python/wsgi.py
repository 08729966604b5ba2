"""WSGI applications (PEP 3333) behind httpd.

    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application shop.site::application

What runs on each request is in C. The application and the modules it is made
of are reloaded when they are edited, as those of any handler: docs/wsgi.md.
"""

try:
    from _web import FileWrapper, wsgi_handler as handler
except ImportError as absent:
    raise ImportError(
        "mod_python.wsgi exists only inside httpd: it needs the built-in "
        "module _web, which mod_python.so brings along",
        name="mod_python.wsgi") from absent

__all__ = ["FileWrapper", "handler"]
