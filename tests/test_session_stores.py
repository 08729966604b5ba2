"""Where sessions are stored: shared memory, files, dbm, memory, sqlite, Redis,
and classes of programs. What holds for all of them is in test_sessions.py."""

import os
import pickle
import pwd
import shutil
import tempfile
import time

import pytest

from httpd import together
from httpd.processes import wait_until
from redis_server import running_redis
from visitor import FILES, SHMCB, Visitor

COUNT = """
s = req.get_session()
s["n"] = s.get("n", 0) + 1
s.save()
return s["n"]
"""
SID = "0123456789abcdef" * 2
USER = pwd.getpwnam("www-data").pw_uid if os.geteuid() == 0 else os.geteuid()


class PutHere:
    """A pickle that would run code: it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def folder():
    """A directory of the server's user, outside of the document tree."""
    path = tempfile.mkdtemp(prefix="sessions-")
    os.chown(path, USER, -1)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make(own_server, folder):
    """make("FileSession", "option value", ...): a visitor of a server that
    keeps its sessions there."""
    def start(kind, *options, files=None, environment=None, **more):
        lines = [f"session.session_type {kind}"] if kind else []
        if not any("database" in line for line in options):
            lines.append(f"session.database_directory {folder}")
        return Visitor(own_server(
            "".join(f"PythonOption mod_python.{line}\n"
                    for line in [*lines, *options]),
            files={**FILES, **(files or {})}, **{**SHMCB, **more}).site)
    return start


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


# Files

def test_file_is_where_it_always_was_and_private(make, folder):
    visitor = make("FileSession")
    visitor(COUNT)
    sid = visitor.cookies["pysid"]
    path = os.path.join(folder, "mp_sess", sid[:2], sid)
    with open(path, "rb") as file:
        stored = pickle.load(file)
    assert sorted(stored) == ["_accessed", "_created", "_data", "_timeout"]
    assert stored["_data"] == {"n": 1}
    assert os.stat(path).st_mode & 0o777 == 0o600
    for name in ("mp_sess", f"mp_sess/{sid[:2]}"):
        assert os.stat(os.path.join(folder, name)).st_mode & 0o777 == 0o700
    assert os.listdir(os.path.dirname(path)) == [sid]


@pytest.mark.parametrize("option", [
    "file_session.database_directory {0}/own\n"
    "PythonOption mod_python.session.database_directory {0}/general",
    "session.database_directory {0}/own\n"
    "PythonOption session_directory {0}/old"])
def test_specific_option_wins_over_general_and_new_over_old(
        make, folder, option):
    for name in ("own", "general", "old"):
        os.mkdir(os.path.join(folder, name))
        os.chown(os.path.join(folder, name), USER, -1)
    assert make("FileSession", option.format(folder))(COUNT) == 1
    assert os.listdir(os.path.join(folder, "own")) == ["mp_sess"]
    assert not os.listdir(os.path.join(folder, "general"))


def plant(top, target):
    """A session file that runs code when it is read, below top."""
    part = os.path.join(top, "mp_sess", SID[:2])
    os.makedirs(part, exist_ok=True)
    with open(os.path.join(part, SID), "wb") as file:
        pickle.dump(PutHere(target), file)
    return os.path.join(part, SID)


# What others may have made: how it is laid out below the folder, and the
# directory that is configured.
def _writable(folder, target):
    plant(folder, target)
    os.chmod(folder, 0o777)
    return folder


def _group_writable(folder, target):
    plant(folder, target)
    os.chmod(folder, 0o770)
    return folder


def _of_somebody_else(folder, target):
    plant(folder, target)
    os.chown(folder, 12345, -1)
    os.chmod(folder, 0o755)
    return folder


def _by_a_link(folder, target):
    real = os.path.join(folder, "real")
    os.mkdir(real)
    plant(real, target)
    os.symlink(real, os.path.join(folder, "link"))
    return os.path.join(folder, "link")


def _part_of_somebody_else(folder, target):
    os.chown(os.path.dirname(plant(folder, target)), 12345, -1)
    return folder


def _part_by_a_link(folder, target):
    path = plant(os.path.join(folder, "evil"), target)
    os.mkdir(os.path.join(folder, "mp_sess"))
    os.symlink(os.path.dirname(path),
               os.path.join(folder, "mp_sess", SID[:2]))
    return folder


