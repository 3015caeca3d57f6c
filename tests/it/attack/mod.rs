//! What a hostile peer tries, from outside.

mod desync;
mod http2;
mod terminal;
