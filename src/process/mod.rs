//! A child process, whoever it is: started in a session of its own, read without ever blocking it, and stopped with all that it started.

mod exit;
pub mod short;

pub use exit::Exit;
