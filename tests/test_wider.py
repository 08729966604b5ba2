"""What edges do not tell: a refresh that fails is tried with all of the root."""

from httpd import counted, page

# A registry that nothing shows: it is in a function's default argument, which
# itself is wrapped by an object of C, and refuses a name that it has.
HIDDEN = """
    import functools
    def add(names, name):
        if name in names:
            raise ValueError(f"{name} is there already")
        names.append(name)
        return len(names)
    class Hidden:
        __slots__ = ()
    names = functools.lru_cache(maxsize=None)(lambda: [])
    def register(name):
        return add(names(), name)
    """
VIEW = """
    from registry import register
    register("{name}")
    text = "{text}"
    """


def write(site):
    site.write({
        "registry.py": counted(HIDDEN),
        "one.py": counted(VIEW.format(name="one", text="a")),
        "two.py": counted(VIEW.format(name="two", text="a")),
        "aside.py": counted("value = 1\n"),
        "page.py": counted(page(
            "(one.text, two.text, registry.names(), aside.value)",
            "import one, two, registry, aside"))})


def test_refresh_that_needs_more_than_the_edges_tell_succeeds(own_server):
    site = own_server(children=1).site
    write(site)
    site.serve("page")
    assert site.get().text == "('a', 'a', ['one', 'two'], 1)"
    site.edit("one.py", counted(VIEW.format(name="one", text="b")))
    assert site.get().text == "('b', 'a', ['one', 'two'], 1)"


def test_wider_set_is_remembered(own_server):
    site = own_server(children=1).site
    write(site)
    site.serve("page")
    site.get()
    for text in "bcd":
        site.forget_executions()
        site.edit("one.py", counted(VIEW.format(name="one", text=text)))
        assert site.get().text == f"({text!r}, 'a', ['one', 'two'], 1)"
    # One execution of each: nothing had to fail first.
    assert site.each_child_ran() == dict.fromkeys(
        ("registry.py", "one.py", "two.py", "aside.py", "page.py"), 1)


def test_broken_module_is_tried_wider_once_for_one_save(own_server):
    site = own_server(children=1).site
    write(site)
    site.serve("page", "PythonReloadFailure keep")
    site.get()
    site.forget_executions()
    site.edit("one.py", counted("raise ValueError('broken')\n"))
    for _ in range(5):
        assert site.get().text == "('a', 'a', ['one', 'two'], 1)"
    site.log.expect("MPY0202")
    assert site.each_child_ran().get("aside.py", 0) <= 1
    site.edit("one.py", counted(VIEW.format(name="one", text="b")))
    assert site.get().text == "('b', 'a', ['one', 'two'], 1)"


def test_syntax_error_executes_nothing_at_all(own_server):
    site = own_server(children=1).site
    write(site)
    site.serve("page", "PythonReloadFailure keep")
    site.get()
    site.forget_executions()
    site.edit("one.py", "this is no Python\n")
    site.get()
    site.log.expect("MPY0202")
    assert site.executions() == []
