"""The version of mod_python, and what it was built for.

    version             of this package; the one place it is written down
    HTTPD               the program, a path
    HTTPD_VERSION       of httpd, "2.4.62"
    APR_VERSION         of APR
    LIBEXECDIR          where httpd's modules are
    SYSCONFDIR          where httpd's configuration is
    PYTHON_BIN          the Python that the module embeds, a path
    TEST_MOD_PYTHON_SO  the module to load
    TESTHOME            the tests of a checkout, "" for an installed package

All are str, "" where it is not known. `make install` writes them down; in a
checkout apxs is asked when they are first needed."""

version = "4.0.0"

_NAMES = ("HTTPD", "HTTPD_VERSION", "APR_VERSION", "LIBEXECDIR", "SYSCONFDIR",
          "PYTHON_BIN", "TEST_MOD_PYTHON_SO", "TESTHOME")


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from mod_python import built
    except ImportError:
        from mod_python import checkout as built
    value = getattr(built, name)
    globals()[name] = value
    return value
