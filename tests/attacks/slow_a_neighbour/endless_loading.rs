//! Code that does not end while a module is loaded.

use crate::case::{Case, STARTUP_TIME, load};

pub const CASES: &[Case] = &[
    load("endless loop at import", "while True: pass", STARTUP_TIME),
    load(
        "endless loop in a decorator",
        "
        def decorate(function):
            while True: pass

        @decorate
        def f(x: int) -> int:
            return x
        ",
        STARTUP_TIME,
    ),
    load(
        "endless loop in a metaclass",
        "
        class Meta(type):
            def __new__(cls, name, bases, namespace):
                while True: pass

        class C(metaclass=Meta): pass
        ",
        STARTUP_TIME,
    ),
    load(
        "endless loop in `__init_subclass__`",
        "
        class Base:
            def __init_subclass__(cls):
                while True: pass

        class C(Base): pass
        ",
        STARTUP_TIME,
    ),
    load(
        "endless loop in `__set_name__`",
        "
        class Descriptor:
            def __set_name__(self, owner, name):
                while True: pass

        class C:
            field = Descriptor()
        ",
        STARTUP_TIME,
    ),
    load(
        "endless loop in an annotation",
        "
        def loop():
            while True: pass

        def f(x: loop()) -> int:
            return x
        ",
        STARTUP_TIME,
    ),
    load(
        "endless loop in an annotation that is text",
        "
        from vivarium import udf

        def loop():
            while True: pass

        @udf
        def f(x: 'loop()') -> int:
            return x
        ",
        STARTUP_TIME,
    ),
    load(
        "endless loop in the `__eq__` of an annotation",
        "
        from vivarium import udf

        class Type:
            def __eq__(self, other):
                while True: pass
            def __hash__(self):
                while True: pass

        @udf
        def f(x: Type()) -> int:
            return x
        ",
        STARTUP_TIME,
    ),
    load(
        "endless chain of `__wrapped__`",
        "
        from vivarium import udf

        class Wrapped:
            __name__ = 'f'
            __module__ = __name__
            __annotations__ = {}
            def __call__(self, x): return x
            @property
            def __wrapped__(self): return Wrapped()

        f = udf(result_type='int64', input_types=['int64'])(Wrapped())
        while True: f = f.__wrapped__
        ",
        STARTUP_TIME,
    ),
    load(
        "endless loop in the module's `__getattr__`",
        "
        class Module(type(__import__('sys'))):
            def __getattribute__(self, name):
                while True: pass

        __import__('sys').modules[__name__].__class__ = Module
        def f(x: int) -> int:
            return x
        __import__('sys').modules[__name__].f
        ",
        STARTUP_TIME,
    ),
    load(
        "`BaseException` caught in a loop at import",
        "
        while True:
            try:
                while True: pass
            except BaseException:
                continue
        ",
        STARTUP_TIME,
    ),
    load("sleeping for ever at import", "__import__('time').sleep(1e9)", STARTUP_TIME),
    load("a power too large to compute while constants are folded", "x = 10 ** 8 ** 8", STARTUP_TIME),
];
