//! A living instance: calls into it, and what they cost and may cost.
//!
//! Awaiting a future moves it to where it is awaited, in each of the functions that await each other. On the way of every call futures are
//! pinned where they are made instead, and a pointer is awaited.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::Sleep;
use vivarium_tenancy::{HostCharge, LimitKind, Limits, TaskAccount};
use wasmtime::{Memory, PoolConcurrencyLimitError, Store, TypedFunc, WasmParams, WasmResults};

use super::call::{Answer, Call, Expected, Returned};
use super::reply::{self, RawResult, ReplyError, Report};
use crate::admission::Room;
use crate::cpu::CpuMeter;
use crate::error::{Error, LimitError, ProtocolError, from_call};
use crate::exchange::{DecodeLimits, ExchangeError, Plan, RowCount, RowsWithin, decode_charged, decode_rows_charged};
use crate::guest_error::{GuestError, GuestErrorKind};
use crate::host_call::HostCalls;
use crate::host_memory::{self, CallMemory, NoHostMemory};
use crate::image::{ABI_VERSION, Image};
use crate::limiter::Limiter;
#[cfg(feature = "process-sandbox")]
use crate::process_sandbox;
use crate::state::{Deadline, State, on_tick};
use crate::warm::{EnvironmentSnapshot, WASM_PAGE};
use crate::wasi::WasiCtx;

/// An arena starts at a multiple of this, so that every buffer in it does.
const ARENA_ALIGNMENT: u32 = 64;

/// When a call began, and when it ended if somebody looked.
pub(super) struct Times {
    pub(super) began: Instant,
    pub(super) ended: Option<Instant>,
}

/// How a call ended that did not succeed.
pub(super) enum Failure {
    /// The call failed; the instance is as good as before.
    Call(Error),
    /// The instance cannot be trusted to work any more.
    Fatal(Error),
}

impl From<ProtocolError> for Failure {
    /// A guest that breaks the contract is damaged, whatever damaged it.
    fn from(error: ProtocolError) -> Self {
        Self::Fatal(error.into())
    }
}

impl From<NoHostMemory> for Failure {
    fn from(error: NoHostMemory) -> Self {
        Self::Call(LimitError::from(error).into())
    }
}

impl From<ReplyError> for Failure {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::Limit(limit) => Self::Call(limit.into()),
            ReplyError::Protocol(error) => error.into(),
        }
    }
}

/// An instance with its exports. Exists from instantiation to the first fatal failure.
pub(super) struct Guest {
    limits: Arc<Limits>,
    instance: Instance,
    memory: Memory,
    exports: Exports,
    /// Guest address and size of an arena that the guest has left for the next batch.
    arena: Option<(u32, u32)>,
    remaining: Remaining,
    /// Both given back when the instance is gone.
    _held: HostCharge,
    _room: Room,
}

/// What an instance may still do before its pool replaces it.
#[derive(Debug, Clone, Copy)]
struct Remaining {
    calls: u64,
    bytes: u64,
}

impl Remaining {
    /// All that the limits allow; without one it takes longer than anything runs.
    fn of(limits: &Limits) -> Self {
        let allowed = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        Self { calls: allowed(limits.instance_calls), bytes: allowed(limits.instance_bytes) }
    }
}

/// What exports are called in.
struct Instance {
    image: Image,
    task: Arc<TaskAccount>,
    cpu: Arc<CpuMeter>,
    store: Store<State>,
}

struct Exports {
    abi_version: TypedFunc<(), i32>,
    alloc: TypedFunc<u32, u32>,
    control: TypedFunc<(u32, u32), u32>,
    batch: TypedFunc<u32, u32>,
    invoke: TypedFunc<(u32, u32, u32), u32>,
    /// Only for making snapshots; guests that have none of it work all the same.
    settle: Option<TypedFunc<(), ()>>,
}

