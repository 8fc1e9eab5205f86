"""The front model: texts in, labels out, by way of sub-batches that a classifier runs.

``options`` reads what the repository says, ``tokens`` turns texts into ids, ``planner`` decides which texts run
together, ``answers`` turns logits into labels and probabilities. Triton itself is met in
``backends/tritext/model.py`` and ``metrics`` alone.
"""
