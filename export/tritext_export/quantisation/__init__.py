"""Int8 for CPUs with the labels of fp32: a model in fp32 and texts in, a model whose dense layers run on int8 out.

What ``quantize_dynamic`` does makes labels depend on their neighbours: one scale for the activations of the whole
batch. Here no scale does. Each dense layer has a ``Scheme`` (``schemes``), one of those that ``plan`` proposes for what
``observation`` saw of its input on calibration texts; ``weights`` rounds its weights; ``rewriting`` changes the graph;
``embeddings`` stores the word embeddings as int8; ``quantiser`` tries it all in the whole model, and leaves the layers
that hurt most (``path``) in fp32 until the labels should hold (``noise``).
"""
