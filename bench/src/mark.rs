//! The mark in the text of an event: which one it is and when it was written, so that a reader can tell what is missing, what came
//! twice, and how long it took.
//!
//! ```text
//! mark:00000012:0000123456789012
//!      number   monotonic nanoseconds, the same clock in every process of a machine
//! ```
//! The width is fixed, so the agent makes a line once and only overwrites the digits.

use memchr::memmem::Finder;
use rustix::time::{ClockId, clock_gettime};

/// Bytes of a mark.
pub(crate) const LEN: usize = PREFIX.len() + NUMBER + 1 + NANOS;

const PREFIX: &[u8] = b"mark:";
const NUMBER: usize = 8;
const NANOS: usize = 16;

/// Which event of an agent this is, from 0, and when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) number: u64,
    pub(crate) nanos: u64,
}

impl Mark {
    /// The text of a mark, to be made before the first event is.
    pub(crate) fn placeholder() -> String {
        let mut text = vec![0; LEN];
        Self { number: 0, nanos: 0 }.write(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Writes the mark over `place`, which must be [`LEN`] bytes long. Numbers from 100 million on begin anew at 0.
    pub(crate) fn write(self, place: &mut [u8]) {
        place[..PREFIX.len()].copy_from_slice(PREFIX);
        digits(self.number, &mut place[PREFIX.len()..][..NUMBER]);
        place[PREFIX.len() + NUMBER] = b':';
        digits(self.nanos, &mut place[PREFIX.len() + NUMBER + 1..][..NANOS]);
    }
}

fn digits(mut value: u64, place: &mut [u8]) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Looks for marks.
pub(crate) struct Search(Finder<'static>);

impl Search {
    pub(crate) fn new() -> Self {
        Self(Finder::new(PREFIX))
    }

    /// The first mark in a line, if there is one.
    pub(crate) fn find(&self, line: &[u8]) -> Option<Mark> {
        let rest = line.get(self.0.find(line)? + PREFIX.len()..)?;
        let number = number(rest.get(..NUMBER)?)?;
        let nanos = number_after_colon(rest.get(NUMBER..=NUMBER + NANOS)?)?;
        Some(Mark { number, nanos })
    }
}

fn number_after_colon(text: &[u8]) -> Option<u64> {
    text.strip_prefix(b":").and_then(number)
}

/// A plain decimal number without a sign; `None` for anything else and for an empty text.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

/// The present moment in nanoseconds of the monotonic clock.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_again_in_the_middle_of_a_line() {
        let mut text = vec![0; LEN];
        let mark = Mark { number: 99_999, nanos: 1_234_567_890_123 };
        mark.write(&mut text);
        let line = [b"data: {\"content\":\"".as_slice(), &text, b" and more\"}"].concat();
        assert_eq!(Search::new().find(&line), Some(mark));
    }

    #[test]
    fn half_a_mark_and_other_text_are_none() {
        let whole = Mark::placeholder();
        for text in ["", "mark:", &whole[..LEN - 1], "mark:0000x000:0000000000000000"] {
            assert_eq!(Search::new().find(text.as_bytes()), None, "{text}");
        }
    }
}
