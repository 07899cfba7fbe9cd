//! Host and guest read the same types: what one of them takes, the other takes and understands alike.
//!
//! `wasm-python/tests/type_grammar.txt` has the rules one by one; here texts are generated, whole types and damaged ones, and the guest
//! says what it makes of each.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use vivarium::{FunctionSource, Image, Module, Runtime, RuntimeConfig, SandboxConfig, TaskOptions, types};
use vivarium_guest::ImageStore;

/// The text as the guest writes the type that it names, or its complaint behind a `!`.
const CANONICAL: &str = "
from vivarium import types, udf
@udf
def canonical(text: str) -> str:
    try:
        return str(types.parse(text))
    except types.TypeSpellingError as error:
        return f'!{error}'
";

async fn guest_reads(texts: Vec<String>) -> Vec<Result<String, String>> {
    let location = ImageStore::open().unwrap().ensure(&mut |event| eprintln!("{event:?}")).await.unwrap();
    let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(4)).unwrap();
    let image = Image::open(&runtime, location.directory).unwrap();
    let source = FunctionSource::inline("types.py", CANONICAL);
    let module = Module::load(&image, SandboxConfig::default(), source).await.unwrap();
    let batch = RecordBatch::try_from_iter([("text", Arc::new(StringArray::from(texts)) as _)]).unwrap();
    let function = module.function("canonical").unwrap();
    let task = function.bind(&batch.schema(), TaskOptions::default()).await.unwrap();
    let result = task.invoke(&batch, 0).await.unwrap().result;
    let answers = result.as_string::<i32>();
    assert_eq!(answers.null_count(), 0);
    let read = |answer: &str| match answer.strip_prefix('!') {
        Some(complaint) => Err(complaint.to_owned()),
        None => Ok(answer.to_owned()),
    };
    answers.iter().flatten().map(read).collect()
}

/// Texts of types, some of them with numbers, names and depths that no type has.
fn spelled() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "null",
        "bool",
        "int8",
        "int64",
        "uint16",
        "halffloat",
        "float",
        "double",
        "string",
        "large_string",
        "binary",
        "large_binary",
        "date32[day]",
        "date64[ms]",
        "date32[ms]",
        "time32[s]",
        "time32[us]",
        "time64[ns]",
        "time64[ms]",
        "duration[us]",
        "duration",
        "timestamp[ms]",
        "timestamp[m]",
        "month_day_nano_interval",
        "month_interval",
        "day_time_interval",
        "decimal32(5, 2)",
        "decimal64(5, 2)",
        "string_view",
        "binary_view",
        "struct<>",
        "int32",
        "integers",
    ]);
    let leaf = prop_oneof![
        4 => names.prop_map(str::to_owned),
        1 => (prop::sample::select(vec![128, 256]), -1..80_i32, -80..80_i32).prop_map(|(bits, p, s)| format!("decimal{bits}({p}, {s})")),
        1 => prop_oneof![-1..4_i64, 32_766..32_771_i64, Just(999_999_999), Just(i64::MAX)].prop_map(|size| format!("fixed_size_binary[{size}]")),
        1 => ("[smun]{1,2}", "[A-Za-z/+:0-9 _é\\]]{0,9}").prop_map(|(unit, zone)| format!("timestamp[{unit}, tz={zone}]")),
    ];
    let nested = leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            4 => "[a-c]",
            1 => "[ -~é\u{0}\u{a0}\u{85}]{0,4}",
            1 => "\"([ -!#-\\[\\]-~é]|\\\\[\"\\\\nq]|\\\\u00e9|\\\\ud800){0,4}\"",
        ];
        let field = (name, inner.clone(), prop::sample::select(vec!["", "", " not null"]))
            .prop_map(|(name, inner, nullable)| format!("{name}: {inner}{nullable}"));
        prop_oneof![
            (prop::sample::select(vec!["list", "large_list"]), field.clone())
                .prop_map(|(list, item)| format!("{list}<{item}>")),
            (field.clone(), prop_oneof![-1..5_i64, 4_090..4_100_i64, 8_190..8_195_i64, 32_765..32_770_i64])
                .prop_map(|(item, size)| format!("fixed_size_list<{item}>[{size}]")),
            prop::collection::vec(field, 0..4).prop_map(|fields| format!("struct<{}>", fields.join(", "))),
            (inner.clone(), inner).prop_map(|(key, value)| format!("map<{key}, {value}>")),
        ]
    });
    // Depths around the most that there may be.
    (nested, prop_oneof![8 => 0..3_usize, 1 => 26..36_usize])
        .prop_map(|(inner, depth)| format!("{}{inner}{}", "list<item: ".repeat(depth), ">".repeat(depth)))
}

fn damaged() -> impl Strategy<Value = String> {
    (spelled(), any::<prop::sample::Index>(), "[<>\\[\\](),:=\"\\\\ a-z0-9-]{0,2}", any::<bool>()).prop_map(
        |(text, at, with, keep)| {
            let mut text: Vec<char> = text.chars().collect();
            let at = at.index(text.len());
            text.splice(if keep { at..at } else { at..at + 1 }, with.chars());
            text.into_iter().collect()
        },
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_side_reads_the_other_reads_alike() {
    /// Of whole types and of damaged ones.
    const TEXTS: usize = 10_000;
    let mut runner = TestRunner::deterministic();
    let mut texts: Vec<String> = Vec::new();
    for _ in 0..TEXTS {
        texts.push(spelled().new_tree(&mut runner).unwrap().current());
        texts.push(damaged().new_tree(&mut runner).unwrap().current());
    }
    let answers = guest_reads(texts.clone()).await;
    let (mut both, mut neither) = (0, 0);
    for (text, guest) in texts.iter().zip(answers) {
        let host = types::parse(text).and_then(|data_type| types::print(&data_type));
        match (&host, &guest) {
            (Ok(host), Ok(guest)) => {
                assert_eq!(host, guest, "{text:?}");
                both += 1;
            }
            // SQL's names and other spellings: the guest says what they mean.
            (Err(_), Ok(guest)) => {
                let again = types::parse(guest).and_then(|data_type| types::print(&data_type));
                assert_eq!(again.as_ref(), Ok(guest), "{text:?}");
            }
            (Ok(host), Err(complaint)) => panic!("{text:?} is {host} for the host, and for the guest: {complaint}"),
            (Err(_), Err(_)) => neither += 1,
        }
    }
    // The texts are of both sorts.
    assert!(both > TEXTS / 4 && neither > TEXTS / 4, "{both} are read, {neither} are not");
}
