"""State that crosses a reload by choice, and the end of what does not."""

import threading

import pytest

from httpd import page

THREADED = dict(mpm="event", children=1, threads=32)
ONE_CHILD = dict(children=1)


def notes(site, name="notes"):
    """What the modules of a test wrote down, line by line."""
    path = site.path(name)
    return path.read_text().splitlines() if path.exists() else []


NOTE = """
    import os
    def note(text):
        with open({path!r}, "a") as file:
            file.write(text + "\\n")
    """


def note_module(site):
    path = site.path("notes")
    path.touch()
    path.chmod(0o666)
    return NOTE.format(path=str(path))


# ---- the three policies of 2004 -------------------------------------------

POLICY = """
    {policy}
    try:
        counter
    except NameError:
        counter = []
    counter.append(1)
    other = {{}}
    {x}
    y = {y}

    def seen():
        return "x" in globals(), len(counter), y, len(other)
    """


@pytest.mark.parametrize("policy, after", [
    ('__mp_reload__ = "overlay"', (True, 2, 2, 0)),
    ("", (False, 1, 2, 0)),
    ('__mp_keep__ = ["counter", "not_there"]', (False, 2, 2, 0)),
], ids=["overlay", "fresh", "keep"])
def test_policy_decides_what_the_new_version_finds(own_server, policy, after):
    site = own_server(**ONE_CHILD).site

    def text(x, y):
        return POLICY.format(policy=policy, x=x, y=y)

    site.write({"page.py": page("repr(state.seen())", "import state"),
                "state.py": text("x = 1", 1)})
    site.serve("page")
    assert site.get().text == str((True, 1, 1, 0))
    site.edit("state.py", text("", 2))
    assert site.get().text == str(after)


@pytest.mark.parametrize("policy", ['__mp_reload__ = "overlay"', "",
                                    '__mp_keep__ = ["kept"]'])
def test_old_requests_keep_their_own_names_under_every_policy(own_server,
                                                              policy):
    site = own_server(**THREADED).site
    site.write({
        "page.py": """
            import harness
            from mod_python import apache
            import state

            def handler(req):
                before = state.x, state.kept
                if req.args:
                    harness.wait(__file__, "middle")
                after = state.x, state.kept
                req.write(repr((before == after, state.x)))
                return apache.OK
            """,
        "state.py": f"{policy}\nx = 1\nkept = [1]\n"})
    site.serve("page")
    assert site.get().text == "(True, 1)"
    parked = site.later("?park")
    site.wait_parked("middle")
    site.edit("state.py", f"{policy}\nx = 2\nkept = [2]\n")
    assert site.get().text == "(True, 2)"
    site.open_gate("middle")
    assert parked.result(20).text == "(True, 1)"


def test_failed_load_leaves_the_overlaid_version_as_it_was(own_server):
    site = own_server(**ONE_CHILD).site
    text = '__mp_reload__ = "overlay"\nvalue = {}\nextra = 1\n'
    site.write({"page.py": page("repr((state.value, sorted(n for n in vars("
                                "state) if n[0] != '_')))", "import state"),
                "state.py": text.format("1")})
    site.serve("page", "PythonReloadFailure keep")
    site.get()
    site.edit("state.py", text.format("2") + "more = 3\nraise ValueError\n")
    assert site.get().text == "(1, ['extra', 'value'])"
    site.log.expect("MPY0202")
    site.edit("state.py", text.format("3"))
    assert site.get().text == "(3, ['extra', 'value'])"


@pytest.mark.parametrize("new, after", [
    ('__mp_keep__ = ["a", "b"]', ([1], [1])),
    ('__mp_keep__ = ["a"]', ([1], [2])),
    ("", ([2], [2])),
])
def test_names_are_kept_if_both_versions_list_them(own_server, new, after):
    site = own_server(**ONE_CHILD).site
    site.write({"page.py": page("repr((state.a, state.b))", "import state"),
                "state.py": '__mp_keep__ = ["a", "b"]\na = [1]\nb = [1]\n'})
    site.serve("page")
    assert site.get().text == "([1], [1])"
    site.edit("state.py", new + "\na = [2]\nb = [2]\n")
    assert site.get().text == str(after)


def test_list_of_kept_names_that_is_a_str_is_told_and_nothing_is_kept(
        own_server):
    site = own_server(**ONE_CHILD).site
    site.write({"page.py": page("repr(state.value)", "import state"),
                "state.py": '__mp_keep__ = "value"\nvalue = [1]\n'})
    site.serve("page")
    site.get()
    site.edit("state.py", "value = [2]\n")
    assert site.get().text == "[2]"
    site.log.expect("MPY0205")


