"""Imported by shop/basket.py."""

PRICES = {
    "coffee": 2.80,
    "cake": 3.40,
}
