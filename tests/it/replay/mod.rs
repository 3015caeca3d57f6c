//! Messages that come a second time (P11).

mod outbound;
mod reuse;
mod store;
mod window;

use std::sync::{Arc, Barrier};
use std::thread;

use crate::support::{Reply, Sidecar};

const GCM: &str = "AES-256-GCM";
/// errorCode 2.
const DECRYPT: &str = r#"{"errorCode":2,"message":"Unable to decrypt payload"}"#;

/// How many envelopes were refused since they had been opened before.
fn replayed(sidecar: &Sidecar) -> f64 {
    sidecar.metric("alewife_ale_errors_total{proxy=\"kitchen\",code=\"2\",reason=\"replayed\"}")
}

/// `request` on so many connections at once, spread over `sidecars`; the replies.
fn at_once(sidecars: &[&Sidecar], request: &[u8], copies: usize) -> Vec<Reply> {
    let (start, request) = (Arc::new(Barrier::new(copies)), Arc::new(request.to_vec()));
    let threads: Vec<_> = (0..copies)
        .map(|number| {
            let mut connection = sidecars[number % sidecars.len()].connect();
            let (start, request) = (Arc::clone(&start), Arc::clone(&request));
            thread::spawn(move || {
                start.wait();
                connection.exchange(&request)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}
