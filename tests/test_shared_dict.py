"""apache.SharedDict: data that all children share, over httpd's small object
caches."""

import collections
import socketserver
import threading

import pytest

from httpd import later, page
from httpd.processes import wait_until
from inline import parsed
from redis_server import running_redis

SHMCB = {"modules": ("socache_shmcb",)}
# A handler that evaluates its body; `d` is the dictionary of its query.
EVAL = """
    import os
    import time

    import harness
    from mod_python import apache

    def together(count):
        "Go on when so many requests are here, or those that can come."
        # A child of event that was busy may not listen although it has a
        # thread to spare again (httpd's): that request comes later.
        d = apache.SharedDict("gate")
        d.incr("here")
        end = time.monotonic() + 5
        while d["here"] < count and time.monotonic() < end:
            time.sleep(0.001)

    def handler(req):
        d = apache.SharedDict(req.args or "default")
        try:
            result = eval(req.read().decode(), {**globals(), "d": d})
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        req.write(repr(result))
        return apache.OK
    """
FILES = {"evaluate.py": EVAL,
         ".htaccess": "SetHandler mod_python\nPythonHandler evaluate\n"}


class Shared:
    """A server whose children answer what an expression gives."""

    def __init__(self, server):
        self.server = server
        self.site = server.site

    def __call__(self, expression, name=""):
        response = self.site.post("?" + name, expression)
        assert response.status == 200, response.text
        return parsed(response.text)

    def in_each_child(self, expression):
        return {pid: parsed(response.text) for pid, response
                in self.site.get_from_each_child(
                    method="POST", body=expression).items()}


@pytest.fixture
def shared(own_server):
    return Shared(own_server(files=FILES, **SHMCB))


# Values

@pytest.mark.parametrize("value", [
    "text", "", "\u20ac \x00 \udc80", b"", b"bytes\x00\xff", 0, -1,
    2 ** 63 - 1, -2 ** 63, "x" * 65535, b"y" * 65535],
    ids=lambda value: repr(value)[:20])
def test_value_comes_back_as_it_was_in_every_child(shared, value):
    assert shared(f"d.set('key', {value!r})") is None
    assert set(shared.in_each_child("d['key'] == " + repr(value)).values()) \
        == {True}
    assert shared("type(d.get('key')).__name__") == type(value).__name__


def test_true_comes_back_as_one(shared):
    assert shared("[d.set('key', True), repr(d['key'])]") == [None, "1"]


@pytest.mark.parametrize("value, error", [
    ("1.5", "TypeError: value must be str, bytes or int, not float"),
    ("None", "TypeError: value must be str, bytes or int, not NoneType"),
    ("bytearray(1)", "TypeError: value must be str, bytes or int, not "
                     "bytearray"),
    ("2 ** 63", "OverflowError: an int must fit into 64 bits; store a larger "
                "one as str"),
    ("'x' * 65536", "ValueError: value has 65536 bytes, at most 65535 are "
                    "possible"),
    ("'\u20ac' * 21846", "ValueError: value has 65538 bytes, at most 65535 "
                         "are possible")])
@pytest.mark.parametrize("method", ["set", "add"])
def test_value_of_another_kind_or_size_is_refused(
        shared, method, value, error):
    assert shared(f"d.{method}('key', {value})") == error
    assert shared("'key' in d") is False


@pytest.mark.parametrize("call", ["get(%s)", "set(%s, 1)", "add(%s, 1)",
                                  "incr(%s)", "delete(%s)", "ttl(%s)",
                                  "__contains__(%s)", "__getitem__(%s)"])
def test_key_is_a_str_of_limited_length(shared, call):
    assert shared("d." + call % "b'key'") == (
        "TypeError: key must be str, not bytes")
    assert shared("d." + call % "'x' * 1025") == (
        "ValueError: key has 1025 bytes, at most 1024 are possible")


def test_keys_of_any_text_are_apart(shared):
    keys = ["", "a", "A", "a" * 1024, "a" * 1023 + "b", "\udc80", "\u20ac",
            "a\x00", "a\x00b"]
    shared(f"[d.set(key, n) for n, key in enumerate({keys!r})]")
    assert shared(f"[d[key] for key in {keys!r}]") == list(range(len(keys)))


