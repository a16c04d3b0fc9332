"""What models found, in words, units and a table."""
