"""Networks: where they come from, what is in them, and surgery that changes them."""
