"""Every way in which editors, tools and deployments save a file.

Each row of SAVES is one way: called with a pathlib.Path and the new bytes.
When it returns the save is complete: the promise of reload starts there."""

import mmap
import os
import shutil
import tempfile


def inplace(path, data):
    """open(path, "w"): nano, shell redirection, cp onto it."""
    with open(path, "wb") as file:
        file.write(data)


def rename(path, data):
    """A temporary file in the same directory, renamed over it: most
    editors, rsync, atomic writers, sed -i."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix="." + path.name)
    with open(handle, "wb") as file:
        file.write(data)
        os.fchmod(handle, 0o644)
    os.rename(name, path)


def unlink(path, data):
    """Remove it and create it anew: some editors, git checkout, tar."""
    path.unlink(missing_ok=True)
    inplace(path, data)
    path.chmod(0o644)


def backup(path, data):
    """The old file becomes path~, a new one is written, path~ goes: vim."""
    spare = path.with_name(path.name + "~")
    os.rename(path, spare)
    inplace(path, data)
    path.chmod(0o644)
    spare.unlink()


def overwrite(path, data):
    """Over the old bytes, then cut to length: "r+" writers."""
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()


def mapped(path, data):
    """Through a shared memory mapping, which inotify does not report."""
    with open(path, "r+b") as file:
        file.truncate(len(data))
        with mmap.mmap(file.fileno(), len(data)) as memory:
            memory[:] = data


def older(path, data):
    """A backup restored with its time: cp -p, tar -x, rsync -t."""
    spare = path.with_name(path.name + ".restored")
    inplace(spare, data)
    spare.chmod(0o644)
    os.utime(spare, (1_000_000_000, 1_000_000_000))
    os.rename(spare, path)


def same_stamp(path, data):
    """In place, and the modification time put back. With data of the same
    length only ctime tells."""
    before = path.stat()
    inplace(path, data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def hardlink(path, data):
    """A new file linked into place of the removed one: package managers."""
    spare = path.with_name(path.name + ".dpkg-new")
    inplace(spare, data)
    spare.chmod(0o644)
    path.unlink(missing_ok=True)
    os.link(spare, path)
    spare.unlink()


def moved_in(path, data):
    """Written in another directory and moved over it: mv from a build."""
    with tempfile.TemporaryDirectory(dir=path.parent.parent) as away:
        spare = os.path.join(away, path.name)
        with open(spare, "wb") as file:
            file.write(data)
        os.chmod(spare, 0o644)
        shutil.move(spare, path)


SAVES = {function.__name__: function for function in (
    inplace, rename, unlink, backup, overwrite, mapped, older, same_stamp,
    hardlink, moved_in)}


def save(path, data, how="inplace"):
    """Save bytes to path in one of the ways of SAVES."""
    SAVES[how](path, data)


def point(link, target):
    """Make the symbolic link point to target in one atomic step: what
    deployments do to `current`."""
    spare = link.with_name(link.name + ".next")
    os.symlink(target, spare)
    os.rename(spare, link)
