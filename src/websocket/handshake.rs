//! The proof that a handshake was read by somebody who knows what it asks for.

use sha1::{Digest, Sha1};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What `sec-websocket-accept` must be for this `sec-websocket-key` (RFC 6455 §4.2.2).
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    // 20 bytes are 28 characters, so it fits.
    let _written = base64_simd::STANDARD.encode(&digest, base64_simd::Out::from_slice(&mut accept));
    accept
}
