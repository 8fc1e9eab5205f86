"""What can go wrong between a checkpoint and a published version.

::

    ExportError                  every refusal below; the command prints it and exits 1
    ├── SourceError              the checkpoint, adapter or base cannot be used
    ├── TextsError               the labelled texts cannot be used
    ├── CertificateError         the export disagrees with its checkpoint
    └── RepositoryError          the model repository cannot take the version

Each message names the value that was wrong and says what to do next.
"""


class ExportError(Exception):
    """Base of everything this package refuses to do."""


class SourceError(ExportError):
    """The checkpoint, the adapter or its base model cannot be used."""


class TextsError(ExportError):
    """The labelled texts cannot be read or do not fit the model's labels."""


class CertificateError(ExportError):
    """The exported model does not give the checkpoint's answers."""


class RepositoryError(ExportError):
    """The model repository cannot be read or written."""


def first_line(error: BaseException) -> str:
    """Give what an error of a library says, without its details."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
