"""Measures per region and per perivascular space, in mm, mm3 and degrees."""
