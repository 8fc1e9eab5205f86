"""The engine on a CPU: what Triton's C++ onnxruntime backend does with a ``config.pbtxt``, done in Python.

``options`` reads the configuration, ``session`` runs ONNX Runtime; Triton itself is met in
``backends/onnxruntime/model.py`` alone.
"""
