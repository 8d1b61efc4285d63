//! The benchmark of `OpenRunner`: one program in four roles.
//!
//! - the [`driver`] starts the other processes, measures, and prints the results; this is what users run;
//! - the scripted [`agent`], if the program is started under the name of an agent;
//! - the [`reader`] of thousands of streams, and the [`floor`], a minimal relay to compare with, by a hidden first argument.
//!
//! See `cargo run --release --package openrunner-bench -- --help`.

mod agent;
mod driver;
mod floor;
mod histogram;
#[cfg(test)]
mod imports;
mod mark;
mod reader;
mod script;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

/// Hidden first arguments, which select a role.
const READER: &str = "reader";
const FLOOR: &str = "floor";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("openrunner-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Some(program) = args.first().and_then(|path| agent::AgentProgram::from_path(path.as_ref())) {
        // Errors are not printed: usually the server has closed the pipe to stop the agent.
        return Ok(agent::run(program, &args[1..]).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS));
    }
    match words.as_slice() {
        [_, READER] => reader::run()?,
        [_, FLOOR, agent] => floor::run(Path::new(agent))?,
        _ => return driver::run(&driver::Args::parse()),
    }
    Ok(ExitCode::SUCCESS)
}
