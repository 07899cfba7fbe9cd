# The two commands of the README, and what they need. Everything else is cargo's.
CARGO ?= cargo
# What `cargo build --workspace` makes. Building a package alone would compile its dependencies again, with fewer features.
BIN = $(or $(CARGO_TARGET_DIR),target)/debug
WASM_RUN = $(BIN)/wasm-run
DATA = target/example-data

.PHONY: demo test test-shim guest

demo: guest $(DATA)/lineitem.parquet
	$(WASM_RUN) run examples/pricing.py --input $(DATA)/lineitem.parquet --output $(DATA)/priced.parquet
	$(WASM_RUN) run examples/pricing.py --input $(DATA)/lineitem.parquet --limit 5

test: guest test-shim
	$(WASM_RUN) guest info --json | python3 -B wasm-python/tests/with_pip.py $(CARGO) test --workspace
	$(WASM_RUN) guest test --subset ci --strict --quiet

# The C shim and the SDK on the native CPython that the guest's build leaves.
test-shim: guest
	$(WASM_RUN) guest info --json | python3 wasm-python/tests/environment.py -m pytest -q -p no:cacheprovider wasm-python/tests

# Builds the guest image when it is missing: a quarter of an hour once, nothing afterwards.
guest:
	$(CARGO) build --workspace
	$(WASM_RUN) guest build

$(DATA)/lineitem.parquet: | guest
	$(BIN)/vivarium-examples --scale 0.05 --output $(DATA)
