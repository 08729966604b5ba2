"""The type information: mypy's stubtest compares it with the modules as they
are in a running server."""

import pytest

pytest.importorskip("mypy.stubtest", reason="mypy is not installed")

COMPARE = """
    import contextlib
    import io
    import os

    from mod_python import apache
    from mypy import stubtest

    def handler(req):
        os.environ["MYPYPATH"] = os.environ["PYTHONPATH"]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            failed = stubtest.test_stubs(stubtest.parse_options(
                [*req.args.split(","), "--concise", "--allowlist",
                 os.path.join(os.path.dirname(__file__), "allowed.txt")]))
        req.write(f"{failed}\\n{said.getvalue()}")
        return apache.OK
    """

# Programs may set attributes of their own; mp_finfo is iterated over by index;
# pages call and index what they are given as psp.
ALLOWED = r"""
    .*\.mp_(request|server)\.__getattr__
    .*\.mp_finfo\.__iter__
    mod_python\.psp\.PSPInterface\.__(call|getitem)__
    """
MODULES = [
    "mod_python.apache", "mod_python.util", "mod_python.Cookie",
    "mod_python.Session", "mod_python.psp,mod_python.publisher",
    "mod_python.cache,mod_python.cgihandler,mod_python.httpdconf,"
    "mod_python.python22,mod_python.testhandler,mod_python.version,"
    "mod_python.wsgi",
    "_apache,--ignore-missing-stub", # it says so: those are Any
]


@pytest.mark.seconds(240)
@pytest.mark.parametrize("names", MODULES)
def test_stubs_say_what_the_running_module_has(own_server, names):
    server = own_server("Timeout 200", children=1, files={
        "compare.py": COMPARE, "allowed.txt": ALLOWED,
        ".htaccess": "SetHandler mod_python\nPythonHandler compare\n"})
    server.log.allow(".")
    response = server.site.get(
        f"?{names},--ignore-unused-allowlist", timeout=200)
    failed, _, said = response.text.partition("\n")
    assert not said and failed == "0", said
