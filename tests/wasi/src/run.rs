//! Steps on one side.

use crate::guest::{Guest, Outcome};
use crate::normal::{self, Filestat};
use crate::step::{Argument, Call, Handle, Step, Subscription, TMP};

/// A number that neither side ever opens.
const MISSING: u32 = 9999;

/// Where what a call takes and gives begins.
const BEGIN: u32 = 1024;

/// How a step ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// What is in memory afterwards, without what no program may rely on.
    pub written: Vec<u8>,
}

/// One side while a sequence runs.
pub struct Run<T: 'static> {
    guest: Guest<T>,
    /// The number of each descriptor of the sequence.
    numbers: Vec<u32>,
    /// A descriptor of `/tmp` that the sequence does not know, for looking at what is left.
    root: u32,
}

/// A call with its arguments in memory.
pub(crate) struct Lowered {
    pub numbers: Vec<u64>,
    /// The address that each argument stands for, and its bytes.
    pub places: Vec<(u32, u32)>,
}

impl<T: Send + 'static> Run<T> {
    /// Opens what the sequence does not know.
    ///
    /// # Panics
    /// When `/tmp` cannot be opened.
    pub async fn new(guest: Guest<T>) -> Self {
        let mut run = Run { guest, numbers: (0..5).collect(), root: 0 };
        run.root = run.open(run.number(TMP), b".", normal::DIRECTORY_FLAG).await.expect("/tmp is a directory");
        run
    }

    /// Carries out one step; what a call returned as a number of 32 bits comes with it.
    pub async fn step(&mut self, step: &Step) -> (Answer, u32) {
        let answer = match step {
            Step::Call(call) => return self.call(call).await,
            Step::WriteAll { fd, buffers, at } => self.write_all(*fd, buffers, *at).await,
            Step::ReadAll { fd, buffers, at } => {
                let (outcome, content) = self.read_all(self.number(*fd), buffers, *at).await;
                Answer { outcome, written: content }
            }
            Step::List { fd, room } => {
                let (outcome, entries) = self.list(self.number(*fd), *room).await;
                let mut names: Vec<_> =
                    entries.into_iter().map(|entry| [entry.name, vec![0, entry.kind]].concat()).collect();
                names.sort();
                Answer { outcome, written: names.concat() }
            }
            Step::SetTimes { fd, path, accessed, modified, flags } => {
                self.set_times(*fd, path.as_ref(), [*accessed, *modified], *flags).await
            }
        };
        (answer, 0)
    }

    /// Adds the descriptor that a successful `path_open` returned.
    pub fn opened(&mut self, number: u32) {
        self.numbers.push(number);
    }

    /// Notes that a descriptor was closed.
    pub fn closed(&mut self, handle: Handle) {
        if let Some(number) = self.numbers.get_mut(handle.0) {
            *number = MISSING;
        }
    }

    async fn call(&mut self, call: &Call) -> (Answer, u32) {
        let mut lowered = self.lower(call);
        if let Some((place, number)) = call.broken
            && let Some(argument) = lowered.numbers.get_mut(place)
        {
            *argument = u64::from(number);
        }
        let outcome = self.guest.call(call.function, &lowered.numbers).await;
        let out = lowered.places.last().map_or(0, |&(address, _)| self.word(address));
        let memory = self.guest.memory();
        if call.broken.is_some() {
            // What else it wrote, and where, is nobody's business.
            memory.fill(0);
        }
        normal::forget(call, &lowered, &outcome, memory);
        let end = memory.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        (Answer { outcome, written: memory[..end].to_vec() }, out)
    }

    /// Writes what a call takes to memory that is otherwise zero.
    fn lower(&mut self, call: &Call) -> Lowered {
        let numbers = self.numbers.clone();
        let number = |handle: Handle| numbers.get(handle.0).copied().unwrap_or(MISSING);
        let memory = self.guest.memory();
        memory.fill(0);
        let mut memory = Writer { memory, next: BEGIN };
        let mut lowered = Lowered { numbers: Vec::new(), places: Vec::new() };
        for argument in &call.arguments {
            let (arguments, place) = match argument {
                Argument::Fd(handle) => (vec![number(*handle)], (0, 0)),
                Argument::Number(number) => {
                    lowered.numbers.push(*number);
                    (Vec::new(), (0, 0))
                }
                Argument::Bytes(bytes) => {
                    let address = memory.put(bytes);
                    (vec![address, bytes.len() as u32], (address, bytes.len() as u32))
                }
                Argument::Data(bytes) => {
                    let address = memory.put(bytes);
                    let vectors = memory.put(&vector(address, bytes.len() as u32));
                    (vec![vectors, 1], (address, bytes.len() as u32))
                }
                Argument::Room(length) => {
                    let address = memory.skip(*length);
                    let vectors = memory.put(&vector(address, *length));
                    (vec![vectors, 1], (address, *length))
                }
                Argument::Buffer(length) => {
                    let address = memory.skip(*length);
                    (vec![address, *length], (address, *length))
                }
                Argument::Out(length) => {
                    let address = memory.skip(*length);
                    (vec![address], (address, *length))
                }
                Argument::Subscriptions(subscriptions) => {
                    let records: Vec<u8> = subscriptions
                        .iter()
                        .zip(100..)
                        .flat_map(|(subscription, user)| record(subscription, user, number))
                        .collect();
                    let address = memory.put(&records);
                    let count = subscriptions.len() as u32;
                    let events = memory.skip(count * normal::EVENT);
                    (vec![address, events, count], (address, records.len() as u32 + count * normal::EVENT))
                }
            };
            lowered.numbers.extend(arguments.into_iter().map(u64::from));
            lowered.places.push(place);
        }
        lowered
    }

    async fn write_all(&mut self, fd: Handle, buffers: &[Vec<u8>], at: Option<u64>) -> Answer {
        let number = self.number(fd);
        let all = buffers.concat();
        let mut lengths: Vec<_> = buffers.iter().map(Vec::len).collect();
        let mut done = 0;
        loop {
            // The first call has all buffers; those that follow have the rest as one, as libc's do.
            let mut start = done;
            let parts = lengths.iter().map(|length| {
                start += length;
                &all[start - length..start]
            });
            let (outcome, written) =
                self.transfer(true, number, &parts.collect::<Vec<_>>(), at.map(|at| at + done as u64)).await;
            done += written as usize;
            if !outcome.succeeded() || written == 0 || done >= all.len() {
                return Answer { outcome, written: done.to_le_bytes().to_vec() };
            }
            lengths = vec![all.len() - done];
        }
    }

    /// What was read, until the buffers are full, the file ends or a call fails.
    async fn read_all(&mut self, number: u32, buffers: &[u32], at: Option<u64>) -> (Outcome, Vec<u8>) {
        let all = buffers.iter().sum::<u32>() as usize;
        let mut content = Vec::new();
        let mut lengths: Vec<_> = buffers.iter().map(|length| vec![0; *length as usize]).collect();
        loop {
            let parts: Vec<&[u8]> = lengths.iter().map(Vec::as_slice).collect();
            let (outcome, read) = self.transfer(false, number, &parts, at.map(|at| at + content.len() as u64)).await;
            let memory = self.guest.memory();
            content.extend_from_slice(&memory[BEGIN as usize..BEGIN as usize + read as usize]);
            if !outcome.succeeded() || read == 0 || content.len() >= all {
                return (outcome, content);
            }
            lengths = vec![vec![0; all - content.len()]];
        }
    }

    /// One vectored call, with its buffers one behind the other from [`BEGIN`] on; how many bytes it moved.
    async fn transfer(&mut self, write: bool, number: u32, parts: &[&[u8]], at: Option<u64>) -> (Outcome, u32) {
        let memory = self.guest.memory();
        memory.fill(0);
        let mut memory = Writer { memory, next: BEGIN };
        let mut vectors = Vec::new();
        for part in parts {
            vectors.extend(vector(memory.next, part.len() as u32));
            memory.memory[memory.next as usize..][..part.len()].copy_from_slice(part);
            memory.next += part.len() as u32;
        }
        let address = memory.put(&vectors);
        let out = memory.skip(4);
        let mut arguments = vec![u64::from(number), u64::from(address), parts.len() as u64];
        arguments.extend(at);
        arguments.push(u64::from(out));
        let function = match (write, at.is_some()) {
            (false, false) => "fd_read",
            (false, true) => "fd_pread",
            (true, false) => "fd_write",
            (true, true) => "fd_pwrite",
        };
        let outcome = self.guest.call(function, &arguments).await;
        (outcome, self.word(out))
    }

    /// All entries of a directory but those for itself and its parent, or how that failed.
    pub(crate) async fn list(&mut self, number: u32, room: u32) -> (Outcome, Vec<normal::Entry>) {
        let (mut entries, mut cookie, mut room) = (Vec::new(), 0, room);
        loop {
            let call = |room| [u64::from(number), u64::from(BEGIN), u64::from(room), cookie, 8];
            let outcome = self.guest.call("fd_readdir", &call(room)).await;
            if !outcome.succeeded() {
                return (outcome, entries);
            }
            let used = self.word(8);
            let memory = self.guest.memory();
            let (found, next) = normal::entries(&memory[BEGIN as usize..BEGIN as usize + used.min(room) as usize]);
            entries.extend(found.into_iter().filter(|entry| entry.name != b"." && entry.name != b".."));
            if used < room {
                return (outcome, entries);
            }
            match next {
                Some(next) => cookie = next,
                // Not even one fits.
                None => room = room * 2 + 24,
            }
        }
    }

    async fn set_times(&mut self, fd: Handle, path: Option<&(u32, Vec<u8>)>, times: [u64; 2], flags: u32) -> Answer {
        let [accessed, modified] = times.map(Argument::Number);
        let flags_argument = Argument::Number(u64::from(flags));
        let (set, get) = match path {
            None => (
                Call::new("fd_filestat_set_times", vec![Argument::Fd(fd), accessed, modified, flags_argument]),
                Call::new("fd_filestat_get", vec![Argument::Fd(fd), Argument::Out(normal::FILESTAT)]),
            ),
            Some((lookup, path)) => {
                let start = [Argument::Fd(fd), Argument::Number(u64::from(*lookup)), Argument::Bytes(path.clone())];
                let [mut set, mut get] = [(); 2].map(|()| start.to_vec());
                set.extend([accessed, modified, flags_argument]);
                get.push(Argument::Out(normal::FILESTAT));
                (Call::new("path_filestat_set_times", set), Call::new("path_filestat_get", get))
            }
        };
        let outcome = self.call(&set).await.0.outcome;
        if !outcome.succeeded() {
            return Answer { outcome, written: Vec::new() };
        }
        let lowered = self.lower(&get);
        let outcome = self.guest.call(get.function, &lowered.numbers).await;
        let stat = self.filestat(lowered.places[lowered.places.len() - 1].0);
        let shown = [(1, stat.accessed), (4, stat.modified)];
        let written =
            shown.iter().filter(|(flag, _)| flags & flag != 0).flat_map(|(_, time)| time.to_le_bytes()).collect();
        Answer { outcome, written }
    }

    fn number(&self, handle: Handle) -> u32 {
        self.numbers.get(handle.0).copied().unwrap_or(MISSING)
    }

    fn word(&mut self, address: u32) -> u32 {
        let bytes = self.guest.memory()[address as usize..].first_chunk();
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    fn filestat(&mut self, address: u32) -> Filestat {
        Filestat::read(&self.guest.memory()[address as usize..])
    }

    // What follows is for looking at what is left.

    /// The type of what a number stands for, and 0 for nothing.
    pub(crate) async fn kind(&mut self, number: u32) -> u8 {
        self.guest.memory().fill(0);
        self.guest.call("fd_fdstat_get", &[u64::from(number), 8]).await;
        self.guest.memory()[8]
    }

    /// The descriptor of `/tmp` that the sequence does not know.
    pub(crate) fn root(&self) -> u32 {
        self.root
    }

    /// Opens a path for reading, without following it.
    pub(crate) async fn open(&mut self, directory: u32, path: &[u8], flags: u64) -> Option<u32> {
        self.put_path(path);
        let read = 1 << 1;
        let arguments = [u64::from(directory), 0, u64::from(BEGIN), path.len() as u64, flags, read, 0, 0, 8];
        self.guest.call("path_open", &arguments).await.succeeded().then(|| self.word(8))
    }

    /// Closes what [`Run::open`] opened.
    pub(crate) async fn close(&mut self, number: u32) {
        self.guest.call("fd_close", &[u64::from(number)]).await;
    }

    /// The attributes of a path, without following it.
    pub(crate) async fn stat(&mut self, directory: u32, path: &[u8]) -> Option<Filestat> {
        self.put_path(path);
        let arguments = [u64::from(directory), 0, u64::from(BEGIN), path.len() as u64, 8];
        self.guest.call("path_filestat_get", &arguments).await.succeeded().then(|| self.filestat(8))
    }

    /// The text of a link.
    pub(crate) async fn read_link(&mut self, directory: u32, path: &[u8]) -> Option<Vec<u8>> {
        self.put_path(path);
        let buffer = BEGIN + path.len() as u32;
        let room = 8192;
        let arguments = [u64::from(directory), u64::from(BEGIN), path.len() as u64, u64::from(buffer), room, 8];
        let read = self.guest.call("path_readlink", &arguments).await.succeeded();
        let length = self.word(8) as usize;
        read.then(|| self.guest.memory()[buffer as usize..buffer as usize + length].to_vec())
    }

    /// Bytes of a file.
    pub(crate) async fn content(&mut self, number: u32, at: u64, length: u32) -> Vec<u8> {
        self.read_all(number, &[length], Some(at)).await.1
    }

    fn put_path(&mut self, path: &[u8]) {
        let memory = self.guest.memory();
        memory.fill(0);
        memory[BEGIN as usize..BEGIN as usize + path.len()].copy_from_slice(path);
    }
}

