"""Nothing. Programs of the time of Python 2.2 import it with *."""

__all__: list[str] = []
