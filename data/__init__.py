"""What ships with the package: atlases, models, specifications."""
