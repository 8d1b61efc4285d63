//! The end of an output.

use std::collections::VecDeque;

/// Keeps the last bytes that were pushed.
#[derive(Debug)]
pub struct Tail {
    bytes: VecDeque<u8>,
    cap: usize,
    cut: bool,
}

impl Tail {
    /// A tail of at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { bytes: VecDeque::new(), cap, cut: false }
    }

    /// Appends bytes, dropping the oldest ones beyond the limit.
    pub fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.cap)..];
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(self.cap);
        self.cut |= surplus > 0 || kept.len() < bytes.len();
        self.bytes.drain(..surplus);
        self.bytes.extend(kept);
    }

    /// The bytes as text. If the beginning was dropped, the text starts with the first complete line.
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let from = if self.cut { memchr::memchr(b'\n', &bytes).map_or(0, |at| at + 1) } else { 0 };
        String::from_utf8_lossy(&bytes[from..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_starts_with_a_complete_line() {
        let mut tail = Tail::new(10);
        tail.push(b"first line\n");
        tail.push(b"2nd\n3rd\n");
        assert_eq!(tail.text(), "2nd\n3rd\n");
        tail.push(&[b'x'; 30]);
        assert_eq!(tail.text(), "x".repeat(10));
    }
}
