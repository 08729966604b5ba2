"""A save is noticed at the next request, however it was made, wherever the
file lies, and whatever else is going on in the directory."""

import ctypes
import mmap
import os
import shutil
import subprocess

import pytest

from httpd import SAVES, counted, page, save
from namespaces import enter_namespaces, inside

HTACCESS = "SetHandler mod_python\nPythonHandler hello\n"
CHILD = {"hello.py": page("child.value", "import child"),
         "child.py": "value = 1\n", ".htaccess": HTACCESS}


# Stamps

def test_thousand_edits_of_one_size_in_a_few_seconds_are_all_seen(site):
    site.write({**CHILD, "child.py": "value = 1000\n"})
    with site.server.connect() as connection:
        for number in range(1000, 2000):
            site.edit("child.py", f"value = {number}\n")
            assert connection.get(site.url()).text == str(number)


@pytest.mark.parametrize("how", ["rename", "overwrite"])
def test_edits_of_one_size_with_the_time_put_back_are_all_seen(site, how):
    site.write({**CHILD, "child.py": "value = 1000\n"})
    os.utime(site.path("child.py"), (1_600_000_000, 1_600_000_000))
    with site.server.connect() as connection:
        for number in range(1000, 1200):
            site.edit("child.py", f"value = {number}\n", how)
            os.utime(site.path("child.py"), (1_600_000_000, 1_600_000_000))
            assert connection.get(site.url()).text == str(number)


def test_time_that_goes_backwards_with_each_edit_is_a_change(site):
    site.write(CHILD)
    assert site.get().text == "1"
    for number in range(2, 12):
        site.edit("child.py", f"value = {number}\n")
        os.utime(site.path("child.py"), (2_000_000_000 - number,) * 2)
        assert site.texts() == {str(number)}


def test_content_that_comes_back_executes_nothing_in_between_unseen(site):
    site.write({**CHILD, "child.py": counted("value = 1\n")})
    site.texts()
    site.forget_executions()
    before = site.text("child.py")
    site.edit("child.py", "value = 2\n")
    site.edit("child.py", before)
    assert site.texts() == {"1"}
    assert site.executions() == []


# Ways to write

def test_store_through_a_mapping_is_seen_when_the_file_is_closed(site):
    site.write(CHILD)
    assert site.texts() == {"1"}
    with open(site.path("child.py"), "r+b") as file:
        with mmap.mmap(file.fileno(), 0) as memory:
            memory[:] = b"value = 2\n"
            assert site.texts() <= {"1", "2"}
    assert site.texts() == {"2"}


def test_file_with_a_hole_is_never_executed(site):
    site.write(CHILD)
    assert site.texts() == {"1"}
    with open(site.path("child.py"), "wb", buffering=0) as file:
        file.truncate(4096)
        assert site.get().text == "1"
        file.seek(4000)
        file.write(b"\nvalue = 2\n")
        assert site.get().text == "1"
        file.seek(0)
        file.write(b"# no hole\n" * 400)
        file.write(b"\nvalue = 3\n")
        file.truncate()
    assert site.texts() == {"3"}


def test_hole_that_stays_is_an_error_in_the_log_and_keeps_the_old(site):
    site.write(CHILD)
    assert site.texts() == {"1"}
    with open(site.path("child.py"), "wb") as file:
        file.truncate(4096)
    assert site.texts() == {"1"}
    site.log.expect("MPY0202.*(null|SyntaxError|ValueError)")
    site.edit("child.py", "value = 2\n")
    assert site.texts() == {"2"}


