//! Sequences from a seed.
//!
//! Most calls are what a program does, on few names and few descriptors, so that they meet one another; one thing in one call of ten is
//! what no program does. Never two, since a call with two mistakes may complain about either.

use crate::step::{Argument, Call, ENV, Handle, Step, Subscription, TMP};

/// A generator of numbers that is the same everywhere (SplitMix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Flags of `path_open`.
const CREATE: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCLUSIVE: u64 = 4;
const TRUNCATE: u64 = 8;

/// Rights to read and write.
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 6;

/// A sequence: at first a small tree in `/tmp`, then `length` steps of any kind.
pub fn sequence(seed: u64, length: usize) -> Vec<Step> {
    let mut generator = Generator { random: Random(seed), opened: 0 };
    let mut steps = tree();
    generator.opened = 2;
    for _ in 0..length {
        let mut step = generator.step();
        if generator.random.one_in(60) {
            generator.break_address(&mut step);
        }
        steps.push(step);
    }
    steps
}

/// Files, directories and links with the names that the rest uses; leaves a file and a directory open.
fn tree() -> Vec<Step> {
    let text = |text: &str| Argument::Bytes(text.as_bytes().to_vec());
    let link =
        |to: &str, path: &str| Step::Call(Call::new("path_symlink", vec![text(to), Argument::Fd(TMP), text(path)]));
    vec![
        Step::Call(open(TMP, 0, b"a", CREATE, READ | WRITE, 0)),
        Step::WriteAll { fd: Handle(5), buffers: vec![b"what was in the file at first".to_vec()], at: None },
        Step::Call(Call::new("path_create_directory", vec![Argument::Fd(TMP), text("b")])),
        Step::Call(Call::new("path_create_directory", vec![Argument::Fd(TMP), text("b/b")])),
        Step::Call(open(TMP, 0, b"b", DIRECTORY, READ, 0)),
        link("a", "c"),
        link("b", "d"),
        link("../a", "b/c"),
    ]
}

fn open(directory: Handle, lookup: u64, path: &[u8], kind: u64, rights: u64, flags: u64) -> Call {
    let arguments = vec![
        Argument::Fd(directory),
        Argument::Number(lookup),
        Argument::Bytes(path.to_vec()),
        Argument::Number(kind),
        Argument::Number(rights),
        Argument::Number(rights),
        Argument::Number(flags),
        Argument::Out(4),
    ];
    Call::new("path_open", arguments)
}

struct Generator {
    random: Random,
    /// Descriptors that the sequence may have opened so far.
    opened: usize,
}

impl Generator {
    fn step(&mut self) -> Step {
        let odd = self.random.one_in(10);
        match self.random.below(100) {
            0..14 => Step::Call(self.open(odd)),
            14..24 => {
                let count = if self.random.one_in(3) { 2 + self.random.below(3) } else { 1 };
                let buffers = (0..count).map(|_| self.content()).collect();
                Step::WriteAll { fd: self.file(odd), buffers, at: self.position() }
            }
            24..34 => {
                let count = if self.random.one_in(3) { 2 + self.random.below(3) } else { 1 };
                let buffers = (0..count).map(|_| self.random.pick(&[0, 1, 7, 100, 5000])).collect();
                let fd = if self.random.one_in(12) { Handle(0) } else { self.file(odd) };
                Step::ReadAll { fd, buffers, at: self.position() }
            }
            34..40 => {
                let room = self.random.pick(&[24, 25, 30, 60, 100, 300, 4096]);
                Step::List { fd: self.directory(odd), room }
            }
            40..46 => self.set_times(odd),
            46..64 => Step::Call(self.change_names(odd)),
            64..72 => Step::Call(self.look(odd)),
            72..86 => Step::Call(self.on_descriptor(odd)),
            86..92 => Step::Call(self.on_table(odd)),
            92..95 => Step::Call(self.poll(odd)),
            _ => Step::Call(self.other(odd)),
        }
    }

    fn open(&mut self, odd: bool) -> Call {
        let kinds =
            [0, 0, 0, CREATE, CREATE, CREATE, CREATE | EXCLUSIVE, TRUNCATE, CREATE | TRUNCATE, DIRECTORY, DIRECTORY];
        let rights = [READ, READ, WRITE, READ | WRITE, READ | WRITE];
        let odd_place = odd && self.random.one_in(2);
        let (directory, path) = self.place(odd_place);
        let (mut kind, mut rights, mut flags) =
            (self.random.pick(&kinds), self.random.pick(&rights), self.random.pick(&[0, 0, 0, 1, 4]));
        if kind & (CREATE | TRUNCATE) != 0 {
            // Creating and truncating are for those who write.
            rights |= WRITE;
        }
        if odd && !odd_place {
            match self.random.below(3) {
                0 => kind = self.random.pick(&[EXCLUSIVE, DIRECTORY | CREATE, DIRECTORY | TRUNCATE, 15, 16, 1 << 31]),
                1 => flags = self.random.pick(&[2, 8, 16, 31, 32, 1 << 16]),
                _ => rights = self.random.pick(&[0, u64::MAX, !WRITE]),
            }
        }
        self.opened += 1;
        open(directory, self.lookup(), &path, kind, rights, flags)
    }