def _file_of_somebody_else(folder, target):
    os.chown(plant(folder, target), 12345, -1)
    return folder


def _file_that_others_write(folder, target):
    os.chmod(plant(folder, target), 0o666)
    return folder


def _file_by_a_link(folder, target):
    path = plant(os.path.join(folder, "evil"), target)
    os.makedirs(os.path.join(folder, "mp_sess", SID[:2]))
    os.symlink(path, os.path.join(folder, "mp_sess", SID[:2], SID))
    return folder


PLANTS = [_writable, _group_writable, _of_somebody_else, _by_a_link,
          _part_of_somebody_else, _part_by_a_link, _file_of_somebody_else,
          _file_that_others_write, _file_by_a_link]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give "
                                "files to others")


@needs_root
@pytest.mark.parametrize("lay", PLANTS, ids=lambda lay: lay.__name__)
def test_what_others_may_have_made_is_never_unpickled(make, folder, lay):
    target = os.path.join(folder, "ran")
    directory = lay(folder, target)
    for path, names, files in os.walk(folder):
        for name in (*names, *files):
            full = os.path.join(path, name)
            if not os.path.islink(full) and os.stat(full).st_uid == 0:
                os.chown(full, USER, -1)
    visitor = make("FileSession", f"session.database_directory {directory}")
    visitor.cookies["pysid"] = SID
    seen = visitor("s = outcome(req.get_session)\n"
                   "return s if isinstance(s, str) else s.is_new()")
    assert seen is True or seen.startswith("PermissionError:"), seen
    assert not os.path.exists(target)


@needs_root
def test_planted_file_would_run_if_it_were_read(make, folder):
    target = os.path.join(folder, "ran")
    path = plant(folder, target)
    for name in (path, os.path.dirname(path),
                 os.path.dirname(os.path.dirname(path))):
        os.chown(name, USER, -1)
    visitor = make("FileSession")
    visitor.cookies["pysid"] = SID
    visitor("req.get_session()")
    assert os.path.exists(target)
    visitor.site.log.expect("MPY0521")


def test_directory_that_others_can_write_to_gets_a_private_one(make, folder):
    os.chmod(folder, 0o1777)
    visitor = make("FileSession")
    assert [visitor(COUNT), visitor(COUNT)] == [1, 2]
    name, = os.listdir(folder)
    assert name == f"mod_python-{USER}"
    status = os.stat(os.path.join(folder, name))
    assert (status.st_uid, status.st_mode & 0o777) == (USER, 0o700)


@needs_root
@pytest.mark.parametrize("lay", ["other owner", "link", "open", "file"])
def test_private_directory_that_is_not_is_refused(make, folder, lay):
    os.chmod(folder, 0o1777)
    path = os.path.join(folder, f"mod_python-{USER}")
    if lay == "link":
        os.mkdir(os.path.join(folder, "evil"))
        os.chown(os.path.join(folder, "evil"), USER, -1)
        os.symlink("evil", path)
    elif lay == "file":
        open(path, "wb").close()
    else:
        os.mkdir(path)
        os.chmod(path, 0o755 if lay == "open" else 0o700)
        os.chown(path, USER if lay == "open" else 12345, -1)
    for kind in ("FileSession", "DbmSession", "SqliteSession"):
        assert make(kind)("return outcome(req.get_session)").startswith(
            "PermissionError: [Errno 1] sessions cannot be kept here: "), kind


def test_default_directory_is_private(make, folder):
    os.chmod(folder, 0o1777)
    visitor = make("FileSession", "session.application no_database_directory",
                   children=1)
    assert visitor(f"""
import stat
import tempfile
from mod_python import session_files
tempfile.tempdir = {folder!r}
req.get_session().save()
path = session_files.private_directory()
status = os.lstat(path)
return [os.path.dirname(path) == {folder!r}, os.listdir(path),
        stat.S_ISDIR(status.st_mode), status.st_uid == os.geteuid(),
        oct(status.st_mode & 0o777)]
""") == [True, ["mp_sess"], True, True, "0o700"]


@pytest.mark.parametrize("kind", ["FileSession", "DbmSession",
                                  "SqliteSession"])
