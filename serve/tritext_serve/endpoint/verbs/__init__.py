"""The verbs of ``tritext endpoint``: each module has HELP, configure(parser) and run(args) -> exit code."""
