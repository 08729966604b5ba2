"""Random PSP pages in a real server: each is answered, or the log says why.

The scanner alone sees many more: unit/test_pspscan.c and fuzz/."""

import random

import pytest

PIECES = ["text ", "\n", "\r\n", "<%= x %>", "<%= 1 / 0 %>", "<%\n", "%>",
          "x = 1\n", "if x:\n", "for i in range(3):\n", "    # in\n", "<%",
          "<%=", "<%-- \n --%>", "<%@ page\n%>", '"', '"""', "\\", "\\x4",
          "\\N{", "\0", "\u00e4", "\udcff", "# end\n", "pass\n", "return\n",
          "yield 1\n", "import os\n", "req.write('y')\n", "def f():\n",
          '<%@ include file="none"%>', '<%@ include file="inc.inc"%>']

MANY = """\
import os
import random

from mod_python import apache, psp

PIECES = {pieces!r}


def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def handler(req):
    choose = random.Random(int(req.args))
    sizes = []
    for number in range(4000):
        page = "".join(choose.choices(PIECES, k=choose.randrange(1, 30)))
        try:
            psp.PSP(req, string=page, vars={{"x": 0}}).run()
        except Exception:
            pass
        if number % 1000 == 999:
            sizes.append(memory())
    req.write("\\n%d %d" % (sizes[0], sizes[-1]))
    return apache.OK
"""


@pytest.fixture
def site_of_pages(site):
    site.write({"inc.inc": "<%= x %>\n<%\nif x:\n%>"})
    return site


@pytest.mark.seconds(180)
def test_random_strings_do_not_make_the_process_grow(site_of_pages):
    site = site_of_pages
    site.write({"many.py": MANY.format(pieces=PIECES)})
    site.serve("many")
    site.log.allow(".")  # syntax warnings of pages
    early, late = site.get("?1", timeout=170).body.rpartition(
        b"\n")[2].split()
    assert int(late) - int(early) < 8 << 20


@pytest.mark.seconds(180)
def test_random_pages_are_answered_or_explained(site_of_pages):
    site = site_of_pages
    choose = random.Random(2)
    site.serve("mod_python.psp")
    site.log.allow(".")
    failed = 0
    for number in range(300):
        page = "".join(choose.choices(PIECES, k=choose.randrange(1, 30)))
        name = f"p{number}.psp"
        site.write({name: page.encode("utf-8", "surrogateescape")})
        status = site.get(name).status
        assert status in (200, 500)
        failed += status == 500
    assert 0 < failed < 300
    site.log.expect("MPY0401", count=failed)
    assert len(site.log.matching("MPY0401")) == failed