@pytest.mark.parametrize("command", [
    "sed -i s/1/2/ child.py",
    "sed -i.bak s/1/2/ child.py",
    "cp new child.py",
    "cp -p old child.py",
    "cp --remove-destination new child.py",
    "mv new child.py",
    "mv old child.py",
    "ln -f new child.py",
    "ln -sfn new child.py",
    "ln -sf old child.py",
    "install -m 644 new child.py",
    "tar xf new.tar",
    "tar xf new.tar --overwrite",
    "cat new > child.py",
    "printf 'value = 2\\n' >> child.py",
    "dd if=new of=child.py conv=notrunc status=none",
    "rm child.py; cp new child.py",
    "mv child.py child.py~; cp new child.py; rm child.py~",
    "cp new .child.py.swp; mv .child.py.swp child.py; touch 4913; rm 4913",
    "truncate -s 0 child.py; cat new >> child.py",
])
def test_tools_that_write_files_are_seen(site, command):
    site.write({**CHILD, "old": "value = 2\n", "new": "value = 2\n",
                "pack/child.py": "value = 2\n"})
    os.utime(site.path("old"), (1_500_000_000, 1_500_000_000))
    subprocess.run(["tar", "cf", "../new.tar", "child.py"], check=True,
                   cwd=site.path("pack"))
    assert site.get().text == "1"
    subprocess.run(command, shell=True, check=True, cwd=site.directory)
    assert site.get().text == "2"
    site.path("child.py").unlink()
    site.write({"child.py": "value = 3\n"})
    assert site.texts() == {"3"}


def test_two_files_exchange_their_places(site):
    """renameat2(RENAME_EXCHANGE), as some atomic deployments do it."""
    site.write({**CHILD, "spare.py": "value = 2\n"})
    assert site.get().text == "1"
    libc = ctypes.CDLL(None, use_errno=True)
    here, exchange = -100, 2
    names = [str(site.path(name)).encode() for name in ("child.py",
                                                        "spare.py")]
    assert libc.renameat2(here, names[0], here, names[1], exchange) == 0
    assert site.get().text == "2"
    assert libc.renameat2(here, names[0], here, names[1], exchange) == 0
    assert site.texts() == {"1"}


def test_pipe_in_place_of_a_module_stops_nobody(site):
    site.write(CHILD)
    assert site.texts() == {"1"}
    site.remove("child.py")
    os.mkfifo(site.path("child.py"))
    assert site.texts() == {"1"}
    site.log.expect("MPY0202.*child")
    site.remove("child.py")
    site.write({"child.py": "value = 2\n"})
    assert site.texts() == {"2"}


@pytest.mark.parametrize("name", ["ünï-cödé 日本", b"not utf-8 \xff\xfe",
                                  "with space and 'quotes\"", "per%20cent"])
def test_directory_of_any_name_is_watched(site, name):
    raw = os.fsencode(name)
    directory = os.path.join(os.fsencode(site.directory), raw)
    site.write({f"plain/{file}": text for file, text in CHILD.items()})
    os.rename(site.path("plain"), directory)
    url = "".join(f"%{byte:02x}" for byte in raw) + "/"
    assert site.get(url).text == "1"
    with open(os.path.join(directory, b"child.py"), "w") as file:
        file.write("value = 2\n")
    assert site.texts(url) == {"2"}


# Directories

def test_directory_filled_before_it_is_watched_is_seen(site):
    site.write({"hello.py": page("value", """
        try:
            from plugins.extra import value
        except ImportError:
            value = 0
        """), ".htaccess": HTACCESS})
    with site.server.connect() as connection:
        for number in range(1, 100):
            assert connection.get(site.url()).text == "0"
            site.write({"plugins/__init__.py": "",
                        "plugins/extra.py": f"value = {number}\n"})
            assert connection.get(site.url()).text == str(number)
            shutil.rmtree(site.path("plugins"))


def test_tree_that_is_deleted_and_made_anew_is_seen(site):
    tree = {f"app/{name}": text for name, text in {
        **CHILD, "hello.py": page("(child.value, pkg.part.value)",
                                  "import child, pkg.part"),
        "pkg/__init__.py": "", "pkg/part.py": "value = 1\n"}.items()}
    site.write(tree)
    assert site.get("app/").text == "(1, 1)"
    for number in range(2, 6):
        shutil.rmtree(site.path("app"))
        site.write({name: text.replace("value = 1", f"value = {number}")
                    for name, text in tree.items()})
        assert site.texts("app/") == {f"({number}, {number})"}


