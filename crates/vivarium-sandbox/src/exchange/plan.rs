//! What a batch looks like in the guest, and how large that is.

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, make_array};
use arrow::buffer::{BooleanBuffer, Buffer};
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
    pub(super) sources: Vec<Source>,
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
    /// Positions of its children among the nodes.
    pub children: Vec<usize>,
}

/// Where the bytes of a buffer come from.
#[derive(Debug)]
pub(super) enum Source {
    /// No buffer: a null pointer.
    Absent,
    /// Copied as they are.
    Bytes(Buffer),
    /// Shifted to start at the first bit of a byte.
    Bits(BooleanBuffer),
    /// Offsets, made to start at 0.
    Offsets(OffsetWidth, Buffer),
    /// 32-bit offsets of the values of views.
    ViewOffsets(BinaryViewArray),
    /// This many bytes of values of views, one after the other.
    ViewValues(BinaryViewArray, usize),
}

impl Source {
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
        let limit = max_bytes.min(MAX_BATCH_BYTES) as u64;
        let mut planner =
            Planner { limit, nodes: Vec::new(), sources: Vec::new(), pointers: 0, buffer_bytes: 0, empty: 0 };
        let batch = planner.push(rows, 0, vec![Source::Absent]);
        let path = Path::root("batch");
        for (index, column) in columns.iter().enumerate() {
            if column.len() != rows {
                return Err(ExchangeError::ColumnLength { column: index, length: column.len(), rows });
            }
            let child = planner.add(column.to_data(), &path.child(index))?;
            planner.adopt(batch, child);
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
    sources: Vec<Source>,
    pointers: usize,
    buffer_bytes: u64,
    /// Values that take no bytes. They count as one each: the guest makes an object of each, and its time and memory are measured by
    /// what a batch is allowed to be.
    empty: u64,
}

impl Planner {
    /// Plans an array and everything below it, and returns its position.
    fn add(&mut self, data: ArrayData, path: &Path<'_>) -> Result<usize, ExchangeError> {
        path.check_depth()?;
        let data = gather(data, self.limit, path)?;
        let length = data.len();
        if matches!(data.data_type(), DataType::Utf8View | DataType::BinaryView) {
            let null_count = data.null_count();
            return Ok(self.push(length, null_count, views(data)));
        }
        let shape = Shape::of(data.data_type(), path)?;
        if shape.is_empty() {
            self.empty = self.empty.saturating_add(length as u64);
        }
        if let Shape::Null = shape {
            return Ok(self.push(length, length, Vec::new()));
        }

        let mut sources = vec![validity(&data)];
        let mut children = Vec::new();
        match shape {
            Shape::Null => {}
            Shape::Bits => {
                let bits = BooleanBuffer::new(data.buffers()[0].clone(), data.offset(), length);
                sources.push(Source::Bits(bits));
            }
            Shape::Fixed(width) => {
                let values = data.buffers()[0].slice_with_length(data.offset() * width, length * width);
                sources.push(Source::Bytes(values));
            }
            Shape::Bytes(width) => {
                let (from, to) = offset_range(&data, width, 0, length);
                sources.push(offsets(&data, width));
                sources.push(Source::Bytes(data.buffers()[1].slice_with_length(from, to - from)));
            }
            Shape::List(width, _) => {
                let (from, to) = offset_range(&data, width, 0, length);
                sources.push(offsets(&data, width));
                children.push(data.child_data()[0].slice(from, to - from));
            }
            Shape::FixedList(size, _) => {
                children.push(data.child_data()[0].slice(data.offset() * size, length * size));
            }
            // Slicing a struct slices its children.
            Shape::Struct(_) => children.extend_from_slice(data.child_data()),
        }

        let node = self.push(length, data.null_count(), sources);
        for (index, child) in children.into_iter().enumerate() {
            let child = self.add(child, &path.child(index))?;
            self.adopt(node, child);
        }
        Ok(node)
    }

    fn push(&mut self, length: usize, null_count: usize, sources: Vec<Source>) -> usize {
        self.pointers += sources.len();
        for source in &sources {
            self.buffer_bytes = self.buffer_bytes.saturating_add(padded(source.len()) as u64);
        }
        self.nodes.push(Node { length, null_count, buffers: sources.len(), children: Vec::new() });
        self.sources.extend(sources);
        self.nodes.len() - 1
    }

    fn adopt(&mut self, parent: usize, child: usize) {
        self.pointers += 1;
        self.nodes[parent].children.push(child);
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

fn validity(data: &ArrayData) -> Source {
    match data.nulls() {
        Some(nulls) if nulls.null_count() > 0 => Source::Bits(nulls.inner().clone()),
        _ => Source::Absent,
    }
}

fn offsets(data: &ArrayData, width: OffsetWidth) -> Source {
    let bytes = width.bytes();
    if data.is_empty() {
        return Source::Bytes(Buffer::from(&[0; 8][..bytes]));
    }
    Source::Offsets(width, data.buffers()[0].slice_with_length(data.offset() * bytes, (data.len() + 1) * bytes))
}

/// The buffers of the `utf8` or `binary` array that views stand for. NULLs have no bytes there, whatever their
/// views say.
fn views(data: ArrayData) -> Vec<Source> {
    let validity = validity(&data);
    let array = make_array(data);
    let views = match array.as_string_view_opt() {
        Some(strings) => strings.clone().to_binary_view(),
        None => array.as_binary_view().clone(),
    };
    let bytes = view_lengths(&views).sum();
    vec![validity, Source::ViewOffsets(views.clone()), Source::ViewValues(views, bytes)]
}

/// The bytes of each value of an array of views: of its view's 128 bits the low 32, and none under a NULL.
pub(super) fn view_lengths(views: &BinaryViewArray) -> impl Iterator<Item = usize> {
    views.views().iter().enumerate().map(|(row, view)| if views.is_valid(row) { *view as u32 as usize } else { 0 })
}
