//! Where values stand in queries, forms and JSON documents, and how one is put in another's place: all the rest stays byte
//! for byte.

pub mod form;
pub mod json;
mod pointer;
mod splice;

pub use pointer::{NotAPointer, Pointer, PointerPattern};
pub use splice::Splice;
