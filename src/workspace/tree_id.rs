//! The id of a git tree.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of a tree in a [`SnapshotStore`](super::SnapshotStore): 40 hexadecimal digits. Equal trees have equal ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TreeId([u8; 20]);

/// A text is not the id of a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a snapshot: must be 40 hexadecimal digits")]
pub struct BadTreeId;

impl TreeId {
    /// The tree without files.
    pub const EMPTY: Self =
        Self([0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb, 0xee, 0x49, 0x04]);

    /// An id from its bytes.
    pub(super) fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub(super) fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl FromStr for TreeId {
    type Err = BadTreeId;

    fn from_str(text: &str) -> Result<Self, BadTreeId> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let text = text.as_bytes();
        if text.len() != 40 {
            return Err(BadTreeId);
        }
        let mut id = [0; 20];
        for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or(BadTreeId)?;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<TreeId> for String {
    fn from(id: TreeId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TreeId {
    type Error = BadTreeId;

    fn try_from(text: String) -> Result<Self, BadTreeId> {
        text.parse()
    }
}
