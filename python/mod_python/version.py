"""The version of mod_python; the one place it is written down."""

version = "4.0.0"
