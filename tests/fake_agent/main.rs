//! The scripted agent of the test suite.

fn main() {}
