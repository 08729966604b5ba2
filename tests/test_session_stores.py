"""Where sessions are stored: shared memory, dbm, memory, sqlite, Redis, and
classes of programs; files are in test_session_files.py. What holds for all of
them is in test_sessions.py."""

import os

import pytest

from httpd import together
from httpd.processes import wait_until
from redis_server import running_redis
from visitor import COUNT, FILES, SHMCB, Visitor, stored_in, temporary_folder

SID = "0123456789abcdef" * 2


@pytest.fixture
def folder():
    with temporary_folder() as path:
        yield path


@pytest.fixture
def make(own_server, folder):
    return stored_in(own_server, folder)


@pytest.fixture(scope="module")
def redis_socket():
    with running_redis() as redis:
        yield redis.path


@pytest.fixture(params=["FileSession", "DbmSession", "SqliteSession",
                        "RedisSession", "SharedSession"])
def each(request, make):
    """A visitor of a server with each store that lasts."""
    if request.param == "RedisSession":
        path = request.getfixturevalue("redis_socket")
        return make("RedisSession", f"redis_session.url unix://{path}")
    return make(request.param)


# All of them

def test_session_lasts(each):
    assert [each(COUNT) for _ in range(3)] == [1, 2, 3]
    assert each("""
s = req.get_session()
return [type(s).__name__, isinstance(s, Session.BaseSession), s.is_new()]
""")[1:] == [True, False]


def test_sessions_are_apart(each):
    other = Visitor(each.site)
    assert [each(COUNT), other(COUNT), each(COUNT)] == [1, 1, 2]


def test_unknown_id_is_a_new_session(each):
    each.cookies["pysid"] = SID
    assert each("return req.get_session().is_new()") is True
    assert each.cookies["pysid"] != SID


def test_session_that_is_over_is_a_new_one(each):
    each("s = req.get_session(timeout=0.2); s['n'] = 9; s.save()")
    old = dict(each.cookies)
    wait_until(lambda: Visitor(each.site, old)(
        "return req.get_session().is_new()"), "the end of the session")
    assert each(COUNT) == 1


def test_delete_and_renew_leave_nothing_under_the_old_id(each):
    each(COUNT)
    first = dict(each.cookies)
    each("req.get_session().renew()")
    second = dict(each.cookies)
    assert Visitor(each.site, first)("return req.get_session().is_new()")
    assert each(COUNT) == 2
    each("req.get_session().delete()")
    assert Visitor(each.site, second)("return req.get_session().is_new()")


def test_times_and_timeout_are_stored(each):
    before = each("s = req.get_session(timeout=100); s.save()\n"
                  "return [s.created(), s.timeout()]")
    assert each("s = req.get_session(); return [s.created(), s.timeout()]") \
        == before


def test_increments_at_the_same_time_are_not_lost(each):
    each(COUNT)
    together(lambda number: [Visitor(each.site, each.cookies)(COUNT)
                             for _ in range(10)], 4)
    assert each(COUNT) == 42


def test_lock_is_released_when_loading_or_saving_fails(each):
    each(COUNT)
    kind = each("return type(req.get_session()).__name__")
    assert each(f"""
class Broken(Session.{kind}):
    def do_load(self):
        raise KeyError("x")
class Half(Session.{kind}):
    def do_save(self, dict):
        raise KeyError("x")
seen = [kind(Broken, req, sid={each.cookies['pysid']!r})]
half = Half(req, sid={each.cookies['pysid']!r})
return seen + [kind(half.save), half._locked]
""") == ["KeyError", "KeyError", True]
    assert each(COUNT) == 2


def test_instances_of_reloaded_classes_are_of_the_newest_version(each):
    site = each.site
    site.write({"shop.py": "class Cart:\n    word = 'old'\n"})
    each("s = req.get_session()\n"
         "s['cart'] = apache.import_module('shop').Cart()\ns.save()")
    site.replace("shop.py", "'old'", "'new'")
    assert each("""
shop = apache.import_module("shop")
cart = req.get_session()["cart"]
req.get_session().save()
return [cart.word, type(cart) is shop.Cart]
""") == ["new", True]


# After a restart of the server

@pytest.mark.parametrize("kind", ["FileSession", "DbmSession",
                                  "SqliteSession"])
