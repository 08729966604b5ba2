"""Sessions in files: where they are, what others may have made there, and the
clean-up."""

import os
import pickle
import time

import pytest

from httpd.processes import wait_until
from visitor import COUNT, USER, Visitor, stored_in, temporary_folder

SID = "0123456789abcdef" * 2
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give "
                                "files to others")


class PutHere:
    """A pickle that would run code: it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def folder():
    with temporary_folder() as path:
        yield path


@pytest.fixture
def make(own_server, folder):
    return stored_in(own_server, folder)


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
    why = {"other owner": "it belongs to uid 12345",
           "link": "it is a symbolic link", "file": "it is no directory",
           "open": "others have access to it"}[lay]
    for kind in ("FileSession", "DbmSession", "SqliteSession"):
        said = make(kind)("return outcome(req.get_session)")
        assert said.startswith("PermissionError: [Errno 1] sessions cannot "
                               f"be kept here: {why}; "), (kind, said)
        assert f"(uid {USER}): '{path}'" in said


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
