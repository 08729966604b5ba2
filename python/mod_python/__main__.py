"""mod_python, the command: make a small server, and run it.

    mod_python create DIR --pythonhandler mod_python.publisher
    mod_python genconfig DIR/conf/httpd_conf.py > DIR/conf/httpd.conf
    mod_python start DIR/conf/httpd.conf
    mod_python restart DIR/conf/httpd.conf
    mod_python stop DIR/conf/httpd.conf
    mod_python version

`python3 -m mod_python` is the same program.
"""

import argparse
import os
import platform
import subprocess
import sys

from mod_python import version


def create(arguments):
    """Make conf, logs and public, and write conf/httpd_conf.py."""
    from mod_python import httpdconf
    path = httpdconf.write_basic_config(
        arguments.directory, listen=arguments.listen,
        pythonhandler=arguments.pythonhandler,
        pythonpath=[part for part in arguments.pythonpath.split(":") if part],
        pythonoptions=arguments.pythonoption)
    if path is None:
        return 1
    config = os.path.join(os.path.dirname(path), "httpd.conf")
    print(f"The server is in {os.path.abspath(arguments.directory)}.\n\n"
          "Make its configuration, and again after each change of\n"
          f"{path}:\n\n"
          f"    mod_python genconfig {path} > {config}\n\n"
          "Then:\n\n"
          f"    mod_python start {config}")
    return 0


def genconfig(arguments):
    """Run the file, which prints the configuration."""
    path = os.path.abspath(arguments.file)
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    exec(code, {"__name__": "__main__", "__file__": path})
    return 0


def _environment():
    """httpd's Python is to find this package, also in a checkout."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    before = os.environ.get("PYTHONPATH")
    if version.TESTHOME:
        return {**os.environ,
                "PYTHONPATH": f"{here}:{before}" if before else here}
    return dict(os.environ)


def _control(command):
    def run(arguments):
        if not version.HTTPD:
            print("mod_python: no httpd was found", file=sys.stderr)
            return 1
        return subprocess.run(
            [version.HTTPD, "-f", os.path.abspath(arguments.config), "-k",
             command], env=_environment(), check=False).returncode
    return run


def show_version(arguments):
    """Versions and places."""
    for name, value in (
            ("mod_python", version.version),
            ("  package", os.path.dirname(os.path.abspath(__file__))),
            ("  module", version.TEST_MOD_PYTHON_SO),
            ("Python", platform.python_version()),
            ("  program", version.PYTHON_BIN),
            ("httpd", version.HTTPD_VERSION),
            ("  program", version.HTTPD),
            ("  modules", version.LIBEXECDIR),
            ("  configuration", version.SYSCONFDIR),
            ("APR", version.APR_VERSION),
            ("platform", platform.platform())):
        print(f"{name:16} {value or 'not known'}")
    return 0


def parse(words):
    parser = argparse.ArgumentParser(
        prog="mod_python", description="Make a small server, and run it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND",
                                     title="commands")

    made = commands.add_parser("create", help="make a server in a directory")
    made.add_argument("directory", metavar="DIR")
    made.add_argument("--pythonhandler", metavar="HANDLER",
                      default="mod_python.publisher",
                      help="what answers (default: %(default)s)")
    made.add_argument("--listen", metavar="[ADDRESS:]PORT", default="8888",
                      help="default: %(default)s")
    made.add_argument("--pythonpath", metavar="DIR:DIR", default="",
                      help="directories to add to sys.path")
    made.add_argument("--pythonoption", metavar="'KEY VALUE'", default=[],
                      action="append", help="a PythonOption; repeatable")
    made.set_defaults(run=create)

    generated = commands.add_parser(
        "genconfig", help="print the configuration that a file describes")
    generated.add_argument("file", metavar="FILE")
    generated.set_defaults(run=genconfig)

    for name, command, what in (
            ("start", "start", "start httpd"),
            ("stop", "graceful-stop", "end it; requests are finished"),
            ("restart", "graceful", "begin anew with a new configuration")):
        controlled = commands.add_parser(name, help=what)
        controlled.add_argument("config", metavar="CONF")
        controlled.set_defaults(run=_control(command))

    shown = commands.add_parser("version", help="versions and places")
    shown.set_defaults(run=show_version)
    return parser.parse_args(words)


def main(words=None):
    """The exit status of the command; words: its arguments, a list of str."""
    arguments = parse(sys.argv[1:] if words is None else words)
    try:
        return arguments.run(arguments)
    except OSError as error:
        print(f"mod_python: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
