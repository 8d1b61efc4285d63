//! The line splitter: the same bytes give the same lines however they are cut, and nothing is lost or invented.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::process::LineSplitter;

fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>, cap: usize) -> Vec<(Vec<u8>, Option<u64>)> {
    let (mut splitter, mut found) = (LineSplitter::with_cap(cap), Vec::new());
    for piece in pieces {
        splitter.push(piece, |line| found.push((line.bytes.to_vec(), line.cut_from)));
    }
    splitter.finish(|line| {
        let _ = line.text();
        found.push((line.bytes.to_vec(), line.cut_from));
    });
    found
}

fuzz_target!(|data: &[u8]| {
    let Some(([cap, size], bytes)) = data.split_first_chunk() else { return };
    let (cap, size) = (usize::from(*cap) + 1, usize::from(*size) + 1);
    let whole = lines(std::iter::once(bytes), cap);
    assert_eq!(whole, lines(bytes.chunks(size), cap));
    let ended = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let expected = ended.split(|byte| *byte == b'\n').filter(|_| !bytes.is_empty());
    for ((kept, cut_from), line) in whole.iter().zip(expected.clone()) {
        assert_eq!(kept.as_slice(), &line[..line.len().min(cap)]);
        assert_eq!(*cut_from, (line.len() > cap).then_some(line.len() as u64));
    }
    assert_eq!(whole.len(), expected.count());
});