def test_sessions_on_disk_survive_a_restart(make, kind):
    visitor = make(kind, files={"shop.py": "class Cart:\n    n = 7\n"})
    visitor("s = req.get_session()\n"
            "s['cart'] = apache.import_module('shop').Cart()\ns.save()")
    visitor.site.server.stop()
    visitor.site.server.start()
    assert visitor("s = req.get_session(); return [s.is_new(), s['cart'].n]"
                   ) == [False, 7]


@pytest.mark.parametrize("kind", ["SharedSession", "FileSession",
                                  "SqliteSession", "MemorySession",
                                  "DbmSession"])
def test_sessions_work_in_an_interpreter_of_its_own(make, kind):
    visitor = make(kind, interpreter="other", children=1)
    assert visitor("return apache.interpreter") == "other"
    assert [visitor(COUNT), visitor(COUNT)] == [1, 2]


# Which one it is

def test_shared_memory_is_the_default(make):
    assert make("")("return type(req.get_session()) is "
                    "Session.SharedSession") is True


@pytest.mark.parametrize("choices, extra, kind", [
    ({"mpm": "prefork"}, "", "DbmSession"),
    ({"mpm": "event"}, "", "DbmSession"),
    ({"mpm": "event", "children": 1},
     "\nServerLimit 1\nMaxRequestWorkers 8", "MemorySession"),
    ({"mpm": "prefork", "children": 1}, "\nMaxRequestWorkers 1",
     "DbmSession")])
def test_without_shared_memory_the_default_is_the_one_of_old(
        make, choices, extra, kind):
    visitor = make("", "session.timeout 1800" + extra, modules=(),
                   without=("socache_shmcb",), **choices)
    assert visitor("return type(req.get_session()).__name__") == kind
    assert visitor(COUNT) == 1
    assert visitor(COUNT) == 2


def test_store_can_be_a_dictionary_with_a_name(own_server):
    server = own_server(
        "PythonSharedDict mine\n"
        "PythonOption mod_python.session.store mine\n", files=FILES, **SHMCB)
    visitor = Visitor(server.site)
    assert [visitor(COUNT), visitor(COUNT)] == [1, 2]
    assert visitor("""
req.get_options()["mod_python.session.store"] = "none"
return outcome(req.get_session)
""").startswith("RuntimeError: there is no store 'none' for sessions")


def test_old_name_of_the_option_counts(make, folder):
    visitor = make("", f"session.database_directory {folder}\n"
                       "PythonOption session FileSession")
    assert visitor("return type(req.get_session()) is Session.FileSession")


@pytest.mark.parametrize("kind", ["NoSuch", "BaseSession", "NoSuchSession",
                                  "DFT_TIMEOUT"])
def test_unknown_type_is_an_error(make, kind):
    assert make(kind)("return outcome(req.get_session)") == (
        "ValueError: PythonOption mod_python.session.session_type: there is "
        f"no session class '{kind}'; it is one of mod_python.Session, or "
        "module::Class")


# Classes of programs

MINE = """
    from mod_python.Session import BaseSession

    stored = {}
    calls = []

    class Mine(BaseSession):
        def __init__(self, req, sid=0, secret=None, timeout=0, lock=1):
            self.word = "mine"
            BaseSession.__init__(self, req, sid=sid, secret=secret,
                                 timeout=timeout, lock=lock)

        def do_load(self):
            calls.append("load")
            return stored.get(self._sid)

        def do_save(self, dict):
            calls.append("save")
            stored[self._sid] = dict

        def do_delete(self):
            calls.append("delete")
            del stored[self._sid]

        def do_cleanup(self):
            calls.append("cleanup")

        def init_lock(self):
            calls.append("init_lock")
    """


def test_class_of_the_program_is_used_as_before(make):
    visitor = make("mine::Mine", files={"mine.py": MINE}, children=1)
    assert visitor("""
mine = apache.import_module("mine")
s = req.get_session()
s["n"] = 1
s.save()
s.cleanup()
return [type(s) is mine.Mine, s.word, mine.calls,
        sorted(mine.stored[s.id()]), mine.stored[s.id()]["_data"]]
""") == [True, "mine", ["init_lock", "save", "cleanup"],
         ["_accessed", "_created", "_data", "_timeout"], {"n": 1}]
    assert visitor("""
mine = apache.import_module("mine")
del mine.calls[:]
s = req.get_session()
found = [s["n"], s.is_new()]
s.delete()
return [found, mine.calls, mine.stored]
""") == [[1, False], ["init_lock", "load", "delete"], {}]


