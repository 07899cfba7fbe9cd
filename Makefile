# The two commands of the README, and what they need. Everything else is cargo's.
CARGO ?= cargo
WASM_RUN = $(CARGO) run --quiet --package wasm-run --
DATA = target/example-data

.PHONY: demo test test-shim guest

demo: guest $(DATA)/lineitem.parquet
	$(WASM_RUN) run examples/pricing.py --input $(DATA)/lineitem.parquet --output $(DATA)/priced.parquet
	$(WASM_RUN) run examples/pricing.py --input $(DATA)/lineitem.parquet --limit 5

test: guest test-shim
	$(CARGO) test --workspace
	$(WASM_RUN) guest test --subset ci --strict --quiet

# The C shim and the SDK on the native CPython that the guest's build leaves.
test-shim: guest
	$(WASM_RUN) guest info --json | python3 wasm-python/tests/environment.py -m pytest -q -p no:cacheprovider wasm-python/tests

# Builds the guest image when it is missing: a quarter of an hour once, nothing afterwards.
guest:
	$(CARGO) build --workspace
	$(WASM_RUN) guest build

$(DATA)/lineitem.parquet:
	$(CARGO) run --quiet --package vivarium-examples -- --scale 0.05 --output $(DATA)
