//! What a batch looks like in the guest, and how large that is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, downcast_primitive, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;

use super::error::ExchangeError;
use super::gather::{gather, offset_range};
use super::layout::{ARRAY_BYTES, POINTER_BYTES, padded};
use super::path::Path;
use super::types::{OffsetWidth, Shape};

/// The most bytes a batch can take in the guest: 2 GiB less padding. It keeps every 32-bit offset of a gathered array
/// and every address within range.
pub const MAX_BATCH_BYTES: usize = (1 << 31) - 64;

/// A batch, ready to be written into an arena of [`Plan::size`] bytes.
///
/// ```text
///   | ArrowArray of the batch | ... of child 0 | ... of its children | ... of child 1 | ...   64 bytes each
///   | addresses of buffers and of children, for each structure in the same order         |   padded to 64
///   | buffer | buffer | ...                                          each starts at and is padded to 64
/// ```
///
/// A plan shares the buffers of the arrays it was made from; making one copies nothing but the values of dictionaries
/// and run ends, which have to be gathered to know their size.
#[derive(Debug)]
pub struct Plan {
    pub(super) nodes: Vec<Node>,
    /// The buffers of all nodes, in the order of the nodes.
    pub(super) sources: Vec<BufferSource>,
    pub(super) table_bytes: usize,
    size: usize,
}

/// One `ArrowArray`.
#[derive(Debug)]
pub(super) struct Node {
    pub length: usize,
    pub null_count: usize,
    /// How many of the plan's sources are this node's.
    pub buffers: usize,
    /// How many children it has. The first one is the node behind it, and each other one is at the end of the one before.
    pub children: usize,
    /// The position behind all that is below it.
    pub end: usize,
}

/// Where the bytes of a buffer come from.
#[derive(Debug)]
pub(super) enum BufferSource {
    /// No buffer: a null pointer.
    Absent,
    /// Copied as they are.
    Bytes(Buffer),
    /// Shifted to start at the first bit of a byte.
    Bits(BooleanBuffer),
    /// Offsets, made to start at 0.
    Offsets(OffsetWidth, Buffer),
    /// 32-bit offsets of the values of views.
    ViewOffsets(Arc<BinaryViewArray>),
    /// This many bytes of values of views, one after the other.
    ViewValues(Arc<BinaryViewArray>, usize),
}

impl BufferSource {
    /// Its bytes, without padding.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Bytes(bytes) | Self::Offsets(_, bytes) => bytes.len(),
            Self::Bits(bits) => bits.len().div_ceil(8),
            Self::ViewOffsets(views) => (views.len() + 1) * OffsetWidth::Four.bytes(),
            Self::ViewValues(_, bytes) => *bytes,
        }
    }
}

impl Plan {
    /// Plans a batch of `rows` rows. `columns` may be slices, and of any type that [`guest_type`](super::guest_type)
    /// accepts; there may be none.
    ///
    /// # Errors
    /// [`ExchangeError::ColumnLength`], [`ExchangeError::UnsupportedType`], [`ExchangeError::TooDeep`],
    /// [`ExchangeError::Gather`], and [`ExchangeError::BatchTooLarge`] beyond [`MAX_BATCH_BYTES`].
    pub fn new(columns: &[ArrayRef], rows: usize) -> Result<Self, ExchangeError> {
        Self::within(columns, rows, MAX_BATCH_BYTES)
    }

    /// As [`Plan::new`], for a batch of at most `max_bytes` in the guest.
    pub(super) fn within(columns: &[ArrayRef], rows: usize, max_bytes: usize) -> Result<Self, ExchangeError> {
        let mut planner = Planner {
            limit: max_bytes.min(MAX_BATCH_BYTES) as u64,
            // Of columns without children, which most are, this is all.
            nodes: Vec::with_capacity(columns.len() + 1),
            sources: Vec::with_capacity(3 * columns.len() + 1),
            pointers: 0,
            buffer_bytes: 0,
            empty: 0,
        };
        let batch = planner.node(rows, 0);
        planner.source(batch, BufferSource::Absent);
        let path = Path::root("batch");
        for (index, column) in columns.iter().enumerate() {
            if column.len() != rows {
                return Err(ExchangeError::ColumnLength { column: index, length: column.len(), rows });
            }
            let path = path.child(index);
            match fixed_values(column) {
                Some(values) => planner.fixed_column(batch, column, values, &path)?,
                None => planner.child(batch, column.to_data(), &path)?,
            }
        }
        planner.finish()
    }

    /// Bytes the batch takes in the guest, a multiple of 64.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Rows of the batch.
    pub fn rows(&self) -> usize {
        self.nodes.first().map_or(0, |batch| batch.length)
    }
}

struct Planner {
    limit: u64,
    nodes: Vec<Node>,
    sources: Vec<BufferSource>,
    pointers: usize,
    buffer_bytes: u64,
    /// Values that take no bytes. They count as one each: the guest makes an object of each, and its time and memory are measured by
    /// what a batch is allowed to be.
    empty: u64,
}

