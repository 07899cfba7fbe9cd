//! Paths that lead, or seem to lead, out of `/env` and `/tmp`.

use crate::case::{Case, call};
use crate::outcome::Ends;

const PREOPENS: &str = "paths are resolved below `/env` and `/tmp` and never leave them";
const READ_ONLY: &str = "`/env` is read-only";

pub const CASES: &[Case] = &[
    call("`/etc/passwd`", "def attack():\n    return open('/etc/passwd').read()", Ends::Raises("FileNotFoundError")).by(PREOPENS),
    call(
        "`/proc`, `/dev` and `/sys`",
        "
        def attack():
            opened = []
            links = [f'/proc/1/{link}/etc/passwd' for link in ('root', 'cwd')]
            for path in ('/proc/self/environ', '/proc/self/maps', '/proc/self/mem', *links, '/dev/mem', '/dev/kmsg',
                         '/dev/fd/0', '/dev/stdin', '/dev/tty', '/sys/kernel/notes'):
                try:
                    opened.append(open(path, 'rb'))
                except FileNotFoundError:
                    pass
            return opened
        ",
        Ends::Returns("[]"),
    )
    .by(PREOPENS),
    call("`..` above `/tmp`", "def attack():\n    return open('../etc/passwd').read()", Ends::Raises("PermissionError"))
        .by(PREOPENS),
    call(
        "`..` in every disguise",
        "
        import os

        def attack():
            os.makedirs('/tmp/a/b')
            opened = []
            for path in ('../' * 40 + 'etc/passwd', '/tmp/../etc/passwd', '/env/../etc/passwd', 'a/../../etc/passwd', './../etc/passwd',
                         'a/b/../../../etc/passwd', '/tmp//..//etc/passwd', '/tmp/./../etc/passwd', '..', '/tmp/..', '/env/..'):
                try:
                    opened.append(os.open(path, os.O_RDONLY))
                except OSError:
                    pass
            return opened
        ",
        Ends::Returns("[]"),
    )
    .by(PREOPENS),
    call(
        "links in `/tmp` that lead out",
        "
        import os

        def attack():
            os.mkdir('/tmp/directory')
            opened = []
            for number, target in enumerate(('/etc/passwd', '../etc/passwd', '/', '..', '/tmp/../etc', 'directory/../../etc', '/proc/self')):
                link = f'/tmp/link{number}'
                os.symlink(target, link)
                for path in (link, link + '/', link + '/passwd', link + '/environ', link + '/../etc/passwd'):
                    try:
                        opened.append((path, os.open(path, os.O_RDONLY)))
                    except OSError:
                        pass
            return opened
        ",
        Ends::Returns("[]"),
    )
    .by(PREOPENS),
    call(
        "links in the environment that lead out",
        "
        import os

        def attack():
            opened = []
            for path in ('absolute_link', 'relative_link', 'directory_link', 'directory_link/secret.txt', 'directory_link/../canaries/secret.txt',
                         'loop', 'package/../../canaries/secret.txt'):
                try:
                    opened.append((path, open('/env/' + path).read()))
                except OSError:
                    pass
            return opened
        ",
        Ends::Returns("[]"),
    )
    .by("the kernel resolves paths beneath the environment's directory"),
    call(
        "every function of `os` that takes a path, with paths of the host",
        "
        import os, shutil

        PATHS = ('/etc/passwd', '/etc', '/', '../etc/passwd', '/proc/self/environ', '/env/absolute_link', '/env/directory_link/secret.txt')
        CALLS = {
            'access': lambda p: os.access(p, os.F_OK) or os.stat('/none'), 'chdir': os.chdir, 
            'listdir': os.listdir, 'lstat': lambda p: os.lstat(p + '/'), 'mkdir': lambda p: os.mkdir(p + '/x'),
            'makedirs': lambda p: os.makedirs(p + '/x'),
            'open': lambda p: os.open(p, os.O_RDWR | os.O_CREAT), 'read': lambda p: os.open(p, os.O_RDONLY), 'remove': os.remove,
            'rename from': lambda p: os.rename(p, '/tmp/x'), 'rename to': lambda p: os.rename('/tmp/file', p), 'replace': lambda p: os.replace('/tmp/file', p),
            'rmdir': os.rmdir, 'scandir': os.scandir, 'stat': os.stat, 'link from': lambda p: os.link(p, '/tmp/y'), 'link to': lambda p: os.link('/tmp/file', p),
            'symlink': lambda p: os.symlink('/tmp/file', p), 'truncate': lambda p: os.truncate(p, 0), 'unlink': os.unlink, 'utime': os.utime,
            'copy': lambda p: shutil.copyfile(p, '/tmp/z'), 'move': lambda p: shutil.move(p, '/tmp/w'), 'rmtree': shutil.rmtree,
        }

        def attack():
            open('/tmp/file', 'w').close()
            done = []
            for name, function in CALLS.items():
                for path in PATHS:
                    try:
                        function(path)
                        done.append((name, path))
                    except OSError:
                        pass
            return done
        ",
        Ends::Returns("[]"),
    )
    .by(PREOPENS),
    call(
        "renaming and linking between `/env` and `/tmp`",
        "
        import os

        def attack():
            done = []
            open('/tmp/file', 'w').close()
            for function in (os.rename, os.replace, os.link):
                for source, target in (('/env/data.txt', '/tmp/data.txt'), ('/tmp/file', '/env/file'), ('/env/data.txt', '/env/other.txt')):
                    try:
                        function(source, target)
                        done.append((function.__name__, source, target))
                    except OSError:
                        pass
            return done
        ",
        Ends::Returns("[]"),
    )
    .by(READ_ONLY),
    call("writing a file of the environment", "def attack():\n    open('/env/data.txt', 'w')", Ends::Raises("OSError")).by(READ_ONLY),
    call("making a file in the environment", "def attack():\n    open('/env/new.py', 'x')", Ends::Raises("OSError")).by(READ_ONLY),
    call(
        "every way to change the environment",
        "
        import os

        CALLS = [
            lambda: os.mkdir('/env/new'), lambda: os.rmdir('/env/package'), lambda: os.remove('/env/data.txt'), lambda: os.truncate('/env/data.txt', 0),
            lambda: os.utime('/env/data.txt'), lambda: os.symlink('x', '/env/new'), lambda: os.open('/env/data.txt', os.O_RDWR),
            lambda: os.open('/env/data.txt', os.O_RDONLY | os.O_TRUNC), lambda: os.open('/env/data.txt', os.O_WRONLY | os.O_APPEND),
            lambda: os.open('data.txt', os.O_WRONLY, dir_fd=3), lambda: os.write(os.open('/env/data.txt', os.O_RDONLY), b'x'),
            lambda: os.ftruncate(os.open('/env/data.txt', os.O_RDONLY), 0), lambda: os.posix_fallocate(os.open('/env/data.txt', os.O_RDONLY), 0, 9),
        ]

        def attack():
            done = []
            for number, function in enumerate(CALLS):
                try:
                    function()
                    done.append(number)
                except (OSError, AttributeError, NotImplementedError):
                    pass
            return done, open('/env/data.txt').read()
        ",
        Ends::Returns("([], 'data\\n')"),
    )
    .by(READ_ONLY),
    call(
        "modules of the host by `sys.path`",
        "
        import sys

        def attack():
            sys.path[:0] = ['/usr/lib/python3/dist-packages', '/srv', '../canaries', '/env/directory_link']
            import settings
        ",
        Ends::Raises("ModuleNotFoundError"),
    )
    .by(PREOPENS),
    call(
        "a file of the host run as a script",
        "import runpy\n\ndef attack():\n    runpy.run_path('/etc/profile')",
        Ends::Raises("FileNotFoundError"),
    )
    .by(PREOPENS),
    call(
        "names that are no paths",
        "
        import os

        def attack():
            opened = []
            for path in ('/etc/passwd\\0', 'a' * 5000, 'a/' * 5000, '\\udcff', '/tmp/\\udc80', 'x' * 256):
                try:
                    opened.append(os.open(path, os.O_RDONLY | os.O_CREAT))
                except (OSError, ValueError):
                    pass
            return opened
        ",
        Ends::Returns("[]"),
    )
    .by("`Limits::path_bytes`; paths are valid text without NUL"),
    call(
        "descriptors that the guest did not open",
        "
        import os

        def attack():
            found = []
            for fd in [*range(5, 2000), 2 ** 31 - 1]:
                for function in (os.fstat, lambda fd: os.read(fd, 1), lambda fd: os.write(fd, b'x'), os.listdir):
                    try:
                        function(fd)
                        found.append(fd)
                    except (OSError, TypeError):
                        pass
            return found
        ",
        Ends::Returns("[]"),
    )
    .by("descriptors are numbers of the instance's own table"),
    call(
        "descriptors of `/env` and `/tmp` with `..`",
        "
        import os

        def attack():
            opened = []
            for fd in (3, 4):
                for path in ('..', '../etc/passwd', '/etc/passwd', '../' * 9, 'package/../..'):
                    for function in (os.open, os.stat):
                        try:
                            opened.append(function(path, *([os.O_RDONLY] if function is os.open else []), dir_fd=fd))
                        except (OSError, NotImplementedError):
                            pass
            return opened
        ",
        Ends::Returns("[]"),
    )
    .by(PREOPENS),
];
