"""Data files that a module's body reads are dependencies."""

import pytest

from httpd import SAVES, counted, page

READS = {
    "open": "value = open({path!r}).read()",
    "pathlib": "import pathlib\nvalue = pathlib.Path({path!r}).read_text()",
    "os.open": "import os\nfd = os.open({path!r}, os.O_RDONLY)\n"
               "value = os.read(fd, 100).decode()\nos.close(fd)",
    "io": "import io\nvalue = io.open({path!r}, 'rb').read().decode()",
    "json": "import json\nwith open({path!r}) as file:\n"
            "    value = json.load(file)['is']",
    "configparser": "import configparser\nc = configparser.ConfigParser()\n"
                    "c.read({path!r})\nvalue = c['a']['is']",
    "relative": "import os\n"
                "value = open(os.path.relpath({path!r})).read()",
    "bytes": "import os\nvalue = open(os.fsencode({path!r})).read()",
    "loader": "value = __loader__.get_data({path!r}).decode()",
    "in a function": "def f():\n    return open({path!r}).read()\n"
                     "value = f()",
    "in cold code": "import harness\n"
                    "value = harness.call(open, {path!r}).read()",
}
WRITES = {"json": '{{"is": "{}"}}', "configparser": "[a]\nis = {}\n"}


@pytest.mark.parametrize("how", READS)
def test_module_is_executed_again_when_what_it_read_changes(site, how):
    text = WRITES.get(how, "{}")
    site.write({"data/some.txt": text.format("one"),
                "child.py": READS[how].format(
                    path=str(site.path("data/some.txt"))) + "\n",
                "page.py": page("child.value", "import child")})
    site.serve("page")
    assert site.texts() == {"one"}
    site.edit("data/some.txt", text.format("two"))
    assert site.texts() == {"two"}


@pytest.mark.parametrize("how", SAVES)
def test_data_file_is_seen_with_every_way_to_save(site, how):
    site.write({"some.txt": "one",
                "page.py": page("value", "import os\nvalue = open(os.path."
                                "join(os.path.dirname(__file__), "
                                "'some.txt')).read()")})
    site.serve("page")
    assert site.texts() == {"one"}
    site.edit("some.txt", "two", how)
    assert site.texts() == {"two"}


HERE = "import os\nhere = os.path.dirname(__file__)\n"


def test_only_those_who_read_a_file_depend_on_it(site):
    site.write({"some.txt": "one", "a.py": counted(HERE
                + "value = open(here + '/some.txt').read()\n"),
                "b.py": counted("value = 1\n"),
                "page.py": counted(page("a.value", "import a, b"))})
    site.serve("page")
    site.texts()
    site.forget_executions()
    site.edit("some.txt", "two")
    assert site.texts() == {"two"}
    assert site.each_child_ran() == {"a.py": 1, "page.py": 1}


def test_data_file_saved_with_the_same_content_executes_nothing(site):
    site.write({"some.txt": "one", "page.py": counted(HERE
                + "value = open(here + '/some.txt').read()\n"
                + page("value"))})
    site.serve("page")
    site.texts()
    site.forget_executions()
    site.edit("some.txt", "one")
    assert site.texts() == {"one"}
    assert site.each_child_ran() == {}


def test_file_that_was_not_there_is_a_dependency(site):
    site.write({"page.py": HERE + """
        from mod_python import apache
        try:
            value = open(here + "/deep/some.txt").read()
        except OSError:
            value = "none"
        def handler(req):
            req.write(value)
            return apache.OK
        """.replace("\n        ", "\n")})
    site.serve("page")
    assert site.texts() == {"none"}
    site.write({"deep/some.txt": "some"})
    assert site.texts() == {"some"}
    site.remove("deep/some.txt")
    assert site.texts() == {"none"}


@pytest.mark.parametrize("how", [
    "os.listdir(here + '/parts')",
    "[entry.name for entry in os.scandir(here + '/parts')]",
    "[os.path.basename(p) for p in glob.glob(here + '/parts/*')]",
    "[p.name for p in pathlib.Path(here, 'parts').iterdir()]",
    "[m.name + '.py' for m in pkgutil.iter_modules([here + '/parts'])]",
])
def test_directory_that_was_listed_is_a_dependency(site, how):
    site.write({"parts/a.py": "", "page.py": page(
        "','.join(names)", HERE + "import glob, pathlib, pkgutil\n"
        f"names = sorted(n for n in {how} if n.endswith('.py'))")})
    site.serve("page")
    assert site.texts() == {"a.py"}
    site.write({"parts/b.py": ""})
    assert site.texts() == {"a.py,b.py"}
    site.remove("parts/a.py")
    assert site.texts() == {"b.py"}


