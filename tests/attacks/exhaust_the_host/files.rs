//! The scratch directory and descriptors.

use crate::case::{Case, call};
use crate::outcome::Ends;

const BYTES: &str = "`Limits::scratch_bytes`";
const FILES: &str = "`Limits::scratch_files`";

/// A quota holds when an attack is stopped by `OSError` with this number.
pub const CASES: &[Case] = &[
    call(
        "filling `/tmp`",
        "def attack():\n    with open('/tmp/x', 'wb') as file:\n        while True: file.write(bytes(1 << 20))",
        Ends::Raises("OSError"),
    )
    .by(BYTES),
    call(
        "a million files",
        "
        def attack():
            for n in range(1_000_000):
                open(f'/tmp/{n}', 'w').close()
        ",
        Ends::Raises("OSError"),
    )
    .by(FILES),
    call(
        "a million directories, one in the other",
        "import os\n\ndef attack():\n    for n in range(1_000_000):\n        os.mkdir('d')\n        os.chdir('d')",
        Ends::Raises("OSError"),
    )
    .by(FILES),
    call(
        "a million links",
        "import os\n\ndef attack():\n    for n in range(1_000_000):\n        os.symlink('x' * 4000, f'/tmp/{n}')",
        Ends::Raises("OSError"),
    )
    .by(FILES),
    call(
        "a million names of one file",
        "
        import os

        def attack():
            open('/tmp/x', 'w').close()
            for n in range(1_000_000):
                os.link('/tmp/x', f'/tmp/{n:0200}')
        ",
        Ends::Raises("OSError"),
    )
    .by(BYTES),
    call(
        "a sparse file of 1 TB",
        "
        def attack():
            with open('/tmp/x', 'wb') as file:
                file.truncate(1 << 40)
        ",
        Ends::Raises("OSError"),
    )
    .by("the largest size of a file"),
    call(
        "one byte in every page of a sparse file",
        "
        def attack():
            with open('/tmp/x', 'wb', buffering=0) as file:
                for page in range(1 << 18):
                    file.seek(page * 4096)
                    file.write(b'x')
        ",
        Ends::Raises("OSError"),
    )
    .by(BYTES),
    call(
        "files that are unlinked while open",
        "
        import os

        def attack():
            kept = []
            for n in range(200):
                kept.append(open('/tmp/x', 'wb'))
                os.unlink('/tmp/x')
                kept[-1].write(bytes(1 << 20))
                kept[-1].flush()
        ",
        Ends::Raises("OSError"),
    )
    .by(BYTES),
    call(
        "files hidden by renaming others over them",
        "
        import os

        def attack():
            kept = []
            for n in range(200):
                with open('/tmp/new', 'wb') as file: file.write(bytes(1 << 20))
                kept.append(open('/tmp/new', 'rb'))
                os.replace('/tmp/new', '/tmp/x')
        ",
        Ends::Raises("OSError"),
    )
    .by(BYTES),
    call(
        "a full `/tmp` that is emptied and filled again",
        "
        import os

        def attack():
            total = 0
            for _ in range(20):
                with open('/tmp/x', 'wb') as file:
                    total += file.write(bytes(7 << 20))
                os.remove('/tmp/x')
            return total >> 20
        ",
        Ends::Returns("140"),
    )
    .by("what is freed is given back exactly, and no more"),
    call(
        "descriptors without end",
        "
        def attack():
            kept = [open('/tmp/x', 'w')]
            while True: kept.append(open('/tmp/x'))
        ",
        Ends::Raises("OSError"),
    )
    .by("`Limits::open_files`"),
    call(
        "descriptors of the environment without end, each one of the host's",
        "
        def attack():
            kept = []
            try:
                while True: kept.append(open('/env/data.txt'))
            except OSError as error:
                return len(kept)
        ",
        Ends::Returns("32"),
    )
    .by("at most 32 files of the environment are open at a time"),
    call("descriptors by `dup`", "import os\n\ndef attack():\n    while True: os.dup(1)", Ends::Raises("OSError"))
        .by("`Limits::open_files`"),
    call("paths of megabytes", "def attack():\n    open('/tmp/' + 'x/' * (1 << 20))", Ends::Raises("OSError"))
        .by("`Limits::path_bytes`"),
    call("a name of 256 bytes", "def attack():\n    open('/tmp/' + 'x' * 256, 'w')", Ends::Raises("OSError"))
        .by("255 bytes for a name"),
    call(
        "a circle of links",
        "import os\n\ndef attack():\n    os.symlink('b', '/tmp/a')\n    os.symlink('a', '/tmp/b')\n    open('/tmp/a')",
        Ends::Raises("OSError"),
    )
    .by("40 links in one lookup"),
];
