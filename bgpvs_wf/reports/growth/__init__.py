"""Norms for people: the page of their curves, and centiles on the page of a cohort."""
