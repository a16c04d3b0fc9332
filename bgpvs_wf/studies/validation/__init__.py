"""A lab's own scans with known tubes: what is seen in them."""
