"""What the Makefile asks, builds, installs, and says when something that it
needs is not there. Nothing is compiled here: `make -n` tells what would be
done, and what is installed is the module under test."""

import os
import pathlib
import re
import stat
import subprocess
import sys
import sysconfig

import pytest

from httpd.configuration import CHECKOUT, module_under_test

PYTHON = os.environ.get("MP_PYTHON", "/usr/bin/python3")
# What make takes from its environment, and from a make above it.
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON", "APXS", "CC", "BUILD",
           "DESTDIR", "PLATLIB", "BINDIR", "CFLAGS", "LDFLAGS", "SANITIZE")


def make(place, *words, path="", **more):
    """make in the checkout with a build directory of its own, and with the
    programs of the directory `path` before all others."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in OF_MAKE}
    environment["PATH"] = f"{path}:{environment['PATH']}".strip(":")
    return subprocess.run(
        ["make", "-C", CHECKOUT, f"PYTHON={PYTHON}", f"BUILD={place}/build",
         *words], env={**environment, **more}, capture_output=True, text=True,
        check=False, timeout=60)


def told(place, *words, **more):
    """What make would do."""
    done = make(place, "-n", *words, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def interpreter(place, include, shared=1):
    """An interpreter that has everything elsewhere: a program that answers
    as this one would there."""
    return program(place / "other/python", f"""\
#!{sys.executable}
import sys
import sysconfig

sys._base_executable = __file__
sysconfig.get_path = {{
    "include": "{include}", "platlib": "{place}/platlib",
    "scripts": "{place}/scripts"}}.__getitem__
sysconfig.get_config_var = {{
    "LIBDIR": "{place}/libdir", "LDVERSION": "3.99x",
    "Py_ENABLE_SHARED": {shared}, "Py_DEBUG": 0}}.__getitem__
