//! Compresses what the program has inside as text, so that it takes a tenth of the room there and is sent as it lies.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use flate2::{Compression, GzBuilder};

/// The API's description of itself.
const DOCUMENTS: [&str; 2] = ["openapi.json", "events.schema.json"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    for name in DOCUMENTS {
        let text = PathBuf::from("docs").join(name);
        println!("cargo::rerun-if-changed={}", text.display());
        // Without a name and a time inside, so that equal sources give equal programs.
        let mut packed = GzBuilder::new().write(File::create(out.join(format!("{name}.gz")))?, Compression::best());
        io::copy(&mut File::open(&text)?, &mut packed)?;
        packed.finish()?;
    }
    Ok(())
}
