"""Change between sessions of an infant: which perivascular space is which, what became of it."""
