"""Packages with compiled parts that images can have linked in: a module each, beside its patches and warm imports.

A module has
    VERSION         of the distribution it is named after; None when it is none
    DISTRIBUTION    the distribution, when it is not named after it
    NEEDS           names of linked packages that have to be in the image too, before it
    steps(python)   steps of the build, in order
    MODULES         dotted names of the builtin modules
    pins(python)    every input, for the manifest
    objects(build)  objects to link
    flags(build)    for the shim: include folders and definitions
    collect(build, site)        puts its Python files into a folder
    wheel(python)               what the native interpreter installs, when it has one
and, in tests.py when it ships tests that `wasm-run guest test` is to run,
    collect(build, tree)        lays them out
"""
