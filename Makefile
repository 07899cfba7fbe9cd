# The two commands of the README, and what they need. Everything else is cargo's.
CARGO ?= cargo
WASM_RUN = $(CARGO) run --quiet --package wasm-run --
DATA = target/example-data
ENVIRONMENT = examples/environment

.PHONY: demo test guest environment-example packages

demo: guest $(DATA)/lineitem.parquet
	$(WASM_RUN) run examples/pricing.py --input $(DATA)/lineitem.parquet --output $(DATA)/priced.parquet
	$(WASM_RUN) run examples/pricing.py --input $(DATA)/lineitem.parquet --limit 5

test: guest
	$(CARGO) test --workspace
	$(WASM_RUN) guest test --suite cpython --subset ci --quiet

# A function with a module, a requirement, an archive of data and a packed virtual environment.
environment-example: guest $(DATA)/lineitem.parquet $(DATA)/holidays.zip $(DATA)/venv.tar.gz
	$(WASM_RUN) run $(ENVIRONMENT)/delivery.py --input $(DATA)/lineitem.parquet --limit 10 \
	    -pyfs $(ENVIRONMENT)/calendars.py -pyreq $(ENVIRONMENT)/requirements.txt \
	    -pyarch $(DATA)/holidays.zip#holidays,$(DATA)/venv.tar.gz#venv -pyexec venv/bin/python

# Forty widely used packages in the sandbox; needs a network and takes a quarter of an hour.
packages: guest
	python3 tests/packages/run.py

# Builds the guest image when it is missing: a quarter of an hour once, nothing afterwards.
guest:
	$(CARGO) build --workspace
	$(WASM_RUN) guest build

$(DATA)/lineitem.parquet:
	$(CARGO) run --quiet --package vivarium-examples -- --scale 0.05 --output $(DATA)

$(DATA)/holidays.zip: $(ENVIRONMENT)/holidays/fixed.csv
	mkdir -p $(DATA)
	python3 -m zipfile -c $@ $<

# As a data engineer packs it: a virtual environment with packages, in one archive.
$(DATA)/venv.tar.gz: $(ENVIRONMENT)/venv-requirements.txt
	rm -rf $(DATA)/venv
	python3 -m venv --without-pip $(DATA)/venv
	python3 -m pip --python $(DATA)/venv/bin/python install --quiet --require-hashes --requirement $<
	tar -C $(DATA)/venv -czf $@ .
