//! Batches through a fake linear memory: what goes in comes out, and what a hostile guest makes of it is refused.

mod arrays;
mod attacks;
mod guest;
mod mutation;
mod round_trip;
mod row_numbers;
mod splitting;
