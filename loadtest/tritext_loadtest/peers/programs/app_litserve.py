"""LitServe: FastAPI in front, worker processes behind a queue that forms batches."""

import litserve as ls
import model


class Classifier(ls.LitAPI):
    """Classifies single-text requests, several at once where batches are on."""

    def setup(self, device):
        """Load the model in the worker process."""
        self.model = model.load()

    def decode_request(self, request):
        """Take the text out of the body."""
        return request["text"]

    def predict(self, texts):
        """Classify a batch, or one text where batches are off."""
        if isinstance(texts, str):
            return self.model.classify([texts])[0]
        return self.model.classify(texts)

    def encode_response(self, answer):
        """Make the body of one answer."""
        return {"label": answer[0], "score": answer[1]}


if __name__ == "__main__":
    batch = model.SETTING["batch"]
    api = Classifier(max_batch_size=batch, batch_timeout=0.005 if batch > 1 else 0.0)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=model.SETTING["workers"])
    server.run(host="127.0.0.1", port=model.SETTING["port"], generate_client_file=False, log_level="warning")
