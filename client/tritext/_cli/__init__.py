"""The ``tritext`` command: ``main`` finds the verbs of all parts by entry point; ``classify`` is this part's own."""
