"""What runs in and beside Triton.

What flows where::

    tritext serve ──launcher──► staged backends + repository view ──► tritonserver (child process)
                                                                         │ text
                                         backends/tritext/model.py  ◄────┘   the front, with tritext_serve.front
                                                                         │ input_ids, attention_mask
                                         backends/onnxruntime/model.py ◄─┘   the engine on a CPU

The two ``backends`` folders are what Triton loads; everything they decide is in the packages ``front`` and
``engine``, which hold no Triton and are tested without one.
"""