/// Puts one thing behind the other, at addresses that are multiples of 16.
struct Writer<'a> {
    memory: &'a mut [u8],
    next: u32,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> u32 {
        let address = self.skip(bytes.len() as u32);
        self.memory[address as usize..address as usize + bytes.len()].copy_from_slice(bytes);
        address
    }

    fn skip(&mut self, length: u32) -> u32 {
        let address = self.next.next_multiple_of(16);
        self.next = address + length;
        address
    }
}

fn vector(address: u32, length: u32) -> Vec<u8> {
    [address.to_le_bytes(), length.to_le_bytes()].concat()
}

/// The 48 bytes of a subscription.
fn record(subscription: &Subscription, user_data: u64, number: impl Fn(Handle) -> u32) -> [u8; 48] {
    let mut record = [0; 48];
    record[..8].copy_from_slice(&user_data.to_le_bytes());
    let mut descriptor = |kind, handle: Handle| {
        record[8] = kind;
        record[16..20].copy_from_slice(&number(handle).to_le_bytes());
    };
    match subscription {
        Subscription::Clock { id, timeout, flags } => {
            record[16..20].copy_from_slice(&id.to_le_bytes());
            record[24..32].copy_from_slice(&timeout.to_le_bytes());
            record[40..42].copy_from_slice(&flags.to_le_bytes());
        }
        Subscription::Read(handle) => descriptor(1, *handle),
        Subscription::Write(handle) => descriptor(2, *handle),
        Subscription::Other(kind) => record[8] = *kind,
    }
    record
}
