//! Positions in the feed.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A position in the feed of one server process: 16 hexadecimal digits that identify the process, a hyphen, and a number.
///
/// A process chooses its identifier at random when it starts, so a cursor of an earlier process is never mistaken for one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedCursor {
    pub(super) epoch: u64,
    pub(super) number: u64,
}

/// A text is not a feed cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the `cursor` (or SSE `id`) of an event of this feed")]
pub struct BadCursor;

impl FromStr for FeedCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (epoch, number) = text.split_once('-').ok_or(BadCursor)?;
        // Rejects a sign, which the standard library would accept.
        let is_plain = |text: &str, is_digit: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(is_digit);
        if epoch.len() != 16 || !is_plain(epoch, u8::is_ascii_hexdigit) || !is_plain(number, u8::is_ascii_digit) {
            return Err(BadCursor);
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| BadCursor)?;
        Ok(Self { epoch, number: number.parse().map_err(|_| BadCursor)? })
    }
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.number)
    }
}

impl Serialize for FeedCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_displayed_form_of_a_cursor_is_parsed() {
        let cursor = FeedCursor { epoch: 0x0123_4567_89ab_cdef, number: 42 };
        assert_eq!(cursor.to_string(), "0123456789abcdef-42");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["", "-", "42", "0123456789abcdef", "0123456789abcdef-", "0123456789abcdef-+1", "+123456789abcdef-1", "1-1", "ä-1"] {
            assert_eq!(wrong.parse::<FeedCursor>(), Err(BadCursor), "{wrong}");
        }
    }
}
