//! Small inputs that unpack to large ones.

use crate::case::{BATCH_TIME, Case, MEMORY, call};
use crate::outcome::Ends;

pub const CASES: &[Case] = &[
    call(
        "zlib bomb",
        "import zlib\n\nBOMB = zlib.compress(bytes(1 << 25), 9)\n\ndef attack():\n    return len(b''.join(zlib.decompress(BOMB) for _ in range(40)))",
        MEMORY,
    ),
    call(
        "gzip bomb within a gzip bomb",
        "
        import gzip, io

        def attack():
            inner = gzip.compress(bytes(1 << 24))
            return len(gzip.decompress(inner * 64))
        ",
        MEMORY,
    ),
    call(
        "bz2 bomb",
        "import bz2\n\ndef attack():\n    return len(bz2.decompress(bz2.compress(bytes(1 << 22)) * 256))",
        MEMORY,
    ),
    call(
        "lzma bomb",
        "import lzma\n\ndef attack():\n    return len(lzma.decompress(lzma.compress(bytes(1 << 22)) * 256))",
        MEMORY,
    ),
    call(
        "zip bomb into `/tmp`",
        "
        import io, zipfile

        def attack():
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
                archive.writestr('bomb', bytes(32 << 20))
            zipfile.ZipFile(buffer).extractall('/tmp')
        ",
        Ends::Raises("OSError"),
    )
    .by("`Limits::scratch_bytes`"),
    call(
        "tar archive with names that lead out",
        "
        import io, tarfile

        def attack():
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode='w') as archive:
                archive.addfile(tarfile.TarInfo('../../etc/cron.d/x'))
            buffer.seek(0)
            tarfile.open(fileobj=buffer).extractall('/tmp', filter='fully_trusted')
        ",
        Ends::Raises("PermissionError"),
    )
    .by("paths are resolved below `/env` and `/tmp` and never leave them"),
    call(
        "XML: a billion laughs",
        "
        import xml.etree.ElementTree as tree

        def attack():
            entities = ''.join(f'<!ENTITY l{n + 1} \"{f\"&l{n};\" * 10}\">' for n in range(9))
            tree.fromstring(f'<!DOCTYPE x [<!ENTITY l0 \"lol\">{entities}]><x>&l9;</x>')
        ",
        Ends::Raises("ParseError"),
    )
    .by("Expat's own guard; behind it `Limits::memory`"),
    call(
        "pickle that calls what it likes",
        "
        import pickle

        def attack():
            pickle.loads(b'cos\\nsystem\\n(S\"id\"\\ntR.')
        ",
        Ends::Raises("AttributeError"),
    )
    .by("no processes; a pickle can do no more than its code could"),
    call(
        "pickle bomb",
        "
        import pickle

        def attack():
            # A list of lists of lists, each ten times the one before.
            value = []
            for _ in range(5):
                value = [list(value) for _ in range(10)]
            return len(pickle.dumps([pickle.loads(pickle.dumps(value)) for _ in range(10 ** 6)]))
        ",
        MEMORY,
    )
    .with(|limits| limits.memory = 48 << 20),
    call(
        "marshal bomb",
        "
        import marshal

        def attack():
            # A tuple that says it has 2 ** 31 - 1 items.
            marshal.loads(b'(' + (2 ** 31 - 1).to_bytes(4, 'little'))
        ",
        Ends::Raises("MemoryError"),
    )
    .by("sizes beyond the address space are refused"),
    call(
        "marshal of nonsense",
        "
        import marshal, random

        def attack():
            random.seed(1)
            for _ in range(20_000):
                try:
                    marshal.loads(random.randbytes(60))
                except (EOFError, ValueError, TypeError, MemoryError, OverflowError):
                    pass
        ",
        Ends::Returns("None"),
    )
    .by("`Limits::memory`; what marshal makes of it stays in the instance"),
    call("format width of a gigabyte", "def attack():\n    return len(f'{1:1000000000}')", MEMORY),
    call(
        "quadratic text building",
        "
        def attack():
            text = 'x'
            while True:
                text = text.replace('x', 'xx')
                if len(text) > 1 << 22: text = 'x'
        ",
        BATCH_TIME,
    ),
    call(
        "an AST of a million nodes",
        "def attack():\n    return len(compile('+'.join(['x'] * 1_000_000), 'bomb', 'eval').co_code)",
        MEMORY,
    )
    .with(|limits| limits.memory = 64 << 20),
];
