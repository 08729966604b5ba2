"""PythonEnablePdb: a handler under pdb, on the terminal of httpd -X."""

import socket

from httpd import later, page

HANDLER = """
    from mod_python import apache

    def handler(req):
        word = "not seen"
        req.write("said " + word)
        return apache.OK
    """


FILTER = """
    def outputfilter(filter):
        word = "not seen"
        while filter.read():
            filter.write(word)
        filter.close()
    """
CONNECTION = """
    from mod_python import apache

    def connectionhandler(conn):
        word = "not seen"
        conn.write(word)
        return apache.OK
    """
HELLO = "SetHandler mod_python\nPythonHandler hello\n"


def debugged(own_server, commands, extra="", htaccess=HELLO):
    """The response of a debugged handler and what pdb wrote, after typing
    these commands."""
    server = own_server(extra, start=False, mpm="prefork", files={
        ".htaccess": htaccess + "PythonEnablePdb On\n",
        "hello.py": HANDLER, "filter.py": FILTER, "page.txt": "text"})
    with server.on_a_terminal() as terminal:
        answer = later(server.site.get, "page.txt")
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


def test_filter_runs_under_pdb(own_server):
    _, response, written = debugged(
        own_server, "next\nnext\n!word = 'changed'\ncontinue\n", """
        <Directory ${SITE}>
            PythonOutputFilter filter said
            SetOutputFilter said
        </Directory>
        """, "")
    assert (response.status, response.text) == (200, "changed")
    assert "-> while filter.read():" in written


def test_connection_handler_runs_under_pdb(own_server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = own_server(f"""
        Listen 127.0.0.1:{port}
        <VirtualHost 127.0.0.1:{port}>
            PythonConnectionHandler ${{SITE}}/connection.py
            PythonEnablePdb On
        </VirtualHost>
        """, start=False, mpm="prefork", files={"connection.py": CONNECTION})
    with (server.on_a_terminal() as terminal,
          socket.create_connection(("127.0.0.1", port), 20) as stream):
        stream.sendall(b"x") # httpd accepts when there is something to read
        terminal.stdin.write(b"next\n!word = 'changed'\ncontinue\n")
        terminal.stdin.flush()
        assert stream.recv(100) == b"changed"


def test_quitting_pdb_raises_out_of_the_handler(own_server):
    server, response, _ = debugged(own_server, "quit\n")
    assert response.status == 500
    server.log.expect("MPY0401: .*BdbQuit")


def test_pdb_is_for_one_process_only(site):
    site.write({"hello.py": page("'served'")})
    site.serve("hello", "PythonEnablePdb On")
    assert site.get().text == "served"
