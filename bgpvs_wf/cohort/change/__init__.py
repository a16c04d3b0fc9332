"""Change between sessions of one infant: which perivascular space is which, and what became of it."""