    fn set_times(&mut self, odd: bool) -> Step {
        let times = [0, 1, 999_999_999, 1_000_000_000, 86_400_000_000_000, 500_000_000_000_000_000];
        let [accessed, modified] = [(); 2].map(|()| self.random.pick(&times));
        let flags = if odd {
            self.random.pick(&[3, 12, 15, 16, 1 << 16])
        } else {
            self.random.pick(&[0, 1, 2, 4, 5, 6, 8, 9, 10])
        };
        if self.random.one_in(2) {
            return Step::SetTimes { fd: self.any(), path: None, accessed, modified, flags };
        }
        let (fd, path) = self.place(false);
        let lookup = self.random.below(2) as u32;
        Step::SetTimes { fd, path: Some((lookup, path)), accessed, modified, flags }
    }

    /// Calls that make, move and remove names.
    fn change_names(&mut self, odd: bool) -> Call {
        let (fd, path) = self.place(odd);
        let (from, path) = (Argument::Fd(fd), Argument::Bytes(path));
        match self.random.below(7) {
            0 => Call::new("path_create_directory", vec![from, path]),
            1 => Call::new("path_remove_directory", vec![from, path]),
            2 | 3 => Call::new("path_unlink_file", vec![from, path]),
            4 => {
                let text = self.link_text();
                Call::new("path_symlink", vec![Argument::Bytes(text), from, path])
            }
            5 => {
                let (to, new) = self.place(false);
                Call::new("path_rename", vec![from, path, Argument::Fd(to), Argument::Bytes(new)])
            }
            _ => {
                let (to, new) = self.place(false);
                let lookup = Argument::Number(u64::from(self.random.one_in(8)));
                Call::new("path_link", vec![from, lookup, path, Argument::Fd(to), Argument::Bytes(new)])
            }
        }
    }

    /// Calls that look at names.
    fn look(&mut self, odd: bool) -> Call {
        let (fd, path) = self.place(odd);
        if self.random.one_in(3) {
            let room = self.random.pick(&[0, 1, 3, 100]);
            return Call::new(
                "path_readlink",
                vec![Argument::Fd(fd), Argument::Bytes(path), Argument::Buffer(room), Argument::Out(4)],
            );
        }
        let lookup = Argument::Number(self.lookup());
        Call::new("path_filestat_get", vec![Argument::Fd(fd), lookup, Argument::Bytes(path), Argument::Out(64)])
    }

    /// Calls on what is open.
    fn on_descriptor(&mut self, odd: bool) -> Call {
        let file = Argument::Fd(self.file(odd));
        let any = Argument::Fd(self.any());
        let size = self.random.pick(&[0, 1, 10, 4096, 5000, 100_000]);
        match self.random.below(13) {
            0 | 1 => {
                let whence = if odd { self.random.pick(&[3, 255, 256]) } else { self.random.pick(&[0, 1, 2]) };
                let offset =
                    self.random.pick(&[0, 1, 5, 4096, 70_000, -1, -5, -100_000, i64::MAX, i64::MIN]).cast_unsigned();
                Call::new("fd_seek", vec![file, Argument::Number(offset), Argument::Number(whence), Argument::Out(8)])
            }
            2 => Call::new("fd_tell", vec![file, Argument::Out(8)]),
            3 => {
                let size = if odd { self.random.pick(&[1 << 62, 1 << 63, u64::MAX]) } else { size };
                Call::new("fd_filestat_set_size", vec![file, Argument::Number(size)])
            }
            4 => {
                let advice = if odd { self.random.pick(&[6, 7, 256]) } else { self.random.below(6) as u64 };
                Call::new(
                    "fd_advise",
                    vec![file, Argument::Number(0), Argument::Number(size), Argument::Number(advice)],
                )
            }
            5 => Call::new(
                "fd_allocate",
                vec![file, Argument::Number(self.random.pick(&[0, 10])), Argument::Number(size)],
            ),
            6 => Call::new(self.random.pick(&["fd_sync", "fd_datasync"]), vec![any]),
            7 => Call::new("fd_fdstat_get", vec![any, Argument::Out(24)]),
            8 => {
                let flags =
                    if odd { self.random.pick(&[2, 8, 16, 31, 32, 1 << 16]) } else { self.random.pick(&[0, 1, 4, 5]) };
                Call::new("fd_fdstat_set_flags", vec![file, Argument::Number(flags)])
            }
            9 => Call::new("fd_filestat_get", vec![any, Argument::Out(64)]),
            10 => {
                let content = self.content();
                Call::new("fd_write", vec![file, Argument::Data(content), Argument::Out(4)])
            }
            11 => Call::new("fd_read", vec![file, Argument::Room(self.random.pick(&[0, 3, 100])), Argument::Out(4)]),
            _ => {
                let cookie = self.random.pick(&[0, 0, 1, 2, u64::MAX]);
                let room = self.random.pick(&[0, 10, 24, 25, 100, 4000]);
                let directory = Argument::Fd(self.directory(odd));
                Call::new(
                    "fd_readdir",
                    vec![directory, Argument::Buffer(room), Argument::Number(cookie), Argument::Out(4)],
                )
            }
        }
    }

