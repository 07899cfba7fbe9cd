#!/usr/bin/env bash
# What somebody does with a tarball of `make dist` on a bare machine: unpack it and run the demo, without Rust, gcc or a network.
#
#   tests/dist/run.sh target/dist/vivarium-VERSION-x86_64-linux.tar.gz
set -euo pipefail
tarball=$(realpath "$1")
# Not below /tmp, where images are not trusted.
place=$(mktemp -d "$HOME/.vivarium-dist-XXXXXX")
trap 'rm -rf "$place"' EXIT

(cd "$(dirname "$tarball")" && sha256sum --quiet --check "$(basename "$tarball").sha256")
tar -C "$place" -xzf "$tarball"
cd "$place"/vivarium-*
sha256sum --quiet --check SHA256SUMS
mkdir "$place/home"
bare=(env -i HOME="$place/home" PATH=/usr/bin:/bin)
# Where a network of its own can be had, it has no way out.
if unshare --net true 2> /dev/null; then bare+=(unshare --net); fi
examples=share/vivarium/examples
passed=0
pass() { passed=$((passed + 1)); echo "ok: $1"; }

"${bare[@]}" bin/wasm-run guest list | grep -q 'base.*installed'
pass "the image is installed"

start=$SECONDS
"${bare[@]}" bin/wasm-run run $examples/pricing.py --input $examples/data/lineitem.parquet --output "$place/priced.parquet"
test -s "$place/priced.parquet"
took=$((SECONDS - start))
pass "the demo runs, machine code made on the way ($took s)"

start=$SECONDS
"${bare[@]}" bin/wasm-run run $examples/pricing.py --input $examples/data/lineitem.parquet --limit 5 | tee "$place/five"
grep -q '^ *[0-9]* *|.*|' "$place/five"
pass "five rows are printed ($((SECONDS - start)) s)"

"${bare[@]}" bin/wasm-run sql --file $examples/sql/shipping.sql --udf $examples/sql/tpch.py \
    --table lineitem=$examples/data/lineitem.parquet --table orders=$examples/data/orders.parquet | tee "$place/shipping"
grep -q 'AIR' "$place/shipping"
pass "SQL calls Python"

"${bare[@]}" bin/wasm-run guest info --licenses | grep -q 'PSF-2.0'
test -s share/doc/vivarium/licenses/image/cpython/LICENSE
pass "licences are stated and enclosed"

# The tree is as it was: what is made on this machine lies in the user's cache.
sha256sum --quiet --check SHA256SUMS
test "$(find . -type f | wc -l)" -eq "$(($(wc -l < SHA256SUMS) + 1))"
pass "nothing was written beside the program"
echo "$passed passed, 0 failed"
