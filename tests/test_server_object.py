"""mp_server, and the functions of apache that are about the whole server."""

import ast

import pytest

from inline import serve, value

VIRTUAL = """
<VirtualHost 127.0.0.1:1>
    ServerName spam.example:40000
    ServerAlias eggs.example *.ham.example bacon.example
    ServerAdmin admin@spam.example
    ServerPath /spam
    Timeout 7
    KeepAlive Off
    KeepAliveTimeout 1500ms
    MaxKeepAliveRequests 12
    LimitRequestLine 1234
    LimitRequestFieldSize 2345
    LimitRequestFields 34
    LogLevel debug
    PythonOption spam "eggs and ham"
    PythonDebug On
    PythonPath sys.path
</VirtualHost>
"""


def ask(server, body):
    """What this handler body returned on a server of its own."""
    serve(server.site, body)
    response = server.site.get()
    assert response.status == 200, response.text
    return ast.literal_eval(response.text)


# attributes

def test_a_virtual_host_shows_its_configuration(own_server):
    server = own_server(VIRTUAL)
    names = ("server_hostname", "port", "names", "wild_names", "server_admin",
             "path", "pathlen", "timeout", "keep_alive", "keep_alive_timeout",
             "keep_alive_max", "limit_req_line", "limit_req_fieldsize",
             "limit_req_fields", "loglevel", "is_virtual", "next")
    assert ask(server, f"""
        host = req.server.next
        return {{name: getattr(host, name) for name in {names}}}
        """) == {
            "server_hostname": "spam.example", "port": 40000,
            "names": ("eggs.example", "bacon.example"),
            "wild_names": ("*.ham.example",),
            "server_admin": "admin@spam.example", "path": "/spam",
            "pathlen": 5, "timeout": 7.0, "keep_alive": 0,
            "keep_alive_timeout": 1.5, "keep_alive_max": 12,
            "limit_req_line": 1234, "limit_req_fieldsize": 2345,
            "limit_req_fields": 34, "loglevel": 7, "is_virtual": 1,
            "next": None}


def test_a_server_knows_where_it_was_defined(own_server):
    server = own_server(VIRTUAL)
    name, line, error_log = ask(server, """
        host = req.server.next
        return host.defn_name, host.defn_line_number, req.server.error_fname
        """)
    text = (server.root / "httpd.conf").read_text().splitlines()
    assert name == str(server.root / "httpd.conf")
    assert text[line - 1].startswith("<VirtualHost")
    assert error_log == "error.log"


def test_the_main_server_is_not_virtual_and_has_no_aliases(site):
    assert value(site, """
        main = apache.main_server
        return (main.is_virtual, main.names, main.wild_names, main.path,
                main.server_hostname, main.timeout, main.keep_alive)
        """) == (0, (), (), None, "localhost", 20.0, 1)


def test_the_generation_grows_with_each_restart(own_server):
    server = own_server()
    body = "return req.server.my_generation, req.server.restart_time"
    generation, time = ask(server, body)
    server.restart()
    later_generation, later_time = ask(server, body)
    assert (generation, later_generation) == (0, 1)
    assert later_time > time > 1.6e9


def test_programs_set_attributes_and_cannot_change_ours(site):
    assert value(site, """
        server = req.server
        server.spam = 5
        built_in = [name for name in dir(server)
                    if not name.startswith("__") and name != "spam"]
        return (server.spam, vars(server),
                {kind(setattr, server, name, 1) for name in built_in
                 if not callable(getattr(server, name))},
                {kind(delattr, server, name) for name in built_in},
                kind(lambda: server.eggs))
        """) == (5, {"spam": 5}, {"AttributeError"}, {"AttributeError"},
                 "AttributeError")


def test_attributes_of_req_server_last_for_the_request(site):
    site.write({"two.py": """
        from mod_python import apache

        def fixuphandler(req):
            req.early = hasattr(req.server, "spam")
            req.server.spam = req
            return apache.OK

        def handler(req):
            req.write(repr([req.early, req.server.spam is req,
                            req.server is req.server,
                            req.server is apache.main_server]))
            return apache.OK
        """})
    site.serve("two", "PythonFixupHandler two")
    with site.server.connect() as connection:
        for _ in range(2):
            assert connection.get(site.url()).text \
                == "[False, True, True, False]"


