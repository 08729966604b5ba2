"""Pages of the publisher and of PSP and a WSGI application that share modules,
asked for by many clients while those are edited: each answer is of one version
of everything, and of the newest."""

import threading

import pytest

EDITS = 40
FILES = {
    "lib.py": "value = 0\n",
    # Slow enough for requests to come while it is being executed.
    "middle.py": """
        import time
        import lib
        time.sleep(0.01)
        value = lib.value
        """,
    "published.py": """
        import lib, middle

        def index(req):
            return f"{lib.value} {middle.value}"
        """,
    "late.py": """
        import lib

        def index(req):
            import middle
            return f"{lib.value} {middle.value}"
        """,
    "page.psp": "<% import lib, middle %><%= lib.value %> "
                "<%= middle.value %>",
    "application.py": """
        import lib

        def application(environ, start_response):
            import middle
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [f"{lib.value} {middle.value}".encode()]
        """,
    "apart.py": """
        def index(req):
            return "apart"
        """,
}
CONFIGURATION = """
    PythonModulePath ${SITE}
    <Directory ${SITE}>
        SetHandler mod_python
        PythonHandler mod_python.publisher
        <Files *.psp>
            PythonHandler mod_python.psp
        </Files>
    </Directory>
    <Location /site/wsgi>
        SetHandler mod_python
        PythonHandler mod_python.wsgi
        PythonOption mod_python.wsgi.application application
    </Location>
    """
PATHS = ["published", "late", "page.psp", "wsgi", "apart"]


class Clients:
    """One thread for each path, which asks for it again and again."""

    def __init__(self, site):
        self.site = site
        self.floor = 0  # edits that are complete
        self.asked = dict.fromkeys(PATHS, 0)
        self.wrong = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(path,))
                         for path in PATHS]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, path):
        while not self._stop.is_set():
            floor = self.floor
            response = self.site.get(path)
            self.asked[path] += 1
            if not self._is_right(path, response, floor):
                self.wrong.append((path, floor, response.status,
                                   response.text[:200]))

    def _is_right(self, path, response, floor):
        if response.status != 200 or path == "apart":
            return response.status == 200 and response.text == "apart"
        first, second = response.text.split()
        return first == second and int(first) >= floor


@pytest.mark.parametrize("children", [1, 2])
def test_each_answer_is_of_one_version_and_the_newest(own_server, children):
    server = own_server(CONFIGURATION, files=FILES, children=children)
    with Clients(server.site) as clients:
        for number in range(1, EDITS + 1):
            server.site.edit("lib.py", f"value = {number}\n",
                             "rename" if number % 2 else "inplace")
            clients.floor = number
            assert server.site.get("page.psp").text == f"{number} {number}"
    assert clients.wrong == []
    assert min(clients.asked.values()) > 5
