"""What keeps a measurement from being taken.

::

    LoadTestError                every refusal below, which the command prints; `loadtest` exits 2, others 1
    ├── TextsError               the file of texts cannot be used
    ├── ServerNotFoundError      no process of this machine listens at the address
    ├── ExpectationsError        what the served version must answer is not known
    ├── SLOError                 the file of objectives cannot be used
    ├── ScenarioError            a load of that form cannot be made
    ├── DestinationError         a file that is wanted cannot be written
    └── GeneratorError           the processes that make the load broke off; `loadtest` exits 3
"""


class LoadTestError(Exception):
    """Base of everything this package refuses to do."""


class TextsError(LoadTestError):
    """The texts cannot be read."""


class ServerNotFoundError(LoadTestError):
    """The server's processes cannot be seen, so its cost cannot be measured."""


class ExpectationsError(LoadTestError):
    """The labels that the served version must give are not known."""


class SLOError(LoadTestError):
    """The objectives cannot be read."""


class ScenarioError(LoadTestError):
    """The load cannot be made as asked for."""


class DestinationError(LoadTestError):
    """A report has no place where it can be written."""


class GeneratorError(LoadTestError):
    """The load broke off on this side."""


def in_words(error: Exception) -> str:
    """Say why a file could not be read: without its name, which stands beside it, and without the codec's part."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