def test_broken_data_file_keeps_the_old_version_and_mending_heals(site):
    site.write({"some.json": "[1]", "page.py": page(
        "value", HERE + "import json\n"
        "value = json.load(open(here + '/some.json'))")})
    site.serve("page", "PythonReloadFailure keep")
    assert site.texts() == {"[1]"}
    site.edit("some.json", "[1")
    assert site.texts() == {"[1]"}
    site.log.expect("MPY0202")
    site.edit("some.json", "[2]")
    assert site.texts() == {"[2]"}


def test_module_and_its_data_change_together(site):
    site.write({"some.txt": "one", "page.py": page(
        "value", HERE + "value = 'a ' + open(here + '/some.txt').read()")})
    site.serve("page")
    assert site.texts() == {"a one"}
    site.replace("page.py", "'a '", "'b '")
    site.edit("some.txt", "two")
    assert site.texts() == {"b two"}


def test_file_that_a_body_writes_is_no_dependency(site):
    site.make_directory("var")
    site.path("var").chmod(0o777)
    site.write({"page.py": counted(HERE + """
        import os
        with open(f"{here}/var/log.{os.getpid()}", "a") as log:
            log.write("loaded\\n")
        """.replace("\n        ", "\n") + page("1"))})
    site.serve("page")
    for _ in range(3):
        assert site.texts() == {"1"}
    assert site.each_child_ran() == {"page.py": 1}


def test_file_that_a_body_writes_and_reads_again_is_executed_once(site):
    site.make_directory("var")
    site.path("var").chmod(0o777)
    text = counted(HERE + """
        import os
        name = f"{here}/var/cache.{os.getpid()}"
        with open(name, "w") as cache:
            cache.write("VALUE")
        value = open(name).read()
        """.replace("\n        ", "\n") + page("value"))
    site.write({"page.py": text.replace("VALUE", "one")})
    site.serve("page")
    for _ in range(3):
        assert site.texts() == {"one"}
    assert site.each_child_ran() == {"page.py": 1}
    site.forget_executions()
    site.edit("page.py", text.replace("VALUE", "two"))
    for _ in range(3):
        assert site.texts() == {"two"}
    assert site.each_child_ran() == {"page.py": 1}


def test_file_read_by_a_request_is_no_dependency(site):
    site.write({"some.txt": "one", "page.py": counted(
        HERE + page("open(here + '/some.txt').read()"))})
    site.serve("page")
    assert site.texts() == {"one"}
    site.edit("some.txt", "two")
    assert site.texts() == {"two"}
    assert site.each_child_ran() == {"page.py": 1}


def test_long_data_file_is_known_by_its_stamp(site):
    site.write({"big.bin": "x" * (9 * 1024 * 1024), "page.py": page(
        "size", HERE + "size = len(open(here + '/big.bin').read())")})
    site.serve("page")
    assert site.texts() == {str(9 * 1024 * 1024)}
    site.edit("big.bin", "x" * (9 * 1024 * 1024 + 1))
    assert site.texts() == {str(9 * 1024 * 1024 + 1)}


@pytest.mark.parametrize("how", SAVES)
def test_data_file_that_links_lead_to_elsewhere_is_followed(site, how):
    site.write({"far/away/some.txt": "one", "far/other.txt": "two",
                "page.py": page("value", HERE + "value = "
                                "open(here + '/data/some.txt').read()")})
    site.make_directory("data")
    site.point("data/some.txt", "../far/link.txt")
    site.point("far/link.txt", "away/some.txt")
    site.serve("page")
    assert site.texts() == {"one"}
    site.edit("far/away/some.txt", "three", how)
    assert site.texts() == {"three"}
    site.point("far/link.txt", "other.txt")
    assert site.texts() == {"two"}
    site.edit("far/other.txt", "four", how)
    assert site.texts() == {"four"}


def test_data_file_switched_by_a_link_is_seen(site):
    site.write({"v1/some.txt": "one", "v2/some.txt": "two", "page.py": page(
        "value", HERE + "value = open(here + '/current/some.txt').read()")})
    site.point("current", "v1")
    site.serve("page")
    assert site.texts() == {"one"}
    site.point("current", "v2")
    assert site.texts() == {"two"}
