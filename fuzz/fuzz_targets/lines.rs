//! The line splitter: lines do not depend on how the bytes are split into chunks, and no byte is lost or added.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::process::LineSplitter;

fn split<'a>(chunks: impl Iterator<Item = &'a [u8]>, cap: usize) -> Vec<(Vec<u8>, Option<u64>)> {
    let (mut splitter, mut lines) = (LineSplitter::with_cap(cap), Vec::new());
    for chunk in chunks {
        splitter.push(chunk, |line| lines.push((line.bytes.to_vec(), line.full_length)));
    }
    splitter.finish(|line| {
        let _ = line.text();
        lines.push((line.bytes.to_vec(), line.full_length));
    });
    lines
}

fuzz_target!(|data: &[u8]| {
    let Some(([cap, size], bytes)) = data.split_first_chunk() else { return };
    let (cap, size) = (usize::from(*cap) + 1, usize::from(*size) + 1);
    let lines = split(std::iter::once(bytes), cap);
    assert_eq!(lines, split(bytes.chunks(size), cap));
    let ended = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let expected = ended.split(|byte| *byte == b'\n').filter(|_| !bytes.is_empty());
    for ((kept, full_length), line) in lines.iter().zip(expected.clone()) {
        assert_eq!(kept.as_slice(), &line[..line.len().min(cap)]);
        assert_eq!(*full_length, (line.len() > cap).then_some(line.len() as u64));
    }
    assert_eq!(lines.len(), expected.count());
});
