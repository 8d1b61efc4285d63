//! Systems without `splice`: shims lend nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The stdout of one agent, lent by its shim. There is none.
#[derive(Debug)]
pub enum BorrowedOutput {}

impl BorrowedOutput {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn begin(_pipe: OwnedFd, _path: &Path, _length: u64, _max: u64) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Waits for more output.
    pub async fn changed(&self) {
        match *self {}
    }

    /// Length of the file in bytes.
    pub fn length(&self) -> u64 {
        match *self {}
    }

    /// Notes that the server has read the file up to here.
    pub fn set_read(&self, _read: u64) {
        match *self {}
    }

    /// Length of the file in bytes.
    pub fn into_length(self) -> u64 {
        match self {}
    }

    /// Whether no more is moved.
    pub fn is_over(&self) -> bool {
        match *self {}
    }
}