def test_a_server_outlives_requests_and_serves_any_thread(site):
    site.write({"keep.py": "kept = []\n"})
    body = """
        import keep
        keep.kept.append(req.server)
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append(keep.kept[0].server_hostname))
        thread.start()
        thread.join()
        return seen
        """
    assert value(site, body) == ["localhost"]
    assert site.texts() == {"['localhost']"}


def test_the_capsule_is_of_the_server_record(site):
    assert value(site, """
        capsule = req.server._server_rec
        return type(capsule).__name__, '"' in repr(capsule)
        """) == ("PyCapsule", False)


# configuration

def test_configuration_and_options_of_a_virtual_host(own_server):
    server = own_server(VIRTUAL)
    config, options = ask(server, """
        host = req.server.next
        return dict(host.get_config()), dict(host.get_options())
        """)
    assert config["PythonDebug"] == "1"
    assert config["PythonPath"] == "sys.path"
    assert options == {"spam": "eggs and ham"}


def test_the_main_server_does_not_show_what_its_hosts_say(own_server):
    server = own_server(VIRTUAL + "PythonOption eggs main\n")
    config, options, host = ask(server, """
        return (dict(req.server.get_config()), dict(req.server.get_options()),
                dict(req.server.next.get_options()))
        """)
    assert config == {"PythonInterpreter": "main_interpreter"}
    assert options == {"eggs": "main"}
    assert host == {"eggs": "main", "spam": "eggs and ham"}


def test_each_call_gives_another_table_over_the_same_data(site):
    assert value(site, """
        one, other = req.server.get_options(), req.server.get_options()
        one["shared"] = "yes"
        seen = one is other, other["shared"]
        del one["shared"]
        return seen, "shared" in other
        """) == ((False, "yes"), False)


def test_what_is_written_to_the_configuration_stays_in_the_process(
        own_server):
    server = own_server()
    serve(server.site, """
        options = req.server.get_options()
        config = req.server.get_config()
        before = options.get("spam"), config.get("Spam")
        options["spam"] = "eggs"
        config["Spam"] = "ham"
        return before
        """)
    assert server.site.texts() == {"(None, None)"}
    assert server.site.texts() == {"('eggs', 'ham')"}


def test_config_tree_nests_sections_in_lists(own_server):
    server = own_server(VIRTUAL)
    tree = ast.literal_eval(
        ask(server, "return repr(apache.config_tree())"))
    assert ("ServerName", "localhost") in tree
    place = tree.index(("<VirtualHost", "127.0.0.1:1>"))
    children = tree[place + 1]
    assert ("ServerName", "spam.example:40000") in children
    assert ("PythonOption", 'spam "eggs and ham"') in children


def test_server_root_and_defines(own_server):
    server = own_server("Define SPAM\nDefine EGGS 5")
    assert ask(server, r"""
        return (apache.server_root(), apache.exists_config_define("SPAM"),
                apache.exists_config_define("EGGS"),
                apache.exists_config_define("HAM"),
                apache.exists_config("SPAM"),
                kind(apache.exists_config_define, 5),
                kind(apache.exists_config_define, "a\0"))
        """) == (str(server.root), True, True, False, True, "TypeError",
                 "ValueError")


def test_mpm_query_tells_what_the_mpm_says(site):
    threaded, forked, threads, unknown = value(site, """
        return (apache.mpm_query(apache.AP_MPMQ_IS_THREADED),
                apache.mpm_query(apache.AP_MPMQ_IS_FORKED),
                apache.mpm_query(apache.AP_MPMQ_MAX_THREADS),
                kind(apache.mpm_query, 9999))
        """)
    config = site.server.config
    assert threaded == (0 if config.mpm == "prefork" else 1)
    assert forked in (1, 2)
    assert threads == (1 if config.mpm == "prefork" else config.threads)
    assert unknown == "ValueError"


# logging

LEVELS = {1: "alert", 2: "crit", 3: "error", 4: "warn", 5: "notice",
          6: "info"}


