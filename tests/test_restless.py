"""Files that are being written while they are read, once or without a pause."""

import threading
import time

import pytest

from httpd import later, page, processes

ONE = {"mpm": "worker", "children": 1}
HTACCESS = "SetHandler mod_python\nPythonHandler hello\n"
CHILD = {"hello.py": page("child.value", "import child"),
         "child.py": "value = 1\n", ".htaccess": HTACCESS}


@pytest.fixture
def noisy(own_server):
    """A site with a thread that writes gen.py without a pause. Executing that
    takes long enough to be disturbed each time."""
    text = "import time\ntime.sleep(0.02)\nvalue = {}\n"
    site = own_server(**ONE, files={
        "q/quiet.py": page("leaf.value", "import leaf"),
        "q/leaf.py": "value = 1\n",
        "n/noisy.py": page("gen.value", "import gen"),
        "n/gen.py": text.format(0),
        "q/.htaccess": HTACCESS.replace("hello", "quiet"),
        "n/.htaccess": HTACCESS.replace("hello", "noisy")}).site
    assert site.get("n/").text == "0"
    assert site.get("q/").text == "1"
    ends = threading.Event()

    def write():
        number = 0
        while not ends.is_set():
            number += 1
            site.path("n/gen.py").write_text(text.format(number))

    writer = threading.Thread(target=write)
    writer.start()
    yield site, ends, writer
    ends.set()
    writer.join()


def lose_patience(site):
    """Ask for what is written all the time until that is set aside."""
    def is_told():
        assert site.get("n/").status == 200
        return site.log.matching("MPY0209")

    processes.wait_until(is_told, "MPY0209")
    site.log.expect("MPY0209.*gen.py")


def test_file_that_is_written_without_a_pause_holds_up_nobody(noisy):
    site, _, _ = noisy
    for number in range(2, 12):
        site.edit("q/leaf.py", f"value = {number}\n")
        # The first request may lose its patience with the other file.
        assert site.get("q/").text == str(number)
    lose_patience(site)
    began = time.monotonic()
    for _ in range(100):
        assert site.get("q/").text == "11"
    assert time.monotonic() - began < 2
    assert site.get("n/").status == 200


def test_file_that_was_written_without_a_pause_is_new_when_asked_for(noisy):
    site, ends, writer = noisy
    lose_patience(site)
    ends.set()
    writer.join()
    assert site.path("n/gen.py").read_text().endswith(
        f"value = {site.get('n/').text}\n")


@pytest.mark.seconds(240)
@pytest.mark.seconds(180)  # a request may take half a second
@pytest.mark.parametrize("how", ["inplace", "rename"])
def test_file_that_is_rewritten_all_the_time_is_never_torn(site, how):
    """Each version says its number at both ends."""
    def text(number):
        return (f"first = {number}\n" + "# filling\n" * 2000
                + f"last = {number}\n")

    site.write({"hello.py": page("(child.first, child.last)",
                                 "import child"),
                "child.py": text(100), ".htaccess": HTACCESS})
    assert site.texts() == {"(100, 100)"}
    site.log.allow("MPY0209.*child.py")
    stop = threading.Event()

    def write():
        number = 100
        while not stop.is_set():
            number = 100 + (number + 1) % 900
            site.edit("child.py", text(number), how)
        return number

    writer = later(write)
    try:
        for _ in range(50):
            response = site.get()
            assert response.status == 200
            first, last = eval(response.text)
            assert first == last
    finally:
        stop.set()
    number = writer.result(20)
    assert site.texts() == {f"({number}, {number})"}


def test_first_load_waits_for_a_file_that_is_being_written(own_server):
    site = own_server(**ONE, files=CHILD).site
    with open(site.path("child.py"), "w") as file:  # cut to nothing
        answer = site.later()
        time.sleep(0.1)
        file.write("value = 2\n")
    assert answer.result(20).text == "2"


@pytest.mark.parametrize("written", ["1", "time.time()"])
def test_body_that_writes_the_module_it_imports_is_answered(site, written):
    """A module that differs each time is executed again and again, and yet
    nobody waits for it for ever."""
    site.write({"hello.py": page("gen.value", f"""
        import os, time

        with open(os.path.dirname(__file__) + "/gen.py", "w") as file:
            file.write("value = %r\\n" % {written})
        import gen
        """), ".htaccess": HTACCESS})
    site.directory.chmod(0o777)
    for _ in range(5):
        response = site.get()
        assert response.status == 200
        assert written != "1" or response.text == "1"