@pytest.mark.parametrize("level", ["one", "one/two", "one/two/app",
                                   "one/two/app/pkg"])
def test_directory_above_that_is_renamed_away_and_back_is_followed(site,
                                                                   level):
    site.write({f"one/two/app/{name}": text for name, text in {
        **CHILD, "child.py": "from pkg.part import value\n",
        "pkg/__init__.py": "", "pkg/part.py": "value = 1\n"}.items()})
    url = "one/two/app/"
    assert site.get(url).text == "1"
    os.rename(site.path(level), site.path("away"))
    shutil.copytree(site.path("away"), site.path(level))
    site.edit("one/two/app/pkg/part.py", "value = 2\n")
    assert site.get(url).text == "2"
    shutil.rmtree(site.path(level))
    os.rename(site.path("away"), site.path(level))
    assert site.get(url).text == "1"
    site.edit("one/two/app/pkg/part.py", "value = 3\n")
    assert site.texts(url) == {"3"}


def test_directory_is_moved_over_an_empty_one(site):
    site.write({f"r{n}/{name}": text.replace("value = 1", f"value = {n}")
                for n in (1, 2) for name, text in CHILD.items()})
    os.rename(site.path("r1"), site.path("app"))
    assert site.texts("app/") == {"1"}
    os.rename(site.path("app"), site.path("old"))
    site.path("app").mkdir()
    os.rename(site.path("r2"), site.path("app"))
    assert site.texts("app/") == {"2"}


# Noise

@pytest.mark.parametrize("name", [
    "upload.bin", "app.log", "__pycache__/child.cpython-311.pyc",
    ".git/objects/ab/cdef", "node_modules/x/index.js", "child.pyc",
    "child.py.orig", "child.py.rej", ".#child.py", "child.py.tmp.123",
    "static/child.py", "data.json"])
def test_writes_of_other_files_execute_nothing(site, name):
    site.write({**CHILD, "hello.py": counted(CHILD["hello.py"]),
                "child.py": counted("value = 1\n")})
    site.texts()
    site.forget_executions()
    for number in range(20):
        site.write({name: f"{number}\n"})
        with open(site.path(name), "a") as file:
            file.write("more\n")
        assert site.get().text == "1"
    site.remove(name)
    assert site.texts() == {"1"}
    assert site.executions() == []


def test_lock_file_of_an_editor_that_is_a_dangling_link_is_nothing(site):
    """Emacs: .#child.py -> user@host.pid:boot."""
    site.write({**CHILD, "child.py": counted("value = 1\n")})
    site.texts()
    site.forget_executions()
    os.symlink("user@host.123:456", site.path(".#child.py"))
    assert site.texts() == {"1"}
    site.remove(".#child.py")
    assert site.texts() == {"1"}
    assert site.executions() == []


def test_edit_in_the_middle_of_a_flood_of_events_is_seen(site):
    """More events than the kernel keeps (fs.inotify.max_queued_events)."""
    site.write(CHILD)
    assert site.texts() == {"1"}
    with open("/proc/sys/fs/inotify/max_queued_events") as file:
        enough = int(file.read()) // 3 + 100
    flood = site.path("flood.tmp")
    for number in range(2 * enough):
        if number == enough:
            site.edit("child.py", "value = 2\n")
        flood.touch()
        flood.unlink()
    assert site.texts() == {"2"}
    site.edit("child.py", "value = 3\n")
    assert site.texts() == {"3"}


# Links

def release(site, name, value):
    site.write({f"{name}/www/{file}": text.replace("value = 1",
                                                   f"value = {value}")
                for file, text in CHILD.items()})
    site.write({f"{name}/www/pkg/__init__.py": "",
                f"{name}/www/pkg/part.py": f"value = {value}\n",
                f"{name}/www/hello.py": page(
                    "(child.value, pkg.part.value)",
                    "import child, pkg.part")})


