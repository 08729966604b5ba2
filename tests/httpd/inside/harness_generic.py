"""Cold code that modules register with."""

import functools

ROUTES = {}


def route(path):
    """A decorator that enters a function into ROUTES."""
    def add(function):
        ROUTES.setdefault(path, []).append(function)
        return function
    return add


@functools.singledispatch
def show(value):
    return repr(value)
