//! The `openrunner` program. The library holds everything it does.

use std::process::ExitCode;

use openrunner::cli;
use openrunner::process::{launch, shim};
use rustix::fs::Mode;

/// The allocator of static builds: that of musl is slow when threads contend for it.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // First: a process that becomes an agent or a shim must have no threads and no open files of this program.
    match launch::become_agent_if_asked(std::env::args_os()) {
        Some(Ok(())) => return ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("{}: {error}", launch::ERROR_PREFIX);
            return ExitCode::from(u8::try_from(launch::NOT_STARTED).unwrap_or(u8::MAX));
        }
        None => {}
    }
    if let Some(code) = shim::serve_if_asked(std::env::args_os()) {
        return code;
    }
    // Files of the server are private to its user. Agents get the original mask.
    let umask = rustix::process::umask(Mode::from_bits_truncate(0o077));
    cli::main(umask)
}
