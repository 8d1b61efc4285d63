//! The benchmark of `OpenRunner`. One program in four roles, so that a single build is all it needs:
//!
//! - the *driver*, which starts everything, measures, and prints the table: what a person runs;
//! - the [`agent`], which it becomes when it is started by the name of one;
//! - the [`reader`] of thousands of streams, and the [`floor`] to compare with, by a hidden first argument.
//!
//! `cargo run --release -p openrunner-bench -- --help` tells the rest.

mod agent;
mod driver;
mod floor;
mod histogram;
mod mark;
mod reader;
mod script;

use std::io::{self, BufRead};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

/// The hidden first arguments.
const READER: &str = "reader";
const FLOOR: &str = "floor";

fn main() -> ExitCode {
    match play() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("openrunner-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Some(name) = args.first().and_then(|program| agent::Name::of_program(program.as_ref())) {
        // Whoever stops reading has stopped us: that is an end, not a failure.
        return Ok(agent::be(name, &args[1..]).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS));
    }
    match words.as_slice() {
        [_, READER] => reader::be()?,
        [_, FLOOR, agent, readers] => {
            let mut prompt = String::new();
            io::stdin().lock().read_line(&mut prompt)?;
            floor::be(Path::new(agent), prompt.trim_end(), readers.parse()?)?;
        }
        _ => return driver::run(&driver::Args::parse()),
    }
    Ok(ExitCode::SUCCESS)
}
