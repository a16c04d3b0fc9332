"""What `benchmarks/fuzz.py` is made of: valid ground, ways to damage it, and a judge."""
