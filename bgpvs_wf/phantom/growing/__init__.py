"""Infants who grow: the same anatomy and the same tubes at several ages."""
