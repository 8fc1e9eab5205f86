"""What keeps a measurement from being taken.

::

    LoadTestError                every refusal below; the command prints it and exits 1
    ├── TextsError               the file of texts cannot be used
    └── ServerNotFoundError      no process of this machine listens at the address
"""


class LoadTestError(Exception):
    """Base of everything this package refuses to do."""


class TextsError(LoadTestError):
    """The texts cannot be read."""


class ServerNotFoundError(LoadTestError):
    """The server's processes cannot be seen, so its cost cannot be measured."""
