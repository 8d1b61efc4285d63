//! The `openrunner` program. See the library for everything that it does.

use std::process::ExitCode;

use clap::Parser;
use openrunner::cli::{self, Cli};
use openrunner::process::{launch, shim};
use rustix::fs::Mode;

/// The allocator of static builds, where the system's is slow as soon as threads share it.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything else: a process that is to become an agent, or to keep one, must have no thread and no open file of ours.
    if let Some(error) = launch::become_agent_if_asked(std::env::args_os()) {
        eprintln!("{}: {error}", launch::ERROR_PREFIX);
        return ExitCode::from(u8::try_from(launch::NOT_STARTED).unwrap_or(u8::MAX));
    }
    if let Some(code) = shim::serve_if_asked(std::env::args_os()) {
        return code;
    }
    // What we write is the owner's alone; agents get the mask back that we were started with.
    let umask = rustix::process::umask(Mode::from_bits_truncate(0o077));
    cli::run(Cli::parse(), umask)
}