    /// Calls on the table of descriptors.
    fn on_table(&mut self, odd: bool) -> Call {
        let handle = if odd { self.any() } else { Handle(5 + self.random.below(self.opened + 1)) };
        match self.random.below(6) {
            0 | 1 => Call::new("fd_close", vec![Argument::Fd(handle)]),
            2 | 3 => {
                let to = Handle(5 + self.random.below(self.opened));
                Call::new("fd_renumber", vec![Argument::Fd(handle), Argument::Fd(to)])
            }
            4 => Call::new("fd_prestat_get", vec![Argument::Fd(self.any()), Argument::Out(8)]),
            _ => {
                let room = self.random.pick(&[0, 3, 4, 5, 20]);
                Call::new("fd_prestat_dir_name", vec![Argument::Fd(self.any()), Argument::Buffer(room)])
            }
        }
    }

    fn poll(&mut self, odd: bool) -> Call {
        let mut subscriptions: Vec<_> = (0..1 + self.random.below(3))
            .map(|_| match self.random.below(4) {
                0 => Subscription::Read(self.file(odd)),
                1 => Subscription::Write(self.file(odd)),
                2 => Subscription::Write(Handle(1 + self.random.below(2))),
                _ => Subscription::Read(Handle(0)),
            })
            .collect();
        // One that is over at once, or one that never is, beside others: either way nothing waits.
        let timeout = self.random.pick(&[0, 3_600_000_000_000]);
        let id = self.random.pick(&[0, 1]);
        subscriptions.push(match self.random.below(if odd { 3 } else { 2 }) {
            0 => Subscription::Clock { id, timeout, flags: 0 },
            1 => Subscription::Clock { id, timeout: 1, flags: 1 },
            _ if self.random.one_in(2) => {
                Subscription::Clock { id: self.random.pick(&[2, 3, 4, 99]), timeout: 0, flags: 0 }
            }
            _ => Subscription::Other(self.random.pick(&[3, 255])),
        });
        if odd && self.random.one_in(6) {
            subscriptions.clear();
        }
        Call::new("poll_oneoff", vec![Argument::Subscriptions(subscriptions), Argument::Out(4)])
    }

    fn other(&mut self, odd: bool) -> Call {
        let any = Argument::Fd(self.any());
        let clock =
            Argument::Number(if odd { self.random.pick(&[2, 3, 4, 1 << 31]) } else { self.random.pick(&[0, 1]) });
        match self.random.below(17) {
            0 => Call::new("args_sizes_get", vec![Argument::Out(4), Argument::Out(4)]),
            1 => Call::new("args_get", vec![Argument::Out(12), Argument::Out(64)]),
            2 => Call::new("environ_sizes_get", vec![Argument::Out(4), Argument::Out(4)]),
            3 => Call::new("environ_get", vec![Argument::Out(12), Argument::Out(64)]),
            4 => Call::new("clock_res_get", vec![clock, Argument::Out(8)]),
            5 => Call::new("clock_time_get", vec![clock, Argument::Number(0), Argument::Out(8)]),
            6 => Call::new("random_get", vec![Argument::Buffer(self.random.pick(&[0, 1, 100]))]),
            7 => Call::new("sched_yield", Vec::new()),
            8 => Call::new("proc_raise", vec![Argument::Number(self.random.pick(&[0, 9, 15]))]),
            9 => Call::new("fd_fdstat_set_rights", vec![any, Argument::Number(READ), Argument::Number(0)]),
            10 => Call::new("sock_accept", vec![any, Argument::Number(0), Argument::Out(4)]),
            11 => Call::new(
                "sock_recv",
                vec![any, Argument::Room(10), Argument::Number(0), Argument::Out(4), Argument::Out(4)],
            ),
            12 => Call::new(
                "sock_send",
                vec![any, Argument::Data(b"text".to_vec()), Argument::Number(0), Argument::Out(4)],
            ),
            13 => Call::new("sock_shutdown", vec![any, Argument::Number(self.random.pick(&[1, 2, 3]))]),
            14 if self.random.one_in(4) => {
                Call::new("proc_exit", vec![Argument::Number(self.random.pick(&[0, 1, 125, 126, 255]))])
            }
            _ => {
                let stream = Argument::Fd(Handle(1 + self.random.below(2)));
                Call::new("fd_write", vec![stream, Argument::Data(b"a line\n".to_vec()), Argument::Out(4)])
            }
        }
    }

