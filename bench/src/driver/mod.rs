//! The driver: starts the processes of each scenario, measures, compares with the floor, and prints the results.

mod args;
mod bench;
mod children;
mod client;
mod figure;
mod gate;
mod goals;
mod proc_stats;
mod results;
mod run;
mod scenarios;
mod server;

pub(crate) use self::args::Args;
pub(crate) use self::run::run;
