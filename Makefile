# The two commands of the README, and what they need. Everything else is cargo's.
CARGO ?= cargo
# What `cargo build --workspace` makes. Building a package alone would compile its dependencies again, with fewer features.
BIN = $(or $(CARGO_TARGET_DIR),target)/debug
WASM_RUN = $(BIN)/wasm-run
DATA = target/example-data
ENVIRONMENT = examples/environment
# What the demo needs: no DataFusion, no gRPC, no plots. `unified-features` keeps the dependencies those of the whole workspace.
FIRST = --package wasm-run --package vivarium-examples --package unified-features --no-default-features
# Packages that are for this tree alone.
UNPUBLISHED = unified-features vivarium-examples vivarium-fuzz
# The pinned toolchain; where it is only installed under the name `stable`, that one, so that nothing is downloaded.
PINNED = $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
ifeq ($(RUSTUP_TOOLCHAIN)$(shell rustup toolchain list 2> /dev/null | grep "^$(PINNED)-"),)
ifneq ($(shell RUSTUP_TOOLCHAIN=stable rustc --version 2> /dev/null | grep "^rustc $(PINNED) "),)
export RUSTUP_TOOLCHAIN = stable
endif
endif

# Data comes from programs that rules before it build.
.NOTPARALLEL:
.PHONY: demo first test test-data test-shim fuzz guest environment-example sql-example packages crates api publish-check dist dist-test docs

demo: first $(DATA)/lineitem.parquet
	$(WASM_RUN) run examples/pricing.py --input $(DATA)/lineitem.parquet --output $(DATA)/priced.parquet
	$(WASM_RUN) run examples/pricing.py --input $(DATA)/lineitem.parquet --limit 5

# The program without `sql`, `flink` and `bench` (if it has not been built with them) and the guest image, both at the same time.
first:
	@python3 tools/first.py $(WASM_RUN) -- $(CARGO) build $(FIRST)
	@$(WASM_RUN) guest build > /dev/null

test: guest test-shim
	$(WASM_RUN) guest info --json | python3 -B wasm-python/tests/with_pip.py $(CARGO) test --workspace
	$(WASM_RUN) guest test --subset ci --strict --quiet

# What needs the image with pandas, which is built here when it is missing: functions over Series, its packages, and pandas' own tests.
test-data: guest
	$(WASM_RUN) guest build --image data
	$(CARGO) test --workspace --test data_image
	$(WASM_RUN) guest test --image data --suite pandas --subset ci --strict --quiet
	$(WASM_RUN) guest test --image data --suite numpy --subset ci --strict --quiet

# The C shim and the SDK on the native CPython that the guest's build leaves.
test-shim: guest
	$(WASM_RUN) guest info --json | python3 wasm-python/tests/environment.py -m pytest -q -p no:cacheprovider wasm-python/tests

# Every target of fuzz/, guided by coverage, from its corpus on; needs a C++ compiler. `make fuzz TIME=600` adds what is found to the corpora.
TIME = 60
fuzz:
	python3 fuzz/guided.py --time $(TIME) --jobs $$(nproc) --keep

# A function with a module, a requirement, an archive of data and a packed virtual environment.
environment-example: guest $(DATA)/lineitem.parquet $(DATA)/holidays.zip $(DATA)/venv.tar.gz
	$(WASM_RUN) run $(ENVIRONMENT)/delivery.py --input $(DATA)/lineitem.parquet --limit 10 \
	    -pyfs $(ENVIRONMENT)/calendars.py -pyreq $(ENVIRONMENT)/requirements.txt \
	    -pyarch $(DATA)/holidays.zip#holidays,$(DATA)/venv.tar.gz#venv -pyexec venv/bin/python

# SQL over two tables, with functions from a file and one that SQL defines.
sql-example: guest $(DATA)/lineitem.parquet $(DATA)/orders.parquet
	$(WASM_RUN) sql --file examples/sql/shipping.sql --udf examples/sql/tpch.py \
	    --table lineitem=$(DATA)/lineitem.parquet --table orders=$(DATA)/orders.parquet

# Forty widely used packages in the sandbox; needs a network and takes a quarter of an hour.
packages: guest
	python3 tests/packages/run.py

# All crates, and the guest image when it is missing: once, nothing afterwards.
guest:
	@python3 tools/first.py --whole $(WASM_RUN) -- $(CARGO) build --workspace
	$(WASM_RUN) guest build

# Licences, sources and duplicates of dependencies; that no modules use each other in a circle; that the demo compiles none twice; tools and links of documents; that crates can be packed,
# that their documentation builds and their public interface is as docs/api has it, and `vivarium` without its features.
crates:
	python3 -m unittest discover -q -s tests/tools
	python3 tests/crates/check.py
	python3 tests/crates/circles.py
	python3 tests/crates/features.py -- $(FIRST)
	$(CARGO) package --workspace $(addprefix --exclude ,$(UNPUBLISHED)) --no-verify --allow-dirty --quiet
	$(CARGO) check --package vivarium --package unified-features --no-default-features --quiet
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --quiet
	python3 tests/crates/api.py --docs $(or $(CARGO_TARGET_DIR),target)/doc

# Writes down the public interface of the crates, whose changes `make crates` would refuse.
api:
	$(CARGO) doc --workspace --no-deps --quiet
	python3 tests/crates/api.py --docs $(or $(CARGO_TARGET_DIR),target)/doc --write

# What publishing the crates would do, short of uploading: every packed crate is compiled by itself, which takes as long as the whole workspace.
publish-check:
	$(CARGO) publish --workspace $(addprefix --exclude ,$(UNPUBLISHED)) --dry-run --allow-dirty

# A tarball that runs the demo on a bare Debian 12. `make dist PROFILE=dev` packs the program that the tests use.
PROFILE = release
dist: guest $(DATA)/lineitem.parquet $(DATA)/orders.parquet
ifeq ($(PROFILE),release)
	CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo$$(printf '\037')--remap-path-prefix=$(CURDIR)=/vivarium" \
	    $(CARGO) build --release --package wasm-run
endif
	python3 tools/dist.py --program $(dir $(BIN))$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/wasm-run --data $(DATA) --output target/dist \
	    --level $(if $(filter dev,$(PROFILE)),1,9)

dist-test: dist
	tests/dist/run.sh target/dist/vivarium-*.tar.gz

# The documentation as a site in target/book; mdBook is installed below target/tools when it is not there.
docs:
	python3 tools/docs.py --output target/book

$(DATA)/lineitem.parquet:
	$(BIN)/vivarium-examples --scale 0.05 --output $(DATA)

$(DATA)/orders.parquet:
	$(BIN)/vivarium-examples --scale 0.05 --tables orders --output $(DATA)

$(DATA)/holidays.zip: $(ENVIRONMENT)/holidays/fixed.csv
	mkdir -p $(DATA)
	python3 -m zipfile -c $@ $<

# As a data engineer packs it: a virtual environment with packages, in one archive.
$(DATA)/venv.tar.gz: $(ENVIRONMENT)/venv-requirements.txt
	rm -rf $(DATA)/venv
	python3 -m venv --without-pip $(DATA)/venv
	python3 -m pip --python $(DATA)/venv/bin/python install --quiet --require-hashes --requirement $<
	tar -C $(DATA)/venv -czf $@ .
