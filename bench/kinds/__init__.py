"""What endurance.py sends a million times: each module of this package is a
kind of pages, and its KIND says which.

Several kinds may share a server, so each has modules and paths of its own."""

import dataclasses
import os
import pathlib
import subprocess
import typing

import rig


@dataclasses.dataclass(frozen=True)
class Page:
    """A URL, what it answers ("-" for anything), its share of the requests
    of its kind, and on how many connections they are sent."""

    path: str
    answer: str
    share: float
    connections: int = 1


@dataclasses.dataclass(frozen=True)
class Kind:
    """together: all pages are asked for at the same time, not one after the
    other. interpreters: names of those that there are beside the main one;
    with one_interpreter the pages name them themselves, as the configuration
    that is shipped names the main one. warm_up: the part of the run after
    which memory must be flat. configuration(tools) gives lines for
    httpd.conf; finish(server, claims, number of interpreters), if there is
    one, looks at the server when all requests were answered."""

    pages: list
    files: dict
    configuration: typing.Callable
    together: bool = False
    interpreters: tuple = ()
    one_interpreter: bool = True
    threads: int = 8
    warm_up: float = 0.2
    finish: typing.Callable | None = None


def locations(handlers, *more):
    """A Location for each path and handler, with the same lines in each."""
    return "".join(f"""<Location "{path}">
    Require all granted
    SetHandler mod_python
    PythonHandler {handler}
{"".join(f"    {line}" + chr(10) for line in more)}</Location>
""" for path, handler in handlers.items())


def embedding_module(tools, source, *options):
    """Lines that load a C file of bench that is linked with Python
    (MP_PYTHON)."""
    done = subprocess.run(
        [os.environ.get("MP_PYTHON", "/usr/bin/python3"), "-c",
         "import sysconfig as s; print(s.get_path('include'));"
         " print(s.get_config_var('LIBDIR'));"
         " print('python' + s.get_config_var('LDVERSION'))"],
        capture_output=True, text=True, check=True)
    include, directory, library = done.stdout.split()
    paths = [f"-I{rig.apxs(name)}" for name in
             ("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")]
    built = pathlib.Path(tools.load).with_name(source).with_suffix(".so")
    rig.compile_c(source, built, "-shared", "-fPIC", *paths,
                  *rig.apxs("EXTRA_CPPFLAGS").split(),
                  f"-I{rig.TOP / 'include'}", f"-I{include}",
                  "-Wl,--no-as-needed", f"-L{directory}", f"-l{library}",
                  *options)
    return f"LoadModule {built.stem}_module {built}\n"