impl Planner {
    /// Plans an array and everything below it.
    fn add(&mut self, data: ArrayData, path: &Path<'_>) -> Result<(), ExchangeError> {
        path.check_depth()?;
        let data = gather(data, self.limit, path)?;
        let length = data.len();
        if matches!(data.data_type(), DataType::Utf8View | DataType::BinaryView) {
            let node = self.node(length, data.null_count());
            self.views(node, data);
            return Ok(());
        }
        let shape = Shape::of(data.data_type(), path)?;
        if shape.is_empty() {
            self.empty = self.empty.saturating_add(length as u64);
        }
        if let Shape::Null = shape {
            self.node(length, length);
            return Ok(());
        }

        let node = self.node(length, data.null_count());
        self.source(node, validity(data.nulls()));
        match shape {
            Shape::Null => {}
            Shape::Bits => {
                let bits = BooleanBuffer::new(data.buffers()[0].clone(), data.offset(), length);
                self.source(node, BufferSource::Bits(bits));
            }
            Shape::Fixed(width) => {
                let values = data.buffers()[0].slice_with_length(data.offset() * width, length * width);
                self.source(node, BufferSource::Bytes(values));
            }
            Shape::Bytes(width) => {
                let (from, to) = offset_range(&data, width, 0, length);
                self.source(node, offsets(&data, width));
                self.source(node, BufferSource::Bytes(data.buffers()[1].slice_with_length(from, to - from)));
            }
            Shape::List(width, _) => {
                let (from, to) = offset_range(&data, width, 0, length);
                self.source(node, offsets(&data, width));
                self.child(node, data.child_data()[0].slice(from, to - from), &path.child(0))?;
            }
            Shape::FixedList(size, _) => {
                let items = data.child_data()[0].slice(data.offset() * size, length * size);
                self.child(node, items, &path.child(0))?;
            }
            // Slicing a struct slices its children.
            Shape::Struct(_) => {
                for (index, field) in data.child_data().iter().enumerate() {
                    self.child(node, field.clone(), &path.child(index))?;
                }
            }
        }
        Ok(())
    }

    /// A new node, without buffers and children. Both are added before any other node is, buffers first.
    fn node(&mut self, length: usize, null_count: usize) -> usize {
        let position = self.nodes.len();
        self.nodes.push(Node { length, null_count, buffers: 0, children: 0, end: position + 1 });
        position
    }

    fn source(&mut self, node: usize, source: BufferSource) {
        self.pointers += 1;
        self.buffer_bytes = self.buffer_bytes.saturating_add(padded(source.len()) as u64);
        self.nodes[node].buffers += 1;
        self.sources.push(source);
    }

    /// What [`child`](Self::child) makes of a column of such values, without describing it as data first.
    fn fixed_column(
        &mut self,
        parent: usize,
        column: &ArrayRef,
        values: Buffer,
        path: &Path<'_>,
    ) -> Result<(), ExchangeError> {
        Shape::of(column.data_type(), path)?;
        let node = self.node(column.len(), column.null_count());
        self.source(node, validity(column.nulls()));
        self.source(node, BufferSource::Bytes(values));
        self.end_child(parent);
        Ok(())
    }

    fn child(&mut self, parent: usize, data: ArrayData, path: &Path<'_>) -> Result<(), ExchangeError> {
        self.add(data, path)?;
        self.end_child(parent);
        Ok(())
    }

    /// The node that was added last is this one's child, and nothing more will be below it.
    fn end_child(&mut self, parent: usize) {
        self.pointers += 1;
        let end = self.nodes.len();
        let parent = &mut self.nodes[parent];
        parent.children += 1;
        parent.end = end;
    }

    /// The buffers of the `utf8` or `binary` array that views stand for. NULLs have no bytes there, whatever their
    /// views say.
    fn views(&mut self, node: usize, data: ArrayData) {
        self.source(node, validity(data.nulls()));
        let array = make_array(data);
        let views = match array.as_string_view_opt() {
            Some(strings) => strings.clone().to_binary_view(),
            None => array.as_binary_view().clone(),
        };
        let bytes = view_lengths(&views).sum();
        let views = Arc::new(views);
        self.source(node, BufferSource::ViewOffsets(Arc::clone(&views)));
        self.source(node, BufferSource::ViewValues(views, bytes));
    }

    fn finish(self) -> Result<Plan, ExchangeError> {
        let table_bytes = padded(self.pointers * POINTER_BYTES);
        let bytes = self.buffer_bytes.saturating_add((self.nodes.len() * ARRAY_BYTES + table_bytes) as u64);
        let charged = bytes.saturating_add(self.empty);
        if charged > self.limit {
            return Err(ExchangeError::BatchTooLarge { bytes: charged, limit: self.limit });
        }
        Ok(Plan { nodes: self.nodes, sources: self.sources, table_bytes, size: bytes as usize })
    }
}

/// The values of an array whose values all take the same number of bytes, in memory as in the guest.
fn fixed_values(column: &ArrayRef) -> Option<Buffer> {
    macro_rules! of_type {
        ($primitive:ty) => {
            column.as_primitive_opt::<$primitive>().map(|array| array.values().inner().clone())
        };
    }
    downcast_primitive! {
        column.data_type() => (of_type),
        _ => None,
    }
}

fn validity(nulls: Option<&NullBuffer>) -> BufferSource {
    match nulls {
        Some(nulls) if nulls.null_count() > 0 => BufferSource::Bits(nulls.inner().clone()),
        _ => BufferSource::Absent,
    }
}

fn offsets(data: &ArrayData, width: OffsetWidth) -> BufferSource {
    let bytes = width.bytes();
    if data.is_empty() {
        return BufferSource::Bytes(Buffer::from(&[0; 8][..bytes]));
    }
    BufferSource::Offsets(width, data.buffers()[0].slice_with_length(data.offset() * bytes, (data.len() + 1) * bytes))
}

/// The bytes of each value of an array of views: of its view's 128 bits the low 32, and none under a NULL.
pub(super) fn view_lengths(views: &BinaryViewArray) -> impl Iterator<Item = usize> {
    views.views().iter().enumerate().map(|(row, view)| if views.is_valid(row) { *view as u32 as usize } else { 0 })
}
