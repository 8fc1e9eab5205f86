"""FastAPI around a pipeline: the service that this project replaces. A synchronous route, one text or a list."""

from contextlib import asynccontextmanager

import model
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app):
    """Load the model once a worker."""
    app.state.classifier = model.load()
    yield


app = FastAPI(lifespan=lifespan)


class Text(BaseModel):
    """One text."""

    text: str


class Texts(BaseModel):
    """Several texts."""

    texts: list[str]


@app.post("/predict")
def predict(body: Text, request: Request):
    """Classify one text."""
    ((label, score),) = request.app.state.classifier.classify([body.text])
    return {"label": label, "score": score}


@app.post("/predict_batch")
def predict_batch(body: Texts, request: Request):
    """Classify several texts as one batch."""
    answers = request.app.state.classifier.classify(body.texts)
    return [{"label": label, "score": score} for label, score in answers]


if __name__ == "__main__":
    uvicorn.run(
        "app_fastapi:app",
        host="127.0.0.1",
        port=model.SETTING["port"],
        workers=model.SETTING["workers"],
        log_level="warning",
        timeout_worker_healthcheck=120,  # loading torch takes longer than the five seconds that it allows by default
    )
