//! What it costs to carry a record batch across linear memory and back, beside what its bytes cost by themselves.
//!
//! `memcpy` copies the same bytes in and out as the exchange has to: into a reused arena, and out of it into buffers
//! that are allocated for each batch, as the arrays of a result are.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, StringArray, StringViewArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vivarium_sandbox::exchange::{DecodeLimits, Plan, RowCount, decode, guest_type};

const ROWS: usize = 8192;
const ARENA: u32 = 1 << 16;

fn batches() -> Vec<(&'static str, Vec<ArrayRef>)> {
    let numbers = || Arc::new((0..ROWS).map(|row| row as f64).collect::<Float64Array>()) as ArrayRef;
    let nullable = (0..ROWS + 3).map(|row| (row % 7 != 0).then_some(row as i64)).collect::<Int64Array>();
    let words = || (0..ROWS).map(|row| Some(format!("customer number {row}")));
    vec![
        ("float64 x 2", vec![numbers(), numbers()]),
        // A slice that starts inside a byte of validity: its bits have to be shifted.
        ("int64 with NULLs, sliced", vec![Arc::new(nullable.slice(3, ROWS))]),
        ("utf8", vec![Arc::new(words().collect::<StringArray>())]),
        ("utf8 views", vec![Arc::new(words().collect::<StringViewArray>())]),
    ]
}

fn exchange(criterion: &mut Criterion) {
    for (name, columns) in batches() {
        let size = Plan::new(&columns, ROWS).expect("a batch that crosses").size();
        let mut memory = vec![0; ARENA as usize + size];
        let field = |column: &ArrayRef| {
            Field::new("column", guest_type(column.data_type()).expect("a type that crosses"), true)
        };
        let batch = DataType::Struct(columns.iter().map(field).collect());
        let limits = DecodeLimits { max_bytes: usize::MAX, max_items: usize::MAX };

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function("in", |bencher| {
            bencher.iter(|| {
                let plan = Plan::new(black_box(&columns), ROWS).expect("a batch that crosses");
                plan.write(&mut memory, ARENA).expect("an arena of that size");
            });
        });
        group.bench_function("out", |bencher| {
            bencher.iter(|| decode(black_box(&memory), ARENA, &batch, true, RowCount::Exactly(ROWS), &limits));
        });

        let from: Vec<Buffer> = buffers(&columns, &memory, &batch, &limits);
        group.bench_function("memcpy in", |bencher| {
            bencher.iter(|| {
                let mut rest = &mut memory[ARENA as usize..];
                for buffer in black_box(&from) {
                    let (target, after) = rest.split_at_mut(buffer.len());
                    target.copy_from_slice(buffer);
                    rest = after;
                }
            });
        });
        group.bench_function("memcpy out", |bencher| {
            bencher.iter(|| {
                let mut rest = &memory[ARENA as usize..];
                let copy = |buffer: &Buffer| {
                    let (source, after) = rest.split_at(buffer.len());
                    rest = after;
                    Buffer::from(black_box(source))
                };
                from.iter().map(copy).collect::<Vec<_>>()
            });
        });
        group.finish();
    }
}

/// The buffers that cross, of their exact sizes.
fn buffers(columns: &[ArrayRef], memory: &[u8], batch: &DataType, limits: &DecodeLimits) -> Vec<Buffer> {
    let result =
        decode(memory, ARENA, batch, true, RowCount::Exactly(ROWS), limits).expect("the batch that was written");
    assert_eq!(result.to_data().child_data().len(), columns.len());
    let data = result.to_data();
    let of_column = |column: &arrow::array::ArrayData| {
        let validity = column.nulls().map(|nulls| nulls.buffer().clone());
        validity.into_iter().chain(column.buffers().iter().cloned()).collect::<Vec<_>>()
    };
    data.child_data().iter().flat_map(of_column).collect()
}

criterion_group!(benches, exchange);
criterion_main!(benches);
