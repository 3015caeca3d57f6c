//! Lines to copy: how to talk to the kitchen from another terminal.

use std::net::SocketAddr;
use std::path::Path;

use super::super::shell::quoted;

/// The fingerprint of the key for `curl` and `openssl`.
pub(super) const CTR: &str = "demo-ctr";

/// A sealed order by `alewife send`.
pub(super) fn send_line(binary: &Path, keys: &Path, sidecar: SocketAddr) -> String {
    format!(
        "{} send --keys {} --json '{{\"table\":3,\"dish\":\"ramen\"}}' http://{sidecar}/orders",
        quoted(binary),
        quoted(keys)
    )
}

/// The same with nothing but `curl` and `openssl`, whose command line has no GCM.
///
/// The reply's headers and body come in one stream: bash reads the lines of the headers without reading ahead,
/// `openssl` gets the rest.
pub(super) fn curl_line(key_hex: &str, sidecar: SocketAddr) -> String {
    format!(
        "(K={key_hex}; hex() {{ openssl base64 -d | od -An -vtx1 | tr -d ' \\n'; }}; iv=$(openssl rand -base64 16); \
         printf %s '{{\"table\":4,\"dish\":\"ragoût\"}}' | openssl enc -aes-256-ctr -K $K -iv $(hex <<<$iv) | \
         curl -si --noproxy '*' -H \"sec-iv: $iv\" -H 'sec-fingerprint: {CTR}' -H 'content-type: application/json' \
         --data-binary @- http://{sidecar}/orders | {{ while read -r name value && [ \"$name\" != $'\\r' ]; do \
         [ \"$name\" = sec-iv: ] && iv=${{value%?}}; done; openssl enc -d -aes-256-ctr -K $K -iv $(hex <<<$iv); }}; echo)"
    )
}

/// A plain order to the sidecar of the point of sale.
pub(super) fn plain_line(sidecar: SocketAddr) -> String {
    format!(
        "curl -s --noproxy '*' -H 'content-type: application/json' -d '{{\"table\":3,\"dish\":\"ramen\"}}' \
         http://{sidecar}/orders"
    )
}

/// Whether both sidecars of the bridge understand each other.
pub(super) fn ping_line(binary: &Path, config: &Path) -> String {
    format!("{} ping --config {}", quoted(binary), quoted(config))
}
