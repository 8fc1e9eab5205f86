"""A loaded checkpoint to ``model.onnx``. Imports optimum, alone in this package."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

from tritext_export.checkpoint import Checkpoint
from tritext_export.errors import SourceError, first_line

MODEL_FILE = "model.onnx"
TASK = "text-classification"


def export_onnx(checkpoint: Checkpoint, directory: Path, opset: int) -> Path:
    """Trace the model into an ONNX graph with dynamic batch and length.

    Args:
        checkpoint: What to export, an adapter already merged.
        directory: Where to write.
        opset: ONNX operator set; the server's ONNX Runtime must know it.

    Returns:
        The written file: ``input_ids``, ``attention_mask`` and perhaps ``token_type_ids``, INT64 [texts, tokens], to
        ``logits`` FP32 [texts, labels].

    Raises:
        SourceError: optimum has no exporter for the architecture, or is missing.
    """
    try:
        from optimum.exporters.onnx import export
        from optimum.exporters.tasks import TasksManager
    except ImportError as missing:
        raise SourceError(f"{missing}: install the exporter with `pip install 'tritext[export]'`") from missing

    kind = checkpoint.model.config.model_type
    try:
        build_config = TasksManager.get_exporter_config_constructor(
            "onnx", checkpoint.model, task=TASK, library_name="transformers"
        )
        config = build_config(checkpoint.model.config)
    except (KeyError, ValueError, NotImplementedError) as error:
        raise SourceError(
            f"{checkpoint.source.name}: no ONNX exporter for {kind!r} models: {first_line(error)}"
        ) from error
    path = directory / MODEL_FILE
    try:
        with _quiet():
            export(checkpoint.model, config, path, opset=opset)
    except OSError:
        raise
    except Exception as error:  # the tracer's and the exporter's errors share no base class
        raise SourceError(f"{checkpoint.source.name}: the ONNX export failed: {first_line(error)}") from error
    return path


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]  # contextmanager supplies the type
    """Keep the tracer's remarks about itself from the user."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
