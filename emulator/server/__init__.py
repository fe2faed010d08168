"""The composition root: makes the parts, and connects them."""
