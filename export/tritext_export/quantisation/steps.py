"""The steps of int8 that ``--without`` leaves out, by name. Pure."""

# Word embeddings in int8; otherwise they stay in fp32.
EMBEDDINGS = "int8-embeddings"
# One scale for all tokens, and a scale a token; without both nothing is left of int8.
STATIC, PER_TOKEN = "int8-static", "int8-per-token"
# Ranges shared between channels and weights; otherwise every channel keeps its own.
DIVISORS = "int8-divisors"
# Weights rounded for the inputs they meet; otherwise each to the nearest step.
GPTQ = "int8-gptq"
INT8_STEPS = (EMBEDDINGS, STATIC, PER_TOKEN, DIVISORS, GPTQ)
