"""The digital reference object: a synthetic infant of known geometry."""
