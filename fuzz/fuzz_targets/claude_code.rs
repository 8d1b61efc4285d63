//! Claude Code: the two-way and the one-shot mode.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::agent::Mode;
use openrunner::agent::claude_code::ClaudeCode;
use openrunner_fuzz::drive;

fuzz_target!(|data: &[u8]| {
    let (two_way, one_shot) = (ClaudeCode::new(Mode::TwoWay), ClaudeCode::new(Mode::OneShot));
    drive(data, |choice| (if choice % 2 == 0 { &two_way } else { &one_shot }, ""));
});
