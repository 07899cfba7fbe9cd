"""Bytecode of other Pythons is refused before it becomes code."""

import cloudpickle
import pytest
from _vivarium_flink import client


def test_own_functions_pass():
    def everything(x, *rest, key=1, **named):
        with open("/dev/null") as file:
            total = [y for y in range(x) if y % 2] + [file.name] + list(rest)
        try:
            return {**named, "key": key, "total": f"{total!r:>10}"}, lambda: x
        except (ValueError, TypeError) as error:
            raise RuntimeError from error

    function = cloudpickle.loads(cloudpickle.dumps(everything))
    assert function(3)[1]() == 3


def test_this_module_is_own_bytecode():
    import ast
    import pathlib
    import types

    def codes(code):
        yield code
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                yield from codes(constant)

    for path in [pathlib.Path(ast.__file__), *pathlib.Path(ast.__file__).parent.glob("asyncio/*.py")]:
        for code in codes(compile(path.read_text(), str(path), "exec")):
            assert client.is_own_bytecode(code.co_code), (path, code.co_name)


# What the compilers of other versions make of `lambda x: len(x)` and `lambda x: x.y == 1`.
OTHERS = {
    "3.12 call": "9700740100000000000000007c00ab010000000000005300",
    "3.12 attribute": "97007c006a000000000000000000000000000000000000006401" "6b2800005300",
    "3.13 call": "95005b010000000000000000550035010000000000002400",
}


@pytest.mark.parametrize("code", OTHERS.values(), ids=OTHERS)
def test_bytecode_of_others_is_refused(code):
    assert not client.is_own_bytecode(bytes.fromhex(code))


def test_the_error_says_what_to_do():
    make = cloudpickle.cloudpickle._builtin_type("CodeType")
    own = (lambda x: x).__code__
    arguments = [own.co_argcount, 0, 0, own.co_nlocals, own.co_stacksize, own.co_flags, own.co_code, own.co_consts]
    arguments += [own.co_names, own.co_varnames, own.co_filename, own.co_name, own.co_qualname, own.co_firstlineno]
    arguments += [own.co_linetable, own.co_exceptiontable, (), ()]
    assert make(*arguments) == own
    arguments[6] = bytes.fromhex(OTHERS["3.12 call"])
    with pytest.raises(client.ClientVersionError, match=r"Python 3\.12 or newer, and this worker Python 3\.11.*-pyclientexec python3\.11"):
        make(*arguments)
    with pytest.raises(client.ClientVersionError, match=r"3\.10 or older"):
        make(*arguments[:16])
