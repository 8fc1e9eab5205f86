"""The front model: texts in, labels out, by way of sub-batches that a classifier runs.

``options`` reads what the repository says, ``scheduler`` decides which requests are answered together, ``tokens`` turns
texts into ids, ``long_texts`` cuts, refuses or windows those that are too long, ``planner`` decides which rows run
together, ``classifiers`` runs them, ``answers`` turns logits into labels and probabilities, and ``pipeline`` joins
these. Triton itself is met in ``backends/tritext/model.py`` and ``metrics`` alone.
"""
