"""Thin Nipype interfaces over the array functions, a module a stage."""
