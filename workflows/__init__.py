"""Nipype workflow factories, a module a stage; `base` ties them together."""
