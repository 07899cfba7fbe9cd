//! The order of turns: start-time fair queueing for several processors, with bounded lag.
//!
//! Every tenant has a tag, the virtual time at which its next turn starts. A free turn goes to the tenant with the lowest tag
//! among those that have a call waiting; the queue's own time is the tag of the turn that was given last.
//!
//! ```text
//!   a call waits where none of its tenant's did   tag = max(tag, now - lag)     now, if the tenant was not active at all
//!   it gets a turn                                now = max(now, tag);  tag += a tick / weight
//!   the turn ends                                 tag += (what it used - a tick) / weight,  at most now + debt
//! ```
//!
//! This is SFQ(D) (Jin, Chase and Kaur, "Interposed proportional sharing for a storage service utility", SIGMETRICS 2004), after
//! Goyal's start-time fair queueing: requests are turns, and D is the number of cores. Its authors prove that two tenants which both
//! have calls waiting differ, in service by weight, by no more than a constant number of turns, over any interval. It fits because
//!
//! * it needs to know what a turn costs only when it is over;
//! * it needs no weights that can be fulfilled. A tenant with fewer calls than its weight deserves cores has none waiting, so that
//!   it goes with the queue's time instead of falling behind it: it saves nothing up, and the others share the rest by weight. Stride
//!   scheduling fails there; surplus fair scheduling (Chandra et al., OSDI 2000) mends that by adjusting weights, for which all
//!   tenants have to be sorted by weight, too.
//!
//! `lag` is what SFQ(D) does not have, and comes from EEVDF as Linux has it (6.6, `update_entity_lag`): a tenant whose calls all run
//! keeps a claim of at most one turn for each core. Without it one that has just as many calls as it deserves cores loses a little
//! whenever one of them waits, and never gets it back: up to 10 % of a second, in simulations, and under 1 % with it.
//! `debt` bounds the other side: a host call that lasted long, while nobody else wanted the core, is not held against its tenant for ever.
//!
//! Each step costs O(log n) of n active tenants.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use crate::share::{Share, ShareId, Weight};

/// How far a tenant can be in debt, in ticks.
const DEBT_TICKS: u64 = 100;

/// Calls that wait for a turn, each with a `W` by which it is found again.
#[derive(Debug)]
pub struct FairQueue<W> {
    cores: usize,
    /// What a turn counts before it has ended, in nanoseconds.
    tick: u64,
    /// Turns that are being used.
    turns: usize,
    /// Virtual time; never goes back.
    now: u128,
    next_ticket: u64,
    /// Tenants that have a call which runs or waits, and those that have had more than `now` says.
    tenants: HashMap<ShareId, Entry<W>, BuildHasherDefault<ShareHasher>>,
    /// Tenants with calls that wait, the next one first.
    ready: BTreeSet<Key>,
    /// Tenants without any call. They are forgotten when time has come as far as their tags.
    away: BTreeSet<Key>,
}

#[derive(Debug)]
struct Entry<W> {
    weight: Weight,
    tag: u128,
    turns: usize,
    /// By ticket.
    waiting: BTreeMap<u64, W>,
    listed: Listed,
}

/// Where a tenant is found: in neither set while all its calls run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Nowhere,
    Ready(Key),
    Away(Key),
}

/// Where a tenant was found, and where it is to be found.
#[derive(Debug, Clone, Copy)]
#[must_use]
struct Moved {
    before: Listed,
    after: Listed,
}

/// By tag, and tenants with equal tags in the order in which their calls began to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    tag: u128,
    ticket: u64,
    id: ShareId,
}

/// Who has got a turn.
#[derive(Debug)]
pub struct Next<W> {
    /// Whose call it is.
    pub id: ShareId,
    /// Its ticket.
    pub ticket: u64,
    /// The call.
    pub call: W,
}

const KNOWN: &str = "a tenant with a turn or in a set is known";

