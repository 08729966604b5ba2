"""Imported by hello.py."""

from words import HELLO


def greet(name):
    return f"{HELLO}, {name}!"
