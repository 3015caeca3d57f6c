//! The suite from outside: it runs the real binary against real peers.

mod check;
