"""What a lab does with many infants: measure a cohort, compare, train, validate, annotate."""
