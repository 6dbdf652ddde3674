"""The Data page: where images come from, what was understood of them, and what was found in them."""
