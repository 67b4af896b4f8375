# Every command that a user or a developer needs; `make` alone lists them.
#
# For new:             NAME=late-flights  DATA=data/flights.csv (a file, folder or glob)  TARGET=delay  TIME=…  KEY=…
# For check, demo and train:  USECASE=late-flights (without, the taxi trips)  SOURCE=…  PERIODS=2021-01..2021-03  HOLDOUT=…
# For demo and train:  SOURCE=synthetic|tlc  DATA=<folder or URL of monthly files>  MONTHS=2021-01 or 2021-01..2021-03
#                      HOLDOUT=2021-02  TRIALS=30 (parameters to try first, for ten minutes at most)
# For replay:          SOURCE, DATA, MONTHS=2021-01..2023-01, SPEED=50000 (seconds of the past in one of today)
# For train, replay, predict, history, backup and restore:  STACK=demo|compose, if both are up
# For backup:          TO=<new folder>      For restore:  FROM=<backup>  OVER=yes (into a stack that isn't empty)
# For the tests:       PYTEST_ARGS, handed to pytest
# For test-all:        COVERAGE=1, a report of what of each package the tests reach
# For bench:           BENCH_ARGS, handed to it (--rounds, --seconds, --only, --out)

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: demo demo-down up down new check train replay predict history backup restore upgrade test test-all e2e bench lint sbom pin help
export NAME TARGET TIME KEY TASK USECASE SOURCE DATA MONTHS PERIODS HOLDOUT TRIALS SPEED STACK
# the tests start dozens of programs: without bytecode on the disk each would compile this repository again
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
# several processes keep two cores busy while some of them wait
PYTEST = $(if $(COVERAGE),$(BIN)/coverage run -m ,$(BIN)/)pytest tests/unit tests/integration --no-loadscope-reorder --durations=10
# Installed from the lock; done again only when that or a manifest has changed, or the source of what is built as a wheel.
INSTALLED := .venv/.installed
WHEELS := $(foreach package,treewalk linering,$(wildcard packages/$(package)/src/$(package)/*.[chp]*))
MANIFESTS := uv.lock pyproject.toml $(wildcard packages/*/pyproject.toml services/*/pyproject.toml infra/*/pyproject.toml) $(WHEELS)
# An environment names its own place: after a move, or in a copy, it would run another folder's code.
ifneq ($(shell cat .venv/place 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif
# Needs Python and nothing installed.
CONSOLE = PYTHONPATH=infra/embedded/src PYTHONDONTWRITEBYTECODE=1 "$$(infra/find-python)" -m console

$(INSTALLED): $(MANIFESTS) infra/bootstrap infra/find-python
	@infra/bootstrap
	@touch $@

demo: $(INSTALLED)  ## the whole loop as local processes: ingest, train, serve, predict; stays up
	@$(BIN)/python -m embedded demo

demo-down: $(INSTALLED)  ## stop the demo; its data stay in .demo
	@$(BIN)/python -m embedded down

up:  ## the whole loop with Docker: build, start, wait for the first prediction
	@$(CONSOLE) up

down:  ## stop the Docker stack; its data stay in the volumes
	@docker compose --profile '*' down --remove-orphans

new:  ## NAME=… DATA=… TARGET=…: a use case from a table; writes usecases/NAME/usecase.yaml and says what it found
	@infra/use-case new

check:  ## USECASE=…: is its file sound, and do its data fit? needs no stack
	@infra/use-case check

train:  ## train on the stack that is up, and follow the run
	@$(CONSOLE) train

replay:  ## months of the past again, in minutes, on the stack that is up: drift, retraining, promotion
	@$(CONSOLE) replay

predict:  ## one prediction of the stack that is up
	@$(CONSOLE) predict

history:  ## what was served when, why and by whose decision, on the stack that is up
	@$(CONSOLE) history

backup:  ## all data of the stack that is up, in a new folder in backups/ (or TO=folder); the stack goes on
	@$(CONSOLE) backup

restore:  ## FROM=folder: a backup into an empty stack, which is down afterwards
	@$(CONSOLE) restore

upgrade:  ## data of an older PostgreSQL into the one that the Docker stack runs now
	@$(CONSOLE) upgrade

test: $(INSTALLED)  ## does it work? unit tests, and one pass through the whole stack; 2 minutes, up to 6 on slow cores
	@$(PYTEST) --numprocesses=2 -m "not thorough" --hypothesis-profile=quick $(PYTEST_ARGS)

test-all: $(INSTALLED)  ## all tests but those of the Docker stack; 10 minutes, up to 18
	@rm -rf .coverage
	@$(PYTEST) --numprocesses=3 $(PYTEST_ARGS)
	@$(if $(COVERAGE),$(BIN)/coverage combine --quiet; $(BIN)/coverage json --quiet -o - | $(BIN)/python tests/support/coverage_by_package.py)

e2e: $(INSTALLED)  ## end-to-end tests of the Docker stack, under a project name of their own
	@$(BIN)/pytest tests/e2e $(PYTEST_ARGS)

bench: $(INSTALLED)  ## speed of the model service beside its peers, into benchmarks/results.md; about 8 minutes
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

lint: $(INSTALLED)  ## ruff and mypy, as pre-commit and CI run them
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

sbom: $(INSTALLED)  ## what the images are made of, and its licences: CycloneDX files in sbom/
	@$(BIN)/python -m supply_chain sbom

pin: $(INSTALLED)  ## write the base images' digests, asked of their registries, and uv's hashes into the files
	@$(BIN)/python -m supply_chain pin

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@awk '/^$$/ { exit } NR > 2 { sub(/^# ?/, "  "); print }' $(firstword $(MAKEFILE_LIST))
