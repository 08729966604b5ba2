"""PythonOptimize: Python's option -O, for the whole process."""

import pytest

from httpd import page

PAGE = page("(said(), __debug__, sys.flags.optimize, said.__doc__)", """
    import sys

    def said():
        \"\"\"Its text.\"\"\"
        try:
            assert False
        except AssertionError:
            return "checked"
        return "left out"
    """)
LEFT_OUT = "('left out', False, 1, 'Its text.')"
CHECKED = "('checked', True, 0, 'Its text.')"


@pytest.mark.parametrize("directives, seen", [
    ("", CHECKED), ("PythonOptimize On", LEFT_OUT),
    ("PythonOptimize Off", CHECKED),
    ("PythonOptimize On\nPythonOptimize Off", CHECKED),
    ("PythonOptimize Off\nPythonOptimize On", LEFT_OUT),
])
def test_assertions_are_left_out_when_the_last_directive_is_on(
        own_server, directives, seen):
    server = own_server(directives, files={
        "hello.py": PAGE, ".htaccess": "SetHandler mod_python\n"
        "PythonHandler hello\n<Files other>\nPythonInterpreter other\n"
        "</Files>\n"})
    assert server.site.texts() == {seen}
    assert server.site.texts("other") == {seen}


def test_edited_module_is_compiled_like_the_first(own_server):
    server = own_server("PythonOptimize On", files={
        "hello.py": PAGE,
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    assert server.site.texts() == {LEFT_OUT}
    server.site.replace("hello.py", "Its text.", "New text.")
    assert server.site.texts() == {LEFT_OUT.replace("Its", "New")}
