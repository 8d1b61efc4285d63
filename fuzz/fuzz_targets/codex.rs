//! Codex: `codex app-server` and `codex exec`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::agent::Mode;
use openrunner::agent::codex::Codex;
use openrunner_fuzz::drive;

fuzz_target!(|data: &[u8]| {
    let (app_server, exec) = (Codex::new(Mode::TwoWay, None), Codex::new(Mode::OneShot, None));
    drive(data, |choice| (if choice % 2 == 0 { &app_server } else { &exec }, ""));
});