# ---- the clone hook --------------------------------------------------------

CLONE = """
    {imports}
    if "counter" not in globals():
        counter = {{"value": 0}}
        lock = threading.Lock()

    def count():
        with lock:
            value = counter["value"]
            time.sleep(0.0002)
            counter["value"] = value + 1
            return counter["value"]

    def __mp_clone__(module):
        with lock:
            module.counter = counter
            module.lock = lock
    # {version}
    """


@pytest.mark.seconds(120)
@pytest.mark.parametrize("text", [
    CLONE.replace("{imports}", "import threading\n    import time"),
    """
    import threading
    import time
    from mod_python import apache
    counter = apache.keep("counter", lambda: {{"value": 0}})
    lock = apache.keep("lock", threading.Lock)

    def count():
        with lock:
            value = counter["value"]
            time.sleep(0.0002)
            counter["value"] = value + 1
            return counter["value"]
    # {version}
    """,
    """
    import threading
    import time
    __mp_keep__ = ["counter", "lock"]
    counter = {{"value": 0}}
    lock = threading.Lock()

    def count():
        with lock:
            value = counter["value"]
            time.sleep(0.0002)
            counter["value"] = value + 1
            return counter["value"]
    # {version}
    """], ids=["clone", "keep", "names"])
def test_no_update_is_lost_over_a_hundred_reloads_under_load(own_server,
                                                             text):
    server = own_server(**THREADED)
    site = server.site
    site.write({"page.py": page("state.count()", "import state"),
                "state.py": text.format(version=0)})
    site.serve("page")
    site.get()
    counts = []
    end = threading.Event()

    def client():
        with server.connect() as connection:
            while not end.is_set():
                response = connection.get(site.url())
                assert response.status == 200, response.text
                counts.append(int(response.text))

    threads = [threading.Thread(target=client) for _ in range(20)]
    for thread in threads:
        thread.start()
    for version in range(1, 101):
        site.edit("state.py", text.format(version=version))
        site.get()
    end.set()
    for thread in threads:
        thread.join(20)
    total = int(site.get().text)
    assert total == len(counts) + 102
    assert len(set(counts)) == len(counts)


def test_clone_hook_that_raises_is_logged_and_the_new_version_is_clean(
        own_server):
    site = own_server(**ONE_CHILD).site
    site.write({"page.py": page("repr((state.value, 'half' in vars(state)))",
                                "import state"),
                "notes.py": note_module(site),
                "state.py": """
                    import notes
                    value = 1
                    def __mp_clone__(module):
                        module.half = 1
                        raise ValueError("no hand-over today")
                    def __mp_purge__():
                        notes.note("purged 1")
                    """})
    site.serve("page")
    assert site.get().text == "(1, False)"
    site.edit("state.py", "value = 2\n")
    response = site.get()
    assert (response.status, response.text) == (200, "(2, False)")
    site.get()
    assert notes(site) == ["purged 1"]
    lines = site.log.expect("MPY0205")
    assert "no hand-over today" in str(lines)


def test_clone_hook_is_called_once_though_the_new_version_fails_at_first(
        own_server):
    site = own_server(**ONE_CHILD).site
    site.write({"page.py": page("repr(state.value)", "import state"),
                "notes.py": note_module(site),
                "state.py": """
                    import notes
                    value = [1]
                    def __mp_clone__(module):
                        notes.note("cloned")
                        module.value = value
                    """})
    site.serve("page", "PythonReloadFailure keep")
    site.get()
    site.edit("state.py", "raise ValueError('not yet')\n")
    assert site.get().text == "[1]"
    site.edit("state.py", "this is no Python\n")
    assert site.get().text == "[1]"
    site.log.expect("MPY0202")
    site.edit("state.py", "value.append(2)\n")
    assert site.get().text == "[1, 2]"
    assert notes(site) == ["cloned"]


# ---- apache.keep() ---------------------------------------------------------

def test_kept_object_is_made_once_and_is_the_same_in_every_version(
        own_server):
    site = own_server(**ONE_CHILD).site
    text = """
        import notes
        from mod_python import apache
        def make():
            notes.note("made")
            return []
        things = apache.keep("things", make)
        things.append({version})
        """
    site.write({"page.py": page("repr(state.things)", "import state"),
                "notes.py": note_module(site),
                "state.py": text.format(version=1)})
    site.serve("page")
    site.get()
    for version in (2, 3):
        site.edit("state.py", text.format(version=version))
        site.get()
    assert site.get().text == "[1, 2, 3]"
    assert notes(site) == ["made"]


