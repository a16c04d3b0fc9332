"""The page of norms: curves over the age, and the infants they are made of."""
