"""enter_namespaces.py SETUP PROGRAM ARGUMENT...: become the program, in user
and mount namespaces of its own. SETUP is JSON; see namespaces.py."""

import ctypes
import json
import os
import signal
import sys

NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000
SET_DEATH_SIGNAL = 1

_libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result:
        raise SystemExit(f"{what}: {os.strerror(ctypes.get_errno())}")


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def map_users(pid):
    """From outside: everybody is who they are, or, unless root, only we."""
    user, group = os.geteuid(), os.getegid()
    if user:
        write(f"/proc/{pid}/setgroups", "deny")
    first, count = ("0 0", 65536) if user == 0 else (f"{user} {user}", 1)
    write(f"/proc/{pid}/uid_map", f"{first} {count}\n")
    first = "0 0" if user == 0 else f"{group} {group}"
    write(f"/proc/{pid}/gid_map", f"{first} {count}\n")


def unshare():
    """A process that stays outside maps our users once we are inside."""
    pid = os.getpid()
    entered, tell = os.pipe()
    mapper = os.fork()
    if mapper == 0:
        os.close(tell)
        if os.read(entered, 1):
            map_users(pid)
        os._exit(0)
    os.close(entered)
    check(_libc.unshare(NEW_USER | NEW_MOUNTS), "unshare")
    os.write(tell, b"x")
    os.close(tell)
    if os.waitpid(mapper, 0)[1]:
        raise SystemExit("users cannot be mapped")


def mount(kind, directory, options):
    check(_libc.mount(kind.encode(), str(directory).encode(), kind.encode(),
                      0, options.encode()), f"mount {kind} on {directory}")


def mount_overlay(directory, lower, above):
    mount("tmpfs", above, "mode=755")
    for name in ("upper", "work"):
        os.mkdir(f"{above}/{name}")
        os.chmod(f"{above}/{name}", 0o755)
    mount("overlay", directory, f"lowerdir={lower},upperdir={above}/upper,"
          f"workdir={above}/work")


def main(setup, program, *arguments):
    setup = json.loads(setup)
    unshare()
    for name, limit in setup.get("limits", {}).items():
        write(f"/proc/sys/user/max_{name}", str(limit))
    for directory, lower, above in setup.get("overlays", ()):
        mount_overlay(directory, lower, above)
    for directory in setup.get("tmpfs", ()):
        mount("tmpfs", directory, "mode=755")
    _libc.prctl(SET_DEATH_SIGNAL, signal.SIGTERM)
    os.execvp(program, [program, *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
