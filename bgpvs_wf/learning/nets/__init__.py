"""The networks themselves: architectures, losses, a window at a time."""
