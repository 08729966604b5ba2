"""PythonEnablePdb: a handler under pdb, on the terminal of httpd -X."""

from httpd import later, page

HANDLER = """
    from mod_python import apache

    def handler(req):
        word = "not seen"
        req.write("said " + word)
        return apache.OK
    """


def debugged(own_server, commands):
    """The response of a debugged handler and what pdb wrote, after typing
    these commands."""
    server = own_server(start=False, mpm="prefork", files={
        ".htaccess": "SetHandler mod_python\nPythonHandler hello\n"
                     "PythonEnablePdb On\n",
        "hello.py": HANDLER})
    with server.on_a_terminal() as terminal:
        answer = later(server.site.get)
        terminal.stdin.write(commands.encode())
        terminal.stdin.flush()
        response = answer.result(20)
    with terminal.stdout:
        return server, response, terminal.stdout.read().decode()


def test_handler_runs_under_pdb_and_obeys_its_commands(own_server):
    _, response, written = debugged(
        own_server, "next\n!word = 'changed'\nlist\ncontinue\n")
    assert (response.status, response.text) == (200, "said changed")
    assert "def handler(req):" in written


def test_quitting_pdb_raises_out_of_the_handler(own_server):
    server, response, _ = debugged(own_server, "quit\n")
    assert response.status == 500
    server.log.expect("MPY0401: .*BdbQuit")


def test_pdb_is_for_one_process_only(site):
    site.write({"hello.py": page("'served'")})
    site.serve("hello", "PythonEnablePdb On")
    assert site.get().text == "served"
