"""mod_python.cache (api.md 6.8, D31). Nothing here needs httpd."""

import collections
import email.utils
import gc
import http.server
import os
import pathlib
import sys
import threading
import time
import urllib.error

import pytest

from httpd import later, together

PACKAGE = os.environ.get("MP_PACKAGE") or str(
    pathlib.Path(__file__).resolve().parents[1] / "python")
sys.path.insert(0, PACKAGE)

from mod_python.cache import (
    NOT_INITIALIZED, Cache, Entry, FileCache, FunctionCache, HTTPCache,
    HTTPEntity, HttpModuleCache, ModuleCache, WeakCache, parseRFC822Time)

sys.path.remove(PACKAGE)


class Counting(Cache):
    """Values are (name, how often it was built)."""

    def __init__(self, max_size=0):
        super().__init__(max_size)
        self.built = collections.Counter()

    def build(self, key, name, opened, entry):
        self.built[name] += 1
        return name, self.built[name]


# the base

def test_a_value_is_built_once():
    cache = Counting()
    assert cache["a"] == ("a", 1)
    assert cache["a"] == ("a", 1)
    assert cache["b"] == ("b", 1)
    assert (len(cache), "a" in cache, "c" in cache) == (2, True, False)


def test_values_can_be_set_and_deleted():
    cache = Counting()
    cache["a"] = "mine"
    assert cache["a"] == "mine"
    del cache["a"]
    assert cache["a"] == ("a", 1)
    with pytest.raises(KeyError):
        del cache["b"]
    cache.clear()
    assert len(cache) == 0
    assert cache["a"] == ("a", 2)


def test_the_least_recently_used_is_dropped():
    cache = Counting(2)
    for name in "abacab":
        cache[name]
    assert cache.built == {"a": 1, "b": 2, "c": 1}
    assert len(cache) == 2


def test_entries_are_listed_in_the_order_of_their_use():
    cache = Counting()
    for name in "abca":
        cache[name]
    assert [entry.key for entry in cache.mru()] == ["a", "c", "b"]
    assert [entry.key for entry in cache.lru()] == ["b", "c", "a"]
    assert [entry.value for entry in cache.lru()][0] == ("b", 1)


def test_the_four_methods_can_be_overridden():
    calls = []

    class Mine(Cache):
        def key(self, name):
            return name.lower()

        def check(self, key, name, entry):
            calls.append(("check", key, name, entry.value))
            return "opened" if name == "STALE" else None

        def build(self, key, name, opened, entry):
            calls.append(("build", key, name, opened))
            return len(calls)

        def commit(self, key, name, opened, entry):
            calls.append(("commit", key, name, opened))

    cache = Mine()
    assert [cache["Stale"], cache["stale"], cache["STALE"]] == [2, 2, 6]
    assert calls == [
        ("check", "stale", "Stale", NOT_INITIALIZED),
        ("build", "stale", "Stale", None), ("commit", "stale", "Stale", None),
        ("check", "stale", "stale", 2), ("check", "stale", "STALE", 2),
        ("build", "stale", "STALE", "opened"),
        ("commit", "stale", "STALE", "opened")]


def test_a_cache_without_build_says_so():
    with pytest.raises(NotImplementedError):
        Cache()["a"]


def test_an_entry_begins_without_a_value():
    entry = Entry("some key")
    assert (entry.key, entry.value) == ("some key", NOT_INITIALIZED)
    assert repr(NOT_INITIALIZED) == "NOT_INITIALIZED"


def test_a_failed_build_is_tried_again_and_leaves_nothing():
    class Failing(Counting):
        def check(self, key, name, entry):
            return "again"

        def build(self, key, name, opened, entry):
            value = super().build(key, name, opened, entry)
            if value[1] == 2:
                raise ValueError("the second time")
            return value

    cache = Failing()
    assert cache["a"] == ("a", 1)
    with pytest.raises(ValueError):
        cache["a"]
    assert "a" not in cache
    assert cache["a"] == ("a", 3)


