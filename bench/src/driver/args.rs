//! The command line.

use std::path::PathBuf;

/// Benchmark an OpenRunner server and compare it with a minimal relay (the floor)
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Scenarios to run [default: all]
    pub(super) scenarios: Vec<String>,
    /// Use small sizes and one pass: checks that everything works, not how fast
    #[arg(long)]
    pub(super) quick: bool,
    /// Number of passes per scenario; the median is reported [default: 3]
    #[arg(long, value_name = "N")]
    pub(super) passes: Option<usize>,
    /// Server program to measure [default: build one with the profile `dist`]
    #[arg(long, value_name = "FILE")]
    pub(super) server: Option<PathBuf>,
    /// Directory for the servers' data, on the disk to be measured [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// Server to compare with where hundreds of agents run: a shell command with the interface of the floor, see docs/performance.md
    #[arg(long, value_name = "COMMAND")]
    pub(super) peer: Option<String>,
    /// Write the figures to a JSON file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Fail if a goal in this file that was reached before is missed
    #[arg(long, value_name = "FILE")]
    pub(super) check: Option<PathBuf>,
    /// List the scenarios
    #[arg(long)]
    pub(super) list: bool,
}
