//! What the guest answers, from bytes in linear memory to checked values.

use serde::Deserialize;
use serde_json::Value;
use vivarium_tenancy::{ColumnCounts, LimitKind, Limits};

use crate::error::{LimitError, ProtocolError};
use crate::function_metrics::FunctionMetrics;
use crate::guest_error::{Bounded, GuestError, WireError};

/// Errors of single rows that a reply carries; the numbers of all failed rows are beside them.
const MAX_ROW_ERRORS: usize = 100;

/// The most values (strings, numbers, lists, ...) in one reply. A parsed value takes up to a hundred bytes for two of text,
/// so the size of the text alone does not bound what parsing it costs.
const MAX_VALUES: usize = 1 << 18;

/// `struct vv_result`, as it lies in linear memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawResult {
    pub(super) status: u32,
    reply: u32,
    reply_length: u32,
    pub(super) array: u32,
    pub(super) arena: u32,
    pub(super) arena_size: u32,
    counts: [u32; 3],
}

impl RawResult {
    const BYTES: u32 = 36;

    pub(super) fn read(memory: &[u8], address: u32) -> Result<Self, ProtocolError> {
        let bytes = slice(memory, "its result", address, Self::BYTES.into())?;
        let field = |index: usize| {
            let field = &bytes[4 * index..4 * index + 4];
            u32::from_le_bytes([field[0], field[1], field[2], field[3]])
        };
        Ok(Self {
            status: field(0),
            reply: field(1),
            reply_length: field(2),
            array: field(3),
            arena: field(4),
            arena_size: field(5),
            counts: [field(6), field(7), field(8)],
        })
    }

    /// How the rows of the call were computed, which is the guest's word: never more rows than there are.
    pub(super) fn counts(&self, batch_rows: usize) -> ColumnCounts {
        let [as_columns, interpreted, dropped] = self.counts.map(u64::from);
        let rows = batch_rows as u64;
        let rows_as_columns = as_columns.min(rows);
        let mut counts = ColumnCounts::default();
        counts.rows_as_columns = rows_as_columns;
        counts.rows_interpreted = interpreted.min(rows - rows_as_columns);
        counts.programs_dropped = dropped.min(rows);
        counts
    }

    /// The bytes of the reply, empty when there is none.
    pub(super) fn reply<'m>(&self, memory: &'m [u8], limits: &Limits) -> Result<&'m [u8], ReplyError> {
        if self.reply == 0 {
            return Ok(&[]);
        }
        if u64::from(self.reply_length) > limits.reply_bytes {
            let limit = LimitError::new(LimitKind::ReplyBytes, limits.reply_bytes);
            return Err(ReplyError::Limit(limit.observed(self.reply_length.into())));
        }
        Ok(slice(memory, "its reply", self.reply, self.reply_length.into())?)
    }
}

/// Why a reply is not used.
#[derive(Debug)]
pub(super) enum ReplyError {
    Limit(LimitError),
    Protocol(ProtocolError),
}

impl From<ProtocolError> for ReplyError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// `length` bytes of linear memory from `address` on.
pub(super) fn slice<'m>(
    memory: &'m [u8],
    what: &'static str,
    address: u32,
    length: u64,
) -> Result<&'m [u8], ProtocolError> {
    let range = range(memory.len(), what, address, length)?;
    Ok(&memory[range])
}

/// The same as a range, for writing there.
pub(super) fn range(
    memory: usize,
    what: &'static str,
    address: u32,
    length: u64,
) -> Result<std::ops::Range<usize>, ProtocolError> {
    // Both fit in 33 bits, so the sum does not overflow. Address 0 is C's null pointer: nothing lies there.
    let end = u64::from(address) + length.min(1 << 32);
    if address == 0 || end > memory as u64 {
        return Err(ProtocolError::OutOfBounds { what, address, length, memory: memory as u64 });
    }
    Ok(address as usize..end as usize)
}

/// The most bytes of the host's memory that the reply to a control request takes while it is read: its text, and for each value a node of
/// a tree with room for eleven.
pub(super) fn control_bytes(reply: &[u8]) -> u64 {
    const VALUE: u64 = 256;
    (reply.len() as u64).saturating_add((count_values(reply).min(MAX_VALUES) as u64).saturating_mul(VALUE))
}

