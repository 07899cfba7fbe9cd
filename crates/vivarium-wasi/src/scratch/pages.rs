//! The content of a scratch file: the pages that were written, and zeros between them.

use std::collections::BTreeMap;

use super::quota::Quota;
use crate::errno::{Errno, Result};

/// Size of a page in bytes: the unit in which content is allocated and charged. Small, because a Python program's
/// scratch files are many and small; a whole one costs a copy of 4 KiB, which hides the map's lookup.
pub(super) const PAGE_BYTES: usize = 4096;

/// A sparse byte array.
///
/// Size and pages are independent: growing the size allocates nothing, shrinking it frees the pages behind the end.
/// What lies behind the end within the last page is always zero.
#[derive(Debug, Default)]
pub(super) struct Pages {
    size: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

/// The part of one page that lies in a range of the file.
struct Piece {
    page: u64,
    start: usize,
    length: usize,
}

impl Pages {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Pages allocated, for giving them back when the file is freed.
    pub fn allocated(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Copies what there is at `offset` into `buffer` and returns how many bytes those were; 0 at and behind the end.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let length = (buffer.len() as u64).min(self.size.saturating_sub(offset)) as usize;
        let mut rest = &mut buffer[..length];
        for piece in pieces(offset, length) {
            let (target, behind) = rest.split_at_mut(piece.length);
            match self.pages.get(&piece.page) {
                Some(page) => target.copy_from_slice(&page[piece.start..piece.start + piece.length]),
                None => target.fill(0),
            }
            rest = behind;
        }
        length
    }

    /// Writes as much of `data` at `offset` as the limits allow and returns how many bytes that was.
    ///
    /// # Errors
    /// `EFBIG` when not one byte is below the largest size of a file, `ENOSPC` when there is no room for one page.
    pub fn write(&mut self, offset: u64, data: &[u8], quota: &mut Quota) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        let room = quota.limits().file_bytes.saturating_sub(offset);
        if room == 0 {
            return Err(Errno::Fbig);
        }
        let length = room.min(data.len() as u64) as usize;
        let mut granted = quota.charge_pages(self.missing(offset, length));
        let mut done = 0;
        for piece in pieces(offset, length) {
            if !self.pages.contains_key(&piece.page) {
                if granted == 0 {
                    break;
                }
                granted -= 1;
            }
            let page = self.pages.entry(piece.page).or_insert_with(zeros);
            page[piece.start..piece.start + piece.length].copy_from_slice(&data[done..done + piece.length]);
            done += piece.length;
        }
        if done == 0 {
            return Err(Errno::Nospc);
        }
        self.size = self.size.max(offset + done as u64);
        Ok(done)
    }

    /// Cuts the file, or extends it with a hole.
    ///
    /// # Errors
    /// `EFBIG` for a size over the largest of a file.
    pub fn set_size(&mut self, size: u64, quota: &mut Quota) -> Result<()> {
        if size > quota.limits().file_bytes {
            return Err(Errno::Fbig);
        }
        if size < self.size {
            let behind = self.pages.split_off(&size.div_ceil(PAGE_BYTES as u64));
            quota.release_pages(behind.len() as u64);
            let within = (size % PAGE_BYTES as u64) as usize;
            if let Some(last) = self.pages.get_mut(&(size / PAGE_BYTES as u64)) {
                last[within..].fill(0);
            }
        }
        self.size = size;
        Ok(())
    }

    /// Allocates every page of a range that is still a hole, and extends the file to hold the range.
    ///
    /// # Errors
    /// `EINVAL` for an empty range, `EFBIG` for one behind the largest size, `ENOSPC` when not all of it fits; nothing
    /// has changed then.
    pub fn reserve(&mut self, offset: u64, length: u64, quota: &mut Quota) -> Result<()> {
        if length == 0 {
            return Err(Errno::Inval);
        }
        let end = offset.checked_add(length).ok_or(Errno::Fbig)?;
        if end > quota.limits().file_bytes {
            return Err(Errno::Fbig);
        }
        let (first, last) = (offset / PAGE_BYTES as u64, (end - 1) / PAGE_BYTES as u64);
        let missing = last - first + 1 - self.pages.range(first..=last).count() as u64;
        let granted = quota.charge_pages(missing);
        if granted < missing {
            quota.release_pages(granted);
            return Err(Errno::Nospc);
        }
        for page in first..=last {
            self.pages.entry(page).or_insert_with(zeros);
        }
        self.size = self.size.max(end);
        Ok(())
    }

    /// How many pages of a range are holes.
    fn missing(&self, offset: u64, length: usize) -> u64 {
        pieces(offset, length).filter(|piece| !self.pages.contains_key(&piece.page)).count() as u64
    }
}

/// Cuts a range of the file at the page boundaries. The range must end below `u64::MAX`.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let start = (at % PAGE_BYTES as u64) as usize;
        let piece = Piece { page: at / PAGE_BYTES as u64, start, length: (PAGE_BYTES - start).min(length - done) };
        done += piece.length;
        Some(piece)
    })
}

fn zeros() -> Box<[u8]> {
    vec![0; PAGE_BYTES].into_boxed_slice()
}
