"""Where each directive may stand: server, virtual host, section, .htaccess."""

import re

import pytest

# Directive and arguments -> where it may stand: S(erver), V(irtual host),
# D(irectory, Location and Files), H(.htaccess).
CONTEXTS = {
    "PythonPostReadRequestHandler hello": "SV",
    "PythonTransHandler hello": "SV",
    "PythonHeaderParserHandler hello": "SVDH",
    "PythonInitHandler hello": "SVDH",
    "PythonAccessHandler hello": "SVDH",
    "PythonAuthenHandler hello": "SVDH",
    "PythonAuthzHandler hello": "SVDH",
    "PythonTypeHandler hello": "SVDH",
    "PythonFixupHandler hello": "SVDH",
    "PythonHandler hello": "SVDH",
    "PythonLogHandler hello": "SVDH",
    "PythonCleanupHandler hello": "SVDH",
    "PythonHandlerModule hello": "SVDH",
    "PythonConnectionHandler hello": "SV",
    "PythonInputFilter hello in": "SVD",
    "PythonOutputFilter hello out": "SVD",
    "PythonImport hello main_interpreter": "SV",
    "PythonPath sys.path": "SVDH",
    "PythonInterpreter name": "SVDH",
    "PythonInterpPerDirectory On": "SVDH",
    "PythonInterpPerDirective On": "SVDH",
    "PythonDebug On": "SVDH",
    "PythonEnablePdb On": "SVDH",
    "PythonAutoReload On": "SVDH",
    "PythonOptimize On": "S",
    "PythonOption key": "SVDH",
    "PythonOption key value": "SVDH",
}
SECTIONS = ('Directory "/"', 'DirectoryMatch "/x"', 'Location "/x"',
            'LocationMatch "/x"', 'Files "x"', 'FilesMatch "x"')


def verdict(server):
    status, said = server.check()
    assert status == 0 or re.search("^(AH.* )?Python.*(not allowed|given) in",
                                    said, re.MULTILINE), said
    return status == 0


@pytest.mark.parametrize("line", CONTEXTS)
def test_directive_stands_where_it_may_and_nowhere_else(own_server, line):
    places = {"S": line, "V": f"<VirtualHost *>\n{line}\n</VirtualHost>"}
    seen = {place: verdict(own_server(text, start=False))
            for place, text in places.items()}
    seen["D"] = {verdict(own_server(
        f"<{section}>\n{line}\n</{section.split()[0]}>", start=False))
        for section in SECTIONS}
    allowed = CONTEXTS[line]
    assert seen == {"S": "S" in allowed, "V": "V" in allowed,
                    "D": {"D" in allowed}}


@pytest.mark.parametrize("override", ["All", "AuthConfig", "FileInfo",
                                      "Indexes", "Limit", "Options"])
def test_any_override_class_lets_htaccess_have_them(own_server, override):
    names = {line: f"d{number}" for number, line in enumerate(CONTEXTS)}
    server = own_server(
        f"<Directory ${{SITE}}>\nAllowOverride {override}\n</Directory>",
        files={f"{name}/.htaccess": line + "\n"
               for line, name in names.items()})
    # No handler runs: 404 says that the file was accepted.
    server.log.allow("not allowed here|MPY0[24]|ModuleNotFoundError")
    handlers = [line for line in CONTEXTS if line.endswith(" hello")]
    for line, name in names.items():
        status = server.site.get(f"{name}/x").status
        refused = bool(server.log.matching(f"/{name}/.htaccess.*not allowed"))
        assert refused is ("H" not in CONTEXTS[line]), line
        assert status == 500 if refused else (
            status == 404 or line in handlers), line


def test_htaccess_is_not_read_without_any_override_class(own_server):
    server = own_server(
        "<Directory ${SITE}>\nAllowOverride None\n</Directory>",
        files={".htaccess": "PythonHandler nothing\nSetHandler mod_python\n",
               "page.txt": "static"})
    assert server.site.get("page.txt").text == "static"


def test_configuration_may_ask_for_the_module(own_server):
    server = own_server("""
        <IfModule mod_python.c>
            PythonOption source yes
        </IfModule>
        <IfModule python_module>
            PythonOption symbol yes
        </IfModule>
        <IfModule !mod_python.c>
            no directive
        </IfModule>
        """, files={"hello.py": """
        def handler(req):
            options = req.get_options()
            req.write(repr([options.get("source"), options.get("symbol")]))
            return 0
        """, ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"})
    assert server.site.get().text == "['yes', 'yes']"


def test_there_is_no_directive_that_makes_handlers_less_than_final(
        own_server):
    status, said = own_server("PythonAuthoritative Off", start=False).check()
    assert status != 0
    assert "Invalid command 'PythonAuthoritative'" in said


def test_option_of_the_old_importer_is_accepted_with_a_notice(own_server):
    server = own_server("PythonOption mod_python.legacy.importer *")
    assert server.get("/health.txt").text == "healthy\n"
    status, said = own_server("PythonOption mod_python.legacy.importer *",
                              start=False).check()
    assert status == 0
    assert "mod_python.legacy.importer has no effect" in said + "".join(
        entry.text for entry in server.log.entries())
