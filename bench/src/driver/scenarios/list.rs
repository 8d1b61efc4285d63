//! The list of scenarios.

use super::load::Load;
use super::{creates, history, hop, isolation, live, many_readers, memory, snapshot, start, stream};
use crate::driver::bench::Bench;
use crate::driver::figure::Figure;

/// A scenario.
pub(in crate::driver) struct Scenario {
    pub(in crate::driver) name: &'static str,
    pub(in crate::driver) description: &'static str,
    pub(in crate::driver) run: fn(&Bench) -> anyhow::Result<Vec<Figure>>,
}

impl Scenario {
    /// All scenarios, in the order in which they run.
    pub(in crate::driver) const ALL: &[Self] = &[
        Self { name: "start", description: "start of a new server, its idle memory, the size of the program", run: start::start },
        Self { name: "first_event", description: "from creating a run to its agent's first event", run: start::first_event },
        Self { name: "isolation", description: "the same at each isolation level; the floor is level none", run: isolation::isolation },
        Self { name: "hop", description: "200 events/s through a pipe and through the shim", run: hop::hop },
        Self { name: "latency_1", description: "200 events/s, 1 reader", run: |bench| stream::latency(bench, 1) },
        Self { name: "latency_50", description: "200 events/s, 50 readers", run: |bench| stream::latency(bench, 50) },
        Self { name: "flood_1", description: "full speed, 1 reader", run: |bench| stream::flood(bench, 1) },
        Self { name: "flood_50", description: "full speed, 50 readers", run: |bench| stream::flood(bench, 50) },
        Self { name: "flood_1000", description: "full speed, 1,000 readers", run: |bench| stream::flood(bench, 1000) },
        Self {
            name: "flood_codex",
            description: "full speed with Codex's protocol, 1 reader",
            run: |bench| stream::flood_agent(bench, "codex"),
        },
        Self {
            name: "flood_acp",
            description: "full speed with the Agent Client Protocol, 1 reader",
            run: |bench| stream::flood_agent(bench, "opencode"),
        },
        Self {
            name: "idle_readers",
            description: "10,000 readers of a silent run, then one event to all",
            run: many_readers::idle_readers,
        },
        Self { name: "storm", description: "5,000 readers reconnect at once", run: many_readers::storm },
        Self { name: "late_reader", description: "a reader that connects after 100,000 events", run: history::late_reader },
        Self { name: "replay", description: "replay of a finished run of 100,000 events", run: history::replay },
        Self { name: "stalled", description: "16 readers that stop reading for 10 s at 20,000 events/s", run: memory::stalled },
        Self { name: "memory", description: "5 runs of 100,000 events without readers", run: memory::memory },
        Self {
            name: "live_100",
            description: "100 agents with bursts, pauses, tool calls and permissions, 1 to 3 readers each",
            run: |bench| live::live(bench, 100, Load::Mixed { pause_secs: 3 }),
        },
        Self {
            name: "live_500",
            description: "500 agents with bursts, longer pauses, tool calls and permissions, 1 to 3 readers each",
            run: |bench| live::live(bench, 500, Load::Mixed { pause_secs: 15 }),
        },
        Self {
            name: "steady_100",
            description: "100 agents of 100 events/s, one reader each",
            run: |bench| live::live(bench, 100, Load::Steady { rate: 100 }),
        },
        Self {
            name: "steady_500",
            description: "500 agents of 20 events/s, one reader each",
            run: |bench| live::live(bench, 500, Load::Steady { rate: 20 }),
        },
        Self { name: "creates", description: "100 new runs per second", run: creates::creates },
        Self {
            name: "create_beside_live",
            description: "100 new runs per second beside 100 agents of 20 events/s",
            run: creates::beside_live,
        },
        Self { name: "snapshot", description: "snapshots of 10,000 files, one of which has changed", run: snapshot::snapshot },
        Self { name: "restart", description: "start of a server with 10,000 stored runs", run: history::restart },
    ];
}
