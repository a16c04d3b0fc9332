"""The page of a cohort: who is good, who is doubtful and why."""
