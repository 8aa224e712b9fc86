# Everything runs in .venv; uv makes it from the lock file.
UV := .venv/bin/uv
JAVASCRIPT := tests/conformance/js
CLIENTS := $(JAVASCRIPT)/node_modules/.package-lock.json

.PHONY: install run test conformance machine fuzz lint types format bench chaos soak flat clean

install: .venv/installed $(CLIENTS)

.venv/installed: pyproject.toml uv.lock
	@test -x .venv/bin/python || python3 -m venv .venv
	@test -x $(UV) || .venv/bin/python -m pip install --quiet "uv>=0.9"
	@UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --quiet --frozen --inexact --all-extras
	@touch $@

# The published clients that tests/conformance runs; without them only these tests fail.
$(CLIENTS): $(JAVASCRIPT)/package.json $(JAVASCRIPT)/package-lock.json $(JAVASCRIPT)/.npmrc
	@cd $(JAVASCRIPT) && npm ci --loglevel=error >/dev/null && touch node_modules/.package-lock.json \
	  || echo "No clients of JavaScript (npm ci failed, or no npm): tests/conformance will fail."

run: .venv/installed
	@.venv/bin/ledgerline serve --sandbox

# Most tests wait for a database, a socket or a clock. The tests of a file share what they begin with.
test: install
	.venv/bin/pytest -n 2 --dist loadfile

# Writes docs/conformance.md by what the clients can do.
conformance: install
	CONFORMANCE=write .venv/bin/pytest -n 2 --dist loadfile tests/conformance

machine: install
	MACHINE_EXAMPLES=500 MACHINE_STEPS=30 .venv/bin/pytest tests/gateway/test_send_machine.py

# What searches for inputs that break something, longer than the suite lets it.
fuzz: install
	FUZZ=20 .venv/bin/pytest --timeout=0 tests/chaos/test_described_api.py tests/chaos/test_intake_fuzz.py \
	  tests/store/test_store_machine.py

lint: install
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: install
	.venv/bin/mypy

format: install
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

bench: install
	.venv/bin/python -m benchmarks

# Gateways killed between every two steps, and at random under load; PostgreSQL and WhatsApp failing at length.
chaos: install
	CHAOS_LONG=1 CHAOS_KILLS=$${CHAOS_KILLS:-60} .venv/bin/pytest tests/chaos tests/projections/test_runner.py \
	  tests/store/test_tail.py tests/store/test_store_machine.py tests/store/test_embedded.py

# Memory over thirty minutes at half of the load it can bear.
soak: install
	.venv/bin/python -m benchmarks.soak

# Appends to a log of ten million events beside an empty one; wants some 20 GB of disk.
flat: install
	.venv/bin/python -m benchmarks.flat

clean:
	rm -rf .venv .ledgerline
