"""What goes with PVS in a cohort: models by what is known of infants, in numbers and words."""
