"""What stops a batch job. What stops a single row is no error: the row goes to the rejected ones with its reason.

::

    BatchError                   every refusal below; the command prints it and exits 1
    ├── JobFileError             a job file, or the arguments that stand for one, hold mistakes: named by key and line;
    │                            the command exits 2
    ├── InputError               the input cannot be read as what it should be, or has changed since the job began
    ├── OutputError              the output exists, or cannot be written
    ├── ResumeError              what an interrupted job left belongs to another job, or another process works on it
    ├── ModelError               the model cannot be asked: no server, no access, or it changed in the middle of the job
    └── EngineError              Ray is not installed, cannot be reached, or lost its workers

Each message names the value that was wrong and says what to do next. After any of them the same command goes on where
the job stopped, unless the message says otherwise.
"""


class BatchError(Exception):
    """Base of everything that ``tritext score`` reports."""


class JobFileError(BatchError):
    """What the job should be cannot be read."""


class InputError(BatchError):
    """The input cannot be read, or is no longer what it was."""


class OutputError(BatchError):
    """The output cannot be written, or must not be."""


class ResumeError(BatchError):
    """The job cannot go on where another stopped."""


class ModelError(BatchError):
    """The model cannot be asked."""


class EngineError(BatchError):
    """Ray cannot run the job."""


def first_line(error: BaseException) -> str:
    """Give what another package's error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
