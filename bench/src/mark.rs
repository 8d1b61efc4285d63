//! The mark in the text of an event: its number and the time of its write, so that a reader can detect missing and repeated events and measure
//! the latency.
//!
//! ```text
//! mark:00000012:0000123456789012
//!      number   monotonic nanoseconds, the same clock in all processes of a machine
//! ```
//! The width is fixed, so the agent builds a line once and then only overwrites the digits.

use memchr::memmem::Finder;
use rustix::time::{ClockId, clock_gettime};

/// Length of a mark in bytes.
pub(crate) const LEN: usize = PREFIX.len() + NUMBER_LEN + 1 + NANOS_LEN;

const PREFIX: &[u8] = b"mark:";
const NUMBER_LEN: usize = 8;
const NANOS_LEN: usize = 16;

/// The number of an agent's event, from 0, and the time of its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) number: u64,
    pub(crate) nanos: u64,
}

impl Mark {
    /// A mark to be overwritten later.
    pub(crate) fn placeholder() -> String {
        let mut text = vec![0; LEN];
        Self { number: 0, nanos: 0 }.write(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Writes the mark to `buffer`, which must be [`LEN`] bytes long. Numbers wrap around at 100 million.
    pub(crate) fn write(self, buffer: &mut [u8]) {
        buffer[..PREFIX.len()].copy_from_slice(PREFIX);
        write_digits(self.number, &mut buffer[PREFIX.len()..][..NUMBER_LEN]);
        buffer[PREFIX.len() + NUMBER_LEN] = b':';
        write_digits(self.nanos, &mut buffer[PREFIX.len() + NUMBER_LEN + 1..][..NANOS_LEN]);
    }
}

fn write_digits(mut value: u64, buffer: &mut [u8]) {
    for digit in buffer.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Searches for marks.
pub(crate) struct Search(Finder<'static>);

impl Search {
    pub(crate) fn new() -> Self {
        Self(Finder::new(PREFIX))
    }

    /// Returns the first mark in a line.
    pub(crate) fn find(&self, line: &[u8]) -> Option<Mark> {
        let rest = line.get(self.0.find(line)? + PREFIX.len()..)?;
        let number = parse_number(rest.get(..NUMBER_LEN)?)?;
        let nanos = rest.get(NUMBER_LEN..=NUMBER_LEN + NANOS_LEN)?.strip_prefix(b":").and_then(parse_number)?;
        Some(Mark { number, nanos })
    }
}

/// Parses an unsigned decimal number without a sign. Returns `None` for any other text, including an empty one.
pub(crate) fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

/// The current time of the monotonic clock, in nanoseconds.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_the_middle_of_a_line() {
        let mut text = vec![0; LEN];
        let mark = Mark { number: 99_999, nanos: 1_234_567_890_123 };
        mark.write(&mut text);
        let line = [b"data: {\"content\":\"".as_slice(), &text, b" and more\"}"].concat();
        assert_eq!(Search::new().find(&line), Some(mark));
    }

    #[test]
    fn incomplete_marks_and_other_text_are_not_found() {
        let mark = Mark::placeholder();
        for text in ["", "mark:", &mark[..LEN - 1], "mark:0000x000:0000000000000000"] {
            assert_eq!(Search::new().find(text.as_bytes()), None, "{text}");
        }
    }
}
