"""Trained models on disk, as MONAI bundles."""
