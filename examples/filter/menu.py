"""The pages of the site. Edit this list: the next page shows it."""

ITEMS = [("index.html", "Home"), ("about.html", "About")]