impl Guest {
    /// Instantiates the image. Nothing of the guest has run yet but what its module runs by itself.
    pub(super) async fn instantiate(
        image: &Image,
        task: &Arc<TaskAccount>,
        limits: &Arc<Limits>,
        wasi: WasiCtx,
        host: HostCalls,
        deadline: &Deadline,
        room: Room,
    ) -> Result<Self, Error> {
        let held = host_memory::of_sandbox(image.runtime().stack());
        let held = HostCharge::new(task.tenant(), held)
            .ok_or_else(|| LimitError::from(NoHostMemory::new(task.tenant(), held)))?;
        let cpu = Arc::new(CpuMeter::new(Arc::clone(task), limits.cpu_time));
        let limiter = Limiter::new(Arc::clone(task), limits);
        let mut store = Store::new(
            image.runtime().engine(),
            State { wasi, host, limiter, cpu: Arc::clone(&cpu), deadline: deadline.clone() },
        );
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(on_tick);
        store.set_epoch_deadline(1);

        let instantiated = {
            let instantiated = pin!(image.pre().instantiate_async(&mut store));
            metered(image, &cpu, deadline, Instant::now(), instantiated).await
        };
        let instance = match instantiated {
            Ok((Ok(instance), _)) => instance,
            Ok((Err(error), _)) => return Err(not_instantiated(error, &mut store, image)),
            Err(error) => return Err(error),
        };
        // The image was checked to have these exports with these types.
        let exports = Exports {
            abi_version: instance.get_typed_func(&mut store, "vv_abi_version").map_err(Error::Start)?,
            alloc: instance.get_typed_func(&mut store, "vv_alloc").map_err(Error::Start)?,
            control: instance.get_typed_func(&mut store, "vv_control").map_err(Error::Start)?,
            batch: instance.get_typed_func(&mut store, "vv_batch").map_err(Error::Start)?,
            invoke: instance.get_typed_func(&mut store, "vv_invoke").map_err(Error::Start)?,
            settle: instance.get_typed_func(&mut store, "vv_settle").ok(),
        };
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| Error::Start(wasmtime::Error::msg("the instance has no memory")))?;
        task.metrics().add_started();
        Ok(Self {
            limits: Arc::clone(limits),
            instance: Instance { image: image.clone(), task: Arc::clone(task), cpu, store },
            memory,
            exports,
            arena: None,
            remaining: Remaining::of(limits),
            _held: held,
            _room: room,
        })
    }

    /// What calls may use from now on. The size of memory is not among it: that was set when the instance was made.
    pub(super) fn set_limits(&mut self, limits: Arc<Limits>) {
        self.limits = limits;
    }

    /// Whether it has done as much as an instance may before it is replaced.
    pub(super) fn is_worn(&self) -> bool {
        self.remaining.calls == 0 || self.remaining.bytes == 0
    }

    /// Size of linear memory in bytes.
    pub(super) fn memory_size(&self) -> u64 {
        self.memory.data_size(&self.instance.store) as u64
    }

    pub(super) async fn check_version(&mut self, deadline: &Deadline) -> Result<(), Failure> {
        match self.instance.call(&self.exports.abi_version, (), deadline).await? {
            ABI_VERSION => Ok(()),
            found => Err(ProtocolError::Version { found, expected: ABI_VERSION }.into()),
        }
    }

    /// Makes the memory of an instance that has just been made that of a snapshot.
    pub(super) async fn restore(&mut self, snapshot: &EnvironmentSnapshot) -> Result<(), Failure> {
        if !snapshot.is_of(&self.instance.image) {
            return Err(Failure::Fatal(Error::Start(wasmtime::Error::msg(
                "the environment snapshot is of another image",
            ))));
        }
        let size = snapshot.difference().memory_size();
        let growth = size.saturating_sub(self.memory_size()).div_ceil(WASM_PAGE);
        self.instance.store.data_mut().limiter.take_refused();
        if growth > 0 && self.memory.grow_async(&mut self.instance.store, growth).await.is_err() {
            return Err(self.out_of_memory(size));
        }
        snapshot.difference().apply(self.memory.data_mut(&mut self.instance.store));
        Ok(())
    }

    pub(super) async fn settle(&mut self, deadline: &Deadline) -> Result<bool, Failure> {
        match &self.exports.settle {
            Some(settle) => self.instance.call(settle, (), deadline).await.map(|()| true),
            None => Ok(false),
        }
    }

    pub(super) fn memory(&self) -> &[u8] {
        self.memory.data(&self.instance.store)
    }

    pub(super) fn state_outside_memory(&self) -> Option<&'static str> {
        let wasi = &self.instance.store.data().wasi;
        match () {
            () if wasi.open_files() > WasiCtx::FIXED_DESCRIPTORS => Some("open files"),
            () if wasi.scratch_usage().files > 0 => Some("files in /tmp"),
            () => None,
        }
    }

    /// Sends a control request and returns the reply. `name` is the request's, for messages.
    pub(super) async fn control(
        &mut self,
        name: &'static str,
        request: &Value,
        deadline: &Deadline,
    ) -> Result<Value, Failure> {
        let request = request.to_string();
        let length = request.len() as u64;
        if length > self.limits.request_bytes {
            let limit = LimitError::new(LimitKind::RequestBytes, self.limits.request_bytes).observed(length);
            return Err(Failure::Call(limit.into()));
        }
        // Limits::validate keeps request_bytes below 4 GiB.
        let length = length as u32;
        let address = self.instance.call(&self.exports.alloc, length, deadline).await?;
        if address == 0 {
            return Err(self.out_of_memory(length.into()));
        }
        let memory = self.memory.data_mut(&mut self.instance.store);
        let range = reply::range(memory.len(), "the buffer for a request", address, length.into())?;
        memory[range].copy_from_slice(request.as_bytes());

        let result = self.instance.call(&self.exports.control, (address, length), deadline).await?;
        let result = RawResult::read(self.memory.data(&self.instance.store), result)?;
        let reply = result.reply(self.memory.data(&self.instance.store), &self.limits)?;
        match result.status {
            0 => {
                let mut held = CallMemory::new(self.instance.task.tenant());
                held.take(reply::control_bytes(reply))?;
                Ok(reply::control(name, reply)?)
            }
            1 => {
                let error = self.failure(name, reply)?;
                Err(Failure::Call(self.guest_error(error)))
            }
            status => Err(ProtocolError::Status(status).into()),
        }
    }

    /// Runs an operation of a bound function and returns what came back. The clock is read once between two parts of a call: reading it
    /// takes as long as some of them.
    pub(super) async fn invoke(
        &mut self,
        call: &Call<'_>,
        deadline: &Deadline,
        times: &mut Times,
    ) -> Result<Answer, Failure> {
        if call.batch_rows as u64 > self.limits.output_rows {
            let limit = LimitError::new(LimitKind::OutputRows, self.limits.output_rows);
            return Err(Failure::Call(limit.observed(call.batch_rows as u64).into()));
        }
        let mut called = times.began;
        let address = match call.batch {
            // The guest kept the batch that it goes on with.
            None => 0,
            Some(batch) => {
                let (address, start) = match self.kept_arena(batch)? {
                    Some(address) => (address, times.began),
                    // Boxed: most calls have one, and would have a larger future for it.
                    None => (Box::pin(self.new_arena(batch, deadline)).await?, Instant::now()),
                };
                batch.write(self.memory.data_mut(&mut self.instance.store), address).map_err(encode_failure)?;
                called = Instant::now();
                self.instance.task.metrics().add_copy_in(called - start, batch.size());
                self.remaining.calls = self.remaining.calls.saturating_sub(1);
                self.remaining.bytes = self.remaining.bytes.saturating_sub(batch.size() as u64);
                address
            }
        };

        let parameters = (call.handle, call.op, address);
        let (result, returned_at) =
            pin!(self.instance.call_at(called, &self.exports.invoke, parameters, deadline)).await?;

        let memory = self.memory.data(&self.instance.store);
        let result = RawResult::read(memory, result)?;
        self.arena = free_arena(&result, memory.len())?;
        let reply = result.reply(memory, &self.limits)?;
        match result.status {
            0 => {
                let mut held = CallMemory::new(self.instance.task.tenant());
                let report = self.report(reply, call.batch_rows, &mut held)?;
                let Report { row_errors, more, metrics } = report;
                if more && !matches!(call.expected, Expected::Rows { .. }) {
                    return Err(ProtocolError::Continuation.into());
                }
                let returned = self.decode(memory, result.array, call, &mut held)?;
                let bytes = returned.bytes();
                let ended = Instant::now();
                times.ended = Some(ended);
                self.instance.task.metrics().add_copy_out(ended - returned_at, bytes);
                self.remaining.bytes = self.remaining.bytes.saturating_sub(bytes as u64);
                let counts = result.counts(call.batch_rows);
                self.instance.task.metrics().add_counts(&counts);
                let (time, held) = (deadline.spent(), held.held());
                Ok(Answer { returned, row_errors, more, metrics, counts, time, held })
            }
            1 => {
                let error = self.failure("invoke", reply)?;
                Err(Failure::Call(self.guest_error(error)))
            }
            status => Err(ProtocolError::Status(status).into()),
        }
    }

    /// What a call says besides its array.
    fn report(&self, reply: &[u8], batch_rows: usize, held: &mut CallMemory<'_>) -> Result<Report, Failure> {
        if reply.is_empty() {
            return Ok(Report::default());
        }
        let most = reply::report_bytes(reply);
        held.take(most)?;
        let report = Report::parse(reply, batch_rows, &self.limits)?;
        held.give_back(most.saturating_sub(report.bytes()));
        Ok(report)
    }

    /// What a reply that reports a failure says.
    fn failure(&self, request: &'static str, reply: &[u8]) -> Result<GuestError, Failure> {
        let mut held = CallMemory::new(self.instance.task.tenant());
        held.take(reply::report_bytes(reply))?;
        Ok(reply::failure(request, reply, &self.limits)?)
    }

    /// Copies a result out and checks it.
    fn decode(
        &self,
        memory: &[u8],
        address: u32,
        call: &Call<'_>,
        held: &mut CallMemory<'_>,
    ) -> Result<Returned, Failure> {
        let bounded = |limit| usize::try_from(limit).unwrap_or(usize::MAX);
        let limits =
            DecodeLimits { max_bytes: bounded(self.limits.output_bytes), max_items: bounded(self.limits.output_items) };
        let returned = match call.expected {
            Expected::Values { data_type, nullable } => {
                let rows = RowCount::Exactly(call.batch_rows);
                decode_charged(memory, address, data_type, nullable, rows, &limits, held).map(Returned::Values)
            }
            Expected::Rows { columns, first, most } => {
                let within = RowsWithin { first, batch: call.batch_rows, most };
                decode_rows_charged(memory, address, columns, within, &limits, held).map(Returned::Rows)
            }
        };
        returned.map_err(|error| decode_failure(error, &self.limits))
    }

    /// The address of the arena left from the last batch, if there is one that is large enough for `batch`.
    fn kept_arena(&mut self, batch: &Plan) -> Result<Option<u32>, Failure> {
        let size = batch.size() as u64;
        if size > self.limits.batch_bytes {
            let limit = LimitError::new(LimitKind::BatchBytes, self.limits.batch_bytes).observed(size);
            return Err(Failure::Call(limit.into()));
        }
        // It was checked when it was left, and memory does not shrink.
        Ok(self.arena.take().filter(|(_, free)| u64::from(*free) >= size).map(|(address, _)| address))
    }

    /// The address of a new arena for `batch`.
    async fn new_arena(&mut self, batch: &Plan, deadline: &Deadline) -> Result<u32, Failure> {
        // Limits::validate keeps batch_bytes below 4 GiB.
        let size = batch.size() as u32;
        let address = self.instance.call(&self.exports.batch, size, deadline).await?;
        if address == 0 {
            return Err(self.out_of_memory(size.into()));
        }
        check_arena(address, size, self.memory.data_size(&self.instance.store))?;
        Ok(address)
    }

    /// The error for an allocation that the guest could not make.
    fn out_of_memory(&mut self, needed: u64) -> Failure {
        let limit = self.instance.store.data_mut().limiter.take_refused();
        // Without a refusal, the guest's own allocator found no room below the limit.
        let limit = limit.unwrap_or_else(|| LimitError::new(LimitKind::Memory, self.limits.memory).observed(needed));
        Failure::Call(limit.into())
    }

    /// A failure as the guest reports it; a `MemoryError` that the host caused is the limit's.
    fn guest_error(&mut self, error: GuestError) -> Error {
        match (error.kind, self.instance.store.data_mut().limiter.take_refused()) {
            (GuestErrorKind::Memory, Some(limit)) => LimitError { guest: Some(Box::new(error)), ..limit }.into(),
            _ => Error::Guest(Box::new(error)),
        }
    }
}

