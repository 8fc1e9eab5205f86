"""What the checkpoint itself says of texts: a JSON list on standard input, the labels as one on standard output."""

import json
import sys

import model

if __name__ == "__main__":
    classifier = model.load()
    json.dump([classifier.classify([text])[0][0] for text in json.load(sys.stdin)], sys.stdout)