assert sys.argv.pop(1) == "-c"
exec(sys.argv.pop(1))
""")


# what the build asks

def test_the_chosen_interpreter_itself_is_asked(tmp_path):
    include = tmp_path / "include"
    include.mkdir()
    (include / "Python.h").touch()
    chosen = interpreter(tmp_path, include)
    lines = told(tmp_path, f"PYTHON={chosen}", "install", "DESTDIR=/root",
                 "CC=cc").splitlines()
    compiled = [line for line in lines if line.startswith("cc -std=")]
    assert compiled and all(
        f" -isystem {include} " in line and f"{chosen}" in line
        for line in compiled)
    text = "\n".join(lines)
    assert (f" -L{tmp_path}/libdir -Wl,-rpath,{tmp_path}/libdir -lpython3.99x "
            in text)
    assert f" /root{tmp_path}/platlib/mod_python\n" in text
    assert f"/command.py /root{tmp_path}/scripts/mod_python\n" in text
    own = sysconfig.get_path("include")
    assert own not in text and f"-lpython{sys.version_info[0]}.1" not in text


def test_no_other_program_of_python_is_asked(tmp_path):
    """Those that are first in PATH are not: python3, python3-config."""
    version = f"python3.{sys.version_info[1]}"
    for name in ("python", "python3", version, "python-config",
                 "python3-config", f"{version}-config", "pkg-config"):
        program(tmp_path / "bin" / name, f"#!/bin/sh\n"
                f"echo {name} >>{tmp_path}/asked\necho nonsense\n")
    text = told(tmp_path, "install", path=f"{tmp_path}/bin")
    assert not (tmp_path / "asked").exists()
    assert text == told(tmp_path, "install")
    make(tmp_path, "-n", "PYTHON=python3", path=f"{tmp_path}/bin")
    assert (tmp_path / "asked").exists()


def test_of_an_environment_the_python_is_asked_that_it_was_made_from(tmp_path):
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "venv"],
                   check=True)
    text = told(tmp_path, f"PYTHON={tmp_path}/venv/bin/python", "install")
    assert f"{tmp_path}/venv" not in text
    assert text == told(tmp_path, f"PYTHON={base_of(PYTHON)}", "install")


def test_httpd_is_asked_by_the_chosen_apxs(tmp_path):
    (tmp_path / "httpd.h").touch()
    text = told(tmp_path, f"APXS={apxs(tmp_path, tmp_path)}", "install")
    assert f" -isystem {tmp_path} " in text
    assert f"include/mod_python.h {tmp_path}/mod_python.h\n" in text


def base_of(python):
    """Its file; of an environment, that of the Python it was made from."""
    return os.path.realpath(ask(python, "import sys\n"
                                        "print(sys._base_executable)"))


def ask(python, code):
    return subprocess.run([python, "-c", code], check=True, text=True,
                          capture_output=True).stdout.strip()


def apxs(place, include):
    """An apxs whose httpd has its headers in this directory."""
    return program(place / "other/apxs", "#!/bin/sh\n"
                   f'test "$2" = INCLUDEDIR && echo "{include}" && exit\n'
                   'exec apxs "$@"\n')


# what it builds, and installs

@pytest.fixture
def installed(tmp_path):
    """The module under test and the package, installed below tmp_path/root,
    with traps for programs that import what need not be there."""
    for name in ("setuptools", "distutils"):
        (tmp_path / f"traps/{name}").mkdir(parents=True)
        (tmp_path / f"traps/{name}/__init__.py").write_text(
            f"import os\nos.mkdir({str(tmp_path / 'trapped')!r})\n"
            f"raise ImportError\n")
    (tmp_path / "build").mkdir()
    built = tmp_path / "build/mod_python.so"
    built.symlink_to(module_under_test())
    done = make(tmp_path, "install", f"DESTDIR={tmp_path}/root", "-o", built,
                PYTHONPATH=str(tmp_path / "traps"))
    assert done.returncode == 0, done.stderr
    return tmp_path / "root"


def ask_apxs(name):
    return subprocess.run(["apxs", "-q", name], capture_output=True, text=True,
                          check=True).stdout.strip()


def modes(directory):
    """{mode of the permissions} of the files in and below a directory."""
    return {stat.S_IMODE(path.stat().st_mode)
            for path in directory.rglob("*") if path.is_file()}


def test_the_module_is_installed_without_the_right_to_be_executed(installed):
    modules = pathlib.Path(f"{installed}{ask_apxs('LIBEXECDIR')}")
    assert [path.name for path in modules.iterdir()] == ["mod_python.so"]
    assert modes(modules) == {0o644}
    assert (modules / "mod_python.so").read_bytes() \
        == module_under_test().read_bytes()


def test_the_package_is_in_the_platform_directory_of_its_python(installed):
    platlib = ask(base_of(PYTHON), "import sysconfig\n"
                                   "print(sysconfig.get_path('platlib'))")
    package = pathlib.Path(f"{installed}{platlib}/mod_python")
    there = {path.name for path in package.iterdir()}
    source = CHECKOUT / "python/mod_python"
    assert there == {path.name for suffix in ("*.py", "*.pyi", "py.typed")
                     for path in source.glob(suffix)} | {"built.py"}
    assert modes(package) == {0o644}
    assert not list(package.rglob("*.so"))


def test_neither_setuptools_nor_distutils_is_imported(installed):
    """Installing trips no trap, and no program of the build could."""
    assert not (installed.parent / "trapped").exists()
    for path in (CHECKOUT / "Makefile", CHECKOUT / "run",
                 *CHECKOUT.glob("scripts/*"), *CHECKOUT.glob("conf/*"),
                 *CHECKOUT.glob("python/**/*.py"),
                 *CHECKOUT.glob("src/**/*.[ch]")):
        if path.is_file():
            assert not re.search(r"\b(setuptools|distutils)\b",
                                 path.read_text()), path


def test_the_module_names_libpython_among_its_libraries():
    text = subprocess.run(["readelf", "-dW", module_under_test()],
                          check=True, capture_output=True, text=True).stdout
    libraries = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    assert [name for name in libraries
            if re.fullmatch(r"libpython3\.\d+\w*\.so[\w.]*", name)], libraries


def test_the_module_loads_and_lacks_no_symbol(own_server):
    """httpd loads modules with RTLD_NOW: all symbols are looked for."""
    status, said = own_server(start=False).check()
    assert (status, "undefined symbol" in said) == (0, False), said


# what is missing

def missing(place, *words):
    """What make says before anything is done."""
    done = make(place, "-n", *words)
    assert (done.returncode, done.stdout.count("\n") <= 2) == (2, True)
    return done.stderr


@pytest.mark.parametrize("target", ["all", "install", "check"])
@pytest.mark.parametrize("name, said", [
    ("APXS", "apxs was not found (APXS={}): install apache2-dev,"),
    ("PYTHON", "Python was not found (PYTHON={}): install python3 and "
               "python3-dev,"),
    ("CC", "C compiler was not found (CC={}): install gcc,")])
def test_a_missing_program_is_named_with_its_package(tmp_path, target, name,
                                                     said):
    nowhere = f"{tmp_path}/nowhere"
    text = missing(tmp_path, target, f"{name}={nowhere}")
    assert said.format(nowhere) + " or name " in text
    assert text.count("***") == 1


def test_missing_headers_are_named_with_their_package(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    text = missing(tmp_path, f"PYTHON={interpreter(tmp_path, empty)}")
    assert f"Python.h was not found in {empty}: install python3-dev," in text
    text = missing(tmp_path, f"APXS={apxs(tmp_path, empty)}")
    assert f"httpd.h was not found in {empty}: install apache2-dev," in text


def test_a_python_without_a_shared_library_is_refused(tmp_path):
    (tmp_path / "Python.h").touch()
    chosen = interpreter(tmp_path, tmp_path, shared=0)
    text = missing(tmp_path, f"PYTHON={chosen}")
    assert f"{chosen} has no shared library to embed" in text
    assert "--enable-shared" in text


def test_what_needs_nothing_works_without(tmp_path):
    assert "rm -rf " in told(tmp_path, "clean", "APXS=none", "PYTHON=none",
                             "CC=none")