impl Instance {
    /// Calls an export. Whatever it does, it takes no longer than the deadline says, within a tick.
    async fn call<P, R>(&mut self, function: &TypedFunc<P, R>, parameters: P, deadline: &Deadline) -> Result<R, Failure>
    where
        P: WasmParams + Sync,
        R: WasmResults + Sync,
    {
        self.call_at(Instant::now(), function, parameters, deadline).await.map(|(result, _)| result)
    }

    /// The same; `now` is the time. Returns also when the call returned.
    async fn call_at<P, R>(
        &mut self,
        now: Instant,
        function: &TypedFunc<P, R>,
        parameters: P,
        deadline: &Deadline,
    ) -> Result<(R, Instant), Failure>
    where
        P: WasmParams + Sync,
        R: WasmResults + Sync,
    {
        let state = self.store.data_mut();
        state.deadline.clone_from(deadline);
        state.limiter.take_refused();
        self.store.set_epoch_deadline(1);

        let returned = {
            let call = pin!(function.call_async(&mut self.store, parameters));
            pin!(metered(&self.image, &self.cpu, deadline, now, call)).await
        };
        let returned_at = returned.as_ref().map_or_else(|_| Instant::now(), |(_, at)| *at);
        self.task.metrics().add_guest_time(returned_at - now);
        match returned {
            Ok((Ok(result), at)) => Ok((result, at)),
            Ok((Err(error), _)) => {
                let refused = self.store.data_mut().limiter.take_refused();
                Err(Failure::Fatal(from_call(error, refused, self.image.runtime().config().wasm_stack)))
            }
            Err(error) => Err(Failure::Fatal(error)),
        }
    }
}

