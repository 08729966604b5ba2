"""What must be true of a server after every test."""

from . import processes

# A child opens what it needs when it first needs it; a leak goes on.
DESCRIPTORS_PER_TEST = 4


class Health:
    """Taken when a test begins, checked when it has ended."""

    def __init__(self, server):
        self.server = server
        server.log.begin()
        self.children = server.children()
        self.descriptors = {pid: _files(pid) for pid in self.children}

    def check(self):
        """Raise AssertionError with everything that is wrong."""
        wrong = [*self._answer(), *self._processes(), *self._descriptors(),
                 *map(str, self.server.log.unclaimed())]
        if wrong:
            raise AssertionError(
                "the server is not healthy after the test:\n"
                + "\n".join(wrong))

    def _answer(self):
        try:
            response = self.server.get("/health.txt")
        except OSError as error:
            yield f"a static file: {error!r}"
        else:
            if response.status != 200:
                yield f"a static file: status {response.status}"

    def _processes(self):
        now = self.server.children()
        if now != self.children:
            yield f"children were {self.children}, are {now}"

    def _descriptors(self):
        for pid in self.children & self.server.children():
            before, now = self.descriptors[pid], _files(pid)
            if len(now) - len(before) > DESCRIPTORS_PER_TEST:
                new = sorted(set(now) - set(before)) or now
                yield f"child {pid} keeps open: {', '.join(new)}"


def _files(pid):
    """What the process has open but for sockets, which come and go."""
    return [target for target in processes.descriptors(pid).values()
            if not target.startswith("socket:")]
