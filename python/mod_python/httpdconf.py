"""Configuration of httpd as Python objects.

str() of an object is Apache configuration, repr() is Python source that makes
the same object:

    >>> from mod_python.httpdconf import *
    >>> site = Location("/app", SetHandler("mod_python"), PythonHandler("app"))
    >>> print(site, end="")
    <Location /app>
      SetHandler mod_python
      PythonHandler app
    </Location>
    >>> str(eval(repr(site))) == str(site)
    True

There is a class for each usual directive, with its argument, one str, and for
sections, with their argument and what is inside. Directive and ContainerTag
make any other. `from mod_python.httpdconf import *` gives all of them.
"""

import os
import shutil
import sys

import mod_python.version

_STEP = 4  # of the source, in spaces


def _lines(text, indent):
    pad = " " * indent
    return "".join(pad + line if line.strip() else line
                   for line in text.splitlines(keepends=True))


class Directive:
    """One directive: its name and its arguments, a str.

    flipslash: turn backslashes into slashes, which is what paths of Windows
    need."""

    def __init__(self, name, val, flipslash=1):
        self.name = name
        self.val = val
        self.flipslash = flipslash

    def __str__(self):
        val = self.val.replace("\\", "/") if self.flipslash else self.val
        return f"{self.name} {val}\n"

    def __repr__(self):
        if type(self) is not Directive:
            return f"{type(self).__name__}({self.val!r})"
        more = "" if self.flipslash else ", flipslash=0"
        return f"Directive({self.name!r}, {self.val!r}{more})"


class Comment:
    """Lines of text that httpd does not read."""

    def __init__(self, comment):
        self.comment = comment

    def __str__(self):
        return "".join(f"# {line}".rstrip() + "\n"
                       for line in self.comment.strip("\n").split("\n"))

    def __repr__(self):
        return f"Comment({self.comment!r})"


class Container:
    """Several objects, one after the other.

    only_if: a Python expression (str), evaluated when the configuration is
    made; where it is false there is nothing. It sees mod_python.version, os
    and sys."""

    def __init__(self, *args, only_if=None):
        self.args = list(args)
        self.only_if = only_if

    def append(self, value):
        self.args.append(value)

    def _is_wanted(self):
        return self.only_if is None or bool(eval(
            self.only_if, {"mod_python": mod_python, "os": os, "sys": sys}))

    def __str__(self):
        if not self._is_wanted():
            return ""
        return "".join(map(str, self.args))

    def _source(self, *first):
        parts = [*map(repr, first), *map(repr, self.args)]
        if self.only_if is not None:
            parts.append(f"only_if={self.only_if!r}")
        if not parts:
            return f"{type(self).__name__}()"
        inside = _lines(",\n".join(parts), _STEP)
        return f"{type(self).__name__}(\n{inside})"

    def __repr__(self):
        return self._source()


class ContainerTag(Container):
    """A section: its tag, its argument, and what is inside, a sequence."""

    def __init__(self, tag, attr, args, flipslash=1):
        super().__init__(*args)
        self.tag = tag
        self.attr = attr
        self.flipslash = flipslash

    def __str__(self):
        attr = self.attr.replace("\\", "/") if self.flipslash else self.attr
        inside = _lines(super().__str__(), 2)
        return f"<{self.tag} {attr}>\n{inside}</{self.tag}>\n"

    def __repr__(self):
        if type(self) is not ContainerTag:
            return self._source(self.attr)
        more = "" if self.flipslash else ", flipslash=0"
        inside = _lines(",\n".join(map(repr, self.args)), _STEP)
        inside = f"[\n{inside}]" if self.args else "[]"
        return f"ContainerTag({self.tag!r}, {self.attr!r}, {inside}{more})"


def quote_if_space(s):
    """The text in double quotes if it has a space, as httpd needs it."""
    return f'"{s}"' if " " in s else s


