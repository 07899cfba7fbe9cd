//! Code that does not end while a function is called.

use crate::case::{BATCH_TIME, Case, call, script};
use crate::outcome::Ends;

pub const CASES: &[Case] = &[
    call("endless loop in a function", "def attack():\n    while True: pass", BATCH_TIME),
    call(
        "endless loop in `__del__`",
        "
        class C:
            def __del__(self):
                while True: pass

        def attack():
            C()
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in a weakref callback",
        "
        import weakref

        class C: pass

        def loop(reference):
            while True: pass

        def attack():
            c = C()
            reference = weakref.ref(c, loop)
            del c
        ",
        BATCH_TIME,
    ),
    script(
        "endless loop in an atexit function",
        "
        import atexit

        @atexit.register
        def loop():
            while True: pass
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in a garbage collector callback",
        "
        import gc

        def loop(phase, info):
            while True: pass

        def attack():
            gc.callbacks.append(loop)
            gc.collect()
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in `__lt__` during a sort",
        "
        class C:
            def __lt__(self, other):
                while True: pass

        def attack():
            sorted([C(), C()])
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in `__eq__` during a search",
        "
        class C:
            def __eq__(self, other):
                while True: pass

        def attack():
            C() in [C()]
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in `__hash__` of a key",
        "
        class C:
            def __hash__(self):
                while True: pass

        def attack():
            {C(): 1}
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in `__str__` of a raised exception",
        "
        class Endless(Exception):
            def __str__(self):
                while True: pass

        def attack():
            raise Endless
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in `__str__` of an exception's cause",
        "
        class Endless(Exception):
            def __str__(self):
                while True: pass

        def attack():
            raise ValueError from Endless()
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in `__repr__` of a result of the wrong type",
        "
        class Endless:
            def __repr__(self):
                while True: pass

        def attack():
            return Endless()
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop when a generator is closed",
        "
        def generator():
            try:
                yield
            finally:
                while True: pass

        def attack():
            g = generator()
            next(g)
            g.close()
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop when a forgotten generator is collected",
        "
        def generator():
            try:
                yield
            finally:
                while True: pass

        def attack():
            next(generator())
        ",
        BATCH_TIME,
    ),
    call(
        "endless generator",
        "
        def generator():
            while True: yield 1

        def attack():
            for _ in generator(): pass
        ",
        BATCH_TIME,
    ),
    call(
        "`BaseException` caught in a loop",
        "
        def attack():
            while True:
                try:
                    while True: pass
                except BaseException:
                    pass
                finally:
                    continue
        ",
        BATCH_TIME,
    ),
    call(
        "endless loop in a trace function",
        "
        import sys

        def trace(*arguments):
            while True: pass

        def attack():
            sys.settrace(trace)
            (lambda: 1)()
        ",
        BATCH_TIME,
    ),
    call("endless loop in C: a sum over a range", "def attack():\n    return sum(range(10 ** 18))", BATCH_TIME),
    call(
        "endless loop in C: an iterator that never ends",
        "
        import collections, itertools

        def attack():
            collections.deque(itertools.repeat(None), maxlen=0)
        ",
        BATCH_TIME,
    ),
    call("catastrophic regex", "import re\n\ndef attack():\n    re.match('(a+)+$', 'a' * 64 + 'b')", BATCH_TIME),
    call("huge integer power", "def attack():\n    return 9 ** 9 ** 9", BATCH_TIME),
    call(
        "huge integer to text, without Python's own guard",
        "
        import sys

        def attack():
            sys.set_int_max_str_digits(0)
            return len(str(1 << 30_000_000))
        ",
        BATCH_TIME,
    ),
    call(
        "text to a huge integer, without Python's own guard",
        "
        import sys

        def attack():
            sys.set_int_max_str_digits(0)
            return int('9' * 10_000_000) & 1
        ",
        BATCH_TIME,
    ),
    call(
        "keys that all have the same hash",
        "
        import sys

        def attack():
            return len({n * sys.hash_info.modulus for n in range(1_000_000)})
        ",
        BATCH_TIME,
    ),
    call(
        "a product of large matrices in NumPy",
        "
        import numpy

        def attack():
            a = numpy.ones((2000, 2000), dtype='int64')
            while True: a @ a
        ",
        BATCH_TIME,
    ),
    call("sleeping for ever", "import time\n\ndef attack():\n    time.sleep(1e9)", BATCH_TIME),
    call(
        "sleeping again and again, every exception caught",
        "
        import time

        def attack():
            while True:
                try:
                    time.sleep(0.001)
                except BaseException:
                    pass
        ",
        BATCH_TIME,
    ),
    call(
        "waiting for ever in `select`",
        "import select\n\ndef attack():\n    while True: select.select([0], [], [], 1e6)",
        BATCH_TIME,
    ),
    call(
        "waiting for ever in asyncio",
        "import asyncio\n\ndef attack():\n    asyncio.run(asyncio.sleep(1e9))",
        BATCH_TIME,
    ),
    call(
        "host calls without end",
        "
        import os

        def attack():
            while True:
                os.urandom(64)
                os.stat('/tmp')
                os.listdir('/env')
        ",
        BATCH_TIME,
    ),
    call(
        "a lock that is never released",
        "
        import threading

        def attack():
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
        ",
        Ends::Crashes,
    )
    .by("a deadlock of the only thread is a trap"),
];
