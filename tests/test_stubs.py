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

# Programs may set attributes of their own; mp_finfo is iterated over by index.
ALLOWED = r"""
    .*\.mp_(request|server)\.__getattr__
    .*\.mp_finfo\.__iter__
    """


@pytest.mark.seconds(240)
@pytest.mark.parametrize("name", [
    "mod_python.apache",
    "mod_python.Cookie,--ignore-unused-allowlist",
    "mod_python.Session,--ignore-unused-allowlist",
    "_apache,--ignore-missing-stub"])  # it says so: those are Any
def test_stubs_say_what_the_running_module_has(own_server, name):
    server = own_server("Timeout 200", children=1, files={
        "compare.py": COMPARE, "allowed.txt": ALLOWED,
        ".htaccess": "SetHandler mod_python\nPythonHandler compare\n"})
    server.log.allow(".")
    response = server.site.get("?" + name, timeout=200)
    failed, _, said = response.text.partition("\n")
    assert not said and failed == "0", said
