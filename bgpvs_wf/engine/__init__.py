"""Running workflows: plugins, progress, faults, and what is finished already."""
