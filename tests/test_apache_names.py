"""Every name of apache and _apache: it is there, it is of its kind, and where
it is a number of httpd's, it has the value of httpd's headers."""

import ast
import os
import subprocess

import pytest

from inline import serve, value
from test_constants import expected
from test_exported_functions import ask_apxs

FUNCTIONS = """
    log_error config_tree server_root mpm_query exists_config_define stat
    register_cleanup import_module module_mtime resolve_object build_cgi_env
    setup_cgi restore_nocgi init allow_methods exists_config freeze_modules
    module_info modules_graph request_modules_graph get_handler_root
    get_current_config get_current_options keep reload_history census
    parse_qs parse_qsl
    """.split()
TYPES = """
    table make_table mp_table NullIO CGIStdin CGIStdout SharedDict mp_request
    mp_server mp_conn mp_finfo mp_hlist mp_filter
    """.split()
EXCEPTIONS = "SERVER_RETURN ExpiredError PROG_TRACEBACK".split()
BUILT_IN = {
    "function": """
        config_tree log_error mpm_query server_root register_cleanup
        exists_config_define stat _global_lock _global_trylock _global_unlock
        parse_qs parse_qsl
        """.split(),
    "type": ["table", "SERVER_RETURN"],
    "int": """
        AP_CONN_UNKNOWN AP_CONN_CLOSE AP_CONN_KEEPALIVE APR_NOFILE APR_REG
        APR_DIR APR_CHR APR_BLK APR_PIPE APR_LNK APR_SOCK APR_UNKFILE
        MODULE_MAGIC_NUMBER_MAJOR MODULE_MAGIC_NUMBER_MINOR
        """.split(),
}
# Numbers that httpd's headers do not have.
OUR_OWN = {"REQ_PROCEED", "REQ_NOACTION", "REQ_ABORTED",
           "HTTP_IM_A_TEAPOT", "APLOG_NOERRNO"}  # the last is 8 there

KIND = """
    def kind(thing):
        if isinstance(thing, type):
            return ("exception" if issubclass(thing, BaseException)
                    else "type")
        return "function" if callable(thing) else type(thing).__name__
    """


def kinds(site, module, names):
    """{name: its kind, or "missing"}"""
    return value(site, KIND + f"""
    import importlib
    module = importlib.import_module({module!r})
    return {{name: kind(getattr(module, name)) if hasattr(module, name)
            else "missing" for name in {names!r}}}
    """)


def test_apache_has_every_name(site):
    wanted = {**dict.fromkeys(FUNCTIONS, "function"),
              **dict.fromkeys(TYPES, "type"),
              **dict.fromkeys(EXCEPTIONS, "exception"),
              **{name: type(number).__name__
                 for name, number in expected().items()},
              "interpreter": "str", "main_server": "mp_server",
              "MODULE_MAGIC_NUMBER_MINOR": "int"}
    assert kinds(site, "mod_python.apache", list(wanted)) == wanted


def test_builtin_module_has_every_name(site):
    wanted = {name: kind for kind, names in BUILT_IN.items()
              for name in names}
    assert len(wanted) == 28
    wanted["SERVER_RETURN"] = "exception"
    assert kinds(site, "_apache", list(wanted)) == wanted


def test_numbers_are_those_of_the_headers_of_httpd(site, tmp_path):
    numbers = value(site, """
        return {name: number for name, number in vars(apache).items()
                if name.isupper() and type(number) is int}
        """)
    asked = [name for name in numbers if name not in OUR_OWN
             and not name.startswith(("FINFO_", "URI_", "AUTH"))]
    assert len(asked) > 150
    seen = _values_in_headers(tmp_path, asked)
    # 103 is younger than some httpd.
    assert sorted(set(asked) - set(seen)) in ([], ["HTTP_EARLY_HINTS"])
    assert seen == {name: numbers[name] for name in seen}


