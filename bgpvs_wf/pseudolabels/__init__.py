"""Labels synthesised from anatomy and a tube filter, instead of drawn by hand."""
