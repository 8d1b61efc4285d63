//! OpenCode: its dialect of the Agent Client Protocol, `opencode run`, and the Go program of the same name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::agent::Mode;
use openrunner::agent::opencode::OpenCode;
use openrunner_fuzz::drive;

fuzz_target!(|data: &[u8]| {
    let (acp, run) = (OpenCode::new(Mode::TwoWay), OpenCode::new(Mode::OneShot));
    drive(data, |choice| match choice % 3 {
        0 => (&acp, "npm"),
        1 => (&run, "npm"),
        _ => (&run, "go"),
    });
});
