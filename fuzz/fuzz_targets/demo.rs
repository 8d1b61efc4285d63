//! The built-in agent, which is read as any other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::agent::demo::Demo;
use openrunner_fuzz::drive;

fuzz_target!(|data: &[u8]| drive(data, |_| (&Demo, "")));
