"""What a cohort tells: of each infant beside the others."""