impl<W> FairQueue<W> {
    /// A queue for at most `cores` turns at a time.
    pub fn new(cores: usize, tick: Duration) -> Self {
        Self {
            cores,
            tick: nanos(tick).max(1),
            turns: 0,
            now: 0,
            next_ticket: 0,
            tenants: HashMap::default(),
            ready: BTreeSet::new(),
            away: BTreeSet::new(),
        }
    }

    /// A turn at once, if there is one and nobody waits for it.
    pub fn enter(&mut self, share: &Share) -> bool {
        let free = self.turns < self.cores && self.ready.is_empty();
        if free {
            let (tick, id) = (self.tick, share.id());
            let entry = self.come(share);
            let tag = entry.start(tick);
            let listed = entry.list(id);
            self.started(id, tag, listed);
        }
        free
    }

    /// Puts a call into the queue. Returns its ticket.
    pub fn arrive(&mut self, share: &Share, call: W) -> u64 {
        let ticket = self.ticket();
        self.come(share).waiting.insert(ticket, call);
        self.list(share.id());
        ticket
    }

    /// Gives a free turn to the call whose it is.
    pub fn give(&mut self) -> Option<Next<W>> {
        if self.turns >= self.cores {
            return None;
        }
        let id = self.ready.first()?.id;
        let tick = self.tick;
        let entry = self.entry(id);
        let (ticket, call) = entry.waiting.pop_first()?;
        let tag = entry.start(tick);
        let listed = entry.list(id);
        self.started(id, tag, listed);
        Some(Next { id, ticket, call })
    }

    /// A turn of this tenant is over. A call that could go on waits again, and its ticket is returned.
    pub fn end(&mut self, id: ShareId, used: Duration, again: Option<W>) -> Option<u64> {
        let (tick, now, lag) = (self.tick, self.now, self.lag());
        let ticket = again.is_some().then(|| self.ticket());
        let entry = self.entry(id);
        let charged = entry.tag.saturating_add(entry.weight.virtually(nanos(used)));
        let debt = entry.weight.virtually(tick.saturating_mul(DEBT_TICKS));
        entry.tag = charged.saturating_sub(entry.weight.virtually(tick)).min(now.saturating_add(debt));
        if let (Some(ticket), Some(call)) = (ticket, again) {
            // Before the turn is given back: the only call of a tenant goes on where it was.
            entry.catch_up(now, lag);
            entry.waiting.insert(ticket, call);
        }
        entry.turns -= 1;
        let listed = entry.list(id);
        self.turns -= 1;
        self.relist(id, listed);
        ticket
    }

    /// The weight of this tenant may have changed: it counts from its next turn on.
    pub fn reweigh(&mut self, share: &Share) {
        if let Some(entry) = self.tenants.get_mut(&share.id()) {
            entry.weight = share.weight();
        }
    }

    /// The call with this ticket, if it waits.
    pub fn waiting(&mut self, id: ShareId, ticket: u64) -> Option<&mut W> {
        self.tenants.get_mut(&id)?.waiting.get_mut(&ticket)
    }

    /// Takes the call with this ticket out of the queue, if it waits there.
    pub fn leave(&mut self, id: ShareId, ticket: u64) {
        let left = self.tenants.get_mut(&id).and_then(|entry| entry.waiting.remove(&ticket));
        if left.is_some() {
            self.list(id);
        }
    }

