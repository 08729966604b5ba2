"""mod_python.httpdconf: configuration of httpd as Python objects (api.md
6.8). Nothing here needs a server."""

import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

PACKAGE = os.environ.get("MP_PACKAGE") or str(
    pathlib.Path(__file__).resolve().parents[1] / "python")
sys.path.insert(0, PACKAGE)

from mod_python import httpdconf
from mod_python.httpdconf import (
    Comment, Container, ContainerTag, Directive, quote_if_space,
    write_basic_config)

sys.path.remove(PACKAGE)

# api.md, 6.8
DIRECTIVES = """
    AddHandler AddOutputFilter AddType AuthBasicAuthoritative AuthBasicProvider
    AuthType AuthName CustomLog DirectoryIndex DocumentRoot ErrorLog
    KeepAliveTimeout Listen LoadModule LogLevel LogFormat LockFile
    MaxConnectionsPerChild MaxClients MaxRequestsPerChild MaxSpareServers
    MaxSpareThreads MaxThreadsPerChild MinSpareThreads Mutex NameVirtualHost
    NumServers Options PidFile PythonAuthenHandler PythonAuthzHandler
    PythonCleanupHandler PythonConnectionHandler PythonDebug PythonHandler
    PythonAccessHandler PythonPostReadRequestHandler PythonTransHandler
    PythonFixupHandler PythonImport PythonPath PythonOutputFilter PythonOption
    Require SetHandler ServerAdmin ServerName ServerPath ServerRoot
    StartServers StartThreads ThreadsPerChild Timeout TypesConfig
    PythonInterpPerDirectory PythonInterpPerDirective
    """.split()
SECTIONS = ["Directory", "Files", "IfModule", "Location", "VirtualHost"]


def again(config):
    """What the source of this object makes."""
    return eval(repr(config), vars(httpdconf))


def make(name, *args):
    return getattr(httpdconf, name)(*args)


@pytest.mark.parametrize("name", DIRECTIVES)
def test_each_directive_has_a_class(name):
    one = make(name, "some 'value'")
    assert isinstance(one, Directive)
    assert str(one) == f"{name} some 'value'\n"
    assert repr(one) == f'''{name}("some 'value'")'''
    assert str(again(one)) == str(one)


@pytest.mark.parametrize("name", SECTIONS)
def test_each_section_has_a_class(name):
    one = make(name, "/x", make("Listen", "80"), Comment("note"))
    assert isinstance(one, ContainerTag)
    assert str(one) == f"<{name} /x>\n  Listen 80\n  # note\n</{name}>\n"
    assert repr(one) == (f"{name}(\n    '/x',\n    Listen('80'),\n"
                         "    Comment('note'))")
    assert str(again(one)) == str(one)


