"""From a recipe to a trained model, and whom to annotate for the next."""
