"""Whole heads, with skull and neck: what is learnt from them, and what is found in them."""
