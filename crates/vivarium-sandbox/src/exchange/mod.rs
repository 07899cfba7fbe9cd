//! Record batches across linear memory.
