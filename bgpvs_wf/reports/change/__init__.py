"""The page of an infant's change between sessions."""
