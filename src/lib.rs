//! Alewife: a sidecar that lets an unmodified application speak application-level encryption.
//!
//! The rooms of the house, lowest layer first; imports only point down (see ARCHITECTURE.md):
//!
//! | layer | rooms |
//! |---|---|
//! | 0 | [`crypto`], [`document`], [`metrics`], [`page`], [`payload`], [`telemetry`], [`websocket`] |
//! | 1 | [`keys`] |
//! | 2 | [`profile`] |
//! | 3 | [`ale`] |
//! | 4 | [`capture`], [`proxy`], [`sources`], [`admin`], [`net`], [`doctor`] |
//! | 5 | [`config`], `inspector` |
//! | 6 | [`app`], [`cli`] |

pub mod admin;
pub mod ale;
pub mod app;
pub mod capture;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod doctor;
pub mod document;
#[cfg(feature = "inspector")]
pub mod inspector;
pub mod keys;
pub mod metrics;
pub mod net;
pub mod page;
pub mod payload;
pub mod profile;
pub mod proxy;
pub mod sources;
pub mod telemetry;
pub mod websocket;
