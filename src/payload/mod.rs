//! Where values stand in queries, forms and JSON documents, and how one is put in another's place: all the rest stays byte
//! for byte.

pub mod form;
pub mod json;
mod pattern;
mod pointer;
mod splice;

pub use pattern::PointerPattern;
pub use pointer::{NotAPointer, Pointer, element_number};
pub use splice::Splice;