/// The same for a reply to a call, and for one that reports a failure. Of both the parts are known, and lists are bounded: most for their
/// text take arguments of three bytes, which are texts of 24 bytes twice, and row numbers of two, which are four in a list with room for
/// twice as many.
pub(super) fn report_bytes(reply: &[u8]) -> u64 {
    (reply.len() as u64).saturating_mul(16)
}

/// Parses the reply to a control request that succeeded.
pub(super) fn control(request: &'static str, reply: &[u8]) -> Result<Value, ProtocolError> {
    if count_values(reply) > MAX_VALUES {
        return Err(invalid(request, format!("it holds more than {MAX_VALUES} values")));
    }
    serde_json::from_slice(reply).map_err(|error| invalid(request, error))
}

/// Parses a reply that reports a failure.
pub(super) fn failure(request: &'static str, reply: &[u8], limits: &Limits) -> Result<GuestError, ProtocolError> {
    #[derive(Deserialize)]
    struct Failure {
        error: WireError,
    }
    let failure: Failure = serde_json::from_slice(reply).map_err(|error| invalid(request, error))?;
    Ok(failure.error.into_error(limits.name_bytes as usize))
}

/// Rows of a batch that failed under the policies `null` and `skip`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowErrors {
    /// The failed rows within the batch, ascending.
    pub rows: Vec<u32>,
    /// Errors of the first hundred of them, each with its row.
    pub errors: Vec<GuestError>,
}

impl RowErrors {
    /// Bytes of the host's memory.
    fn bytes(&self) -> u64 {
        let errors: usize = self.errors.iter().map(GuestError::bytes).sum();
        (self.rows.capacity() * size_of::<u32>() + errors) as u64
    }

    /// Whether every row succeeded.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What a call says besides its array.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) row_errors: RowErrors,
    /// The result goes on.
    pub(super) more: bool,
    /// Metrics that changed.
    pub(super) metrics: FunctionMetrics,
}

impl Report {
    /// Bytes of the host's memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        self.row_errors.bytes() + self.metrics.bytes()
    }

    /// Parses the reply to a call that succeeded: no reply, or a report.
    pub(super) fn parse(reply: &[u8], batch_rows: usize, limits: &Limits) -> Result<Self, ProtocolError> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            row_errors: Bounded<WireError, MAX_ROW_ERRORS>,
            #[serde(default)]
            rows: Vec<u32>,
            #[serde(default)]
            more: bool,
            #[serde(default)]
            metrics: FunctionMetrics,
        }
        let problem = |problem| Err(invalid("invoke", problem));
        if reply.is_empty() {
            return Ok(Self::default());
        }
        // Each row number takes two bytes of text and four of memory, so `rows` is bounded by the size of the reply.
        let report: Wire = serde_json::from_slice(reply).map_err(|error| invalid("invoke", error))?;
        if report.rows.len() > batch_rows || report.rows.iter().any(|row| *row as usize >= batch_rows) {
            return problem(format!("it reports failed rows that the batch of {batch_rows} rows does not have"));
        }
        if !report.rows.is_sorted_by(|one, next| one < next) {
            return problem("its failed rows are not in ascending order".into());
        }
        let errors: Vec<_> =
            report.row_errors.items.into_iter().map(|error| error.into_error(limits.name_bytes as usize)).collect();
        let is_failed_row = |row: Option<u64>| {
            row.and_then(|row| u32::try_from(row).ok()).is_some_and(|row| report.rows.binary_search(&row).is_ok())
        };
        if !errors.iter().all(|error| is_failed_row(error.row)) {
            return problem("it reports an error of a row that is not among the failed ones".into());
        }
        let row_errors = RowErrors { rows: report.rows, errors };
        Ok(Self { row_errors, more: report.more, metrics: report.metrics })
    }
}

/// Reads a reply in every way a reply is read: as one to a request, as that of a failure, and as a call's over a batch of so many rows.
/// Returns the rows that the last one says failed, and the texts that are shown of any of them.
pub fn read_reply(reply: &[u8], batch_rows: usize) -> (Vec<u32>, Vec<String>) {
    let limits = Limits::default();
    let mut shown = Vec::new();
    shown.extend(control("eval", reply).err().map(|error| error.to_string()));
    match failure("eval", reply, &limits) {
        Ok(error) => shown.extend(texts(&error)),
        Err(error) => shown.push(error.to_string()),
    }
    let rows = match Report::parse(reply, batch_rows, &limits) {
        Ok(report) => {
            shown.extend(report.row_errors.errors.iter().flat_map(texts));
            report.row_errors.rows
        }
        Err(error) => {
            shown.push(error.to_string());
            Vec::new()
        }
    };
    (rows, shown)
}

