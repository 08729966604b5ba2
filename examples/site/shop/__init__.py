"""A package beside the handler: hello.py says `from shop import receipt`."""

from .basket import total


def receipt():
    return f"Coffee and cake: {total('coffee', 'cake'):.2f} €"
