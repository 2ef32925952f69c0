# `make demo` and `make test` work in a fresh clone: they create .venv first.
SHELL := /bin/bash
# The first Python of 3.11 or newer that can make an environment (Debian's own cannot without python3-venv).
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 ~/.pyenv/versions/3.1[1-9]*/bin/python3; do \
	"$$python" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	command -v "$$python" && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
REPORT := results/report.html
SMOKE := --configfile params.yaml config/smoke.yaml
PRETRAIN := --configfile params.yaml config/pretrain.yaml
SHIPPED ?= src/csdn/models/shipped/clip_mini.safetensors
SOURCES := src tests benchmarks
OPTIONS ?= # more options of Snakemake: make demo OPTIONS='--quiet all'
MLFLOW_HOST ?= 127.0.0.1
MLFLOW_PORT ?= 5000
MLFLOW_FOLDER ?= mlserver
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help setup demo smoke pretrain report test test-all bench lint audit format schema ui mlflow-server pictures

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: $(INSTALLED) ## create .venv with everything in it, as constraints.txt pins it

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv was found: make PYTHON=/path/to/it" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup ## the whole benchmark: from images to results/report.html
	scripts/snake --cores all all $(OPTIONS)
	@echo "The report: $(REPORT)"

smoke: setup ## the same workflow in about a minute, into results-smoke
	scripts/snake --cores all all $(SMOKE) $(OPTIONS)
	@echo "The report: results-smoke/report.html"

pretrain: setup ## the small CLIP that is shipped, made again; an hour or more on one core
	scripts/snake --cores all results-pretrain/clip/mini/clip.safetensors $(PRETRAIN) $(OPTIONS)
	$(BIN)/csdn pack-clip --clip results-pretrain/clip/mini/clip.safetensors \
		--annotations results-pretrain/data/pretraining/annotations.parquet --output $(SHIPPED)

report: setup ## tables, figures and report again, from what has been trained
	scripts/snake --cores all $(REPORT) $(OPTIONS)
	@echo "The report: $(REPORT)"

test: setup ## the tests, without the slow ones, on all cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-all: setup ## all tests that this machine can run
	$(BIN)/python -m pytest -m 'not gpu'

bench: setup ## speed of every stage against a plain implementation, into results/benchmarks.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.speed

lint: setup ## style, types and workflow
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/snakefmt --check -l 120 workflow
	PATH="$$PATH:$(CURDIR)/$(BIN)" $(BIN)/snakemake --lint
	$(BIN)/python -m pip check

audit: setup ## known vulnerabilities of what is installed; needs the network and pip-audit (.[audit])
	@$(BIN)/python -c 'import pip_audit' 2>/dev/null || { \
		echo "pip-audit is not installed: $(BIN)/pip install -c constraints.txt -e '.[audit]'" >&2; exit 1; }
	@$(BIN)/python -c 'import socket; socket.create_connection(("pypi.org", 443), 10)' 2>/dev/null || { \
		echo "pypi.org cannot be reached, so nothing was audited: run it where there is a network" >&2; exit 1; }
	$(BIN)/pip-audit --local --skip-editable

format: setup ## rewrite Python and Snakemake files in one style
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/snakefmt -l 120 workflow

schema: setup ## write the schema, the reference of params.yaml and config/README.md from the models
	$(BIN)/python -m csdn.config.reference workflow/schemas/params.schema.json docs/configuration.md config/README.md

pictures: setup ## the figures that README shows, from the results of `make demo`
	mkdir -p docs/figures
	for name in primary sysu_mm01_ranks_sysu_all_single sysu_mm01_plane; do $(BIN)/python -c 'import sys; from PIL import Image; \
		Image.open(sys.argv[1]).convert("RGB").quantize(256).save(sys.argv[2], optimize=True)' \
		"results/figures/$$name.png" "docs/figures/$$name.png" || exit 1; done

ui: setup ## MLflow's pages on http://127.0.0.1:5000
	$(BIN)/mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri "$$($(BIN)/python -m csdn.tracking.store params.yaml)"

mlflow-server: setup ## MLflow on PostgreSQL for jobs on several hosts; needs .[server]
	$(BIN)/python -m csdn.tracking.server $(MLFLOW_FOLDER) --host $(MLFLOW_HOST) --port $(MLFLOW_PORT)
