#!/usr/bin/env bash
# What somebody does with a tarball of `make dist` on a bare machine: unpack it and run the demo, without Rust, gcc or a network.
#
#   tests/dist/run.sh target/dist/vivarium-VERSION-x86_64-linux.tar.gz
set -euo pipefail
tarball=$(realpath "$1")
# Not below /tmp, where images are not trusted.
place=$(mktemp -d "$HOME/.vivarium-dist-XXXXXX")
trap 'rm -rf "$place"' EXIT
# What Debian 12 has.
newest_glibc=2.36

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
"${bare[@]}" bin/wasm-run run $examples/pricing.py --input $examples/data/lineitem.parquet --output "$place/priced.parquet" \
    2> >(tee "$place/said" >&2)
test -s "$place/priced.parquet"
took=$((SECONDS - start))
# On this kind of processor there is nothing to compile.
if grep -q compiling "$place/said"; then exit 1; fi
pass "the demo runs ($took s)"

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

needed=$(grep -ao 'GLIBC_2\.[0-9]*' bin/wasm-run | sort -Vu | tail -n 1)
test "$(printf '%s\n' "GLIBC_$newest_glibc" "$needed" | sort -V | tail -n 1)" = "GLIBC_$newest_glibc"
pass "the program needs no newer C library than Debian 12's ($needed)"

# A root directory of its own in which nothing lies but this tree and the libraries that the program is linked with: no shell, no Python.
root=$place/root
mkdir -p "$root"/{proc,opt,home,tmp}
if unshare --mount --net mount -t proc proc "$root/proc" 2> /dev/null; then
    ldd bin/wasm-run | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
    cp -a "$PWD" "$root/opt/vivarium"
    demo=(/opt/vivarium/bin/wasm-run run /opt/vivarium/$examples/pricing.py --input /opt/vivarium/$examples/data/lineitem.parquet)
    start=$SECONDS
    unshare --mount --net bash -c 'mount -t proc proc "$0/proc" && exec env -i HOME=/home PATH=/usr/bin:/bin "$(command -v chroot)" "$0" "$@"' \
        "$root" "${demo[@]}" --limit 5 > "$place/five-bare"
    cmp "$place/five" "$place/five-bare"
    pass "the demo gives the same in an empty root directory ($((SECONDS - start)) s)"
else
    echo "not tested here: an empty root directory, for want of the right to mount"
fi

# The tree is as it was: what is made on this machine lies in the user's cache.
sha256sum --quiet --check SHA256SUMS
test "$(find . -type f | wc -l)" -eq "$(($(wc -l < SHA256SUMS) + 1))"
pass "nothing was written beside the program"
echo "$passed passed, 0 failed"
