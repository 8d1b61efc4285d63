//! Splits the output of a program into lines of bounded length without losing bytes silently.

use std::borrow::Cow;

use memchr::memchr;

/// Maximum length of a line, in bytes. Real agents write a whole answer into one line (a 1 MiB answer was recorded twice in one `claude`
/// run), so a small limit would break runs; without one, a single line could take all memory.
pub const LINE_CAP: usize = 16 * 1024 * 1024;

/// One line without its newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes of the line, up to the maximum length.
    pub bytes: &'a [u8],
    /// The full length of the line, if it was truncated.
    pub full_length: Option<u64>,
}

impl<'a> Line<'a> {
    /// The line as text. Invalid UTF-8 is replaced; the flag reports whether there was any.
    pub fn text(self) -> (Cow<'a, str>, bool) {
        let bytes = if self.full_length.is_some() { without_partial_character(self.bytes) } else { self.bytes };
        // Nearly every line is valid, and validation alone is several times as fast as replacement.
        match std::str::from_utf8(bytes) {
            Ok(text) => (Cow::Borrowed(text), false),
            Err(_) => (String::from_utf8_lossy(bytes), true),
        }
    }
}

/// Drops an incomplete character at the end of a truncated line: it is not the program's fault.
fn without_partial_character(bytes: &[u8]) -> &[u8] {
    let from = bytes.len().saturating_sub(3);
    for start in (from..bytes.len()).rev() {
        if bytes[start] & 0b1100_0000 == 0b1100_0000 {
            let torn = std::str::from_utf8(&bytes[start..]).is_err_and(|error| error.error_len().is_none());
            return if torn { &bytes[..start] } else { bytes };
        }
    }
    bytes
}

/// Splits bytes into lines at LF. Pure: the same bytes give the same lines in any chunking.
#[derive(Debug)]
pub struct LineSplitter {
    partial: Vec<u8>,
    /// Full length of the current line.
    length: u64,
    cap: usize,
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self::with_cap(LINE_CAP)
    }
}

impl LineSplitter {
    /// A splitter that keeps at most `cap` bytes of a line.
    pub fn with_cap(cap: usize) -> Self {
        Self { partial: Vec::new(), length: 0, cap }
    }

    /// Adds bytes and passes each completed line to `each`.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.length == 0 {
                each(self.bounded(head)); // the common case: nothing is copied
            } else {
                self.hold(head);
                self.finish(&mut each);
            }
        }
        self.hold(bytes);
    }

    /// Ends the output and passes the last line to `each`, if it has no newline.
    pub fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if self.length == 0 {
            return;
        }
        let kept = self.partial.len();
        let full_length = (self.length > kept as u64).then_some(self.length);
        each(Line { bytes: &self.partial, full_length });
        self.length = 0;
        self.partial.clear();
        self.partial.shrink_to(64 * 1024); // one long line must not hold its memory for the rest of the run
    }

    fn bounded<'a>(&self, line: &'a [u8]) -> Line<'a> {
        let kept = &line[..line.len().min(self.cap)];
        Line { bytes: kept, full_length: (kept.len() < line.len()).then_some(line.len() as u64) }
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = self.cap - self.partial.len();
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.length += bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]], cap: usize) -> Vec<(Vec<u8>, Option<u64>)> {
        let mut splitter = LineSplitter::with_cap(cap);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |line| lines.push((line.bytes.to_vec(), line.full_length)));
        }
        splitter.finish(|line| lines.push((line.bytes.to_vec(), line.full_length)));
        lines
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            pieces in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..40), 0..20),
            cap in 1_usize..30,
        ) {
            let whole = pieces.concat();
            let chunks: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(split(&chunks, cap), split(&[&whole], cap));
        }

        #[test]
        fn no_byte_is_lost_silently(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400), cap in 1_usize..30) {
            let lines = split(&[&bytes], cap);
            let seen: u64 = lines.iter().map(|(kept, full_length)| full_length.unwrap_or(kept.len() as u64)).sum();
            let newlines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
            prop_assert_eq!(seen + newlines, bytes.len() as u64);
            prop_assert!(lines.iter().all(|(kept, _)| kept.len() <= cap));
        }

        #[test]
        fn text_never_fails(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in any::<bool>()) {
            let line = Line { bytes: &bytes, full_length: cut.then_some(1000) };
            let (text, replaced) = line.text();
            if !cut {
                prop_assert_eq!(replaced, std::str::from_utf8(&bytes).is_err());
            }
            prop_assert!(text.len() <= bytes.len() * 3);
        }
    }

    #[test]
    fn a_long_line_is_truncated_and_marked_and_the_next_one_is_complete() {
        assert_eq!(split(&[b"abcdefgh\nxy\n"], 4), [(b"abcd".to_vec(), Some(8)), (b"xy".to_vec(), None)]);
    }

    #[test]
    fn the_memory_of_a_long_line_is_returned_at_its_end() {
        let mut splitter = LineSplitter::default();
        for _ in 0..8 {
            splitter.push(&vec![b'x'; 1 << 20], |_| panic!("it has not ended"));
        }
        assert!(splitter.partial.capacity() >= 8 << 20);
        let mut length = 0;
        splitter.push(b"\n", |line| length = line.bytes.len());
        assert_eq!(length, 8 << 20);
        assert!(splitter.partial.capacity() <= 64 * 1024);
    }

    #[test]
    fn a_last_line_without_newline_counts() {
        assert_eq!(split(&[b"a\nb"], 10), [(b"a".to_vec(), None), (b"b".to_vec(), None)]);
        assert_eq!(split(&[b"\n\n"], 10), [(vec![], None), (vec![], None)]);
    }

    #[test]
    fn a_truncation_inside_a_character_is_not_reported_as_invalid_utf8() {
        let text = "aé漢😀".as_bytes();
        for cap in 1..text.len() {
            let (kept, replaced) = (Line { bytes: &text[..cap], full_length: Some(text.len() as u64) }).text();
            assert!(!replaced, "cut after {cap}");
            assert!("aé漢😀".starts_with(&*kept));
        }
    }
}
