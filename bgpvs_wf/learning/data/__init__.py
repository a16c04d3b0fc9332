"""What networks see: scans, classes, and labelled cases with all that is made of them."""
