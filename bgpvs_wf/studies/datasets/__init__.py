"""The infants of studies: made once, and again only if what they are made from changes."""