def test_directory_that_is_not_there_is_an_error_that_names_it(make, kind):
    assert make(kind, "session.database_directory /nowhere/at/all")(
        "return outcome(req.get_session)") == (
        "FileNotFoundError: [Errno 2] No such file or directory: "
        "'/nowhere/at/all'")


@needs_root
@pytest.mark.parametrize("kind, name", [("DbmSession", "mp_sess.dbm"),
                                        ("SqliteSession", "mp_sess.sqlite")])
def test_database_of_somebody_else_is_refused(make, folder, kind, name):
    for lay in ("owner", "link", "mode"):
        path = os.path.join(folder, name)
        if lay == "link":
            os.symlink("/nowhere", path)
        else:
            open(path, "wb").close()
            os.chown(path, 12345 if lay == "owner" else USER, -1)
            os.chmod(path, 0o600 if lay == "owner" else 0o666)
        assert make(kind)("return outcome(req.get_session)").startswith(
            "PermissionError"), lay
        os.unlink(path)


# Clean-up of files

def age(folder, sid, seconds):
    path = os.path.join(folder, "mp_sess", sid[:2], sid)
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def old_sessions(visitor, count=6, timeout=1800):
    """Sessions that began, by their ids."""
    ids = []
    for _ in range(count):
        one = Visitor(visitor.site)
        one("Session.CLEANUP_CHANCE = 0\n"  # none by chance
            f"req.get_session(timeout={timeout}).save()")
        ids.append(one.cookies["pysid"])
    return ids


def present(folder, ids):
    return [sid for sid in ids if os.path.exists(
        os.path.join(folder, "mp_sess", sid[:2], sid))]


CLEAN = """
Session.CLEANUP_CHANCE = 0
s = Session.FileSession(req%s)
s.cleanup()
"""


def sweep(visitor, more=""):
    Visitor(visitor.site)(CLEAN % more)


@pytest.mark.parametrize("more, kept", [
    ("", "young"),                                   # both
    (", fast_cleanup=1, verify_cleanup=0", "time"),  # by their times alone
    (", fast_cleanup=0", "own")])                    # by what is in them
def test_cleanup_removes_files_whose_time_is_over(make, folder, more, kept):
    visitor = make("FileSession")
    young, old, short, lasting = (
        old_sessions(visitor, 1)[0], old_sessions(visitor, 1, 1)[0],
        old_sessions(visitor, 1, 1e-6)[0], old_sessions(visitor, 1, 1e6)[0])
    # old is over by now, by its own timeout, and so is short
    wait_until(lambda: Visitor(visitor.site, {"pysid": old})(
        "return req.get_session().is_new()"), "the end of a session")
    age(folder, old, 3000)
    age(folder, lasting, 3000)
    sweep(visitor, more)
    left = present(folder, [young, old, short, lasting])
    assert left == {
        "young": [young, short, lasting],  # short has the time of a new one
        "time": [young, short], "own": [young, lasting]}[kept]


def test_cleanup_leaves_locked_sessions_and_strange_files_alone(make, folder):
    visitor = make("FileSession")
    sid, = old_sessions(visitor, 1)
    path = age(folder, sid, 9000)
    stored = pickle.loads(open(path, "rb").read())
    stored["_accessed"] -= 9000
    with open(path, "wb") as file:
        file.write(pickle.dumps(stored))
    age(folder, sid, 9000)
    part = os.path.dirname(path)
    fresh, dead = os.path.join(part, "x.tmp"), os.path.join(part, "y.tmp")
    for name, old in ((fresh, 0), (dead, 9000)):
        open(name, "wb").close()
        os.utime(name, (time.time() - old,) * 2)
    from httpd import later
    holder = later(Visitor(visitor.site), """
held = __import__("_web")._hold_session(%r)
harness.wait(__file__, "in")
return held is not None
""" % sid)
    visitor.site.wait_parked("in")
    sweep(visitor)
    assert present(folder, [sid]) == [sid]
    assert (os.path.exists(fresh), os.path.exists(dead)) == (True, False)
    visitor.site.open_gate("in")
    assert holder.result(20) is True
    sweep(visitor)
    assert present(folder, [sid]) == []