def test_class_of_the_program_is_reloaded_when_it_is_edited(make):
    visitor = make("mine::Mine", files={"mine.py": MINE})
    word = "return req.get_session().word"
    assert visitor(word) == "mine"
    visitor.site.replace("mine.py", '"mine"', '"edited"')
    assert visitor(word) == "edited"


def test_class_in_a_package_and_by_its_path_is_found(make):
    visitor = make("pkg.mine::Mine", files={"pkg/__init__.py": "",
                                            "pkg/mine.py": MINE})
    assert visitor("return req.get_session().word") == "mine"
    other = make(f"{visitor.site.path('pkg/mine.py')}::Mine")
    assert other("return req.get_session().word") == "mine"


def test_lock_of_a_class_is_used_for_everything(make):
    visitor = make("own::Own", children=1, files={
        "mine.py": MINE, "own.py": """
            import mine

            class Own(mine.Mine):
                def lock(self):
                    mine.calls.append("lock")
                    mine.Mine.lock(self)

                def unlock(self):
                    mine.calls.append("unlock")
                    mine.Mine.unlock(self)
            """})
    visitor(COUNT)
    assert visitor("""
mine = apache.import_module("mine")
seen = list(mine.calls)
del mine.calls[:]
req.get_session()
return [seen, mine.calls]
""") == [["init_lock", "lock", "save", "unlock"],
         ["init_lock", "lock", "load"]]


def test_unlock_that_raises_is_logged_and_the_lock_is_free(make):
    visitor = make("bad::Bad", files={"mine.py": MINE, "bad.py": """
        import mine

        class Bad(mine.Mine):
            def unlock(self):
                raise KeyError("bad")
        """}, children=1)
    assert visitor(COUNT) == 1
    assert visitor(COUNT) == 2
    visitor.site.log.expect(
        "MPY0522: unlock.. of a session failed: KeyError", count=2)


@pytest.mark.parametrize("stored, error", [
    ("5", "TypeError: do_load() must give a dict or None, not int"),
    ("{}", "KeyError: \"do_load() gave a dict without '_data'\""),
    ("{'_data': {}, '_created': 1}",
     "KeyError: \"do_load() gave a dict without '_accessed'\"")])
def test_wrong_answer_of_do_load_is_an_error(make, stored, error):
    visitor = make("")
    visitor.cookies["pysid"] = SID
    assert visitor(f"""
class Mine(Session.BaseSession):
    def do_load(self):
        return {stored}
return outcome(Mine, req)
""") == error


def test_base_class_alone_says_what_it_needs(make):
    visitor = make("")
    visitor.cookies["pysid"] = SID
    assert visitor("return outcome(Session.BaseSession, req)").startswith(
        "NotImplementedError: BaseSession does not say where")


# dbm

@pytest.mark.parametrize("module", ["dbm.dumb", "dbm.ndbm"])
def test_dbm_session_takes_a_path_and_a_module(make, folder, module):
    visitor = make("")
    code = f"""
import {module}
s = Session.DbmSession(req, {folder + "/mine"!r}, dbmtype={module})
s["n"] = s.get("n", 0) + 1
s.save()
return s["n"]
"""
    assert [visitor(code), visitor(code)] == [1, 2]
    names = os.listdir(folder)
    assert all(name.startswith("mine") for name in names), names
    assert all(os.stat(os.path.join(folder, name)).st_mode & 0o137 == 0
               for name in names)


def test_dbm_option_names_the_file(make, folder):
    visitor = make("DbmSession",
                   f"dbm_session.database_filename {folder}/named.dbm")
    assert visitor(COUNT) == 1
    assert any(name.startswith("named.dbm") for name in os.listdir(folder))


def test_dbm_that_cannot_be_opened_leaves_no_lock(make, folder):
    visitor = make("DbmSession", children=1)
    visitor.cookies["pysid"] = SID
    assert visitor(f"""
import types
class broken:
    @staticmethod
    def open(*arguments):
        raise OSError("x")
made = outcome(Session.DbmSession, req, {folder + "/x"!r}, dbmtype=broken)
import _apache
found = []
server = req.server
thread = threading.Thread(target=lambda: found.append(
    _apache._global_trylock(server, None, 0)))
thread.start()
thread.join()
return [made, found]
""") == ["OSError: x", [True]]
    assert visitor(COUNT) == 1


# memory

def test_memory_session_is_of_this_process(make):
    visitor = make("MemorySession", children=1)
    assert [visitor(COUNT) for _ in range(3)] == [1, 2, 3]


