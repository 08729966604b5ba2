"""Imported by greeting.py."""

HELLO = "¡Hola"