# One class for each of them: name -> what it is if no argument is given.
_DIRECTIVES = dict.fromkeys("""
    AddHandler AddOutputFilter AddType AuthBasicAuthoritative AuthBasicProvider
    AuthDigestProvider AuthName AuthType CustomLog DirectoryIndex DocumentRoot
    EnableMMAP EnableSendfile ErrorLog Group KeepAliveTimeout Listen LoadModule
    LockFile LogFormat LogLevel MaxClients MaxConnectionsPerChild
    MaxRequestWorkers MaxRequestsPerChild MaxSpareServers MaxSpareThreads
    MaxThreadsPerChild MinSpareServers MinSpareThreads Mutex NameVirtualHost
    NumServers Options PidFile PythonAccessHandler PythonAuthenHandler
    PythonAuthnProvider PythonAuthzHandler PythonAutoReload
    PythonCleanupHandler PythonConnectionHandler PythonDebug PythonEnablePdb
    PythonFixupHandler PythonFormCharset PythonFormLimitBody
    PythonFormLimitFieldSize PythonFormLimitFields PythonFormLimitFileSize
    PythonFormLimitFiles PythonFormLimitHeaderSize PythonFormLimitHeaders
    PythonFormLimitMemory PythonFormSpoolSize PythonHandler PythonHandlerModule
    PythonHeaderParserHandler PythonHome PythonImport PythonInitHandler
    PythonInputFilter PythonInterpreter PythonLogHandler PythonModulePath
    PythonOptimize PythonOption PythonOutputFilter PythonPath
    PythonPostReadRequestHandler PythonReloadFailure PythonReloadTimeout
    PythonSharedDict PythonTransHandler PythonTypeHandler Require ServerAdmin
    ServerLimit ServerName ServerPath ServerRoot SetHandler SetInputFilter
    SetOutputFilter StartServers StartThreads ThreadsPerChild Timeout
    TypesConfig User
    """.split())
_DIRECTIVES |= {"PythonInterpPerDirectory": "Off",
                "PythonInterpPerDirective": "Off"}
_SECTIONS = ("Directory", "DirectoryMatch", "Files", "FilesMatch", "If",
             "IfDefine", "IfModule", "Location", "LocationMatch",
             "VirtualHost")
_KEEP_BACKSLASHES = ("LogFormat", "PythonPath")


def _make_directive(name, default):
    flipslash = int(name not in _KEEP_BACKSLASHES)
    if default is None:
        def __init__(self, val):
            Directive.__init__(self, name, val, flipslash)
    else:
        def __init__(self, val=default):
            Directive.__init__(self, name, val, flipslash)
    return type(name, (Directive,), {
        "__init__": __init__, "__module__": __name__,
        "__doc__": f"The directive {name}; val: its arguments, a str."})


def _make_section(name):
    def __init__(self, attr, *args):
        ContainerTag.__init__(self, name, attr, args)
    return type(name, (ContainerTag,), {
        "__init__": __init__, "__module__": __name__,
        "__doc__": f"A section <{name} attr>, and what is inside."})


globals().update((name, _make_directive(name, default))
                 for name, default in _DIRECTIVES.items())
globals().update((name, _make_section(name)) for name in _SECTIONS)

__all__ = ["Comment", "Container", "ContainerTag", "Directive",
           "quote_if_space", "write_basic_config", *_DIRECTIVES, *_SECTIONS]


# ---- a configuration to begin with -----------------------------------------

_MODULES = ("mpm_event", "unixd", "authz_core", "log_config", "dir", "mime")
_USERS = ("www-data", "apache", "httpd", "nobody")


def _load_modules():
    """What httpd needs, unless it is part of the program."""
    rows = []
    directory = mod_python.version.LIBEXECDIR
    for name in _MODULES:
        path = os.path.join(directory, f"mod_{name}.so")
        if os.path.exists(path):
            rows.append(IfModule(f"!mod_{name}.c", LoadModule(
                f"{name}_module {quote_if_space(path)}")))
    rows.append(LoadModule("python_module " + quote_if_space(
        mod_python.version.TEST_MOD_PYTHON_SO)))
    return rows


