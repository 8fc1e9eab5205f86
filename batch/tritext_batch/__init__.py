"""Offline scoring: a file or a blob of texts in, the same rows with label, score and model version out."""