def test_cleanup_that_is_stopped_goes_on_at_the_right_place(make, folder):
    visitor = make("FileSession",
                   "file_session.cleanup_time_limit 0.000001")
    ids = old_sessions(visitor)
    for sid in ids:
        age(folder, sid, 9000)
    top = os.path.join(folder, "mp_sess")
    for number in range(256):
        sweep(visitor, ", verify_cleanup=0")
        with open(os.path.join(top, "fs_status.txt"), "rb") as file:
            assert int(file.read()) == (number + 1) % 256
        assert ".mp_sess.lck" not in os.listdir(top)
        assert present(folder, ids) == [
            sid for sid in ids if int(sid[:2], 16) > number]


def test_cleanup_without_a_limit_does_everything_at_once(make, folder):
    visitor = make("FileSession", "file_session.cleanup_time_limit 0")
    ids = old_sessions(visitor)
    for sid in ids:
        age(folder, sid, 9000)
    sweep(visitor, ", verify_cleanup=0")
    assert present(folder, ids) == []


def test_cleanup_survives_an_exception_and_frees_its_lock(make, folder):
    visitor = make("FileSession")
    ids = old_sessions(visitor)
    for sid in ids:
        age(folder, sid, 9000)
    Visitor(visitor.site)("""
from mod_python import session_files
class Broken(session_files.Store):
    def _sweep_part(self, name, is_over):
        raise KeyError("x")
s = Session.FileSession(req)
s._files.__class__ = Broken
s.cleanup()
""")
    visitor.site.log.expect("MPY0523: the clean-up of a session store failed")
    assert ".mp_sess.lck" not in os.listdir(os.path.join(folder, "mp_sess"))
    sweep(visitor, ", verify_cleanup=0")
    assert present(folder, ids) == []


@pytest.mark.parametrize("seconds, left", [(0, True), (3000, True),
                                           (4000, False)])
def test_lock_of_the_cleanup_is_stale_after_an_hour(
        make, folder, seconds, left):
    visitor = make("FileSession")
    sid, = old_sessions(visitor, 1)
    age(folder, sid, 9000)
    lock = os.path.join(folder, "mp_sess", ".mp_sess.lck")
    open(lock, "wb").close()
    os.utime(lock, (time.time() - seconds,) * 2)
    sweep(visitor, ", verify_cleanup=0")
    assert bool(present(folder, [sid])) is left
    assert os.path.exists(lock) is left


@pytest.mark.parametrize("option, old", [
    ("file_session.enable_fast_cleanup", "session_fast_cleanup"),
    ("file_session.verify_session_timeout", "session_verify_cleanup")])
def test_flags_are_yes_or_no_and_nothing_else(make, option, old):
    for line, seen in ((f"{option} maybe", "ValueError"),
                       (f"{option} NO", "FileSession"),
                       (f"{option} True\nPythonOption {old} x",
                        "FileSession")):
        visitor = make("FileSession", line)
        assert visitor("s = kind(req.get_session)\nreturn s if isinstance("
                       "s, str) else type(s).__name__") == seen


def test_one_in_so_many_sessions_cleans_up_after_the_response(make, folder):
    visitor = make("FileSession", "file_session.cleanup_grace_period 0",
                   children=1)
    sid, = old_sessions(visitor, 1, 1e-6)
    path = age(folder, sid, 9000)
    Visitor(visitor.site)("Session.CLEANUP_CHANCE = 1\n"
                          "req.get_session(timeout=5)\n"
                          f"return os.path.exists({path!r})")
    assert not os.path.exists(path)


@pytest.mark.parametrize("kind", ["DbmSession", "SqliteSession",
                                  "MemorySession"])
def test_cleanup_of_the_other_stores(make, kind):
    visitor = make(kind, children=1)
    count = {"DbmSession": "with s._opened(req.server) as d:\n"
                           "    return len(list(d.keys()))",
             "SqliteSession": "with s._opened() as d:\n"
                              "    return d.execute('SELECT count(*) FROM "
                              "session').fetchone()[0]",
             "MemorySession": "return len(s._sessions)"}[kind]
    old_sessions(visitor, 3, 1e-6)
    old_sessions(visitor, 2)
    assert Visitor(visitor.site)("s = req.get_session()\n" + count) == 5
    Visitor(visitor.site)("req.get_session().cleanup()")
    assert Visitor(visitor.site)("s = req.get_session()\n" + count) == 2


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