def _values_in_headers(directory, names):
    """{name: value}, without what the headers do not have."""
    enums = ("APR_", "AP_CONN_", "M_")
    lines = [f'printf("{name} %ld\\n", (long){name});'
             if name.startswith(enums) and not name.startswith("APR_FINFO_")
             else f'#ifdef {name}\nprintf("{name} %ld\\n", (long){name});\n'
                  "#endif" for name in names]
    source = directory / "values.c"
    source.write_text("\n".join([
        "#include <httpd.h>", "#include <http_core.h>", "#include <ap_mpm.h>",
        "#include <ap_mmn.h>", "#include <http_log.h>", "#include <stdio.h>",
        "#include <apr_file_info.h>",
        "int main(void) {", *lines,
        "return 0; }", ""]))
    subprocess.run(
        ["cc", "-o", directory / "values", source,
         *ask_apxs("EXTRA_CPPFLAGS").split(), f"-I{ask_apxs('INCLUDEDIR')}",
         f"-I{ask_apxs('APR_INCLUDEDIR')}"], check=True)
    done = subprocess.run([directory / "values"], capture_output=True,
                          text=True, check=True)
    return {name: int(number) for name, number in
            map(str.split, done.stdout.splitlines())}


def test_types_and_exceptions_are_shown_without_a_module(site):
    assert value(site, """
        return [str(type(one)) for one in (
            req, req.connection, req.server, req.hlist, req.finfo,
            req.headers_in, apache.table(), iter(apache.table()))], \\
            str(apache.SERVER_RETURN)
        """) == ([f"<class '{name}'>" for name in (
            "mp_request", "mp_conn", "mp_server", "mp_hlist", "mp_finfo",
            "mp_table", "mp_table", "dictionary-iterator")],
            "<class '_apache.SERVER_RETURN'>")


def test_old_names_mean_the_new_ones(site):
    assert value(site, """
        from mod_python import util
        return (apache.make_table is apache.table is apache.mp_table,
                apache.exists_config is apache.exists_config_define,
                apache.parse_qs is util.parse_qs,
                apache.parse_qsl is util.parse_qsl,
                hasattr(req, "requires"))
        """) == (True, True, True, True, False)


def test_module_mtime_is_that_of_the_file(site):
    site.write({"child.py": "", "old.py": ""})
    os.utime(site.path("old.py"), (5.5, 5.5))
    assert value(site, """
        import child, old, sys
        class Nothing:
            pass
        return (apache.module_mtime(child) == os.stat(child.__file__).st_mtime,
                apache.module_mtime(old), apache.module_mtime(sys),
                apache.module_mtime(Nothing()))
        """) == (True, 5.5, 0, 0)


def test_resolve_object_looks_up_what_a_handler_names(site):
    site.write({"page.py": """
        class Page:
            def __init__(self, given):
                self.given = given

            class Inner:
                def __init__(self, given):
                    self.given = given

        def plain():
            pass
        """})
    assert value(site, """
        import page
        find = apache.resolve_object
        return [find(page, "plain") is page.plain,
                find(page, "Page") is page.Page,
                find(page, "Page.given", 5),
                find(page, "Page.Inner.given", arg=6),
                find(page, "nothing", None, 1), find(page, "a.b", silent=1),
                outcome(find, page, "nothing")]
        """) == [True, True, 5, 6, None, None, "AttributeError: module "
                 f"'{site.path('page.py')}' contains no 'nothing'"]


# The functions that are about the running request

def test_current_config_and_options_are_those_of_the_request(site):
    assert value(site, """
        return [apache.get_current_config()["PythonDebug"],
                apache.get_current_options()["word"],
                dict(apache.get_current_config().items())
                == dict(req.get_config().items())]
        """, more="PythonDebug On\nPythonOption word local") == [
            "1", "local", True]


def test_outside_of_requests_they_are_those_of_the_main_server(own_server):
    server = own_server("""
        PythonOption word main
        PythonImport ${SITE}/start.py main_interpreter
        """, files={"start.py": """
        from mod_python import apache
        print(apache.get_current_options()["word"],
              apache.get_current_config()["PythonInterpreter"])
        """})
    server.log.expect("^main main_interpreter$",
                      count=server.config.children)


def test_allow_methods_is_for_the_running_request(site):
    serve(site, """
        apache.allow_methods(apache.M_GET, apache.M_VERSION_CONTROL, "SPAM")
        raise apache.SERVER_RETURN(apache.HTTP_METHOD_NOT_ALLOWED)
        """)
    allowed = site.get().headers["Allow"].replace(" ", "").split(",")
    assert {"GET", "VERSION-CONTROL", "SPAM"} <= set(allowed)


def test_allow_methods_outside_of_a_request_is_an_error(site):
    assert value(site, """
        found = []
        thread = threading.Thread(target=lambda: found.append(
            outcome(apache.allow_methods, apache.M_GET)))
        thread.start()
        thread.join()
        return found
        """) == ["RuntimeError: allow_methods() is for requests; none is "
                 "running"]


