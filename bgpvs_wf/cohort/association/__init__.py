"""What goes with what in a cohort: models of PVS by what is known of infants, in numbers and words."""
