"""Another module in C (c_guest.c) that acquires and releases the main and
named interpreters, nested, in httpd's threads and in threads of its own. Each
request acquires four times, and ten times as often in a thread of its own."""

from kinds import Kind, Page, embedding_module

LOCATION = """\
<Location "/{name}">
    Require all granted
    SetHandler {name}
</Location>
"""


def configuration(tools):
    return embedding_module(tools, "c_guest.c") + "".join(
        LOCATION.format(name=name) for name in ("guest", "guest-thread"))


KIND = Kind(pages=[Page("/guest", "ok", 0.9, 6),
                   Page("/guest-thread", "ok", 0.1, 2)],
            files={}, configuration=configuration, together=True,
            interpreters=("one", "two"))
