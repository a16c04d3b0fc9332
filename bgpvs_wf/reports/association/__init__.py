"""The page of an association: tables, effects, and what speaks against the model."""
