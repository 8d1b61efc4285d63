//! Writes marked lines at a given rate or at full speed, with minimal work per line, so that the agent is not the bottleneck.
//!
//! Each line is a separate write, as in the real programs, because that determines how much a server finds in the pipe at once.

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use memchr::memmem;

use crate::mark::{self, Mark};

/// A line whose mark is overwritten for each event.
struct Template {
    line: Vec<u8>,
    mark_offset: usize,
}

impl Template {
    fn new(line: &str) -> io::Result<Self> {
        let mark_offset = memmem::find(line.as_bytes(), Mark::placeholder().as_bytes());
        let mark_offset = mark_offset.ok_or_else(|| io::Error::other("event line without a mark"))?;
        Ok(Self { line: format!("{line}\n").into_bytes(), mark_offset })
    }

    fn with_mark(&mut self, number: u64, nanos: u64) -> &[u8] {
        Mark { number, nanos }.write(&mut self.line[self.mark_offset..][..mark::LEN]);
        &self.line
    }
}

/// Writes the line once per number. `rate` is in lines per second; 0 is unlimited.
///
/// # Errors
/// If writing fails, for example because the reader has closed the pipe.
pub(super) fn write_events(line: &str, numbers: Range<u64>, rate: u64, out: &mut impl Write) -> io::Result<()> {
    let mut template = Template::new(line)?;
    let started = mark::now();
    let first = numbers.start;
    for number in numbers {
        if let Some(offset) = ((number - first) * 1_000_000_000).checked_div(rate) {
            let now = mark::now();
            std::thread::sleep(Duration::from_nanos((started + offset).saturating_sub(now)));
        }
        out.write_all(template.with_mark(number, mark::now()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::Search;

    #[test]
    fn each_line_has_the_mark_of_its_number() {
        let mut written = Vec::new();
        write_events(&format!("{{\"text\":\"{}\"}}", Mark::placeholder()), 7..10, 0, &mut written).unwrap();
        let search = Search::new();
        let numbers: Vec<u64> = written.split(|byte| *byte == b'\n').filter_map(|line| search.find(line)).map(|mark| mark.number).collect();
        assert_eq!(numbers, [7, 8, 9]);
    }
}
