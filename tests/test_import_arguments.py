"""import_module(autoreload=, log=), inside and outside a request."""

import pytest

# A thread of the program, asked by requests: it is in no request itself.
THREAD = """
    import queue
    import threading
    from mod_python import apache

    asked, answers = queue.Queue(), queue.Queue()

    def run():
        while True:
            arguments = asked.get()
            answers.put(apache.import_module("child", **arguments).value)

    threading.Thread(target=run, daemon=True).start()

    def ask(**arguments):
        asked.put(arguments)
        return answers.get(timeout=20)
    """
PAGE = """
    from mod_python import apache
    import asking

    def handler(req):
        req.write(asking.ask(**eval(req.args)))
        return apache.OK
    """


def serve(site, *more):
    site.write({"asking.py": THREAD, "page.py": PAGE,
                "child.py": "value = 'one'\n"})
    site.serve("page", *more)


@pytest.mark.parametrize("setting, arguments, expected", [
    ("On", "{'autoreload':True}", "two"),
    ("On", "{'autoreload':False}", "one"),
    ("Off", "{}", "one"),
    ("Off", "{'autoreload':True}", "two"),
    ("Off", "{'autoreload':0}", "one"),
    ("Off", "{'autoreload':1,'log':1}", "two"),
])
def test_thread_of_the_program_looks_as_it_says_or_as_configured(
        own_server, setting, arguments, expected):
    server = own_server(f"PythonAutoReload {setting}\n", children=1)
    site = server.site
    # The pages never look, whatever the server's setting is.
    serve(site, "PythonAutoReload Off")
    assert site.get("?{}").text == "one"
    site.edit("child.py", "value = 'two'\n")
    assert site.get("?" + arguments).text == expected
    site.log.allow("reimporting")


def test_thread_goes_on_with_the_versions_that_its_code_belongs_to(
        own_server):
    site = own_server(children=1).site
    serve(site, "PythonAutoReload Off")
    assert site.get("?{}").text == "one"
    site.edit("child.py", "value = 'two'\n")
    assert site.get("?{'autoreload':True}").text == "two"
    # The request's asking.py, and with it the thread, is of today now.
    assert site.get("?{}").text == "two"


def test_frozen_interpreter_looks_for_nobody(own_server):
    site = own_server(
        "PythonImport mod_python.apache::freeze_modules main_interpreter\n",
        children=1).site
    serve(site)
    assert site.get("?{}").text == "one"
    site.edit("child.py", "value = 'two'\n")
    assert site.get("?{'autoreload':True}").text == "one"


IN_REQUEST = """
    from mod_python import apache
    def handler(req):
        child = apache.import_module("child", {arguments})
        req.write(child.value)
        return apache.OK
    """


@pytest.mark.parametrize("setting, arguments, expected", [
    ("On", "autoreload=0", "two"), ("On", "autoreload=1", "two"),
    ("Off", "autoreload=0", "one"), ("Off", "autoreload=1", "one"),
])
def test_request_sees_its_one_generation_whatever_the_argument_says(
        own_server, setting, arguments, expected):
    site = own_server(children=1).site
    site.write({"page.py": IN_REQUEST.format(arguments=arguments),
                "child.py": "value = 'one'\n"})
    site.serve("page", f"PythonAutoReload {setting}")
    assert site.get().text == "one"
    site.edit("child.py", "value = 'two'\n")
    assert site.get().text == expected


@pytest.mark.parametrize("where", ["module", "handler"])
@pytest.mark.parametrize("level, log, lines", [
    ("info", None, 1), ("info", True, 1), ("info", False, 0),
    ("notice", None, 0), ("notice", True, 1), ("notice", False, 0),
    ("warn", True, 1),  # httpd always logs what is of level notice
])
def test_argument_log_tells_or_silences_this_call(own_server, where, level,
                                                  log, lines):
    site = own_server(f"LogLevel warn python:{level}\n", children=1).site
    call = f"apache.import_module('child', log={log}).value"
    if where == "module":
        text = f"value = {call}\n"
        call = "value"
    else:
        text = ""
    site.write({"page.py": "from mod_python import apache\n" + text
                + f"def handler(req):\n    req.write({call})\n"
                "    return apache.OK\n",
                "child.py": "import below\nvalue = 'one'\n", "below.py": ""})
    site.serve("page")
    assert site.get().text == "one"
    for name in ("child", "below"):
        assert len(site.log.matching(f"importing '[^']*/{name}.py'")) == lines
    if level == "info":
        assert len(site.log.matching("importing '[^']*/page.py'")) == 1


def test_reimport_is_silenced_by_the_argument_too(own_server):
    site = own_server("LogLevel warn python:info\n", children=1).site
    site.write({"page.py": "from mod_python import apache\n"
                "value = apache.import_module('child', log=False).value\n"
                "def handler(req):\n    req.write(value)\n"
                "    return apache.OK\n",
                "child.py": "value = 'one'\n"})
    site.serve("page")
    assert site.get().text == "one"
    site.edit("child.py", "value = 'two'\n")
    assert site.get().text == "two"
    assert len(site.log.matching("importing '[^']*/child.py'")) == 0
    assert len(site.log.matching("reimporting '[^']*/page.py'")) == 1
