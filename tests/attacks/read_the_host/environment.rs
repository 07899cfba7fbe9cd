//! What the process knows about the host: variables, names, streams, addresses.

use crate::case::{Case, call};
use crate::outcome::Ends;

const ITS_OWN_WORLD: &str = "the guest's world is made for it: nothing of the host's is passed on";

pub const CASES: &[Case] = &[
    call("environment variables of the host", "import os\n\ndef attack():\n    return dict(os.environ)", Ends::Returns("{}"))
        .by(ITS_OWN_WORLD),
    call(
        "environment variables by libc, unknown to `os.environ`",
        "
        import os

        def attack():
            return [name for name in ('PATH', 'HOME', 'CARGO_MANIFEST_DIR', 'USER') if os.getenv(name) or os.path.expandvars('$' + name) != '$' + name]
        ",
        Ends::Returns("[]"),
    )
    .by(ITS_OWN_WORLD),
    call("standard input of the host", "import sys\n\ndef attack():\n    return sys.stdin.read()", Ends::Returns("''")).by(ITS_OWN_WORLD),
    call(
        "a terminal of the host",
        "import os\n\ndef attack():\n    return [fd for fd in range(3) if os.isatty(fd)]",
        Ends::Returns("[]"),
    )
    .by(ITS_OWN_WORLD),
    call(
        "name, user and processes of the host",
        "
        import os, platform

        def attack():
            return os.uname().nodename, os.uname().release, os.getpid(), [name for name in ('getuid', 'getlogin', 'getppid', 'getgroups') if hasattr(os, name)]
        ",
        Ends::Returns("('(none)', '0.0.0', 42, [])"),
    )
    .by(ITS_OWN_WORLD),
    call(
        "the home directory of the host",
        "
        import os, pathlib

        def attack():
            try:
                return str(pathlib.Path.home())
            except RuntimeError:
                return os.path.expanduser('~')
        ",
        Ends::Returns("'~'"),
    )
    .by(ITS_OWN_WORLD),
    call(
        "paths of the machine that built the image",
        "
        import sys, sysconfig

        def attack():
            texts = [sys.executable, sys.prefix, *sys.path, *map(str, sysconfig.get_paths().values())]
            for module in list(sys.modules.values()):
                texts.append(str(getattr(module, '__file__', '')))
                for value in list(vars(module).values()):
                    code = getattr(value, '__code__', None)
                    texts.append(str(getattr(code, 'co_filename', '')))
            return [text for text in texts if text.startswith('/') and text.split('/')[1] not in ('python', 'env', 'tmp')]
        ",
        Ends::Returns("[]"),
    )
    .by("the image is built from paths of its own"),
    call(
        "addresses of the host's memory",
        "
        import numpy

        def attack():
            return all(id(o) < 2 ** 28 for o in (object(), attack, numpy, numpy.zeros(9))), numpy.zeros(9).ctypes.data < 2 ** 28
        ",
        Ends::Returns("(True, True)"),
    )
    .by("addresses are offsets in linear memory"),
    call(
        "how many processors, and how busy they are",
        "
        import os

        def attack():
            return os.cpu_count(), hasattr(os, 'getloadavg'), hasattr(os, 'sched_getaffinity')
        ",
        Ends::Returns("(1, False, False)"),
    )
    .by(ITS_OWN_WORLD),
    call(
        "space on the disks of the host",
        "
        import os, shutil

        def attack():
            return hasattr(os, 'statvfs'), hasattr(shutil, 'disk_usage')
        ",
        Ends::Returns("(False, False)"),
    )
    .by("no such call"),
    call(
        "inode and device numbers of the host",
        "
        import os

        def attack():
            status = os.stat('/env/data.txt')
            return status.st_dev, status.st_ino < 1000, status.st_uid, status.st_gid
        ",
        Ends::Returns("(1, True, 0, 0)"),
    )
    .by("numbers are serial within the instance"),
];
