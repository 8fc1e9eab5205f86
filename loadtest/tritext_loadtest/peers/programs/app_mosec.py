"""mosec: a Rust front end that batches, and worker processes. After the project's DistilBERT example."""

import model
from mosec import Server, Worker


class Inference(Worker):
    """Classifies a batch of single-text requests."""

    def __init__(self):
        self.model = model.load()

    def forward(self, data):
        """Take the decoded JSON bodies of a batch, or one of them where batches are off."""
        if isinstance(data, dict):
            return self._answer([data])[0]
        return self._answer(data)

    def _answer(self, bodies):
        answers = self.model.classify([body["text"] for body in bodies])
        return [{"label": label, "score": score} for label, score in answers]


if __name__ == "__main__":
    server = Server()
    server.append_worker(
        Inference, num=model.SETTING["workers"], max_batch_size=model.SETTING["batch"], max_wait_time=5, timeout=60
    )
    server.run()