# Operations

def test_missing_key_gives_the_default_or_keyerror(shared):
    assert shared("[d.get('no'), d.get('no', 5), 'no' in d,"
                  " d.delete('no')]") == [None, 5, False, False]
    assert shared("d['no']") == "KeyError: 'no'"
    assert shared("d.ttl('no')") == "KeyError: 'no'"
    assert shared("d.__delitem__('no')") == "KeyError: 'no'"


def test_it_is_used_like_a_dict(shared):
    assert shared("[d.__setitem__('a', 1), d['a'], 'a' in d,"
                  " d.__delitem__('a'), 'a' in d]") == [
                      None, 1, True, None, False]


def test_set_replaces_and_delete_removes(shared):
    assert shared("[d.set('a', 'one'), d.set('a', b'two'), d['a'],"
                  " d.delete('a'), d.get('a'), d.delete('a')]") == [
                      None, None, b"two", True, None, False]


def test_add_stores_only_what_is_not_there(shared):
    assert shared("[d.add('a', 1), d.add('a', 2), d['a'], d.delete('a'),"
                  " d.add('a', 3), d['a']]") == [True, False, 1, True, True, 3]


def test_incr_counts_from_its_initial_value(shared):
    assert shared("[d.incr('a'), d.incr('a', 5), d.incr('a', -10),"
                  " d.incr('b', initial=100), d.incr('b', delta=2), d['a']]"
                  ) == [1, 6, -4, 101, 103, -4]


def test_incr_of_what_is_no_int_is_an_error_and_changes_nothing(shared):
    for value in ("'1'", "b'1'", "''"):
        shared(f"d.set('a', {value})")
        assert shared("d.incr('a')") == "TypeError: the value of 'a' is not " \
                                        "an int"
        assert shared("d['a']") == parsed(value)


def test_incr_does_not_wrap_around(shared):
    shared("d.set('a', 2 ** 63 - 1)")
    assert shared("d.incr('a')") == (
        "OverflowError: the value of 'a' would not fit into 64 bits")
    assert shared("[d['a'], d.incr('a', -2 ** 63)]") == [2 ** 63 - 1, -1]
    assert shared("d.incr('a', 2 ** 63)").startswith("OverflowError")


# Time

def test_value_without_ttl_has_no_end(shared):
    assert shared("[d.set('a', 1), d.ttl('a')]") == [None, None]


def test_ttl_is_the_time_that_is_left(shared):
    assert shared("[d.set('a', 1, 100), 99 < d.ttl('a') <= 100,"
                  " d.set('a', 1, ttl=0.5), 0 < d.ttl('a') <= 0.5,"
                  " d.set('a', 1), d.ttl('a')]") == [
                      None, True, None, True, None, None]


def test_value_is_gone_when_its_time_is_over(shared):
    assert shared("[d.set('a', 1, 0.05), time.sleep(0.06), d.get('a'),"
                  " 'a' in d, d.add('a', 2), d['a']]") == [
                      None, None, None, False, True, 2]


def test_default_ttl_is_that_of_the_object(shared):
    assert shared("(e := apache.SharedDict(ttl=50), e.set('a', 1),"
                  " 49 < d.ttl('a') <= 50, e.set('a', 1, None), d.ttl('a'),"
                  " e.add('b', 1), d.ttl('b') > 49, e.incr('c'),"
                  " d.ttl('c') > 49)[1:]") == (
                      None, True, None, None, True, True, 1, True)


def test_incr_keeps_the_time_of_a_value_that_is_there(shared):
    assert shared("[d.incr('a', ttl=50), d.incr('a', ttl=500),"
                  " 49 < d.ttl('a') <= 50]") == [1, 2, True]


@pytest.mark.parametrize("ttl", ["0", "-1", "float('nan')", "float('inf')",
                                 "'1'"])
def test_wrong_ttl_is_refused(shared, ttl):
    for call in (f"d.set('a', 1, {ttl})", f"d.add('a', 1, {ttl})",
                 f"d.incr('a', ttl={ttl})", f"apache.SharedDict(ttl={ttl})"):
        assert shared(call).startswith(("ValueError: ttl must be a number of "
                                        "seconds above 0, or None, not ",
                                        "TypeError: must be real number"))
    assert shared("'a' in d") is False


