# What to run before a commit.
PYTHON ?= python

.PHONY: check lint types test soak screenshots
check: lint types test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy headswap app.py tests benchmarks
	$(PYTHON) -m mypy --platform win32
	$(PYTHON) -m mypy --platform darwin

test:
	$(PYTHON) -m pytest

soak:
	$(PYTHON) -m tests.soak

screenshots:
	$(PYTHON) -m tests.e2e.screenshots
