"""What keeps a server from starting or makes it stop.

::

    ServeError                   every refusal below; the command prints it and exits 1
    ├── PlatformError            this machine or Python cannot run the embedded server
    ├── RepositoryError          the model repository is missing, empty or holds what must not be served
    ├── TunedError               a file of tuned settings cannot be used
    ├── TracingError             a collector's address cannot be used
    ├── PortError                an address is taken or not to be had
    ├── StartError               Triton did not come up, or not in time
    ├── CanaryError              a model did not answer its canary text
    │   ├── WrongAnswerError     it answered otherwise than at export
    │   └── LateError            it did not answer in time, or had no room for the question
    ├── RunDirectoryError        an endpoint's run directory is taken, missing or somebody else's
    ├── EndpointError            a running endpoint refuses what it was told
    ├── EndpointFileError        an endpoint's files hold mistakes; every one is named by file and line
    ├── KeysError                the endpoint's keys cannot be read, made or rotated
    ├── WitnessError             what the fronts report cannot be listened to
    ├── PromoteError             a candidate was not promoted: no evidence, or evidence against it
    ├── IsolationError           the deployments' network cannot be planned or built as the files say
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


class TracingError(ServeError):
    """Traces cannot be sent where they should go."""


class PortError(ServeError):
    """A port is in use, or the address is not this machine's."""


class StartError(ServeError):
    """Triton did not become ready."""


class CanaryError(ServeError):
    """The server did not answer."""


class WrongAnswerError(CanaryError):
    """The server did not answer as the export did, and never will."""


class LateError(CanaryError):
    """The server is busy, or hangs: it did not answer in time."""


class RunDirectoryError(ServeError):
    """The endpoint runs already, or does not run, or its folder cannot be used."""


class EndpointError(ServeError):
    """A running endpoint refuses what it was told, and stays as it was."""


class IsolationError(ServeError):
    """The deployments' network cannot be planned, or not be built on this machine."""


class ServerDiedError(ServeError):
    """Triton ended while it was serving."""


class KeysError(ServeError):
    """The endpoint's keys cannot be read, made or rotated."""


class WitnessError(ServeError):
    """What the fronts report of their answers cannot be listened to."""


class PromoteError(ServeError):
    """A candidate was not promoted."""


class EndpointFileError(ServeError):
    """An endpoint's files hold mistakes; the message has a line for each."""