def test_link_two_levels_above_the_handler_is_followed(site):
    for number in (1, 2, 3):
        release(site, f"releases/r{number}", number)
    site.point("current", "releases/r1")
    for number in (1, 2, 3, 1):
        site.point("current", f"releases/r{number}")
        assert site.texts("current/www/") == {f"({number}, {number})"}
    site.edit("releases/r1/www/child.py", "value = 9\n")
    assert site.texts("current/www/") == {"(9, 1)"}
    site.edit("releases/r2/www/child.py", "value = 8\n")
    assert site.texts("current/www/") == {"(9, 1)"}


def test_link_that_leads_to_a_link_is_followed(site):
    for number in (1, 2):
        release(site, f"releases/r{number}", number)
    site.point("live", "releases/r1")
    site.point("next", "releases/r2")
    site.point("current", "live")
    assert site.texts("current/www/") == {"(1, 1)"}
    site.point("live", "releases/r2")
    assert site.texts("current/www/") == {"(2, 2)"}
    site.point("live", "releases/r1")
    assert site.texts("current/www/") == {"(1, 1)"}
    site.point("current", "next")
    assert site.texts("current/www/") == {"(2, 2)"}
    site.edit("releases/r2/www/pkg/part.py", "value = 7\n")
    assert site.texts("current/www/") == {"(2, 7)"}


def test_two_flips_within_ten_milliseconds_end_at_the_last(site):
    for number in (1, 2, 3):
        release(site, f"r{number}", number)
    site.point("current", "r1")
    assert site.get("current/www/").text == "(1, 1)"
    for _ in range(5):
        site.point("current", "r2")
        site.point("current", "r3")
        assert site.get("current/www/").text == "(3, 3)"
        site.point("current", "r3")
        site.point("current", "r1")
        assert site.texts("current/www/") == {"(1, 1)"}


def test_flip_there_and_back_executes_nothing(site):
    for number in (1, 2):
        release(site, f"r{number}", number)
        site.edit(f"r{number}/www/child.py", counted(f"value = {number}\n"))
    site.point("current", "r1")
    assert site.texts("current/www/") == {"(1, 1)"}
    site.forget_executions()
    site.point("current", "r2")
    site.point("current", "r1")
    assert site.texts("current/www/") == {"(1, 1)"}
    assert site.executions() == []


def test_link_that_dangles_for_a_moment_keeps_the_old_version(site):
    """rm current; ln -s: deployments that are not atomic."""
    for number in (1, 2):
        release(site, f"r{number}", number)
    site.point("current", "r1")
    assert site.texts("current/www/") == {"(1, 1)"}
    site.remove("current")
    assert site.get("current/www/").status == 404
    site.point("current", "r2")
    assert site.texts("current/www/") == {"(2, 2)"}


def test_link_in_the_way_is_replaced_by_a_directory(site):
    for number in (1, 2):
        release(site, f"r{number}", number)
    site.point("current", "r1")
    assert site.texts("current/www/") == {"(1, 1)"}
    site.remove("current")
    os.rename(site.path("r2"), site.path("current"))
    assert site.texts("current/www/") == {"(2, 2)"}
    site.edit("current/www/child.py", "value = 5\n")
    assert site.texts("current/www/") == {"(5, 2)"}


def test_path_through_a_link_to_its_own_directory_is_followed(site):
    site.write(CHILD)
    site.point("loop", ".")
    assert site.texts("loop/loop/loop/") == {"1"}
    site.edit("child.py", "value = 2\n")
    assert site.texts("loop/loop/loop/") == {"2"}
    assert site.texts() == {"2"}


