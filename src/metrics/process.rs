//! What the process takes of the machine, under the names that all exporters of Prometheus use.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::Asked;

/// What there is to tell of the process now. What the system does not say is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// Time that all threads had a processor, in seconds.
    pub cpu_seconds: Option<f64>,
    /// When it started, in seconds since 1970.
    pub start_time_seconds: Option<f64>,
    /// Files that it has open.
    pub open_fds: Option<u64>,
    /// Files that it may have open.
    pub max_fds: Option<u64>,
    /// Bytes of its address space.
    pub virtual_memory_bytes: Option<u64>,
    /// Bytes of memory that it has.
    pub resident_memory_bytes: Option<u64>,
}

impl Collector for Asked<ProcessFigures> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ProcessFigures {
            cpu_seconds,
            start_time_seconds,
            open_fds,
            max_fds,
            virtual_memory_bytes,
            resident_memory_bytes,
        } = self.ask();
        if let Some(seconds) = cpu_seconds {
            let seconds = ConstCounter::new(seconds);
            let help = "Time that all threads had a processor";
            let kind = seconds.metric_type();
            seconds.encode(encoder.encode_descriptor("process_cpu", help, Some(&Unit::Seconds), kind)?)?;
        }
        let whole = |figure: Option<u64>| figure.map(|figure| figure as f64);
        for (name, help, unit, figure) in [
            ("process_start_time", "When it started, since 1970", Some(Unit::Seconds), start_time_seconds),
            ("process_open_fds", "Files that it has open", None, whole(open_fds)),
            ("process_max_fds", "Files that it may have open", None, whole(max_fds)),
            (
                "process_virtual_memory",
                "Address space that it has",
                Some(Unit::Bytes),
                whole(virtual_memory_bytes),
            ),
            (
                "process_resident_memory",
                "Memory that it has",
                Some(Unit::Bytes),
                whole(resident_memory_bytes),
            ),
        ] {
            if let Some(figure) = figure {
                let gauge = ConstGauge::new(figure);
                gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?)?;
            }
        }
        Ok(())
    }
}
