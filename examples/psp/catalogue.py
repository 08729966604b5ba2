"""What there is. Pages that import this show a change at once."""

ITEMS = [("Bread & butter", 250), ("Tea", 180), ("Spam <eggs>", 420)]


def price(cents):
    return f"{cents // 100}.{cents % 100:02} EUR"