    /// A number in the place of one of the addresses and lengths: outside of memory, or not aligned.
    fn break_address(&mut self, step: &mut Step) {
        let Step::Call(call) = step else { return };
        let mut place = 0;
        let mut addresses = Vec::new();
        for argument in &call.arguments {
            let count = match argument {
                Argument::Fd(_) | Argument::Number(_) => {
                    place += 1;
                    continue;
                }
                Argument::Out(_) => 1,
                Argument::Bytes(_) | Argument::Data(_) | Argument::Room(_) | Argument::Buffer(_) => 2,
                // The number of subscriptions stays.
                Argument::Subscriptions(_) => {
                    addresses.push(place);
                    place += 3;
                    continue;
                }
            };
            addresses.extend(place..place + count);
            place += count;
        }
        if !addresses.is_empty() {
            let number = self.random.pick(&[u32::MAX, u32::MAX - 7, 1 << 31, 1 << 16, (1 << 16) - 1]);
            call.broken = Some((self.random.pick(&addresses), number));
        }
    }

    /// A directory and a path from it.
    fn place(&mut self, odd: bool) -> (Handle, Vec<u8>) {
        if odd {
            return match self.random.below(2) {
                0 => (self.any(), self.path()),
                _ => (self.directory(false), self.odd_path()),
            };
        }
        (self.directory(false), self.path())
    }

    fn path(&mut self) -> Vec<u8> {
        let names = ["a", "b", "c", "d", "a", "b", "c", "d", "..", "."];
        let mut path = String::new();
        for _ in 0..self.random.pick(&[0, 0, 0, 1, 1, 2]) {
            path += self.random.pick(&names);
            path += if self.random.one_in(20) { "//" } else { "/" };
        }
        path += if self.random.one_in(25) {
            self.random.pick(&[".", "..", "b/..", "./."])
        } else {
            self.random.pick(&names[..8])
        };
        if self.random.one_in(12) {
            path.push('/');
        }
        path.into_bytes()
    }

    fn odd_path(&mut self) -> Vec<u8> {
        let long = "n".repeat(255);
        match self.random.below(13) {
            0 => Vec::new(),
            1 => b"/".to_vec(),
            2 => b"/tmp/a".to_vec(),
            3 => b"../a".to_vec(),
            4 => b"..".to_vec(),
            5 => long.into_bytes(),
            6 => format!("{long}n").into_bytes(),
            7 => format!("b/{long}n/a").into_bytes(),
            8 => "a/".repeat(2100).into_bytes(),
            9 => b"a\0b".to_vec(),
            10 => b"a\xff".to_vec(),
            11 => "\u{e9}".as_bytes().to_vec(),
            _ => b"e".to_vec(),
        }
    }

    fn link_text(&mut self) -> Vec<u8> {
        if self.random.one_in(10) {
            return self.odd_path();
        }
        let texts: [&[u8]; 10] = [b"a", b"b", b"c", b"d", b"../a", b"b/a", b"./b/", b"..", b"nothing", b"b/../a"];
        self.random.pick(&texts).to_vec()
    }

    fn lookup(&mut self) -> u64 {
        self.random.below(2) as u64
    }

    fn content(&mut self) -> Vec<u8> {
        let length = self.random.pick(&[0, 1, 5, 5, 30, 100, 4096, 9000]);
        let first = self.random.next() as u8;
        (0..length).map(|index| first.wrapping_add((index % 251) as u8)).collect()
    }

    fn position(&mut self) -> Option<u64> {
        self.random.one_in(3).then(|| self.random.pick(&[0, 1, 20, 4095, 5000, 60_000, 1 << 40]))
    }

    /// Most often a directory, when `odd` is not set: `/tmp` more often than others.
    fn directory(&mut self, odd: bool) -> Handle {
        if odd {
            return self.any();
        }
        match self.random.below(10) {
            0..6 => TMP,
            6 | 7 => Handle(6),
            8 => ENV,
            _ => self.of_sequence(),
        }
    }

    /// Most often a file.
    fn file(&mut self, odd: bool) -> Handle {
        match self.random.below(if odd { 4 } else { 3 }) {
            0 => Handle(5),
            1 | 2 => self.of_sequence(),
            _ => self.any(),
        }
    }

    fn of_sequence(&mut self) -> Handle {
        Handle(5 + self.random.below(self.opened))
    }

    fn any(&mut self) -> Handle {
        Handle(self.random.below(6 + self.opened))
    }
}
