# Two commands matter: `make run` and `make test`. The README gives the plain line behind each.
PYTHON ?= python3
BIN := .venv/bin
# What `check` runs under: production's settings, with keys that open nothing.
PRODUCTION := ENV_FILE=/dev/null ALLOWED_HOSTS=tasks.example.com \
	SECRET_KEY=not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789 \
	JWT_SIGNING_KEY=not-a-secret-either-0123456789-abcdefghijklmnopqrstuvwxyz

.PHONY: help run dev test test-pooler check bench bench-instructions bench-growth bench-check openapi
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

run: .env ## install, migrate and serve on 127.0.0.1:$PORT (default 8000)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py quickstart
	@exec $(BIN)/gunicorn --config config/gunicorn.py

dev: .env ## the same, reloading whenever a file changes, with DEBUG on
	@$(BIN)/python manage.py migrate --verbosity 0
	@DEBUG=true $(BIN)/python manage.py runserver $${PORT:-8000}

test: .venv/installed-dev ## the whole suite, on SQLite and on PostgreSQL
	@$(BIN)/python -m scripts.engines

test-pooler: .venv/installed-dev ## the whole suite through a PgBouncer, which the system has to have
	@$(BIN)/python -m scripts.pooler

check: .venv/installed-dev ## format, lint, types, migrations, deployment, OpenAPI, size
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(PRODUCTION) $(BIN)/mypy
	$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(PRODUCTION) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file var/openapi.yaml
	diff config/openapi.yaml var/openapi.yaml
	@$(BIN)/python -m scripts.size

bench: .venv-bench/installed ## measure beside a FastAPI peer and a bare WSGI floor; arguments in BENCH=
	@.venv-bench/bin/python -m bench.run $(BENCH)

bench-instructions: .venv-bench/installed ## count the instructions of a request, under valgrind
	@.venv-bench/bin/python -m bench.instructions

bench-growth: .venv-bench/installed ## what a page of 10 costs owners of 10 to a million tasks
	@.venv-bench/bin/python -m bench.growth

bench-check: .venv/installed-dev ## fail where a request costs 3 % more instructions than the stored baseline
	@$(BIN)/python -m bench.instructions --check

openapi: .venv/installed-dev ## write config/openapi.yaml anew
	$(PRODUCTION) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file config/openapi.yaml

.env: .venv/installed
	@$(BIN)/python -m config.dotenv

.venv/installed: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

.venv-bench/installed: bench/requirements.txt requirements.txt constraints.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt -c constraints.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@