def test_what_check_opened_is_closed_whatever_happens():
    class Opened:
        is_closed = False

        def close(self):
            self.is_closed = True

    class Opening(Cache):
        def check(self, key, name, entry):
            self.opened = Opened()
            return self.opened

        def build(self, key, name, opened, entry):
            return 1 / name

    cache = Opening()
    cache[1]
    assert cache.opened.is_closed
    with pytest.raises(ZeroDivisionError):
        cache[0]
    assert cache.opened.is_closed


def test_threads_build_a_value_once_together():
    class Slow(Counting):
        def build(self, key, name, opened, entry):
            time.sleep(0.05)
            return super().build(key, name, opened, entry)

    cache = Slow()
    assert set(together(lambda number: cache["a"], 8)) == {("a", 1)}


def test_other_keys_go_on_while_one_is_built():
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Counting):
        def build(self, key, name, opened, entry):
            if name == "slow":
                begun.set()
                assert go_on.wait(20)
            return super().build(key, name, opened, entry)

    cache = Slow()
    slow = later(lambda: cache["slow"])
    assert begun.wait(20)
    assert cache["other"] == ("other", 1)
    go_on.set()
    assert slow.result(20) == ("slow", 1)


def test_those_who_wait_for_a_failed_build_try_by_themselves():
    begun, go_on = threading.Event(), threading.Event()

    class First(Counting):
        def build(self, key, name, opened, entry):
            value = super().build(key, name, opened, entry)
            if value[1] == 1:
                begun.set()
                assert go_on.wait(20)
                raise ValueError("the first")
            return value

    cache = First()
    first = later(lambda: cache["a"])
    assert begun.wait(20)
    second = later(lambda: cache["a"])
    go_on.set()
    with pytest.raises(ValueError):
        first.result(20)
    assert second.result(20) == ("a", 2)


# weak values

class Thing:
    pass


def test_a_weak_cache_has_what_is_in_use():
    class Things(WeakCache):
        def build(self, key, name, opened, entry):
            return Thing()

    cache = Things()
    thing = cache["a"]
    assert cache["a"] is thing
    assert "a" in cache
    del thing
    gc.collect()
    assert "a" not in cache
    another = cache["a"]
    assert isinstance(another, Thing)
    cache["b"]
    gc.collect()
    cache["c"]
    assert len(cache) <= 2


# files

def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    cache = FileCache()
    assert cache[str(path)] == b"one"
    path.write_bytes(b"three")
    assert cache[str(path)] == b"three"
    status = path.stat()
    path.write_bytes(b"seven")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert cache[str(path)] == b"seven"


def test_a_file_is_opened_once_while_it_stays(tmp_path):
    path = tmp_path / "file"
    path.write_text("t\xe9xt", "utf-8")

    class Lines(FileCache):
        count = 0

        def build(self, key, name, opened, entry):
            self.count += 1
            return opened.readlines()

    cache = Lines(mode="r")
    assert [cache[path] for _ in range(3)] == [["t\xe9xt"]] * 3
    assert cache.count == 1


def test_a_file_that_is_gone_is_an_error_and_not_the_old_value(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    cache = FileCache()
    cache[path]
    path.unlink()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            cache[path]
    path.write_bytes(b"two")
    assert cache[path] == b"two"


def test_a_module_that_does_not_compile_is_an_error_until_it_is_mended(
        tmp_path):
    """D31: one SyntaxError served the stale page for ever."""
    path = tmp_path / "page.py"
    path.write_text("text = 'one'\n")
    cache = ModuleCache()
    assert cache[path].text == "one"
    path.write_text("text = 'two\n")
    for _ in range(3):
        with pytest.raises(SyntaxError):
            cache[path]
    path.write_text("text = 'three'\n")
    assert cache[path].text == "three"
    assert cache[path] is cache[path]
    assert cache[path].__file__ == str(path)


# URLs

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.asked.append(dict(self.headers.items()))
        headers = dict(server.answer)
        status = server.status
        for ask, tell in (("If-None-Match", "ETag"),
                          ("If-Modified-Since", "Last-Modified")):
            if ask in self.headers and self.headers[ask] == headers.get(tell):
                status = 304
        body = server.body if status != 304 else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.answer, server.status = [], {}, 200
    server.body = b"one"
    server.url = f"http://127.0.0.1:{server.server_port}/x"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,),
                              daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_url_gives_an_entity_with_its_headers(web):
    web.answer = {"Content-Type": "text/plain; charset=latin-1", "X-A": "b"}
    web.body = b"caf\xe9"
    entity = HTTPCache()[web.url]
    assert isinstance(entity, HTTPEntity)
    assert (entity.entity, str(entity)) == (b"caf\xe9", "caf\xe9")
    assert entity.metadata["x-a"] == "b"


