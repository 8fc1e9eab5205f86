"""Exact edits of the traced graph: an ONNX model in, one that gives the same logits for less work out.

``pipeline`` says which edits run and in which order; each is a module with one public function that changes a model in
place and returns how often it found something to change. ``shapes`` knows the dimensions of every value, ``values``
the handful of questions that all of them ask a graph.
"""