def test_kept_objects_of_two_modules_are_two_though_named_alike(own_server):
    site = own_server(**ONE_CHILD).site
    text = "from mod_python import apache\nit = apache.keep('it', list)\n"
    site.write({"page.py": page("a.it is b.it", "import a, b"),
                "a.py": text, "b.py": text})
    site.serve("page")
    assert site.get().text == "False"


def test_factory_that_raises_keeps_nothing_and_fails_the_load(own_server):
    site = own_server(**ONE_CHILD).site
    text = """
        from mod_python import apache
        def make():
            {body}
        it = apache.keep("it", make)
        """
    site.write({"page.py": page("repr(state.it)", "import state"),
                "state.py": text.format(body="raise ValueError('no pool')")})
    site.serve("page")
    assert site.get().status == 500
    site.log.expect("no pool")
    site.edit("state.py", text.format(body="return 1"))
    assert site.get().text == "1"


def test_object_made_by_a_version_that_failed_is_not_kept(own_server):
    site = own_server(**ONE_CHILD).site
    text = ("from mod_python import apache\n"
            "it = apache.keep('it', lambda: {it})\n{more}\n")
    site.write({"page.py": page("repr(state.it)", "import state"),
                "state.py": "it = 0\n"})
    site.serve("page", "PythonReloadFailure keep")
    assert site.get().text == "0"
    site.edit("state.py", text.format(it=1, more="raise ValueError"))
    assert site.get().text == "0"
    site.log.expect("MPY0202")
    site.edit("state.py", text.format(it=2, more=""))
    assert site.get().text == "2"


def test_threads_that_keep_the_same_name_get_the_same_object(own_server):
    site = own_server(**THREADED).site
    site.write({"page.py": """
        import time
        from mod_python import apache
        def make():
            time.sleep(0.2)
            return object()
        def handler(req):
            req.write(str(id(apache.keep("it", make))))
            return apache.OK
        """})
    site.serve("page")
    futures = [site.later() for _ in range(10)]
    assert len({future.result(20).text for future in futures}) == 1


def test_keep_is_refused_in_code_that_is_not_reloadable(site):
    site.write({"page.py": """
        import functools
        import harness
        from mod_python import apache
        def handler(req):
            try:
                exec("apache.keep('it', list)", {"apache": apache})
            except RuntimeError as error:
                req.write(str(error))
            return apache.OK
        """})
    site.serve("page")
    assert "reloadable" in site.get().text


def test_kept_object_of_a_class_that_is_executed_anew_is_told(own_server):
    site = own_server(**ONE_CHILD).site
    text = """
        from mod_python import apache
        class Pool:
            version = {version}
        it = apache.keep("it", Pool)
        """
    site.write({"page.py": page("state.it.version", "import state"),
                "state.py": text.format(version=1)})
    site.serve("page")
    site.get()
    site.edit("state.py", text.format(version=2))
    assert site.get().text == "1"
    site.log.expect("MPY0207")


# ---- the purge hook --------------------------------------------------------

PURGED = """
    import notes
    def __mp_purge__():
        notes.note("purged {name} {version}")
    """


def test_replaced_version_is_purged_once(own_server):
    site = own_server(**ONE_CHILD).site
    site.write({"page.py": page("1", "import state"),
                "notes.py": note_module(site),
                "state.py": PURGED.format(name="state", version=1)})
    site.serve("page")
    site.get()
    for version in (2, 3):
        site.edit("state.py", PURGED.format(name="state", version=version))
        site.get()
        site.get()
    assert notes(site) == ["purged state 1", "purged state 2"]


def test_version_in_use_is_purged_when_its_last_request_ends(own_server):
    site = own_server(**THREADED).site
    site.write({
        "page.py": """
            import harness
            from mod_python import apache
            import state
            def handler(req):
                if req.args:
                    harness.wait(__file__, req.args)
                req.write("done")
                return apache.OK
            """,
        "notes.py": note_module(site),
        "state.py": PURGED.format(name="state", version=1)})
    site.serve("page")
    site.get()
    parked = [site.later("?one"), site.later("?two")]
    for name in ("one", "two"):
        site.wait_parked(name)
    for version in (2, 3):
        site.edit("state.py", PURGED.format(name="state", version=version))
        site.get()
    assert notes(site) == ["purged state 2"]
    site.open_gate("one")
    parked[0].result(20)
    assert notes(site) == ["purged state 2"]
    site.open_gate("two")
    parked[1].result(20)
    site.get()
    assert notes(site) == ["purged state 2", "purged state 1"]


