//! Writes marked lines, at a rate or at full speed, with as little work for each as can be: the agent must not be what limits.

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use memchr::memmem;

use crate::mark::{self, Mark};

/// About as much as a pipe holds; more at once would only wait in pieces.
const BLOCK: usize = 64 * 1024;

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

    fn append(&mut self, number: u64, nanos: u64, block: &mut Vec<u8>) {
        Mark { number, nanos }.write(&mut self.line[self.mark..][..mark::LEN]);
        block.extend_from_slice(&self.line);
    }
}

/// Writes the line once for each of these numbers. `rate` is in lines a second, 0 is without a bound.
///
/// # Errors
/// If whoever reads has gone.
pub(super) fn write_events(line: &str, numbers: Range<u64>, rate: u64, out: &mut impl Write) -> io::Result<()> {
    let mut template = Template::new(line)?;
    let mut block = Vec::with_capacity(BLOCK + line.len());
    let begun = mark::now();
    let first = numbers.start;
    for number in numbers {
        if let Some(due) = ((number - first) * 1_000_000_000).checked_div(rate).map(|after| begun + after) {
            let now = mark::now();
            if now < due {
                // What is due by now goes first: nothing waits for what is not.
                flush(&mut block, out)?;
                std::thread::sleep(Duration::from_nanos(due - now));
            }
            template.append(number, mark::now(), &mut block);
        } else {
            template.append(number, mark::now(), &mut block);
        }
        if block.len() >= BLOCK {
            flush(&mut block, out)?;
        }
    }
    flush(&mut block, out)
}

fn flush(block: &mut Vec<u8>, out: &mut impl Write) -> io::Result<()> {
    out.write_all(block)?;
    out.flush()?;
    block.clear();
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
        let numbers: Vec<u64> =
            written.split(|byte| *byte == b'\n').filter_map(|line| search.find(line)).map(|mark| mark.number).collect();
        assert_eq!(numbers, [7, 8, 9]);
    }
}
