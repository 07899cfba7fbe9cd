//! State that one tenant leaves, and another looks for: while the first one lives and when it is gone.

use crate::case::{Case, neighbours};

pub const CASES: &[Case] = &[
    neighbours(
        "globals",
        "globals()['secret'] = 'mine'; import __main__; __main__.secret = 1",
        "import __main__; result = hasattr(__main__, 'secret')",
        "False",
    ),
    neighbours(
        "builtins",
        "import builtins; builtins.len = lambda x: 42; builtins.secret = 1",
        "result = (len([]), 'secret' in dir(__builtins__))",
        "(0, False)",
    ),
    neighbours(
        "`sys.modules`",
        "import sys, types; sys.modules['json'] = types.ModuleType('json'); sys.modules['secret'] = types.ModuleType('secret')",
        "import sys, json; result = ('secret' in sys.modules, json.dumps([1]))",
        "(False, '[1]')",
    ),
    neighbours(
        "functions of the standard library",
        "import json, re; json.dumps = re.match = lambda *a: 'evil'",
        "import json; result = json.dumps(1)",
        "'1'",
    ),
    neighbours(
        "methods of a class",
        "import decimal, pathlib; pathlib.PurePath.__str__ = lambda self: 'evil'",
        "import pathlib; result = str(pathlib.PurePath('a'))",
        "'a'",
    ),
    neighbours(
        "codecs",
        "import codecs; codecs.register(lambda name: codecs.lookup('utf-8') if name == 'evil' else None); codecs.register_error('strict', lambda e: ('', e.end))",
        "
        try:
            ''.encode('evil')
            result = 'found'
        except LookupError:
            try:
                result = 'é'.encode('ascii')
            except UnicodeEncodeError:
                result = 'clean'
        ",
        "'clean'",
    ),
    neighbours(
        "locale",
        "import locale; locale.setlocale(locale.LC_ALL, 'C')",
        "import locale; result = locale.localeconv()['decimal_point']",
        "'.'",
    ),
    neighbours(
        "the decimal context",
        "import decimal; decimal.getcontext().prec = 3; decimal.DefaultContext.prec = 3; decimal.setcontext(decimal.Context(prec=2))",
        "import decimal; result = str(decimal.Decimal(1) / 3)",
        "'0.3333333333333333333333333333'",
    ),
    neighbours(
        "context variables",
        "import contextvars; v = contextvars.ContextVar('v'); v.set('secret')",
        "import contextvars; result = [v.name for v in contextvars.copy_context() if v.name == 'v']",
        "[]",
    ),
    neighbours("files", "open('/tmp/secret', 'w').write('mine')", "import os; result = os.listdir('/tmp')", "[]"),
    neighbours(
        "the working directory",
        "import os; os.mkdir('/tmp/d'); os.chdir('/tmp/d')",
        "import os; result = os.getcwd()",
        "'/tmp'",
    ),
    neighbours(
        "environment variables",
        "import os; os.environ['SECRET'] = 'mine'; os.putenv('OTHER', 'x')",
        "import os; result = dict(os.environ)",
        "{}",
    ),
    neighbours(
        "`sys.path` and hooks of the import system",
        "import sys; sys.path.insert(0, '/tmp/evil'); sys.meta_path.insert(0, None); sys.path_hooks.clear()",
        "import sys, colorsys; result = ('/tmp/evil' in sys.path, None in sys.meta_path)",
        "(False, False)",
    ),
    neighbours(
        "descriptors",
        "import os; kept = [os.open('/tmp/x', os.O_CREAT | os.O_RDWR) for _ in range(9)]; os.close(0)",
        "import os; result = os.open('/tmp', os.O_RDONLY)",
        "5",
    ),
    neighbours(
        "standard streams",
        "import sys, io; sys.stdout = sys.stderr = io.StringIO(); sys.stdin = None",
        "import sys; result = (sys.stdout.fileno(), sys.stderr.fileno(), sys.stdin.fileno())",
        "(1, 2, 0)",
    ),
    neighbours(
        "hooks of exceptions, traces and exit",
        "import sys, atexit, gc; sys.excepthook = sys.settrace = print; gc.disable(); sys.setrecursionlimit(77)",
        "import sys, gc; result = (sys.excepthook is sys.__excepthook__, gc.isenabled(), sys.getrecursionlimit())",
        "(True, True, 1000)",
    ),
    neighbours(
        "signals",
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "import signal; result = signal.getsignal(signal.SIGINT) != signal.SIG_IGN",
        "True",
    ),
    neighbours(
        "loggers and warnings",
        "import logging, warnings; logging.basicConfig(); logging.getLogger('secret'); warnings.simplefilter('error')",
        "import logging, warnings; result = ('secret' in logging.root.manager.loggerDict, logging.root.handlers, any(f[0] == 'error' for f in warnings.filters))",
        "(False, [], False)",
    ),
    neighbours(
        "NumPy's settings",
        "import numpy; numpy.seterr(all='raise'); numpy.set_printoptions(precision=1)",
        "import numpy; result = (numpy.geterr()['over'], numpy.get_printoptions()['precision'])",
        "('warn', 8)",
    ),
    neighbours(
        "caches of modules",
        "import re, linecache, functools; re.compile('secret_pattern'); linecache.cache['secret'] = (1, None, ['x'], 'secret')",
        "import re, linecache; result = ('secret' in linecache.cache, any('secret' in str(k) for k in re._cache))",
        "(False, False)",
    ),
    neighbours(
        "interned text",
        "import sys; kept = sys.intern('secret of the other tenant')",
        "import gc; result = [o for o in gc.get_objects() if isinstance(o, dict) and 'secret of the ' + 'other tenant' in o]",
        "[]",
    ),
    neighbours(
        "memory that was freed",
        "mark = bytes([0xf1, 0xe2, 0xd3, 0xc4]); kept = mark * (8 << 20); del kept; kept = [mark * 3 + b'%d' % n for n in range(100_000)]",
        "
        import numpy

        class Memory:
            __array_interface__ = {'data': (4096, True), 'shape': (24 << 20,), 'typestr': '|u1', 'version': 3}

        # The mark of the other tenant, which this source does not hold; the needle itself is found a few times.
        needle = bytes([0xf1, 0xe2, 0xd3, 0xc4])
        kept = bytearray(40 << 20)
        view = memoryview(numpy.asarray(Memory()))
        found = sum(bytes(view[start:start + (1 << 20)]).count(needle) for start in range(0, len(view), 1 << 20))
        result = kept.count(needle), found > 20
        ",
        "(0, False)",
    ),
    neighbours(
        "the interpreter's memory, damaged",
        "
        import numpy

        class Memory:
            __array_interface__ = {'data': (4096, False), 'shape': (4096,), 'typestr': '|u1', 'version': 3}

        numpy.asarray(Memory())[:] ^= 255
        ",
        "import json; result = json.dumps({'a': sorted([3, 1, 2])})",
        "'{\"a\": [1, 2, 3]}'",
    ),
];
