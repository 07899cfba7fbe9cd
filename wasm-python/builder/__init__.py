"""Builds the WebAssembly guest (CPython, numpy and the shim) from pinned inputs. See ../README.md."""