/// Polls `call` when it is its turn and its tenant's code may run, with the epoch advancing and its processor time charged, until it has
/// taken all its time or its tenant has ended.
/// `start` is the time. Returns its output, and when there was one.
///
/// The epoch stops the guest's own code. A host function in which the guest waits, such as a sleep, is stopped here:
/// dropping `call` unwinds the guest's stack.
async fn metered<F: Future>(
    image: &Image,
    cpu: &CpuMeter,
    deadline: &Deadline,
    start: Instant,
    mut call: Pin<&mut F>,
) -> Result<(F::Output, Instant), Error> {
    let mut exhausted = None;
    let mut wait = HostWait::default();
    let (mut start, mut waits_for_turn) = (Some(start), None);
    let ticker = image.runtime().ticker();
    let tenant = cpu.task().tenant();
    let mut place = image.runtime().scheduler().place(ticker, tenant.share());
    let mut watch = tenant.watch();
    let polled = poll_fn(|context| {
        let start = start.take();
        wait.end(deadline);
        match watch.poll_open(context.waker()) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(closed)) => return Poll::Ready(Err(closed.into())),
            // While its tenant is suspended it waits for no turn, and none is kept for it.
            Poll::Pending => {
                place.leave();
                waits_for_turn = None;
                return Poll::Pending;
            }
        }
        let Some(turn) = place.poll_turn(context.waker()) else {
            waits_for_turn.get_or_insert_with(Instant::now);
            return watch.poll_ended(context.waker()).map(|closed| Err(closed.into()));
        };
        if let Some(since) = waits_for_turn.take() {
            cpu.task().metrics().add_turn_wait(since.elapsed());
        }
        #[cfg(feature = "process-sandbox")]
        if let Err(error) = process_sandbox::enter_thread() {
            return Poll::Ready(Err(error));
        }
        let _running = ticker.run();
        cpu.resume(start.unwrap_or_else(Instant::now));
        let poll = call.as_mut().poll(context);
        let now = Instant::now();
        let charged = cpu.charge(now);
        deadline.spend(charged.used);
        exhausted = charged.exhausted;
        let interrupted = poll.is_pending() && cpu.was_interrupted();
        turn.end(cpu.poll_time(), interrupted.then(|| context.waker()));
        if poll.is_pending() && !interrupted {
            wait.begin(now);
            if let Poll::Ready(closed) = watch.poll_ended(context.waker()) {
                return Poll::Ready(Err(closed.into()));
            }
            return wait.poll(deadline, context).map(Err);
        }
        poll.map(|output| Ok((output, now)))
    });
    let output = polled.await?;
    match exhausted {
        // A call shorter than a tick is never asked. One that just ended in success has used its task's last time.
        Some(limit) => Err(limit.into()),
        None => Ok(output),
    }
}

