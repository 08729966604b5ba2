"""The type information of PSP and the publisher; as test_stubs.py."""

import pytest

from test_stubs import ALLOWED, COMPARE

pytest.importorskip("mypy.stubtest", reason="mypy is not installed")

# What the C type has so that pages' programs can write.
PAGES = ALLOWED + r"""
    mod_python\.psp\.PSPInterface\.__(call|getitem)__
    """


@pytest.mark.seconds(240)
def test_stubs_say_what_the_pages_modules_have(own_server):
    server = own_server("Timeout 200", children=1, files={
        "compare.py": COMPARE, "allowed.txt": PAGES,
        ".htaccess": "SetHandler mod_python\nPythonHandler compare\n"})
    server.log.allow(".")
    response = server.site.get(
        "?mod_python.psp,mod_python.publisher,--ignore-unused-allowlist",
        timeout=200)
    failed, _, said = response.text.partition("\n")
    assert not said and failed == "0", said
