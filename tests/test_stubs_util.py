"""The type information of forms; as test_stubs.py."""

import pytest

from test_stubs import ALLOWED, COMPARE

pytest.importorskip("mypy.stubtest", reason="mypy is not installed")


@pytest.mark.seconds(240)
def test_stubs_say_what_util_has(own_server):
    server = own_server("Timeout 200", children=1, files={
        "compare.py": COMPARE, "allowed.txt": ALLOWED,
        ".htaccess": "SetHandler mod_python\nPythonHandler compare\n"})
    server.log.allow(".")
    response = server.site.get("?mod_python.util,--ignore-unused-allowlist",
                               timeout=200)
    failed, _, said = response.text.partition("\n")
    assert not said and failed == "0", said