def test_memory_session_keeps_what_pickle_does_not_take(make):
    visitor = make("MemorySession", children=1)
    visitor("s = req.get_session(); s['lock'] = threading.Lock(); s.save()")
    assert visitor("return type(req.get_session()['lock']) is "
                   "type(threading.Lock())") is True


# sqlite

def test_sqlite_file_is_private(make, folder):
    visitor = make("SqliteSession")
    visitor(COUNT)
    assert os.listdir(folder) == ["mp_sess.sqlite"]
    assert os.stat(os.path.join(folder, "mp_sess.sqlite")).st_mode & 0o777 \
        == 0o600


# Redis

def test_two_servers_share_sessions_in_redis(make, redis_socket):
    option = f"redis_session.url unix://{redis_socket}"
    one = make("RedisSession", option)
    other = Visitor(make("RedisSession", option).site, None)
    assert one(COUNT) == 1
    other.cookies = one.cookies
    assert [other(COUNT), one(COUNT)] == [2, 3]


@pytest.mark.seconds(300)
def test_no_increment_of_two_servers_is_lost(make, redis_socket):
    """10,000 of them by hand: MP_SOAK=10."""
    option = f"redis_session.url unix://{redis_socket}"
    soak = int(os.environ.get("MP_SOAK", "1"))
    visitors = [make("RedisSession", option) for _ in range(2)]
    visitors[0](COUNT)
    each = 125 * soak

    def count(number):
        body = "".join(f"    {line}\n" for line in COUNT.strip().split("\n"))
        server = visitors[number % 2].site.server
        with server.connect() as connection:
            for _ in range(each):
                response = connection.request(
                    "/site/", "POST", {"Cookie": visitors[0].header()}, body)
                assert response.status == 200, response.text
    # as many connections as prefork has children
    together(count, 8, 280)
    assert visitors[0](COUNT) == 8 * each + 2


def test_redis_lock_of_a_dead_server_ends(make, redis_socket):
    visitor = make("RedisSession",
                   f"redis_session.url unix://{redis_socket}",
                   "redis_session.lock_expiry 0.5")
    visitor(COUNT)
    taken = visitor(f"""
import redis
lock = redis.Redis.from_url("unix://{redis_socket}").lock(
    "mod_python:lock:{visitor.cookies['pysid']}", timeout=0.5)
return lock.acquire()
""")
    assert taken is True
    assert visitor(COUNT) == 2


def test_save_after_the_redis_lock_was_lost_is_an_error(make, redis_socket):
    visitor = make("RedisSession",
                   f"redis_session.url unix://{redis_socket}",
                   "redis_session.lock_expiry 0.1")
    visitor(COUNT)
    assert visitor("""
s = req.get_session()
key = "mod_python:lock:" + s.id()
while s._client.exists(key):
    time.sleep(0.01)
return kind(s.save)
""") == "LockNotOwnedError"
    visitor.site.log.expect("MPY0522")
    assert visitor(COUNT) == 2


def test_wait_for_the_redis_lock_has_a_limit(make, redis_socket):
    visitor = make("RedisSession",
                   f"redis_session.url unix://{redis_socket}",
                   "session.lock_timeout 0.3")
    visitor(COUNT)
    assert visitor(f"""
import redis
client = redis.Redis.from_url("unix://{redis_socket}")
lock = client.lock("mod_python:lock:{visitor.cookies['pysid']}", timeout=30)
lock.acquire()
try:
    return outcome(req.get_session)
finally:
    lock.release()
""") == ("TimeoutError: the session cannot be locked: another server kept it "
         "for more than 0.3 s")
    assert visitor(COUNT) == 2


def test_redis_forgets_sessions_that_are_over(make, redis_socket):
    visitor = make("RedisSession",
                   f"redis_session.url unix://{redis_socket}",
                   "redis_session.prefix mine:")
    visitor("req.get_session(timeout=100).save()")
    assert 90000 < visitor(f"""
import redis
client = redis.Redis.from_url("unix://{redis_socket}")
return client.pttl("mine:session:{visitor.cookies['pysid']}")
""") <= 100000


def test_redis_that_is_not_there_is_an_error_for_the_program(make):
    visitor = make("RedisSession", "redis_session.url unix:///nowhere")
    assert visitor("return kind(lambda: req.get_session().save())"
                   ) == "ConnectionError"