# Names

def test_dictionaries_of_different_names_share_nothing(own_server):
    shared = Shared(own_server("""
        PythonSharedDict one
        PythonSharedDict two shmcb
        """, files=FILES, **SHMCB))
    for number, name in enumerate(("one", "two", "default")):
        shared(f"d.set('a', {number})", name)
    assert [shared("d['a']", name) for name in ("one", "two", "default")] \
        == [0, 1, 2]


def test_interpreters_share_a_dictionary(own_server):
    shared = Shared(own_server(files={
        **FILES, ".htaccess": FILES[".htaccess"]
        + "<Files other>\nPythonInterpreter other\n</Files>\n"}, **SHMCB))
    shared("d.set('a', apache.interpreter)")
    response = shared.site.post("other", "[d['a'], apache.interpreter]")
    assert parsed(response.text) == ["main_interpreter", "other"]


def test_unknown_name_is_an_error_that_says_what_to_do(shared):
    assert shared("apache.SharedDict('other')") == (
        "ValueError: there is no shared dictionary 'other': add "
        "PythonSharedDict other to the server's configuration")


def test_without_a_provider_the_error_says_what_to_load(own_server):
    server = own_server(files={**FILES, "evaluate.py": page(
        "outcome()", """
        def outcome():
            try:
                apache.SharedDict()
            except RuntimeError as error:
                return error
        """)})
    assert server.site.texts() == {
        "there is no shared dictionary: load mod_socache_shmcb or name "
        "another provider with PythonSharedDict default"}


@pytest.mark.parametrize("line, message", [
    ("PythonSharedDict one nothing",
     "there is no provider 'nothing'; load mod_socache_nothing"),
    ("PythonSharedDict one memcache:",
     "there is no provider 'memcache'; load mod_socache_memcache"),
    ("PythonSharedDict one shmcb:/tmp/x(5)", "shmcb: "),
    ("PythonSharedDict one\nPythonSharedDict one", "'one' is given twice"),
    ("PythonSharedDict a/b", "'a/b' is not a name of 1 to 32 letters"),
    ("PythonSharedDict " + "x" * 33, "is not a name of 1 to 32 letters"),
    ("<VirtualHost *>\nPythonSharedDict one\n</VirtualHost>",
     "holds for the whole server"),
])
def test_mistake_in_the_directive_stops_the_start(own_server, line, message):
    server = own_server(line, start=False, **SHMCB)
    status, said = server.check()
    assert status != 0
    assert "PythonSharedDict: " in said and message in said, said


@pytest.mark.parametrize("provider", ["dbm", "shmcb:${ROOT}/cache(100000)"])
def test_other_providers_work_alike(own_server, provider):
    shared = Shared(own_server(f"PythonSharedDict default {provider}",
                               files=FILES,
                               modules=("socache_shmcb", "socache_dbm")))
    assert shared("[d.set('a', 'text'), d['a'], d.incr('n'), d.incr('n'),"
                  " d.add('a', 1), d.delete('a'), d.get('a')]") == [
                      None, "text", 1, 2, False, True, None]
    assert set(shared.in_each_child("d['n']").values()) == {2}