def test_links_of_a_config_map_are_followed(site):
    """Kubernetes: child.py -> ..data/child.py, ..data -> ..2024_01, which is
    renamed over, and the old directory deleted."""
    site.write({"hello.py": CHILD["hello.py"].replace(
        "child.value", "(child.value, other.value)").replace(
        "import child", "import child, other"), ".htaccess": HTACCESS})

    def publish(number):
        for name in ("child", "other"):
            site.write({f"..{number}/{name}.py": f"value = {number}\n"})
        site.point("..data", f"..{number}")

    publish(1)
    for name in ("child", "other"):
        site.point(f"{name}.py", f"..data/{name}.py")
    assert site.texts() == {"(1, 1)"}
    for number in range(2, 8):
        publish(number)
        shutil.rmtree(site.path(f"..{number - 1}"))
        assert site.texts() == {f"({number}, {number})"}


def test_link_to_a_module_leads_through_another_directory(site):
    site.write({**CHILD, "far/away/v1.py": "value = 1\n",
                "far/away/v2.py": "value = 2\n"})
    site.point("child.py", "far/away/v1.py")
    assert site.texts() == {"1"}
    site.edit("far/away/v1.py", "value = 3\n")
    assert site.texts() == {"3"}
    site.edit("far/away/v1.py", "value = 4\n", "rename")
    assert site.texts() == {"4"}
    os.rename(site.path("far/away"), site.path("far/gone"))
    os.rename(site.path("far/gone/v2.py"), site.path("far/gone/v1.py"))
    os.rename(site.path("far/gone"), site.path("far/away"))
    assert site.texts() == {"2"}


# File systems and limits

@pytest.fixture
def memory():
    """An empty directory on tmpfs that httpd can read."""
    path = f"/dev/shm/mod_python-{os.getpid()}"
    os.mkdir(path)
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("how", SAVES)
def test_root_on_tmpfs_reloads(site, memory, how):
    kind = subprocess.run(["stat", "-f", "-c", "%T", memory], text=True,
                          capture_output=True, check=True).stdout
    assert kind == "tmpfs\n"
    site.write(CHILD)
    shutil.copytree(site.directory, f"{memory}/app", dirs_exist_ok=True)
    os.chmod(f"{memory}/app", 0o755)
    site.point("link", f"{memory}/app")
    assert site.texts("link/") == {"1"}
    for number in (2, 33):
        save(site.path("link/child.py").resolve(),
             f"value = {number}\n".encode(), how)
        assert site.texts("link/") == {str(number)}


def test_root_on_an_overlay_reloads_files_of_both_layers(own_server,
                                                         monkeypatch):
    server = own_server(start=False, files={
        "app/readme.txt": "", "above/readme.txt": "",
        **{f"lower/{name}": text for name, text in {**CHILD, "hello.py": page(
            "(child.value, added.value)", """
            import child
            try:
                import added
            except ImportError:
                added = child
            """)}.items()}})
    site = server.site
    enter_namespaces(monkeypatch, server, overlays=[
        [str(site.path(name)) for name in ("app", "lower", "above")]])
    server.start()
    assert site.texts("app/") == {"(1, 1)"}
    app = inside(server, site.path("app"))
    for number, how in enumerate(SAVES, 2):
        save(app / "child.py", f"value = {number}\n".encode(), how)
        assert site.texts("app/") == {f"({number}, {number})"}, how
    (app / "added.py").write_text("value = 'new'\n")
    assert site.texts("app/") == {f"({number}, 'new')"}
    (app / "added.py").unlink()
    assert site.texts("app/") == {f"({number}, {number})"}
    assert site.text("lower/child.py") == "value = 1\n"
    assert not site.path("app/child.py").exists()


NO_EVENTS = "gives no reliable file events"


@pytest.mark.parametrize("limit", ["inotify_watches", "inotify_instances"])
def test_limits_of_inotify_that_are_used_up_lose_no_edit(own_server,
                                                         monkeypatch, limit):
    server = own_server(files=CHILD, start=False)
    enter_namespaces(monkeypatch, server, limits={limit: 0})
    server.start()
    site = server.site
    assert site.texts() == {"1"}
    for number, how in enumerate([*SAVES] * 2, 2):
        site.edit("child.py", f"value = {number}\n", how)
        assert site.texts() == {str(number)}, how
    said = site.log.matching(NO_EVENTS)
    assert len(said) == len(server.children())
    assert "inotify" in said[0].text


