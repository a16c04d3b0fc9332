"""How good a scan is, and how sure its result: plain numbers, and what they mean."""