def test_version_that_is_shared_by_generations_is_not_purged(own_server):
    site = own_server(**ONE_CHILD).site
    site.write({"page.py": page("a.x", "import a, b"), "a.py": "x = 1\n",
                "notes.py": note_module(site),
                "b.py": PURGED.format(name="b", version=1)})
    site.serve("page")
    site.get()
    for x in (2, 3):
        site.edit("a.py", f"x = {x}\n")
        assert site.get().text == str(x)
    assert notes(site) == []


def test_module_that_nobody_imports_any_more_is_purged(own_server):
    site = own_server(**ONE_CHILD).site
    site.write({"page.py": page("1", "import state"),
                "notes.py": note_module(site),
                "state.py": PURGED.format(name="state", version=1)})
    site.serve("page")
    site.get()
    site.edit("page.py", page("2"))
    assert site.get().text == "2"
    site.edit("state.py", PURGED.format(name="state", version=2))
    site.get()
    assert notes(site) == ["purged state 1"]


def test_new_version_whose_stage_fails_is_purged_and_the_old_is_not(
        own_server):
    site = own_server(**ONE_CHILD).site
    site.write({"page.py": page("1", "import state, other"),
                "notes.py": note_module(site), "other.py": "",
                "state.py": PURGED.format(name="state", version=1)})
    site.serve("page", "PythonReloadFailure keep")
    site.get()
    site.edit("other.py", "raise ValueError('broken')\n")
    site.edit("state.py", PURGED.format(name="state", version=2))
    assert site.get().text == "1"
    site.log.expect("MPY0202")
    site.get()
    assert set(notes(site)) == {"purged state 2"}


def test_purge_hook_that_raises_is_logged_and_the_next_one_runs(own_server):
    server = own_server(**ONE_CHILD)
    site = server.site
    broken = "def __mp_purge__():\n    raise ValueError('cannot let go')\n"
    site.write({"page.py": page("1", "import a, b, c"),
                "notes.py": note_module(site),
                "a.py": "import c\n" + broken, "c.py": "",
                "b.py": """
                    import c
                    import notes
                    def __mp_purge__():
                        notes.note("purged b")
                    """})
    site.serve("page")
    site.get()
    site.edit("c.py", "x = 1\n")
    assert site.get().status == 200
    site.get()
    assert notes(site) == ["purged b"]
    server.stop()
    assert notes(site) == ["purged b"] * 2
    site.log.expect("MPY0206", count=2)
    assert len(site.log.matching("ValueError: cannot let go")) >= 2


def test_purge_hook_knows_what_took_its_place(own_server):
    site = own_server(**ONE_CHILD).site
    text = """
        import notes
        version = {version}
        def __mp_purge__():
            now = __mp_info__.successor
            notes.note(f"{{version}} by {{now and now.version}}")
        """
    server = site.server
    site.write({"page.py": page("1", "import state"),
                "notes.py": note_module(site),
                "state.py": text.format(version=1)})
    site.serve("page")
    site.get()
    site.edit("state.py", text.format(version=2))
    site.get()
    server.stop()
    assert notes(site) == ["1 by 2", "2 by None"]


@pytest.mark.parametrize("how", ["stop", "graceful", "restart"])
def test_live_versions_are_purged_once_when_the_child_ends(own_server, how):
    server = own_server(**ONE_CHILD)
    site = server.site
    site.write({"page.py": page("1", "import a, b"),
                "notes.py": note_module(site),
                "a.py": PURGED.format(name="a", version=1),
                "b.py": "    import a" + PURGED.format(name="b", version=1)})
    site.serve("page")
    site.get()
    getattr(server, how)()
    if how != "stop":
        server.stop()
    assert notes(site) == ["purged b 1", "purged a 1"]


def test_hooks_of_each_interpreter_run_in_it(own_server):
    server = own_server(**ONE_CHILD)
    site = server.site
    files = {"page.py": page("1", "import state"),
             "notes.py": note_module(site),
             "state.py": """
                 import notes
                 from mod_python import apache
                 def __mp_purge__():
                     notes.note("purged in " + apache.interpreter)
                 """}
    site.write(files)
    site.write({"two/.htaccess": "PythonInterpreter two\n"})
    site.serve("page", "PythonInterpreter one")
    site.get()
    site.get("two/")
    server.stop()
    assert sorted(notes(site)) == ["purged in one", "purged in two"]