@pytest.mark.parametrize("name, value", [
    ("ETag", '"x1"'), ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")])
def test_the_server_is_asked_whether_it_has_changed(web, name, value):
    """D31: it was a NameError."""
    web.answer = {name: value}
    cache = HTTPCache()
    first = cache[web.url]
    assert cache[web.url] is first
    assert len(web.asked) == 2
    assert value in web.asked[1].values()
    web.body, web.answer = b"two", {name: value.replace("1", "2")}
    assert cache[web.url].entity == b"two"


@pytest.mark.parametrize("answer", [
    {"Cache-Control": "max-age=60"}, {"Cache-Control": "public, max-age=\"9\""},
    {"Expires": email.utils.formatdate(time.time() + 86400, usegmt=True)},
    {"Cache-Control": "max-age=100", "Age": "90"},
    {"Cache-Control": "max-age=100", "Expires": "0"}])
def test_while_it_is_fresh_nobody_is_asked(web, answer):
    web.answer = answer
    cache = HTTPCache()
    first = cache[web.url]
    web.body = b"two"
    assert cache[web.url] is first
    assert len(web.asked) == 1


@pytest.mark.parametrize("answer", [
    {}, {"Cache-Control": "max-age=0"}, {"Cache-Control": "no-cache"},
    {"Cache-Control": "no-store, max-age=60"}, {"Expires": "0"},
    {"Expires": "Sun, 06 Nov 1994 08:49:37 GMT"},
    {"Cache-Control": "max-age=100", "Age": "100"}])
def test_what_is_not_fresh_is_fetched_again(web, answer):
    web.answer = answer
    cache = HTTPCache()
    assert cache[web.url].entity == b"one"
    web.body = b"two"
    assert cache[web.url].entity == b"two"


def test_freshness_ends(web, monkeypatch):
    web.answer = {"Cache-Control": "max-age=60"}
    cache = HTTPCache()
    cache[web.url]
    web.body = b"two"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert cache[web.url].entity == b"two"


def test_a_server_that_fails_is_an_error_and_not_the_old_value(web):
    cache = HTTPCache()
    cache[web.url]
    web.status = 500
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError):
            cache[web.url]
    web.status, web.body = 200, b"two"
    assert cache[web.url].entity == b"two"


def test_a_module_can_come_from_a_url(web):
    web.body = b"text = 'from a server'\n"
    web.answer = {"ETag": '"1"'}
    cache = HttpModuleCache()
    module = cache[web.url]
    assert module.text == "from a server"
    assert cache[web.url] is module


# functions

def test_a_function_is_called_once_for_the_same_arguments():
    calls = []

    def function(*args, **kwargs):
        calls.append((args, kwargs))
        return len(calls)

    cache = FunctionCache(function, max_size=2)
    assert [cache(1), cache(1), cache(1, b=2, a=3), cache(1, a=3, b=2),
            cache()] == [1, 1, 2, 2, 3]
    assert cache(1) == 4  # it was dropped
    with pytest.raises(TypeError):
        cache([])


# dates

@pytest.mark.parametrize("text", [
    "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun, 06 Nov 1994 09:49:37 +0100", "06 Nov 1994 08:49:37 GMT"])
def test_dates_of_headers_are_seconds(text):
    assert parseRFC822Time(text) == 784111777


@pytest.mark.parametrize("text", ["", "0", "never", "Sun"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError):
        parseRFC822Time(text)
