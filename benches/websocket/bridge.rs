//! What a bridge costs: the same plain exchanges directly and through two sidecars.

use std::time::Duration;

use crate::envelope::Envelope;
use crate::exchange::{Exchange, Shape};
use crate::fault::Fault;
use crate::load::Figures as HttpFigures;
use crate::report::median;
use crate::server::{Kind, Target};
use crate::{alewife, load, origin};

/// One body size over so many connections: the runs without and with a bridge, pair by pair.
pub(crate) struct Row {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pairs: Vec<(HttpFigures, HttpFigures)>,
}

/// Measures one row in `pairs` alternations.
pub(crate) fn measure(size: usize, connections: usize, pairs: u32, measured: Duration) -> Result<Row, Fault> {
    let gcm = Envelope::gcm()?;
    let application = origin::start()?;
    let inbound = alewife::start(application, &[&gcm])?;
    let outbound = alewife::start_outbound(inbound.address, &[&gcm])?;
    let direct = Target { address: application, pids: Vec::new() };
    let bridge = Target { address: outbound.address, pids: vec![outbound.pid(), inbound.pid()] };
    let run = |kind: Kind, target: &Target| {
        let exchange = Exchange::new(kind, Shape::BothWays, size, &gcm)?;
        load::run(target, &exchange, connections, measured)
    };
    let mut row = Row { size, connections, pairs: Vec::new() };
    for _ in 0..pairs {
        row.pairs.push((run(Kind::Direct, &direct)?, run(Kind::Bridge, &bridge)?));
    }
    Ok(row)
}

impl Row {
    /// Its line of the table.
    pub(crate) fn line(&self) -> String {
        let of = |value: fn(&(HttpFigures, HttpFigures)) -> f64| median(self.pairs.iter().map(value));
        format!(
            "| {} KB | {} | {:.0} µs / {:.0} µs | {:.0} µs / {:.0} µs | {:.1} µs |",
            self.size / 1024,
            self.connections,
            of(|(direct, _)| direct.p50),
            of(|(direct, _)| direct.p99),
            of(|(_, bridge)| bridge.p50),
            of(|(_, bridge)| bridge.p99),
            of(|(_, bridge)| bridge.cpu),
        )
    }
}
