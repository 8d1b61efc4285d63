//! The fuzz targets, which are a workspace of their own and need tools that a test cannot install: they compile, and take any bytes.
//!
//! Their sources are included. `main.rs` stands in for the crates that they use.

/// What the targets of parsers share.
#[path = "../../fuzz/src/lib.rs"]
#[expect(clippy::pedantic, unreachable_pub, reason = "the lints of another workspace")]
pub(crate) mod shared;

macro_rules! targets {
    ($($name:ident = $path:literal),+ $(,)?) => {
        $(
            #[path = $path]
            #[expect(unused_attributes, reason = "the attributes of a program")]
            mod $name;
        )+

        /// Each target by its name.
        const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::run)),+];
    };
}

targets! {
    claude_code = "../../fuzz/fuzz_targets/claude_code.rs",
    codex = "../../fuzz/fuzz_targets/codex.rs",
    configured = "../../fuzz/fuzz_targets/configured.rs",
    demo = "../../fuzz/fuzz_targets/demo.rs",
    egress = "../../fuzz/fuzz_targets/egress.rs",
    frames = "../../fuzz/fuzz_targets/frames.rs",
    lines = "../../fuzz/fuzz_targets/lines.rs",
    opencode = "../../fuzz/fuzz_targets/opencode.rs",
    rules = "../../fuzz/fuzz_targets/rules.rs",
}

#[test]
fn every_fuzz_target_compiles_and_takes_any_bytes() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
    let mut files: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    files.sort();
    assert_eq!(files, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    let request = b"GET http://example.com/ HTTP/1.1\nhost: example.com\n";
    let line = b"\0{\"type\":\"result\",\"subtype\":\"success\"}\n{\"text\":\"hello\"}\n\x01\0\n";
    for (_name, run) in TARGETS {
        for input in [&[][..], &bytes, request, line] {
            run(input);
        }
    }
}