def test_prog_traceback_raises_the_exception_with_its_own_traceback(site):
    serve(site, """
        import sys

        def deep():
            raise LookupError("of the program")
        try:
            deep()
        except LookupError:
            raise apache.PROG_TRACEBACK(*sys.exc_info())
        """)
    assert site.get().status == 500
    site.log.expect("MPY0401: .*LookupError: of the program")
    assert any("in deep" in entry.text for entry in site.log.entries())


# CGI

def test_cgi_environment_is_that_of_a_script(site):
    env = value(site, """
        req.path_info = "/more"
        req.uri = req.uri + "/more"
        env = apache.build_cgi_env(req)
        return {name: env.get(name) for name in (
            "SCRIPT_NAME", "GATEWAY_INTERFACE", "HTTP_AUTHORIZATION",
            "REQUEST_METHOD", "QUERY_STRING", "HTTP_X_Y")}
        """, "page?a=b", headers={"Authorization": "Basic eDp5", "X-Y": "z"})
    assert env == {
        "SCRIPT_NAME": site.url("page"), "GATEWAY_INTERFACE":
        "Python-CGI/1.1", "HTTP_AUTHORIZATION": "Basic eDp5",
        "REQUEST_METHOD": "GET", "QUERY_STRING": "a=b", "HTTP_X_Y": "z"}


def test_cgi_setup_is_undone(site):
    assert value(site, """
        import sys
        before = dict(os.environ), sys.stdin, sys.stdout
        saved = apache.setup_cgi(req)
        seen = (type(sys.stdin).__name__, type(sys.stdout).__name__, sys.argv,
                os.environ["REQUEST_METHOD"])
        apache.restore_nocgi(*saved)
        return [seen, before == (dict(os.environ), sys.stdin, sys.stdout),
                sys.argv]
        """) == [("CGIStdin", "CGIStdout", [], "GET"), True, ["mod_python"]]


@pytest.mark.parametrize("chunks", [
    ["Status: 404 Not here\r\nContent-Type: text/x\r\nX-A: 1\r\nX-A: 2\r\n"
     "\r\nbody \u20ac\n\nmore"],
    ["Status: 404\n", b"content-type: text/x\nX-A: 1\nX-A:2\n", "\n",
     "body \u20ac\n\n", b"more"],
    [c for c in "Status:404\nContent-Type:text/x\nX-A:1\nX-A:2\r\n\r\n"
                "body \u20ac\n\nmore"]])
def test_cgi_output_begins_with_a_header_block(site, chunks):
    serve(site, f"""
        out = apache.CGIStdout(req)
        for chunk in {chunks!r}:
            out.write(chunk)
        out.flush()
        """)
    response = site.get()
    assert response.status == 404
    assert response.headers["Content-Type"] == "text/x"
    assert response.headers.get_all("X-A") == ["1", "2"]
    assert response.body == "body \u20ac\n\nmore".encode()


def test_cgi_output_without_headers_is_an_error(site):
    assert value(site, """
        return [outcome(apache.CGIStdout(req).write, "hello\\n\\n"),
                outcome(apache.CGIStdout(req).write, b"x" * 65537),
                outcome(apache.CGIStdout(req).write, "")]
        """) == [
            "ValueError: the script sent a header without a colon, 'hello'; "
            "print() an empty line before the body",
            "ValueError: no empty line ends the header block of the script "
            "within 65536 bytes", 0]


def test_cgi_input_is_text_and_its_buffer_bytes(site):
    body = "gr\u00fcn\nline\n\u20ac\udc80".encode("utf-8", "surrogateescape")
    code = """
        file = apache.CGIStdin(req)
        text = [file.readline()]
        data = file.buffer.readline()
        while part := file.read(1):
            text.append(part)
        text.append(file.read())
        req.write(ascii([text[0], data, "".join(text[1:])]))
        """
    serve(site, code)
    assert ast.literal_eval(site.post("", body).text) == [
        "gr\u00fcn\n", b"line\n", "\u20ac\udc80"]


def test_null_file_does_nothing(site):
    assert value(site, """
        file = apache.NullIO()
        return [file.tell(), file.read(), file.readline(), file.readlines(),
                file.write("abc"), file.writelines(["a"]), file.isatty(),
                file.flush(), file.close(), file.detach(), file.seek(5)]
        """) == [0, "", "", [], 3, None, False, None, None, None, None]
