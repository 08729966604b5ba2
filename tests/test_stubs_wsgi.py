"""The type information of WSGI, CGI and the small modules; as
test_stubs.py."""

import pytest

from test_stubs import ALLOWED, COMPARE

pytest.importorskip("mypy.stubtest", reason="mypy is not installed")


@pytest.mark.seconds(240)
def test_stubs_say_what_the_small_modules_have(own_server):
    server = own_server("Timeout 200", children=1, files={
        "compare.py": COMPARE, "allowed.txt": ALLOWED,
        ".htaccess": "SetHandler mod_python\nPythonHandler compare\n"})
    server.log.allow(".")
    response = server.site.get(
        "?mod_python.cache,mod_python.cgihandler,mod_python.httpdconf,"
        "mod_python.python22,mod_python.testhandler,mod_python.version,"
        "mod_python.wsgi,--ignore-unused-allowlist", timeout=200)
    failed, _, said = response.text.partition("\n")
    assert not said and failed == "0", said
