"""From a fine-tuned checkpoint to a certified Triton model repository.

What flows where::

    SOURCE ──sources──► Source ──checkpoint──► torch model ──graph──► model.onnx
                                     │                                   │
    labelled texts ──labelled──► examples ──► reference logits      ONNX logits
                                                  └────► certificate ◄───┘
                                                             │ passed
                                                             ▼
                                          repository: versions, manifest, config.pbtxt

Torch, transformers and peft are imported by ``checkpoint`` and ``training`` alone, optimum by ``graph``,
ONNX Runtime by ``session``, the Hub's datasets by ``hub``.
"""
