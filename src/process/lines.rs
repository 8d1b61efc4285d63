//! Cuts a program's output into lines, whatever the program does: bounded, and without losing a byte unseen.

use std::borrow::Cow;

use memchr::memchr;

/// Most of one line that is kept, in bytes. Real agents put a whole answer into one line (a 1 MiB answer was recorded twice in
/// one `claude` run), so a small cap would kill runs; none would let one line take all memory.
pub const LINE_CAP: usize = 16 * 1024 * 1024;

/// One line without its newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes that are kept.
    pub bytes: &'a [u8],
    /// The line's full length, if it was longer than what is kept.
    pub cut_from: Option<u64>,
}

impl<'a> Line<'a> {
    /// The line as text. Bytes that are not UTF-8 are replaced; the flag tells whether there were any.
    pub fn text(self) -> (Cow<'a, str>, bool) {
        let bytes = if self.cut_from.is_some() { without_torn_end(self.bytes) } else { self.bytes };
        // Nearly every line is good, and the check that only says so is several times as fast as the one that can mend.
        match std::str::from_utf8(bytes) {
            Ok(text) => (Cow::Borrowed(text), false),
            Err(_) => (String::from_utf8_lossy(bytes), true),
        }
    }
}

/// A cut may fall inside a character, which is no fault of the program: that character's rest goes, too.
fn without_torn_end(bytes: &[u8]) -> &[u8] {
    let from = bytes.len().saturating_sub(3);
    for start in (from..bytes.len()).rev() {
        if bytes[start] & 0b1100_0000 == 0b1100_0000 {
            let torn = std::str::from_utf8(&bytes[start..]).is_err_and(|error| error.error_len().is_none());
            return if torn { &bytes[..start] } else { bytes };
        }
    }
    bytes
}

/// Cuts bytes into lines at LF. Pure: the same bytes give the same lines, however they are chunked.
#[derive(Debug)]
pub struct LineSplitter {
    partial: Vec<u8>,
    /// Length of the unfinished line, kept or not.
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

    /// Takes the next bytes and gives every line that they finish to `each`.
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

    /// The output is over: gives the last line if it came without a newline.
    pub fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if self.length == 0 {
            return;
        }
        let kept = self.partial.len();
        let cut_from = (self.length > kept as u64).then_some(self.length);
        each(Line { bytes: &self.partial, cut_from });
        self.length = 0;
        self.partial.clear();
        self.partial.shrink_to(64 * 1024); // one long line must not hold its memory for the rest of the run
    }

    fn bounded<'a>(&self, line: &'a [u8]) -> Line<'a> {
        let kept = &line[..line.len().min(self.cap)];
        Line { bytes: kept, cut_from: (kept.len() < line.len()).then_some(line.len() as u64) }
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
            splitter.push(chunk, |line| lines.push((line.bytes.to_vec(), line.cut_from)));
        }
        splitter.finish(|line| lines.push((line.bytes.to_vec(), line.cut_from)));
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
        fn no_byte_goes_unseen(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400), cap in 1_usize..30) {
            let lines = split(&[&bytes], cap);
            let seen: u64 = lines.iter().map(|(kept, cut_from)| cut_from.unwrap_or(kept.len() as u64)).sum();
            let newlines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
            prop_assert_eq!(seen + newlines, bytes.len() as u64);
            prop_assert!(lines.iter().all(|(kept, _)| kept.len() <= cap));
        }

        #[test]
        fn text_never_fails(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in any::<bool>()) {
            let line = Line { bytes: &bytes, cut_from: cut.then_some(1000) };
            let (text, replaced) = line.text();
            if !cut {
                prop_assert_eq!(replaced, std::str::from_utf8(&bytes).is_err());
            }
            prop_assert!(text.len() <= bytes.len() * 3);
        }
    }

    #[test]
    fn a_long_line_is_cut_and_marked_and_the_next_one_is_whole() {
        assert_eq!(split(&[b"abcdefgh\nxy\n"], 4), [(b"abcd".to_vec(), Some(8)), (b"xy".to_vec(), None)]);
    }

    #[test]
    fn a_last_line_without_newline_counts() {
        assert_eq!(split(&[b"a\nb"], 10), [(b"a".to_vec(), None), (b"b".to_vec(), None)]);
        assert_eq!(split(&[b"\n\n"], 10), [(vec![], None), (vec![], None)]);
    }

    #[test]
    fn a_cut_inside_a_character_is_not_the_programs_bad_utf8() {
        let text = "aé漢😀".as_bytes();
        for cap in 1..text.len() {
            let (kept, replaced) = (Line { bytes: &text[..cap], cut_from: Some(text.len() as u64) }).text();
            assert!(!replaced, "cut after {cap}");
            assert!("aé漢😀".starts_with(&*kept));
        }
    }
}
