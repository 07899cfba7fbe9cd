//! Work within one call that is cut into steps.

/// Steps that are made at a stretch: some hundred microseconds, well below a tick of the epoch.
const STEPS: u32 = 1024;

/// Counts steps, and lets others run after so many of them.
///
/// The epoch interrupts a guest's own code and not the host's. A call whose work grows with what the guest can make (the entries of
/// a directory) pauses now and then: the sandbox gives its time slice up, its deadline is checked, and dropping the call ends it.
#[derive(Debug, Default)]
pub(crate) struct Pace(u32);

impl Pace {
    pub async fn step(&mut self) {
        self.0 += 1;
        if self.0 == STEPS {
            self.0 = 0;
            tokio::task::yield_now().await;
        }
    }
}
