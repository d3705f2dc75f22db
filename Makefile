# Sluice. `make run` and `make test` set up everything they need; `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := .sluice/demo/{entity}_{batch}.parquet

# One lock a group, with hashes; made by `make lock` for Python 3.11 to 3.13 on every platform.
RUNTIME := requirements/runtime.txt
DEV := requirements/dev.txt
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

DOCS := requirements/docs.txt

# Where a container sets it, each worker of the tests and each command that they start would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test test-long test-spark test-spark-full up lint format types derive docs lock sbom advisories bench bench-quick mutate clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/:/' | column -t -s:

setup: $(VENV)/.dev  ## Install everything, for development

run: $(VENV)/.runtime  ## Load two months of demo data, audit, publish, build the marts and their docs
	@$(BIN)/sluice demo
	@$(BIN)/sluice run tlc__yellow_trips tlc__zones --url '$(DEMO)'

# Many tests wait for servers, so that three at a time keep two cores busy.
test: $(VENV)/.dev  ## Run the tests, but those that take minutes (test-long) and those of Spark (test-spark)
	@$(BIN)/python -m pytest -m "not long and not spark" --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/.dev  ## Run the tests that take minutes: the wheel on every interpreter found, the ceilings of our ranges, ...
	@$(BIN)/python -m pytest -m "long and not spark" --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-spark: $(VENV)-spark/.done  ## Run the tests that need Spark 3.5, which it installs; Java 17 must be there
	@$(VENV)-spark/bin/python -m pytest -m "spark and not long" tests/spark

test-spark-full: $(VENV)-spark/.done  ## The same with ten times the drawn contracts, kills at each step of a publish, and 50 publishes of marts
	@$(VENV)-spark/bin/python -m pytest -m spark tests/spark

up: $(VENV)/.runtime  ## Serve the nightly deployment with Prefect's UI until Ctrl-C
	@$(BIN)/sluice up

lint: $(VENV)/.dev  ## Lint Python, SQL and the dbt project, check imports and the derived files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/sqlfluff lint dbt_project/models dbt_project/tests
	@$(BIN)/dbt --quiet parse --project-dir dbt_project --profiles-dir profiles --target-path $(CURDIR)/.sluice/lint --log-path $(CURDIR)/.sluice/lint
	@$(BIN)/dbt-bouncer --config-file dbt_project/dbt-bouncer.yml
	@$(BIN)/sluice derive --check

types: $(VENV)/.dev  ## Check types
	@$(BIN)/mypy

format: $(VENV)/.dev  ## Format Python and SQL
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix dbt_project/models dbt_project/tests

derive: $(VENV)/.runtime  ## Write the files that are derived from the contracts
	@$(BIN)/sluice derive

docs: $(VENV)/.docs  ## Build the documentation as a site in .sluice/docs-site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean
	@echo "Built .sluice/docs-site. Serve it: $(BIN)/python -m http.server --directory .sluice/docs-site --bind 127.0.0.1"

lock: $(VENV)/bin/python  ## Resolve the dependencies again, with hashes and without any index address
	@$(INSTALL) uv
	@$(BIN)/python requirements/lock.py

outdated: $(VENV)/.dev  ## Show which dependencies are behind, and what holds each back
	@$(BIN)/python requirements/outdated.py

sbom: $(VENV)-supply/.done  ## Write a list of every locked package of the runtime, as CycloneDX, to .sluice/sbom.json
	@mkdir -p .sluice
	@$(VENV)-supply/bin/cyclonedx-py requirements $(RUNTIME) --pyproject pyproject.toml --output-reproducible --output-file .sluice/sbom.json 2>.sluice/sbom.log || { cat .sluice/sbom.log; exit 1; }
	@echo "Wrote .sluice/sbom.json"

advisories: $(VENV)-supply/.done  ## Look up known vulnerabilities of the locked packages; says so if no source can be reached
	@$(VENV)-supply/bin/python requirements/advisories.py $(RUNTIME) requirements/buckets.txt

bench: $(VENV)/.dev  ## Measure all bars on this machine, in turn with other tools: an hour
	@$(BIN)/python benchmarks/bars.py

bench-quick: $(VENV)/.dev  ## Measure a part of the bars in five minutes
	@$(BIN)/python benchmarks/bars.py --quick

mutate: $(VENV)-mutate/.done  ## Change the modules that [tool.mutmut] names in many ways, and count what the tests notice; an hour at most
	@timeout 3600 $(VENV)-mutate/bin/mutmut run --max-children 2 || test $$? -eq 124
	@$(VENV)-mutate/bin/mutmut results > mutants/survivors.txt
	@echo "Wrote mutants/survivors.txt; one of them: $(VENV)-mutate/bin/mutmut show NAME"

clean:  ## Remove the virtual environment and all data of this checkout
	@test ! -x $(BIN)/sluice || $(BIN)/python -c "from sluice.project.paths import home; from sluice.warehouse import embedded; embedded.remove(home())"
	@rm -rf $(VENV) $(VENV)-supply $(VENV)-mutate $(VENV)-spark mutants .sluice

$(VENV)/bin/python:
	@echo "Making $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

# In a new environment: a package that an older lock had, and this one has not, could break others.
$(VENV)/.runtime: $(RUNTIME) pyproject.toml
	@echo "Installing the locked packages into $(VENV) with $(PYTHON) (once) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) --require-hashes --no-deps -r $(RUNTIME)
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(DEV) $(VENV)/.runtime
	@echo "Installing the locked packages for tests and checks (once) ..."
	@$(INSTALL) --require-hashes --no-deps -r $(DEV)
	@touch $@

$(VENV)-supply/.done: requirements/supply.txt
	@echo "Installing the locked tools for the list of packages and for advisories (once) ..."
	@$(PYTHON) -m venv --clear $(VENV)-supply
	@$(VENV)-supply/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

$(VENV)-mutate/.done: requirements/mutation.txt $(VENV)/.dev
	@echo "Installing the locked tools for mutation testing (once) ..."
	@$(VENV)/bin/python -m venv --clear $(VENV)-mutate
	@$(VENV)-mutate/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@$(BIN)/python -c "import site; print(site.getsitepackages()[0])" > $$($(VENV)-mutate/bin/python -c "import site; print(site.getsitepackages()[0])")/dev.pth
	@touch $@

$(VENV)-spark/.done: requirements/spark.txt $(VENV)/.dev
	@java -version 2>&1 | grep -q 'version "17' || { echo "Spark 3.5 needs Java 17 on PATH: apt-get install openjdk-17-jre-headless"; exit 1; }
	@$(BIN)/python -c "import sys; sys.exit(sys.version_info[:2] > (3, 11))" || { echo "Spark 3.5 needs Python 3.11: make clean, then PYTHON=python3.11"; exit 1; }
	@echo "Installing the locked packages of Spark, 405 MB (once) ..."
	@$(VENV)/bin/python -m venv --clear $(VENV)-spark
	@$(VENV)-spark/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@$(BIN)/python -c "import site; print(site.getsitepackages()[0])" > $$($(VENV)-spark/bin/python -c "import site; print(site.getsitepackages()[0])")/dev.pth
	@touch $@

$(VENV)/.docs: $(DOCS) $(VENV)/.dev
	@echo "Installing the locked packages for the documentation (once) ..."
	@$(INSTALL) --require-hashes --no-deps -r $(DOCS)
	@touch $@
