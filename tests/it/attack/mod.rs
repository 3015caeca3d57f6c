//! What a hostile peer tries, from outside.

mod desync;
mod terminal;