def test_edits_of_one_size_are_seen_without_inotify(own_server, monkeypatch):
    server = own_server(start=False, files={
        **CHILD, "child.py": "value = 1000\n"})
    enter_namespaces(monkeypatch, server, limits={"inotify_instances": 0})
    server.start()
    with server.connect() as connection:
        for number in range(1000, 1300):
            server.site.edit("child.py", f"value = {number}\n")
            assert connection.get(server.site.url()).text == str(number)


def test_watches_that_run_out_are_replaced_by_looking_and_said_once(
        own_server, monkeypatch):
    names = [f"d{number}" for number in range(4)]
    server = own_server(start=False, files={
        f"{name}/{file}": text for name in names
        for file, text in CHILD.items()})
    site = server.site
    watched = len(site.path("d1").parts) + 1  # d0, d1 and all above
    enter_namespaces(monkeypatch, server, limits={"inotify_watches": watched})
    server.start()
    for name in names:
        assert site.texts(f"{name}/") == {"1"}
    for name in names:
        site.edit(f"{name}/child.py", "value = 2\n")
    for name in names:
        assert site.texts(f"{name}/") == {"2"}
    for pid in server.children():
        said = [entry.text for entry in site.log.matching(NO_EVENTS)
                if entry.pid == pid]
        assert len(said) == len(set(said)) == len(names) - 2, said
        assert all("max_user_watches" in text for text in said)


def test_one_inotify_instance_serves_all_children(own_server, monkeypatch):
    server = own_server(mpm="prefork", children=8, files=CHILD, start=False)
    enter_namespaces(monkeypatch, server, limits={"inotify_instances": 1})
    server.start()
    assert server.site.texts() == {"1"}
    server.site.edit("child.py", "value = 2\n")
    assert server.site.texts() == {"2"}
    server.log.refuse(NO_EVENTS)


def test_graceful_restarts_give_their_inotify_instances_back(own_server,
                                                             monkeypatch):
    """Two are in use while the children from before a restart live on."""
    server = own_server(files=CHILD, start=False)
    enter_namespaces(monkeypatch, server, limits={"inotify_instances": 2})
    server.start()
    for number in (2, 3):
        server.graceful()
        server.site.edit("child.py", f"value = {number}\n")
        assert server.site.texts() == {str(number)}
    server.log.refuse(NO_EVENTS)


# Of directories that httpd may pass through, but not list.
as_another_user = pytest.mark.skipif(
    os.geteuid() != 0, reason="httpd runs as the user who owns the files")


@as_another_user
def test_unreadable_directory_is_looked_at_instead(own_server):
    server = own_server(files={f"app/{name}": text
                               for name, text in CHILD.items()})
    server.site.path("app").chmod(0o711)
    assert server.site.texts("app/") == {"1"}
    for number, how in enumerate(SAVES, 2):
        server.site.edit("app/child.py", f"value = {number}\n", how)
        assert server.site.texts("app/") == {str(number)}
    assert server.log.matching(NO_EVENTS + ".*not readable")


@as_another_user
def test_path_through_an_unreadable_directory_is_followed(own_server):
    server = own_server(files={
        **{f"top/r1/{name}": text for name, text in CHILD.items()},
        "top/r2/hello.py": page("'r2'"), "top/r2/.htaccess": HTACCESS})
    server.site.point("top/current", "r1")
    server.site.path("top").chmod(0o711)
    assert server.site.texts("top/current/") == {"1"}
    server.site.edit("top/r1/child.py", "value = 2\n")
    assert server.site.texts("top/current/") == {"2"}
    server.site.point("top/current", "r2")
    assert server.site.texts("top/current/") == {"r2"}