/// All texts of an error and of those that it was raised from.
fn texts(error: &GuestError) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    texts.extend(error.arguments.iter().cloned());
    for frame in &error.traceback {
        texts.extend([frame.file.clone(), frame.function.clone()]);
        texts.extend(frame.source.clone());
    }
    texts.extend(error.cause.iter().flat_map(|cause| self::texts(cause)));
    texts
}

fn invalid(request: &'static str, problem: impl ToString) -> ProtocolError {
    // serde quotes what it found, and that is the guest's text.
    ProtocolError::Reply { request, problem: vivarium_text::line(&problem.to_string(), 500) }
}

/// An upper bound of the number of values in a JSON text: every value but the first follows one of `[`, `{`, `,`, `:`.
fn count_values(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{' | b',' | b':') => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse_rows(report: Value) -> Result<RowErrors, ProtocolError> {
        Report::parse(report.to_string().as_bytes(), 10, &Limits::default()).map(|report| report.row_errors)
    }

    #[test]
    fn failed_rows_are_rows_of_the_batch() {
        let error = |row: u64| json!({"kind": "exception", "message": "no", "row": row});
        let good = parse_rows(json!({"row_errors": [error(1), error(7)], "count": 2, "rows": [1, 7]})).unwrap();
        assert_eq!((good.rows, good.errors.len()), (vec![1, 7], 2));
        assert!(Report::parse(b"", 10, &Limits::default()).unwrap().row_errors.is_empty());
        for bad in [
            json!({"rows": [10]}),
            json!({"rows": [2, 1]}),
            json!({"rows": [2, 2]}),
            json!({"rows": [-1]}),
            json!({"rows": [1], "row_errors": [error(2)]}),
            json!({"rows": vec![1; 100]}),
            json!({"rows": [1], "row_errors": [{"kind": "exception", "message": "row?"}]}),
            json!("nothing"),
        ] {
            assert!(matches!(parse_rows(bad.clone()), Err(ProtocolError::Reply { .. })), "{bad}");
        }
    }

    #[test]
    fn no_more_rows_are_counted_than_there_are() {
        let counted = |counts: [u32; 3]| {
            let words: Vec<u8> = [[0; 6].as_slice(), &counts].concat().into_iter().flat_map(u32::to_le_bytes).collect();
            let ColumnCounts { rows_as_columns, rows_interpreted, programs_dropped, .. } =
                RawResult::read(&[&[0; 4][..], &words].concat(), 4).unwrap().counts(10);
            (rows_as_columns, rows_interpreted, programs_dropped)
        };
        assert_eq!(counted([7, 3, 1]), (7, 3, 1));
        assert_eq!(counted([0, 0, 0]), (0, 0, 0));
        assert_eq!(counted([u32::MAX; 3]), (10, 0, 10));
        assert_eq!(counted([4, u32::MAX, 0]), (4, 6, 0));
    }

    #[test]
    fn nothing_outside_memory_is_read() {
        let memory = [0; 100];
        assert!(slice(&memory, "it", 1, 99).is_ok());
        assert!(slice(&memory, "it", 99, 0).is_ok());
        for (address, length) in
            [(0, 0), (0, 1), (1, 100), (100, 1), (u32::MAX, 1), (1, u64::MAX), (u32::MAX, u64::MAX)]
        {
            assert!(slice(&memory, "it", address, length).is_err(), "{address} {length}");
        }
    }

    #[test]
    fn small_text_that_becomes_a_large_value_is_refused() {
        let reply = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert!(matches!(control("load", reply.as_bytes()), Err(ProtocolError::Reply { .. })));
        let deep = "[".repeat(1000);
        assert!(matches!(control("load", deep.as_bytes()), Err(ProtocolError::Reply { .. })));
        let text = serde_json::to_string(&"[,:{\\\"".repeat(MAX_VALUES)).unwrap();
        assert!(control("eval", text.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn the_bound_counts_every_value(value in any_value()) {
            fn count(value: &Value) -> usize {
                1 + match value {
                    Value::Array(items) => items.iter().map(count).sum(),
                    Value::Object(items) => items.values().map(count).sum(),
                    _ => 0,
                }
            }
            prop_assert!(count_values(value.to_string().as_bytes()) >= count(&value));
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
