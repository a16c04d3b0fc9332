"""Figures and pages a person looks at before believing a number."""
