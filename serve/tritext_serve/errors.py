"""What keeps a server from starting or makes it stop.

::

    ServeError                   every refusal below; the command prints it and exits 1
    ├── PlatformError            this machine or Python cannot run the embedded server
    ├── RepositoryError          the model repository is missing, empty or holds what must not be served
    ├── TunedError               a file of tuned settings cannot be used
    ├── PortError                an address is taken or not to be had
    ├── StartError               Triton did not come up, or not in time
    ├── CanaryError              a model did not answer its canary text
    │   └── WrongAnswerError     it answered otherwise than at export
    └── ServerDiedError               Triton ended by itself while it was serving

Each message names the value that was wrong and says what to do next.
"""


class ServeError(Exception):
    """Base of everything that ``tritext serve`` reports."""


class PlatformError(ServeError):
    """The embedded server does not run on this machine or under this Python."""


class RepositoryError(ServeError):
    """The model repository cannot be served."""


class TunedError(ServeError):
    """A file of tuned settings cannot be used."""


class PortError(ServeError):
    """A port is in use, or the address is not this machine's."""


class StartError(ServeError):
    """Triton did not become ready."""


class CanaryError(ServeError):
    """The server did not answer."""


class WrongAnswerError(CanaryError):
    """The server did not answer as the export did, and never will."""


class ServerDiedError(ServeError):
    """Triton ended while it was serving."""
