//! The memory of this program's own code: counted as it is allocated, and bounded while it works on untrusted input.
//!
//! Linear memory of sandboxes, thread stacks and mapped files are no part of it: those have limits of their own. What remains is what
//! readers, the query engine and writers allocate. A length that a file declares or a statement asks for becomes an allocation here, and
//! one that passes the limit ends the process, which the waiting one reports ([`super::wait`]); there is no way to make libraries give
//! up an allocation.
//!
//! Threads count for themselves and add it up when it is [`GRAIN`] bytes, so that counting costs no shared memory for small allocations. The
//! sum is wrong by at most that for each thread.
//!
//! # Unsafe code
//! The allocator is the system's: every method passes its arguments on unchanged and returns what the system returned, so the contract of
//! [`GlobalAlloc`] is kept by the system's allocator. Counting allocates nothing: the thread's count needs no initialisation and no destructor.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

use super::record;

/// The status of a process that passed its limit.
pub const EXCEEDED: i32 = 88;

/// How much a thread counts for itself.
const GRAIN: isize = 64 << 10;

/// What is allocated now, in bytes.
static ALLOCATED: AtomicIsize = AtomicIsize::new(0);
/// What may be.
static LIMIT: AtomicIsize = AtomicIsize::new(isize::MAX);

thread_local! {
    /// What this thread has not added to the sum yet.
    static UNCOUNTED: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub struct Counted;

// SAFETY: see the module's documentation.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: the caller's contract is the same.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Layouts are at most `isize::MAX` bytes, so a size is no negative number.
#[inline]
fn count(bytes: isize) {
    // A thread that is ending has no count of its own any more.
    let uncounted = UNCOUNTED.try_with(|uncounted| uncounted.replace(0).saturating_add(bytes)).unwrap_or(bytes);
    if uncounted.abs() < GRAIN {
        let _ = UNCOUNTED.try_with(|kept| kept.set(uncounted)); // what such a thread allocates is little
        return;
    }
    let sum = ALLOCATED.fetch_add(uncounted, Ordering::Relaxed).saturating_add(uncounted);
    if uncounted > 0 && sum > LIMIT.load(Ordering::Relaxed) {
        exceeded();
    }
}

/// Writes down that the limit was passed and ends the process. Nothing here allocates.
#[cold]
fn exceeded() -> ! {
    let descriptor = record::DESCRIPTOR.load(Ordering::SeqCst);
    let limit = LIMIT.load(Ordering::Relaxed).to_le_bytes();
    // SAFETY: the buffer is on this stack and as long as is said. The descriptor is open for the rest of the process, or -1. No destructor
    // runs, which is what an abort would do as well.
    unsafe {
        libc::pwrite(descriptor, limit.as_ptr().cast(), limit.len(), record::MEMORY as libc::off_t);
        libc::_exit(EXCEEDED)
    }
}

/// Bounds what may be allocated from now on, beyond what is allocated now. Nothing is bounded in a process that nobody waits for.
pub fn limit(bytes: u64) {
    if record::DESCRIPTOR.load(Ordering::SeqCst) >= 0 {
        let now = ALLOCATED.load(Ordering::Relaxed).max(0);
        LIMIT.store(now.saturating_add(isize::try_from(bytes).unwrap_or(isize::MAX)), Ordering::Relaxed);
    }
}

/// Lifts the limit for as long as this value: for what is ours and needs much, such as compiling an image.
#[must_use = "the limit is lifted for as long as this value is kept"]
pub struct Lifted(isize);

impl Lifted {
    /// Lifts it.
    pub fn now() -> Self {
        Self(LIMIT.swap(isize::MAX, Ordering::Relaxed))
    }
}

impl Drop for Lifted {
    fn drop(&mut self) {
        LIMIT.store(self.0, Ordering::Relaxed);
    }
}
