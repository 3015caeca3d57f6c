//! Tables in Markdown, and the bars that the figures are held to.

use std::time::Duration;

use crate::exchange::Shape;
use crate::load::Figures;

const IDLE_MEMORY: f64 = 10e6;
const START: f64 = 50.0;
const ABOVE_IDLE: f64 = 20e6;

/// One body size in one shape: the runs of both proxies, pair by pair.
pub(crate) struct Row {
    pub(crate) size: usize,
    pub(crate) contender: &'static str,
    /// nginx first.
    pub(crate) pairs: Vec<(Figures, Figures)>,
}

impl Row {
    fn lines(&self) -> String {
        let body = size_name(self.size);
        format!(
            "| {body} | nginx | {} |\n| {body} | {} | {} |\n| {body} | **ratio** | {} |\n",
            self.cells(|pair| pair.0),
            self.contender,
            self.cells(|pair| pair.1),
            [
                self.ratio(|f| f.requests_per_second),
                self.ratio(|f| f.cpu),
                self.ratio(|f| f.p50),
                self.ratio(|f| f.p99),
                self.ratio(|f| f.resident),
            ]
            .map(|ratio| format!("**{ratio:.2} ×**"))
            .join(" | "),
        )
    }

    fn cells(&self, side: impl Fn(&(Figures, Figures)) -> Figures) -> String {
        let of = |value: fn(&Figures) -> f64| median(self.pairs.iter().map(|pair| value(&side(pair))));
        format!(
            "{:.0} | {:.1} µs | {:.2} ms | {:.2} ms | {:.1} MB",
            of(|f| f.requests_per_second),
            of(|f| f.cpu),
            of(|f| f.p50) / 1e3,
            of(|f| f.p99) / 1e3,
            of(|f| f.resident) / 1e6
        )
    }

    /// The median of the pairs' ratios: what slows both runs of a pair alike leaves it as it is.
    fn ratio(&self, value: fn(&Figures) -> f64) -> f64 {
        median(self.pairs.iter().map(|(nginx, other)| value(other) / value(nginx)))
    }

    /// The bar for processor time per request, where this size has one.
    pub(crate) fn bar(&self) -> Option<Bar> {
        let limit = match self.size {
            1024 => 1.3,
            10_240 => 1.4,
            65_536 => 2.0,
            _ => return None,
        };
        let what = format!("processor time per request, {} both ways", size_name(self.size));
        Some(Bar { what, limit, measured: self.ratio(|f| f.cpu), unit: "× nginx" })
    }
}

/// Prints one table.
pub(crate) fn print_table(shape: Shape, rows: &[Row]) {
    let title = match shape {
        Shape::BothWays => "Both ways: request and reply have a body of the size",
        Shape::Replies => "Replies: a GET without a body, a reply of the size",
    };
    let lines: String = rows.iter().map(Row::lines).collect();
    println!(
        "\n### {title}\n\n| body | proxy | requests/s | CPU per request | p50 | p99 | resident |\n\
         |---|---|---|---|---|---|---|\n{lines}"
    );
}

/// A figure that must not be above its limit.
pub(crate) struct Bar {
    what: String,
    limit: f64,
    measured: f64,
    unit: &'static str,
}

impl Bar {
    /// Memory of a fresh process, in bytes.
    pub(crate) fn idle_memory(bytes: f64) -> Self {
        Self { what: "idle memory".into(), limit: IDLE_MEMORY / 1e6, measured: bytes / 1e6, unit: "MB" }
    }

    /// From start to listening.
    pub(crate) fn start(took: f64) -> Self {
        Self { what: "from start to listening".into(), limit: START, measured: took, unit: "ms" }
    }

    fn passed(&self) -> bool {
        self.measured <= self.limit
    }
}

/// Prints the bars; whether all of them are kept.
pub(crate) fn print_bars(bars: &[Bar]) -> bool {
    println!("\n| bar | at most | measured | |\n|---|---|---|---|");
    for bar in bars {
        let verdict = if bar.passed() { "pass" } else { "**FAIL**" };
        println!(
            "| {} | {} {} | {:.2} {} | {verdict} |",
            bar.what, bar.limit, bar.unit, bar.measured, bar.unit
        );
    }
    bars.iter().all(Bar::passed)
}

/// A body of gigabytes that passed, and the proxy's memory meanwhile.
pub(crate) struct Streamed {
    pub(crate) what: &'static str,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    pub(crate) idle: u64,
    pub(crate) peak: u64,
}

impl Streamed {
    /// Prints what was seen, and gives the bar for it.
    pub(crate) fn print(&self) -> Bar {
        let gigabytes = self.bytes as f64 / f64::from(1 << 30);
        println!(
            "{}: {gigabytes:.0} GB in {:.1} s ({:.2} GB/s); idle {:.1} MB, highest {:.1} MB",
            self.what,
            self.took.as_secs_f64(),
            self.bytes as f64 / 1e9 / self.took.as_secs_f64(),
            self.idle as f64 / 1e6,
            self.peak as f64 / 1e6,
        );
        Bar {
            what: format!("memory above idle, {gigabytes:.0} GB {}", self.what),
            limit: ABOVE_IDLE / 1e6,
            measured: self.peak.saturating_sub(self.idle) as f64 / 1e6,
            unit: "MB",
        }
    }
}

/// The middle value, or the mean of the two in the middle; NaN of nothing.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => values[middle],
        (_, middle) => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn size_name(size: usize) -> String {
    match size {
        size if size >= 1 << 20 && size % (1 << 20) == 0 => format!("{} MB", size >> 20),
        size if size % 1024 == 0 => format!("{} KB", size >> 10),
        size => format!("{size} B"),
    }
}