@pytest.mark.parametrize("target", [
    "apache.log_error(text, level)", "req.server.log_error(text, level)",
    "req.connection.log_error(text, level)",
    "apache.log_error(text, level, req.server)",
    "apache.log_error(message=text, level=level, server=None)"])
def test_a_message_goes_to_the_log_at_its_level(site, target):
    serve(site, f"""
        for level in {list(LEVELS)}:
            text = f"message of level {{level}}"
            {target}
        """)
    site.get()
    for number, name in LEVELS.items():
        assert site.log.expect(f"^message of level {number}$").level == name


def test_level_0_is_err_and_no_message_is_no_line(site):
    serve(site, """
        apache.log_error("level nought", 0)
        req.server.log_error("also nought", 0)
        apache.log_error(None)
        req.server.log_error(None)
        """)
    site.get()
    site.log.expect("nought", level="error", count=2)


def test_a_message_of_many_lines_is_logged_line_by_line(site):
    serve(site, r"""
        apache.log_error("first of many\nsecond of many\n\r\nthird of many",
                         apache.APLOG_INFO)
        """)
    site.get()
    assert [entry.text for entry in site.log.matching("of many")] == [
        "first of many", "second of many", "third of many"]


def test_messages_that_cannot_be_logged_are_refused(site):
    assert value(site, r"""
        return [(kind(log, "a\0b"), kind(log, 5), kind(log, "a", 99),
                 kind(log, "a", -1), kind(log))
                for log in (apache.log_error, req.server.log_error,
                            req.connection.log_error)], \
            kind(apache.log_error, "a", 3, "server")
        """) == ([("ValueError", "TypeError", "ValueError", "ValueError",
                   "TypeError")] * 3, "TypeError")


# cleanups

def test_cleanups_run_at_the_end_of_the_process_last_first(own_server):
    server = own_server(children=1)
    serve(server.site, """
        def say(text):
            apache.log_error(f"cleanup {text}", apache.APLOG_INFO)
        apache.register_cleanup(say, "one")
        req.server.register_cleanup(req, say, "two")
        apache.register_cleanup(lambda data: say(data))
        """)
    server.site.get()
    server.stop()
    assert [entry.text for entry in server.log.matching("^cleanup")] == [
        "cleanup None", "cleanup two", "cleanup one"]


def test_a_failing_cleanup_is_logged_and_the_others_run(own_server):
    server = own_server(children=1)
    serve(server.site, """
        def say(text):
            apache.log_error(f"cleanup {text}", apache.APLOG_INFO)
        def fail(text):
            raise ZeroDivisionError(text)
        apache.register_cleanup(say, "one")
        apache.register_cleanup(fail, "spam")
        apache.register_cleanup(say, "two")
        """)
    server.site.get()
    server.stop()
    entry = server.log.expect("MPY0301")
    assert "main_interpreter" in entry.text
    assert "ZeroDivisionError: spam" in entry.text
    assert [entry.text for entry in server.log.matching("^cleanup ...$")
            ] == ["cleanup two", "cleanup one"]


def test_wrong_cleanups_are_refused(site):
    assert value(site, """
        import _apache
        server = req.server
        return (kind(apache.register_cleanup, 5),
                kind(server.register_cleanup, req, 5),
                kind(server.register_cleanup, server, len),
                kind(server.register_cleanup, None, len),
                kind(_apache.register_cleanup, "other", server, len),
                kind(_apache.register_cleanup, req.interpreter, 5, len),
                kind(server.register_cleanup))
        """) == ("ValueError",) * 6 + ("TypeError",)


def test_functions_work_in_threads_that_programs_start(site):
    assert value(site, """
        server, seen = req.server, []
        def work():
            seen.append(apache.table({"a": "b"}) == {"a": "b"})
            seen.append(apache.stat("/", apache.APR_FINFO_TYPE).filetype)
            seen.append(server.get_options().get("spam"))
            seen.append(bool(apache.config_tree()))
            apache.log_error("from a thread", apache.APLOG_INFO)
            server.log_error("from a thread", apache.APLOG_INFO)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return seen
        """) == [True, 2, None, True]
    site.log.expect("^from a thread$", level="info", count=2)
