"""The export that most people make: optimum's, then ONNX Runtime's dynamic int8 with its defaults.

Usage: python plain_export.py CHECKPOINT OUTPUT.onnx
"""

import sys
import tempfile
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import main_export

if __name__ == "__main__":
    checkpoint, output = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        main_export(checkpoint, folder, task="text-classification", local_files_only=True)
        quantize_dynamic(Path(folder, "model.onnx"), output, per_channel=True, weight_type=QuantType.QInt8)