def test_every_directive_of_this_module_has_a_class():
    """Those of docs/directives.md, by their lines of syntax."""
    page = pathlib.Path(__file__).resolve().parents[1] / "docs/directives.md"
    names = set()
    for syntax in re.findall(r"^Syntax: (.*?)(?:\\\n|\n\n)",
                             page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        names |= set(re.findall(r"`(Python\w+)", syntax))
    assert len(names) > 40
    assert {name for name in names if not hasattr(httpdconf, name)} == set()


@pytest.mark.parametrize("name", ["PythonInterpPerDirectory",
                                  "PythonInterpPerDirective"])
def test_two_switches_are_off_unless_said_otherwise(name):
    assert str(make(name)) == f"{name} Off\n"
    assert str(make(name, "On")) == f"{name} On\n"


def test_backslashes_become_slashes():
    assert str(Directive("Name", r"c:\a\b")) == "Name c:/a/b\n"
    assert str(Directive("Name", r"c:\a", flipslash=0)) == "Name c:\\a\n"
    assert str(make("DocumentRoot", r"c:\a")) == "DocumentRoot c:/a\n"
    assert str(make("Directory", r"c:\a")) == "<Directory c:/a>\n</Directory>\n"
    assert str(ContainerTag("X", r"\a", [], flipslash=0)) == "<X \\a>\n</X>\n"


@pytest.mark.parametrize("name", ["LogFormat", "PythonPath"])
def test_two_directives_keep_their_backslashes(name):
    assert str(make(name, r'"\"%r\""')) == f'{name} "\\"%r\\""\n'
    assert str(again(make(name, r'"\"%r\""'))) == f'{name} "\\"%r\\""\n'


def test_sections_nest_by_two_spaces():
    one = make("VirtualHost", "*:80", make("ServerName", "x"), Container(
        make("Directory", "/a", make("Options", "None"), ContainerTag(
            "Limit", "GET", [Directive("Require", "all granted")]))))
    assert str(one) == textwrap.dedent("""\
        <VirtualHost *:80>
          ServerName x
          <Directory /a>
            Options None
            <Limit GET>
              Require all granted
            </Limit>
          </Directory>
        </VirtualHost>
        """)


def test_source_nests_by_four_spaces():
    one = Container(make("Listen", "80"), make("Location", "/", ContainerTag(
        "Limit", "GET", [Directive("A", "b")])), only_if="1 + 1 == 2")
    assert repr(one) == textwrap.dedent("""\
        Container(
            Listen('80'),
            Location(
                '/',
                ContainerTag('Limit', 'GET', [
                    Directive('A', 'b')])),
            only_if='1 + 1 == 2')""")
    assert str(again(one)) == str(one)
    assert repr(again(one)) == repr(one)


@pytest.mark.parametrize("one", [
    Container(), Container(only_if="0"), Comment(""), Comment("a\n\nb"),
    Directive("A", "'\"\\"), Directive("A", "\\", flipslash=0),
    ContainerTag("A", "b", []), ContainerTag("A", "\\", (), 0)])
def test_source_makes_the_same_again(one):
    assert str(again(one)) == str(one)
    assert repr(again(one)) == repr(one)


def test_only_if_decides_when_the_configuration_is_made(monkeypatch):
    one = Container(make("Listen", "80"), only_if="os.environ.get('X_WANTED')")
    assert str(one) == ""
    monkeypatch.setenv("X_WANTED", "1")
    assert str(one) == "Listen 80\n"
    assert str(Container(make("Listen", "1"), only_if=(
        "mod_python.version.version[0] == '4'"))) == "Listen 1\n"
    with pytest.raises(NameError):
        str(Container(only_if="nothing_of_this_name"))


def test_a_container_can_be_added_to():
    one = Container()
    one.append(make("Listen", "1"))
    one.append(make("Location", "/"))
    one.args[1].append(make("Options", "None"))
    assert str(one) == ("Listen 1\n<Location />\n  Options None\n"
                        "</Location>\n")


def test_comments_are_comments():
    assert str(Comment("one\n\n  two")) == "# one\n#\n#   two\n"
    assert str(make("Files", "x", Comment("a"))) == (
        "<Files x>\n  # a\n</Files>\n")


def test_quote_if_space():
    assert quote_if_space("/a/b") == "/a/b"
    assert quote_if_space("/a b") == '"/a b"'


# write_basic_config

def rendered(path):
    """What running the file prints."""
    return subprocess.run(
        [sys.executable, path], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": PACKAGE}).stdout


def test_a_basic_configuration_is_written_as_source(tmp_path):
    root = tmp_path / "a server"
    path = write_basic_config(
        str(root), listen="127.0.0.1:81", pythonhandler="mine",
        pythonpath=["/one", "/two"], pythonoptions=["a b", "c d"],
        mp_comments=["say this"])
    assert path == str(root / "conf" / "httpd_conf.py")
    assert sorted(os.listdir(root)) == ["conf", "logs", "public"]
    assert (root / "conf" / "mime.types").stat().st_size
    text = rendered(path)
    for line in (f'ServerRoot "{root}"', "Listen 127.0.0.1:81",
                 f'<Directory "{root}/public">', "  # say this",
                 "  SetHandler mod_python", "  PythonHandler mine",
                 "  PythonPath \"sys.path + ['/one', '/two']\"",
                 "  PythonOption a b", "  PythonOption c d"):
        assert line in text.splitlines()


def test_without_a_path_there_is_no_pythonpath(tmp_path):
    """D33: there was [''] in it."""
    assert "PythonPath" not in rendered(write_basic_config(str(tmp_path)))


def test_names_of_its_directories_can_be_chosen(tmp_path):
    path = write_basic_config(str(tmp_path), conf="c", logs="l", htdocs="h",
                              conf_name="x.py")
    assert path == str(tmp_path / "c" / "x.py")
    assert sorted(os.listdir(tmp_path)) == ["c", "h", "l"]
    assert f"DocumentRoot {tmp_path}/h" in rendered(path)


def test_a_configuration_that_exists_is_left_alone(tmp_path, capsys):
    path = write_basic_config(str(tmp_path))
    pathlib.Path(path).write_text("mine")
    assert write_basic_config(str(tmp_path)) is None
    assert pathlib.Path(path).read_text() == "mine"
    assert "exists" in capsys.readouterr().err
    assert write_basic_config(str(tmp_path), replace_config=True) == path
    assert pathlib.Path(path).read_text() != "mine"


def test_directories_that_exist_are_only_mentioned(tmp_path, capsys):
    (tmp_path / "logs").mkdir()
    assert write_basic_config(str(tmp_path))
    said = capsys.readouterr().err
    assert f"{tmp_path}/logs is there already" in said
    assert "public" not in said


def test_directories_are_not_made_unless_wanted(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_basic_config(str(tmp_path / "none"), createdirs=False)
    assert not (tmp_path / "none").exists()
