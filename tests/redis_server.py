"""A redis-server for a test, on a socket of its own and on a port."""

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile

from httpd.processes import wait_until


@dataclasses.dataclass
class Redis:
    path: str  # of the Unix socket
    port: int  # on 127.0.0.1


@contextlib.contextmanager
def running_redis():
    """A Redis that keeps nothing on disk."""
    # Debian's package of tools has the server, too, under another name.
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    assert program, "no Redis: install redis-tools"
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:
        os.chmod(directory, 0o755)
        redis = Redis(os.path.join(directory, "redis.sock"), _free_port())
        with subprocess.Popen(
                ["redis-server", "--port", str(redis.port), "--bind",
                 "127.0.0.1", "--unixsocket", redis.path,
                 "--unixsocketperm", "777", "--save", "", "--appendonly",
                 "no", "--dir", directory], executable=program,
                stdout=subprocess.DEVNULL) as server:
            try:
                wait_until(lambda: _answers(redis), "an answer of Redis")
                yield redis
            finally:
                server.terminate()
                server.wait(20)


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _answers(redis):
    try:
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(redis.path)
            stream.sendall(b"PING\r\n")
            return stream.recv(100).startswith(b"+PONG")
    except OSError:
        return False
