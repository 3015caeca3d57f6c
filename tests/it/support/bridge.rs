//! Two sidecars, one behind the other: plain on both outer sides, sealed between them.

use std::net::SocketAddr;

use super::{Sidecar, SidecarBuilder, TestKey};

/// A bridge about to be started.
pub(crate) struct BridgeBuilder {
    outbound: SidecarBuilder,
    inbound: SidecarBuilder,
}

impl BridgeBuilder {
    /// The keys that both sides know.
    pub(crate) fn keys(mut self, keys: &[&TestKey]) -> Self {
        self.outbound = self.outbound.keys(keys);
        self.inbound = self.inbound.keys(keys);
        self
    }

    /// Lines for the top of both configurations.
    pub(crate) fn top(mut self, lines: &str) -> Self {
        self.outbound = self.outbound.top(lines);
        self.inbound = self.inbound.top(lines);
        self
    }

    /// Lines for the `[[proxy]]` of the near side.
    pub(crate) fn outbound(mut self, lines: &str) -> Self {
        self.outbound = self.outbound.proxy(lines);
        self
    }

    /// Lines for the `[[proxy]]` of the far side.
    pub(crate) fn inbound(mut self, lines: &str) -> Self {
        self.inbound = self.inbound.proxy(lines);
        self
    }

    pub(crate) fn start(self) -> Bridge {
        let inbound = self.inbound.start();
        let outbound = self.outbound.upstream(inbound.address()).start();
        Bridge { outbound, inbound }
    }
}

/// A running bridge; both sides end when it is dropped.
pub(crate) struct Bridge {
    /// The near side, which clients speak to.
    pub(crate) outbound: Sidecar,
    /// The far side, before the application.
    pub(crate) inbound: Sidecar,
}

impl Bridge {
    /// A bridge to the application at `upstream`.
    pub(crate) fn before(upstream: SocketAddr) -> BridgeBuilder {
        // Its lines would hide what a test has to say.
        let (outbound, inbound) =
            (Sidecar::outbound().log("access = false"), Sidecar::inbound().log("access = false"));
        BridgeBuilder { outbound, inbound: inbound.upstream(upstream) }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.outbound.address()
    }

    /// A client's fresh connection.
    pub(crate) fn connect(&self) -> super::Connection {
        super::Connection::to(self.address())
    }
}
