"""A package of another version is told of, rather than being a riddle."""

from httpd import page


def test_package_of_another_version_is_reported_with_its_place(own_server):
    server = own_server(files={
        "hello.py": page("'still served'"),
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    server.log.refuse("mod_python version mismatch")
    path = server.root / "lib/mod_python/version.py"
    text = path.read_text()
    line, = [line for line in text.splitlines()
             if line.startswith("version = ")]
    path.unlink()
    path.write_text(text.replace(line, 'version = "3.5.0"'))
    server.restart()
    assert server.site.texts() == {"still served"}
    entry = server.log.expect("MPY0107: mod_python version mismatch, expected "
                              "'4[^']*', found '3.5.0'", "warn")
    assert str(path.parent) in entry.text
