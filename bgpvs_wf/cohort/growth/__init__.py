"""Centile curves of a cohort: how large nuclei and how many perivascular spaces are at an age."""