def _user():
    """Who the children of a server run as that root has started."""
    if os.geteuid() != 0:
        return []
    import grp
    import pwd
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in _USERS:
        if name in users:
            group = grp.getgrgid(users[name].pw_gid).gr_name
            return [User(name), Group(group)]
    return []


def _make_directories(server_root, names):
    for name in names:
        path = os.path.join(server_root, name)
        if os.path.isdir(path):
            print(f"{path} is there already", file=sys.stderr)
        else:
            os.makedirs(path)


def _find_mime_types(server_root, conf):
    """The path of a mime.types for this server; a copy of the system's."""
    target = os.path.join(server_root, conf, "mime.types")
    if os.path.exists(target):
        return target
    for source in (os.path.join(mod_python.version.SYSCONFDIR, "mime.types"),
                   os.path.join(mod_python.version.SYSCONFDIR, "conf",
                                "mime.types"), "/etc/mime.types"):
        if os.path.exists(source):
            shutil.copyfile(source, target)
            return target
    with open(target, "w", encoding="ascii") as file:
        file.write("text/html html htm\ntext/plain txt\ntext/css css\n"
                   "text/javascript js\nimage/png png\nimage/jpeg jpg jpeg\n"
                   "image/gif gif\nimage/svg+xml svg\n")
    return target


def _python_lines(pythonhandler, pythonpath, pythonoptions):
    lines = [SetHandler("mod_python"), PythonHandler(pythonhandler)]
    if pythonpath:
        lines.append(PythonPath(f'"sys.path + {list(pythonpath)!r}"'))
    lines += [PythonOption(option) for option in pythonoptions]
    return lines


def write_basic_config(server_root, listen="0.0.0.0:8888", conf="conf",
                       logs="logs", htdocs="public",
                       pythonhandler="mod_python.publisher", pythonpath=[],
                       pythonoptions=[], mp_comments=[],
                       conf_name="httpd_conf.py", createdirs=True,
                       replace_config=False):
    """Write the configuration of a small server, as Python source.

    server_root: its directory; conf, logs and htdocs are names in it, made if
    createdirs is true. listen: [address:]port. pythonpath: directories to add
    to sys.path; pythonoptions: "key value"; mp_comments: lines of text for
    the part about Python. The path of the file, or None if it exists and
    replace_config is false; nothing is done then.
    """
    server_root = os.path.abspath(server_root)
    path = os.path.join(server_root, conf, conf_name)
    if os.path.exists(path) and not replace_config:
        print(f"{path} exists: it is left as it is", file=sys.stderr)
        return None
    if createdirs:
        _make_directories(server_root, (conf, logs, htdocs))
    documents = os.path.join(server_root, htdocs)
    config = Container(
        Comment("Made of " + path),
        ServerRoot(quote_if_space(server_root)),
        *_load_modules(),
        *_user(),
        Listen(listen),
        ServerName("localhost"),
        Directive("DefaultRuntimeDir", quote_if_space(
            os.path.join(server_root, logs))),
        PidFile(os.path.join(logs, "httpd.pid")),
        ErrorLog(os.path.join(logs, "error_log")),
        LogLevel("warn"),
        LogFormat(r'"%h %l %u %t \"%r\" %>s %b" common'),
        CustomLog(os.path.join(logs, "access_log") + " common"),
        TypesConfig(quote_if_space(_find_mime_types(server_root, conf))),
        DirectoryIndex("index.html"),
        DocumentRoot(quote_if_space(documents)),
        PythonInterpreter("main_interpreter"),
        Directory("/", Options("None"), Require("all denied")),
        Directory(
            quote_if_space(documents), Require("all granted"),
            *map(Comment, mp_comments),
            *_python_lines(pythonhandler, pythonpath, pythonoptions)))
    with open(path, "w", encoding="utf-8") as file:
        file.write("# The configuration of this server: change it here, then\n"
                   f"# mod_python genconfig {path}\n"
                   "from mod_python.httpdconf import *\n\n"
                   f"config = {config!r}\n\nprint(config, end=\"\")\n")
    return path
