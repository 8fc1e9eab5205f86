"""The verbs of ``tritext`` that this package brings: arguments in, exit status out."""
