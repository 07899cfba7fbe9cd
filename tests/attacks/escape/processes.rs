//! Processes, threads, signals and native code.

use crate::case::{Case, call};
use crate::outcome::Ends;

const NO_PROCESSES: &str = "no such call: WASI preview 1 has no processes";
const NO_NATIVE_CODE: &str = "no dynamic loading and no foreign functions in the guest";

pub const CASES: &[Case] = &[
    call("`os.fork`", "import os\n\ndef attack():\n    os.fork()", Ends::Raises("AttributeError")).by(NO_PROCESSES),
    call(
        "every function of `os` that starts or replaces a process",
        "
        import os

        NAMES = '''execl execle execlp execlpe execv execve execvp execvpe fork forkpty posix_spawn posix_spawnp spawnl spawnle
            spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe startfile system'''.split()

        def attack():
            done = []
            for name in NAMES:
                try:
                    arguments = {'e': ({},), 'v': ([],)}.get(name[-1], ())
                    getattr(os, name)('/bin/id', 'id', *arguments)
                    done.append(name)
                except (AttributeError, OSError, NameError, TypeError, ValueError):
                    pass
            return done
        ",
        Ends::Returns("[]"),
    )
    .by(NO_PROCESSES),
    call("`os.popen`", "import os\n\ndef attack():\n    os.popen('id').read()", Ends::Raises("OSError")).by(NO_PROCESSES),
    call(
        "`subprocess.run`",
        "import subprocess\n\ndef attack():\n    subprocess.run(['/bin/sh', '-c', 'id'])",
        Ends::Raises("OSError"),
    )
    .by(NO_PROCESSES),
    call(
        "a process of `multiprocessing`",
        "
        import multiprocessing

        def attack():
            multiprocessing.Process(target=print).start()
        ",
        Ends::Raises("AttributeError"),
    )
    .by(NO_PROCESSES),
    call(
        "`asyncio.create_subprocess_exec`",
        "
        import asyncio

        def attack():
            asyncio.run(asyncio.create_subprocess_exec('/bin/id'))
        ",
        Ends::Raises("OSError"),
    )
    .by(NO_PROCESSES),
    call(
        "a thread",
        "import threading\n\ndef attack():\n    threading.Thread(target=print).start()",
        Ends::Raises("RuntimeError"),
    )
    .by("one instance, one thread: WebAssembly threads are switched off"),
    call(
        "an executor of threads",
        "
        from concurrent.futures import ThreadPoolExecutor

        def attack():
            ThreadPoolExecutor().submit(print).result()
        ",
        Ends::Raises("RuntimeError"),
    )
    .by("one instance, one thread: WebAssembly threads are switched off"),
    call(
        "signals to other processes",
        "
        import os, signal

        def attack():
            return [name for name in ('kill', 'killpg', 'pidfd_open') if hasattr(os, name)] + [
                name for name in ('alarm', 'setitimer', 'pthread_kill', 'sigqueue', 'pidfd_send_signal') if hasattr(signal, name)]
        ",
        Ends::Returns("[]"),
    )
    .by("no such call: signals stay inside the guest"),
    call(
        "a signal to itself that ends a process",
        "
        import signal

        def attack():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
        ",
        Ends::Crashes,
    )
    .by("signals are emulated in the guest: the instance traps"),
    call("`os.abort`", "import os\n\ndef attack():\n    os.abort()", Ends::Crashes).by("a trap ends only its instance"),
    call(
        "`faulthandler._sigsegv`",
        "import faulthandler\n\ndef attack():\n    faulthandler._sigsegv()",
        Ends::Crashes,
    )
    .by("a trap ends only its instance"),
    call(
        "`ctypes`: the C library",
        "import ctypes\n\ndef attack():\n    ctypes.CDLL('libc.so.6').system(b'id')",
        Ends::Raises("OSError"),
    )
    .by(NO_NATIVE_CODE),
    call(
        "`ctypes`: memory by its address",
        "import ctypes\n\ndef attack():\n    ctypes.string_at(4096, 100)",
        Ends::Raises("OSError"),
    )
    .by(NO_NATIVE_CODE),
    call(
        "an extension module that the tenant brings",
        "
        import importlib.machinery, importlib.util

        def attack():
            with open('/tmp/native.so', 'wb') as file:
                file.write(bytes.fromhex('7f454c46') + bytes(1000))
            loader = importlib.machinery.ExtensionFileLoader('native', '/tmp/native.so')
            importlib.util.module_from_spec(importlib.util.spec_from_loader('native', loader))
        ",
        Ends::Raises("AttributeError"),
    )
    .by(NO_NATIVE_CODE),
    call("`mmap`", "def attack():\n    import mmap\n    mmap.mmap(-1, 4096)", Ends::Raises("ModuleNotFoundError"))
        .by("no such module in the guest"),
    call(
        "interpreters inside the interpreter",
        "
        import importlib.util

        def attack():
            names = ('_interpreters', '_xxsubinterpreters', '_testcapi', '_testinternalcapi', '_posixsubprocess')
            return [name for name in names if importlib.util.find_spec(name)]
        ",
        Ends::Returns("[]"),
    )
    .by("no such modules in the guest"),
    call(
        "calls to the runtime's own module",
        "
        import _vivarium

        def attack():
            # The function itself has the handle 0.
            for handle in range(1, 100):
                try:
                    _vivarium.drop(handle)
                except LookupError:
                    pass
        ",
        Ends::Returns("None"),
    )
    .by("the module holds nothing of the host's: an instance can only damage itself"),
];
