//! The end of an output of which only the end is wanted.

use std::collections::VecDeque;

/// Keeps the last bytes of what is pushed.
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

    /// Adds bytes at the end; the oldest go where the cap is passed.
    pub fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.cap)..];
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(self.cap);
        self.cut |= surplus > 0 || kept.len() < bytes.len();
        self.bytes.drain(..surplus);
        self.bytes.extend(kept);
    }

    /// The kept bytes as text. Where the beginning was cut off, it begins with the first whole line.
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
    fn the_end_is_kept_from_a_whole_line_on() {
        let mut tail = Tail::new(10);
        tail.push(b"first line\n");
        tail.push(b"2nd\n3rd\n");
        assert_eq!(tail.text(), "2nd\n3rd\n");
        tail.push(&[b'x'; 30]);
        assert_eq!(tail.text(), "x".repeat(10));
    }
}
