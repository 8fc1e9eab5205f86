"""What can go wrong between a checkpoint and a published version.

::

    ExportError                  every refusal below; the command prints it and exits 1
    ├── SourceError              the checkpoint, adapter or base cannot be used
    ├── TextsError               the labelled texts cannot be used
    ├── CertificateError         the export disagrees with its checkpoint
    ├── RepositoryError          the model repository cannot take the version
    ├── GraphError               the traced graph cannot be edited or quantised
    └── EngineError              the graph cannot be turned to fp16 or into a TensorRT engine

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


class GraphError(ExportError):
    """The traced graph cannot be edited or quantised."""


class EngineError(ExportError):
    """The graph cannot be turned to fp16 or into a TensorRT engine."""


# Transformers lists every architecture that it knows.
_LONGEST_LINE = 300


def first_line(error: BaseException) -> str:
    """Give what an error of a library says, without its details and its full stop, to stand within a sentence."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.rstrip(". ") if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
