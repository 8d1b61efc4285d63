//! End-to-end tests: the real server with the real agent programs, against a model server on this machine.

fn main() {}
