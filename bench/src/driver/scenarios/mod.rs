//! What is measured. Each scenario has a server of its own, with empty folders, and tells its figures.

mod crowd;
mod hop;
mod memory;
mod start;
mod store;
mod stream;
mod work;

use super::Bench;
use super::table::Figure;

/// One thing to measure.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: fn(&Bench) -> anyhow::Result<Vec<Figure>>,
}

impl Scenario {
    /// All of them, in the order in which they are run.
    pub(super) const ALL: &[Self] = &[
        Self { name: "start", about: "start of a new server, its idle memory, the size of the program", run: start::start },
        Self { name: "first_event", about: "from asking for a run to its agent's first event", run: start::first_event },
        Self { name: "hop", about: "200 events/s by a pipe, and through the process that keeps an agent", run: hop::hop },
        Self { name: "latency_1", about: "200 events/s, 1 reader", run: |bench| stream::latency(bench, 1) },
        Self { name: "latency_50", about: "200 events/s, 50 readers", run: |bench| stream::latency(bench, 50) },
        Self { name: "flood_1", about: "as fast as the pipe takes it, 1 reader", run: |bench| stream::flood(bench, 1) },
        Self { name: "flood_50", about: "the same, 50 readers", run: |bench| stream::flood(bench, 50) },
        Self { name: "flood_1000", about: "the same, 1,000 readers", run: |bench| stream::flood(bench, 1000) },
        Self { name: "flood_codex", about: "Codex's protocol, 1 reader", run: |bench| stream::flood_of(bench, "codex") },
        Self { name: "flood_acp", about: "the Agent Client Protocol, 1 reader", run: |bench| stream::flood_of(bench, "opencode") },
        Self { name: "idle_readers", about: "10,000 readers of a silent run, then one event to all", run: crowd::idle },
        Self { name: "storm", about: "5,000 readers come back at once", run: crowd::storm },
        Self { name: "late_reader", about: "a reader who comes after 100,000 events", run: store::late },
        Self { name: "replay", about: "a finished run of 100,000 events, read again", run: store::replay },
        Self { name: "stalled", about: "16 readers who read nothing for 10 s at 20,000 events/s", run: memory::stalled },
        Self { name: "memory", about: "5 runs of 100,000 events, nobody reading", run: memory::growth },
        Self { name: "live_100", about: "100 live runs of 20 events/s, a reader each", run: |bench| work::live(bench, 100) },
        Self { name: "live_500", about: "500 live runs of 4 events/s, a reader each", run: |bench| work::live(bench, 500) },
        Self { name: "creates", about: "100 new runs a second", run: work::creates },
        Self { name: "restart", about: "start of a server with 10,000 stored runs", run: store::restart },
    ];
}

/// What is in a kibibyte and in a mebibyte.
const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;
