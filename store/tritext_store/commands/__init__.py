"""The words behind `tritext repository`: arguments in, an exit code out."""
