//! Writes marked lines, at a rate or at full speed, with as little work for each as can be: the agent must not be what limits.
//!
//! Each line is a write of its own, as the real programs do it: what a server finds in the pipe at once depends on that.

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use memchr::memmem;

use crate::mark::{self, Mark};

/// A line in which the mark is overwritten again and again.
struct Template {
    line: Vec<u8>,
    mark: usize,
}

impl Template {
    fn new(line: &str) -> io::Result<Self> {
        let mark = memmem::find(line.as_bytes(), Mark::placeholder().as_bytes());
        let mark = mark.ok_or_else(|| io::Error::other("the line of an event has no mark"))?;
        Ok(Self { line: format!("{line}\n").into_bytes(), mark })
    }

    fn marked(&mut self, number: u64, nanos: u64) -> &[u8] {
        Mark { number, nanos }.write(&mut self.line[self.mark..][..mark::LEN]);
        &self.line
    }
}

/// Writes the line once for each of these numbers. `rate` is in lines a second, 0 is without a bound.
///
/// # Errors
/// If whoever reads has gone.
pub(super) fn write_events(line: &str, numbers: Range<u64>, rate: u64, out: &mut impl Write) -> io::Result<()> {
    let mut template = Template::new(line)?;
    let begun = mark::now();
    let first = numbers.start;
    for number in numbers {
        if let Some(after) = ((number - first) * 1_000_000_000).checked_div(rate) {
            let now = mark::now();
            std::thread::sleep(Duration::from_nanos((begun + after).saturating_sub(now)));
        }
        out.write_all(template.marked(number, mark::now()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::Search;

    #[test]
    fn every_line_has_the_mark_of_its_number() {
        let mut written = Vec::new();
        write_events(&format!("{{\"text\":\"{}\"}}", Mark::placeholder()), 7..10, 0, &mut written).unwrap();
        let search = Search::new();
        let numbers: Vec<u64> = written.split(|byte| *byte == b'\n').filter_map(|line| search.find(line)).map(|mark| mark.number).collect();
        assert_eq!(numbers, [7, 8, 9]);
    }
}
