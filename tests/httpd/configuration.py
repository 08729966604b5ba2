"""httpd.conf: as small as httpd allows, so that nothing of the machine's own
Apache takes part."""

import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
MPMS = ("event", "worker", "prefork")

# Not auth_basic, which answers for AuthType Basic before we are asked.
MODULES = (
    "authn_core", "authn_file", "authz_core", "authz_host", "authz_user",
    "alias", "actions", "deflate", "dir", "env", "filter", "headers",
    "include", "mime", "rewrite", "setenvif", "substitute",
)


def program():
    """The httpd to test with: MP_HTTPD, else the one of the machine."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    for name in (os.environ.get("MP_HTTPD"), "apache2", "httpd"):
        found = name and shutil.which(name, path=path)
        if found:
            return found
    raise FileNotFoundError("no apache2 or httpd found; set MP_HTTPD")


@functools.cache
def _static_modules():
    text = subprocess.run([program(), "-l"], capture_output=True, text=True,
                          check=True).stdout
    return {line.strip().removeprefix("mod_").removesuffix(".c")
            for line in text.splitlines()[1:]}


@functools.cache
def _modules_directory():
    asked = os.environ.get("MP_MODULES")
    if asked:
        return pathlib.Path(asked)
    text = subprocess.run(["apxs", "-q", "LIBEXECDIR"], capture_output=True,
                          text=True, check=True).stdout
    return pathlib.Path(text.strip())


def module_under_test():
    build = os.environ.get("MP_BUILD", CHECKOUT / "build")
    return pathlib.Path(build).resolve() / "mod_python.so"


@dataclasses.dataclass
class Configuration:
    """What a test may choose about its httpd. `extra` is put at server level
    and may use ${SITE} (the site's directory), ${PORT} and ${ROOT}."""

    extra: str = ""
    mpm: str = dataclasses.field(
        default_factory=lambda: os.environ.get("MP_MPM", "event"))
    children: int = 0  # 0: 4 for prefork, else 2
    threads: int = 8   # of each child
    modules: tuple = ()  # more of httpd's modules
    without: tuple = ()  # fewer
    interpreter: str = "main_interpreter"  # PythonInterpreter; "": not given

    def __post_init__(self):
        if self.mpm not in MPMS:
            raise ValueError(f"MP_MPM is {self.mpm!r}, not one of {MPMS}")
        self.children = self.children or (4 if self.mpm == "prefork" else 2)

    @property
    def workers(self):
        """How many requests run at once."""
        if self.mpm == "prefork":
            return self.children
        return self.children * self.threads

    def text(self, root, port, site):
        """The file's text for a server whose files are below root."""
        return "\n".join([
            *self._loads(), *self._users(), *self._processes(),
            _FIXED.format(root=root, port=port, site=site),
            self.interpreter and f"PythonInterpreter {self.interpreter}",
            self.extra, ""])

    def _loads(self):
        names = [f"mpm_{self.mpm}", "unixd", "log_config", *MODULES,
                 *self.modules]
        for name in names:
            file = _modules_directory() / f"mod_{name}.so"
            if (name not in self.without and name not in _static_modules()
                    and file.exists()):
                yield f"LoadModule {name}_module {file}"
        yield f"LoadModule python_module {module_under_test()}"

    def _users(self):
        if os.geteuid() == 0:
            yield "User www-data"
            yield "Group www-data"

    def _processes(self):
        """The number of children never changes: a test that talks to each of
        them finds the same ones at its end, and one that died is replaced."""
        count = self.children
        yield f"StartServers {count}"
        yield f"MaxRequestWorkers {self.workers}"
        yield "MaxConnectionsPerChild 0"
        yield f"ServerLimit {count if self.mpm == 'prefork' else 4 * count}"
        if self.mpm == "prefork":
            yield f"MinSpareServers {count}"
            yield f"MaxSpareServers {count + 1}"
        else:
            yield f"ThreadLimit {self.threads}"
            yield f"ThreadsPerChild {self.threads}"
            yield f"MinSpareThreads {self.workers}"
            yield f"MaxSpareThreads {self.workers + self.threads}"


_FIXED = """\
Define ROOT {root}
Define SITE {site}
Define PORT {port}
ServerRoot {root}
DefaultRuntimeDir {root}
PidFile httpd.pid
Listen 127.0.0.1:{port}
ServerName localhost
ErrorLog error.log
LogLevel info python:info
CustomLog access.log "%P %s %D %r"
Timeout 20
KeepAliveTimeout 20
MaxKeepAliveRequests 0
HostnameLookups Off
GracefulShutdownTimeout 20
<IfModule mod_mime.c>
    TypesConfig /dev/null
    AddType text/html .html
    AddType text/plain .txt
</IfModule>
<IfModule mod_dir.c>
    # Its search for index.html would run handlers in sub-requests.
    DirectoryIndex disabled
</IfModule>
DocumentRoot {root}/htdocs
<Directory />
    AllowOverride None
    Options FollowSymLinks
    Require all granted
</Directory>
<Directory {root}/htdocs>
    AllowOverride All
    Options All
</Directory>
"""
