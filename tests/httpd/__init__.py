"""The test harness: a real httpd with mod_python in it, and health checks.

A test asks for the fixture `site` and gets a directory of its own under one
httpd that serves the whole session:

    def test_edited_handler_is_new_at_the_next_request(site):
        site.write({"hello.py": '''
            from mod_python import apache

            def handler(req):
                req.write("one")
                return apache.OK
            '''})
        site.serve("hello")
        assert site.get().text == "one"
        site.edit("hello.py", site.text("hello.py").replace("one", "two"))
        assert site.get().text == "two"

A test whose subject is the server's own configuration, or its life, asks for
`own_server` and calls it with that configuration:

    def test_import_runs_at_child_start(own_server):
        server = own_server(
            "PythonImport ${SITE}/start.py main_interpreter",
            files={"start.py": "print('started')"})
        server.log.expect("started")

After each test the server must be healthy (health.py): no line of level warn
or above in its error log that the test did not claim with
`site.log.expect("MPY0101")`, no lost child, no grown descriptor table.

    client.py         requests and responses
    edits.py          every way in which editors and deployments save a file
    log.py            the error log, and the claims on its lines
    processes.py      child processes as /proc shows them
    configuration.py  httpd.conf
    server.py         one httpd
    site.py           one directory of it
    health.py         what must be true after every test
    inside/           what handlers import: harness.note(), harness.wait()
"""

from .client import Connection, Response, later, together
from .configuration import Configuration
from .edits import SAVES, save
from .log import Entry, Log
from .server import Server, ServerFailed
from .site import Site, counted, page

__all__ = [
    "Configuration", "Connection", "Entry", "Log", "Response", "SAVES",
    "Server", "ServerFailed", "Site", "counted", "later", "page", "save",
    "together",
]
