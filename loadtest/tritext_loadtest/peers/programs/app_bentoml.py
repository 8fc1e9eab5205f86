"""BentoML: a service whose batches adapt to the latency it sees."""

import bentoml
import model


@bentoml.service(workers=model.SETTING["workers"], traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Classifier:
    """Classifies lists of texts."""

    def __init__(self):
        self.model = model.load()

    @bentoml.api(batchable=True, max_batch_size=model.SETTING["batch"], max_latency_ms=1000)
    def classify(self, texts: list[str]) -> list[str]:
        """Give the label of each text."""
        return [label for label, _ in self.model.classify(texts)]