    /// Whether nobody runs, waits or is remembered.
    pub fn is_idle(&self) -> bool {
        self.turns == 0 && self.tenants.is_empty() && self.ready.is_empty() && self.away.is_empty()
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    fn entry(&mut self, id: ShareId) -> &mut Entry<W> {
        self.tenants.get_mut(&id).expect(KNOWN)
    }

    /// Processor time that a tenant may claim although it had all it asked for, in nanoseconds.
    fn lag(&self) -> u64 {
        self.tick.saturating_mul(self.cores as u64)
    }

    /// The tenant has one more call.
    fn come(&mut self, share: &Share) -> &mut Entry<W> {
        let (now, lag) = (self.now, self.lag());
        let entry = self.tenants.entry(share.id()).or_insert_with(|| Entry {
            weight: share.weight(),
            tag: now,
            turns: 0,
            waiting: BTreeMap::new(),
            listed: Listed::Nowhere,
        });
        entry.weight = share.weight();
        entry.catch_up(now, lag);
        entry
    }

    /// A turn of this tenant has begun, at its tag.
    fn started(&mut self, id: ShareId, tag: u128, listed: Moved) {
        self.turns += 1;
        self.relist(id, listed);
        self.pass(self.now.max(tag));
    }

    /// Puts the tenant into the set that it belongs to now.
    fn list(&mut self, id: ShareId) {
        let listed = self.entry(id).list(id);
        self.relist(id, listed);
    }

    /// Takes the tenant out of one set and puts it into another.
    fn relist(&mut self, id: ShareId, Moved { before, after }: Moved) {
        if before == after {
            return;
        }
        match before {
            Listed::Ready(key) => _ = self.ready.remove(&key),
            Listed::Away(key) => _ = self.away.remove(&key),
            Listed::Nowhere => {}
        }
        match after {
            Listed::Ready(key) => _ = self.ready.insert(key),
            // A tenant that is alone: as below, without a list of one. So it is at the end of most calls.
            Listed::Away(key) if self.turns == 0 && self.ready.is_empty() && self.away.is_empty() => {
                self.tenants.remove(&id);
                self.now = self.now.max(key.tag);
            }
            Listed::Away(key) => {
                self.away.insert(key);
                // When nobody is left, nobody was kept waiting by what anybody had.
                let last = self.away.last().filter(|_| self.turns == 0 && self.ready.is_empty());
                self.pass(last.map_or(self.now, |last| last.tag.max(self.now)));
            }
            Listed::Nowhere => {}
        }
    }

    /// Lets time go on, and forgets those whom it has reached.
    fn pass(&mut self, now: u128) {
        self.now = now;
        while let Some(key) = self.away.first().copied().filter(|key| key.tag <= now) {
            self.away.remove(&key);
            self.tenants.remove(&key.id);
        }
    }
}

impl<W> Entry<W> {
    /// One of its turns begins. Returns the tag at which it does.
    fn start(&mut self, tick: u64) -> u128 {
        let tag = self.tag;
        self.tag = tag.saturating_add(self.weight.virtually(tick));
        self.turns += 1;
        tag
    }

    /// Notes in which set it belongs now. Whoever has the sets moves it.
    fn list(&mut self, id: ShareId) -> Moved {
        let (before, tag) = (self.listed, self.tag);
        self.listed = match self.waiting.first_key_value() {
            Some((&ticket, _)) => Listed::Ready(Key { tag, ticket, id }),
            None if self.turns > 0 => Listed::Nowhere,
            None => Listed::Away(Key { tag, ticket: 0, id }),
        };
        Moved { before, after: self.listed }
    }

    /// A tenant that has no call waiting has all it asks for, and can claim no more than `lag` of what it did not use; one that comes
    /// back from a pause, nothing.
    fn catch_up(&mut self, now: u128, lag: u64) {
        if self.waiting.is_empty() {
            let lag = if self.turns > 0 { self.weight.virtually(lag) } else { 0 };
            self.tag = self.tag.max(now.saturating_sub(lag));
        }
    }
}

/// Shares are numbered by us, one after the other: nobody can choose numbers that collide.
#[derive(Debug, Default)]
struct ShareHasher(u64);

impl Hasher for ShareHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    /// By Fibonacci hashing, since tables look at the highest and at the lowest bits.
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        #[cfg(test)]
        tests::count_comparison();
        (self.tag, self.ticket, self.id).cmp(&(other.tag, other.ticket, other.id))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
