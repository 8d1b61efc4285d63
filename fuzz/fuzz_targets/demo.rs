//! The built-in demo agent, whose output goes through the same path as any other agent's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::agent::demo::Demo;
use openrunner_fuzz::drive;

fuzz_target!(|data: &[u8]| drive(data, |_| (&Demo, "")));