class Memcached(socketserver.ThreadingTCPServer):
    """As much of memcached as the provider talks to, on a free port."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        self.values = {}  # key -> (flags, bytes)
        self.times = []   # the expiry times that were asked for
        super().__init__(("127.0.0.1", 0), _MemcachedHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class _MemcachedHandler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            verb, *words = line.decode().split()
            self.wfile.write(getattr(self, "do_" + verb)(*words))

    def do_set(self, key, flags, expiry, size):
        self.server.times.append(int(expiry))
        data = self.rfile.read(int(size) + 2)[:-2]
        self.server.values[key] = flags, data
        return b"STORED\r\n"

    def do_get(self, key):
        if key not in self.server.values:
            return b"END\r\n"
        flags, data = self.server.values[key]
        return (f"VALUE {key} {flags} {len(data)}\r\n".encode() + data
                + b"\r\nEND\r\n")

    def do_delete(self, key, *time):
        found = self.server.values.pop(key, None)
        return b"DELETED\r\n" if found else b"NOT_FOUND\r\n"

    def do_version(self):
        return b"VERSION 1.6\r\n"


@pytest.fixture
def memcached():
    server = Memcached()
    yield server
    server.close()


def check_alike(shared):
    """What a dictionary in another process does as one of shared memory."""
    assert shared("[d.get('a'), d.set('a', 'text'), d['a'], d.incr('n'),"
                  " d.incr('n'), d.add('a', 1), d.delete('a'), d.get('a'),"
                  " d.delete('a'), d.ttl('n')]") == [
                      None, None, "text", 1, 2, False, True, None, False, None]
    count = shared.server.config.workers
    code = f"[together({count}), [d.incr('n') for _ in range(100)]][1]"
    requests = [later(shared, code) for _ in range(count)]
    for request in requests:
        request.result(60)
    assert shared("d['n']") == 2 + 100 * count


def test_memcache_works_alike(own_server, memcached):
    check_alike(Shared(own_server(
        "PythonSharedDict default memcache:127.0.0.1:"
        f"{memcached.server_address[1]}\nPythonSharedDict gate",
        files=FILES, modules=("socache_memcache", "socache_shmcb"))))
    # More than 30 days would be a date to memcached, and long ago.
    assert set(memcached.times) <= {30 * 86400, 30 * 86400 - 1}


def test_redis_works_alike(own_server):
    with running_redis() as redis:
        check_alike(Shared(own_server(
            f"PythonSharedDict default redis:127.0.0.1:{redis.port}\n"
            "PythonSharedDict gate", files=FILES,
            modules=("socache_redis", "socache_shmcb"))))


def test_values_that_somebody_else_wrote_to_memcache_are_not_read(
        own_server, memcached):
    shared = Shared(own_server(
        "PythonSharedDict default memcache:127.0.0.1:"
        f"{memcached.server_address[1]}", files=FILES,
        modules=("socache_memcache",)))
    shared("[d.set('a', 'one'), d.set('b', 'two')]")
    (one, first), (two, second) = memcached.values.items()
    memcached.values.update({one: second, two: first})
    assert shared("[d.get('a'), d.get('b')]") == [None, None]
    for wrong in (b"", b"x", first[1][:10], first[1][:-5], b"\xff" * 5000):
        memcached.values[one] = "0", wrong
        assert shared("d.get('a')") is None
    for wrong in (b"", b"?one", b"i", b"i" + b"1" * 30):
        memcached.values[one] = "0", first[1][:-4] + wrong
        assert shared("d.get('a')") == (
            "ValueError: the value was not stored by a SharedDict")
    memcached.values[one] = "0", b"x" * 100000
    assert shared("d.get('a')").startswith("OSError: the shared dictionary")
    shared.server.log.allow("AH0079[0-2]")


def test_storing_where_no_provider_answers_is_oserror(own_server, memcached):
    shared = Shared(own_server(
        "PythonSharedDict default memcache:127.0.0.1:"
        f"{memcached.server_address[1]}", files=FILES,
        modules=("socache_memcache",)))
    memcached.close()
    for call in ("set('a', 1)", "incr('a')", "add('a', 1)"):
        assert str(shared("d." + call)).startswith(
            "OSError: the shared dictionary cannot be used"), call
    # Each child is told of it once, and then that there is nothing.
    assert str(shared("d.get('a')")).startswith(("None", "OSError"))
    shared.server.log.allow("AH0079[0-2]")


def test_value_that_the_provider_has_no_room_for_is_an_error(own_server):
    shared = Shared(own_server(
        "PythonSharedDict default shmcb:${ROOT}/cache(65536)", files=FILES,
        **SHMCB))
    shared("d.set('a', 'small')")
    assert shared("d.set('a', 'x' * 60000)") == (
        "ValueError: value does not fit: the provider of this "
        "PythonSharedDict has no room for one so large")
    shared.server.log.allow("AH00844|AH00833")
    assert shared("d.get('a') in (None, 'small')") is True


def test_old_values_make_room_for_new_ones(own_server):
    shared = Shared(own_server(
        "PythonSharedDict default shmcb:${ROOT}/cache(65536)", files=FILES,
        **SHMCB))
    shared("[d.set(f'key{n}', 'x' * 500) for n in range(1000)]")
    found = shared("[n for n in range(1000) if f'key{n}' in d]")
    assert 999 in found and 0 not in found
    assert 20 < len(found) < 200


# Many at once

@pytest.mark.seconds(120)
def test_no_increment_of_any_child_is_lost(own_server):
    shared = Shared(own_server("PythonSharedDict gate", files=FILES, **SHMCB))
    count = shared.server.config.workers
    code = f"[together({count}), d.incr('n', 3)," \
           " [d.incr('n') for _ in range(1000)], os.getpid()][1:]"
    requests = [later(shared, code) for _ in range(count)]
    seen = [request.result(60) for request in requests]
    assert not [text for text in seen if isinstance(text, str)]
    assert shared("d['n']") == count * 1003
    assert len({pid for _, _, pid in seen}) > 1
    numbers = collections.Counter(
        number for first, more, _ in seen for number in (first, *more))
    assert set(numbers.values()) == {1}


def test_one_of_all_who_add_succeeds(own_server):
    shared = Shared(own_server("PythonSharedDict gate", files=FILES, **SHMCB))
    count = shared.server.config.workers
    code = f"(together({count})," \
           " [n for n in range(3000) if d.add(f'k{n}', os.getpid())])[1]"
    requests = [later(shared, code) for _ in range(count)]
    added = [number for request in requests
             for number in request.result(40)]
    assert sorted(added) == list(range(3000))


def test_increments_go_on_when_a_child_is_killed(own_server):
    shared = Shared(own_server("PythonSharedDict gate", files=FILES, **SHMCB))
    server = shared.server
    before = server.children()
    count = server.config.workers
    # Who counts to 500 is killed, whatever its other threads do.
    code = f"[together({count}), [d.incr('n') == 500 and os.kill(os.getpid()," \
           " 9) for _ in range(1000)], d['n']][2]"

    def ask():
        try:
            return shared(code)
        except (OSError, EOFError):
            return None  # its child was killed

    requests = [later(ask) for _ in range(count)]
    results = [request.result(50) for request in requests]
    survivors = [number for number in results if number]
    assert 0 < len(survivors) < count
    assert max(survivors) >= 1000 * len(survivors)
    server.log.allow("exit signal Killed")
    wait_until(lambda: len(before & server.children()) == len(before) - 1
               and len(server.children()) >= len(before), "another child")
    assert shared("d.incr('after')") == 1


def test_dictionary_is_there_when_a_child_starts(own_server):
    server = own_server("PythonImport ${SITE}/start.py main_interpreter",
                        files={**FILES, "start.py": """
        from mod_python import apache
        apache.SharedDict().incr("children")
        """}, **SHMCB)
    wait_until(lambda: Shared(server)("d['children']")
               == server.config.children, "all children")


def test_values_are_gone_after_a_restart_and_the_new_ones_are_shared(shared):
    shared("d.set('a', 1)")
    for _ in range(2):
        shared.server.graceful()
        assert shared("[d.get('a'), d.set('a', 2)]") == [None, None]
        assert set(shared.in_each_child("d['a']").values()) == {2}


def test_threads_of_a_program_may_use_one_object(shared):
    assert shared("(pool := __import__('concurrent.futures').futures."
                  "ThreadPoolExecutor(4), sorted(pool.map(lambda _:"
                  " apache.SharedDict().incr('n'), range(200))))[1]") == list(
                      range(1, 201))


def test_value_that_is_stored_often_pushes_out_others_but_not_itself(shared):
    assert shared("[d.set(f'k{n}', n) for n in range(500)]"
                  " and [d.incr('n') for n in range(2000)][-1]") == 2000
    left = shared("[n for n in range(500) if f'k{n}' in d]")
    assert 400 < len(left) < 500  # one part of 64 has only its newest
    assert shared("d['n']") == 2000
