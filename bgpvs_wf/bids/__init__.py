"""BIDS in and out: what to process, at what age, and what to write."""
