"""What mod_python.version tells of a checkout, where nobody wrote it down:
apxs, the tool that builds modules of httpd, is asked."""

import os
import shutil
import subprocess
import sys

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def _ask(name):
    """One value of httpd's build, "" where there is none."""
    tool = shutil.which(os.environ.get("APXS", "apxs"))
    if not tool:
        return ""
    done = subprocess.run([tool, "-q", name], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _program():
    directory, name = _ask("SBINDIR"), _ask("PROGNAME") or "httpd"
    path = os.path.join(directory, name)
    return path if os.path.exists(path) else shutil.which(
        name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    ) or ""


def _apr_version():
    config = _ask("APR_CONFIG")
    if not os.path.exists(config):
        return ""
    return subprocess.run([config, "--version"], capture_output=True,
                          text=True, check=False).stdout.strip()


HTTPD = _program()
HTTPD_VERSION = _ask("HTTPD_VERSION")
APR_VERSION = _apr_version()
LIBEXECDIR = _ask("LIBEXECDIR")
SYSCONFDIR = _ask("SYSCONFDIR")
PYTHON_BIN = sys.executable
TESTHOME = os.path.join(_TOP, "tests")
TEST_MOD_PYTHON_SO = os.path.join(
    os.path.abspath(os.environ.get("MP_BUILD", os.path.join(_TOP, "build"))),
    "mod_python.so")
