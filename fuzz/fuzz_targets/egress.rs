//! Requests to the egress proxy: each leads to the host that it names, and none leaves the base URL of a model or a git host.
//!
//! The first line is the method and the target, each further one is a header.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| openrunner::egress::check_request(data));
