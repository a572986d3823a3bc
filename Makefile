# The two main commands are `make run` and `make test`. The README has the plain command behind each.
PYTHON ?= python3
BIN := .venv/bin
# Production's settings for `check`, with keys for this purpose only.
PRODUCTION := ENV_FILE=/dev/null ALLOWED_HOSTS=tasks.example.com \
	SECRET_KEY=not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789 \
	JWT_SIGNING_KEY=not-a-secret-either-0123456789-abcdefghijklmnopqrstuvwxyz

.PHONY: help run dev superuser test test-pooler fuzz check audit bench bench-instructions bench-growth bench-check openapi
help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

run: .env ## install, migrate and serve on 127.0.0.1:$PORT (default 8000)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py quickstart
	@exec $(BIN)/gunicorn --config config/gunicorn.py

dev: .env ## the same with DEBUG on, restarting when a file changes
	@$(BIN)/python manage.py migrate --verbosity 0
	@DEBUG=true $(BIN)/python manage.py quickstart
	@DEBUG=true $(BIN)/python manage.py runserver

superuser: .env ## create an operator, who can sign in to the admin
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py createsuperuser

test: .venv/installed-dev ## run all tests on SQLite and on PostgreSQL, and report the coverage
	@$(BIN)/python -m scripts.engines

test-pooler: .venv/installed-dev ## run all tests through PgBouncer, which must be installed
	@$(BIN)/python -m scripts.pooler

fuzz: .venv/installed-dev .venv-fuzz/installed ## check the service against its OpenAPI document; arguments in FUZZ=
	@$(BIN)/python -m scripts.fuzz $(FUZZ)

check: .venv/installed-dev ## check format, lint, types, migrations, deployment, OpenAPI and size
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(PRODUCTION) $(BIN)/mypy
	$(PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(PRODUCTION) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file var/openapi.yaml
	diff config/openapi.yaml var/openapi.yaml
	@$(BIN)/python -m scripts.size

audit: .venv/installed-dev ## look for published advisories against every pinned version
	@$(BIN)/python -m scripts.audit

bench: .venv-bench/installed ## compare with a FastAPI service and a plain WSGI function; arguments in BENCH=
	@.venv-bench/bin/python -m bench.run $(BENCH)

bench-instructions: .venv-bench/installed ## count the CPU instructions of a request with valgrind
	@.venv-bench/bin/python -m bench.instructions

bench-growth: .venv-bench/installed ## measure a page of 10 tasks for owners of 10 to a million tasks
	@.venv-bench/bin/python -m bench.growth

bench-check: .venv/installed-dev ## fail if a request costs over 3 % more instructions than the baseline
	@$(BIN)/python -m bench.instructions --check

openapi: .venv/installed-dev ## regenerate config/openapi.yaml
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

.venv-fuzz/installed: scripts/requirements-fuzz.txt constraints.txt
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check -r scripts/requirements-fuzz.txt -c constraints.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@