/// A call that waits for the host.
#[derive(Default)]
struct HostWait {
    since: Option<Instant>,
    /// Made by the first wait: most calls have none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl HostWait {
    fn begin(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// Charges the wait, if there is one.
    fn end(&mut self, deadline: &Deadline) {
        if let Some(since) = self.since.take() {
            deadline.spend(since.elapsed());
        }
    }

    /// Wakes the task when the deadline is over; ready when it is.
    fn poll(&mut self, deadline: &Deadline, context: &mut Context<'_>) -> Poll<Error> {
        /// A deadline that is longer will not be met by anybody: thirty years.
        const LONGEST: Duration = Duration::from_secs(1_000_000_000);
        let left = deadline.left();
        let at = tokio::time::Instant::now() + left.min(LONGEST);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        timer.as_mut().reset(at);
        match timer.as_mut().poll(context) {
            Poll::Pending if !left.is_zero() => Poll::Pending,
            _ => Poll::Ready(deadline.error().into()),
        }
    }
}

/// Why there is no instance: the tenant's memory, the process's slots, or something wrong with the process.
fn not_instantiated(error: wasmtime::Error, store: &mut Store<State>, image: &Image) -> Error {
    if let Some(limit) = store.data_mut().limiter.take_refused() {
        return limit.into();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return LimitError::new(LimitKind::Sandboxes, image.runtime().config().sandboxes.into()).into();
    }
    if error.is::<LimitError>() || error.is::<wasmtime::Trap>() || error.is::<crate::wasi::Exit>() {
        return from_call(error, None, image.runtime().config().wasm_stack);
    }
    Error::Start(error)
}

/// The arena that a result says is free, checked before it is used.
fn free_arena(result: &RawResult, memory: usize) -> Result<Option<(u32, u32)>, ProtocolError> {
    if result.arena == 0 {
        return Ok(None);
    }
    check_arena(result.arena, result.arena_size, memory)?;
    Ok(Some((result.arena, result.arena_size)))
}

fn check_arena(address: u32, size: u32, memory: usize) -> Result<(), ProtocolError> {
    const WHAT: &str = "its arena for a batch";
    reply::range(memory, WHAT, address, size.into())?;
    if !address.is_multiple_of(ARENA_ALIGNMENT) {
        return Err(ProtocolError::Misaligned { what: WHAT, address, alignment: ARENA_ALIGNMENT });
    }
    Ok(())
}

fn encode_failure(error: ExchangeError) -> Failure {
    Failure::Call(error.into())
}

/// A result that is too large, or that holds a value its type does not allow, is the function's mistake. Any other error
/// means that the structures themselves are wrong, which only a damaged guest writes.
fn decode_failure(error: ExchangeError, limits: &Limits) -> Failure {
    match error {
        ExchangeError::TooLarge { .. } => {
            Failure::Call(LimitError::new(LimitKind::OutputBytes, limits.output_bytes).into())
        }
        ExchangeError::TooManyItems { .. } => {
            Failure::Call(LimitError::new(LimitKind::OutputItems, limits.output_items).into())
        }
        ExchangeError::HostMemory { limit, used, asked } => NoHostMemory { limit, used, asked }.into(),
        error @ (ExchangeError::Utf8 { .. } | ExchangeError::Value { .. } | ExchangeError::Null { .. }) => {
            Failure::Call(error.into())
        }
        error => Failure::Fatal(error.into()),
    }
}
