//! Compresses what the program has inside as text, so that it takes a tenth of the room there and is sent as it lies; and tells the linker
//! which functions to put side by side.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use flate2::{Compression, GzBuilder};

/// The API's description of itself.
const DOCUMENTS: [&str; 2] = ["openapi.json", "events.schema.json"];

/// A script for the linker, which adds a section to what that does by itself. It names what exists and what does not: a name
/// that is gone is passed over, and a function that is missing lies among the others.
///
/// LLD, which Rust brings for Linux, and GNU ld understand it; gold and mold do not, so it can be turned off.
const START_ORDER: &str = "packaging/start-order.ld";
/// The variable that turns it off, set to `off`.
const TURN_OFF: &str = "OPENRUNNER_START_ORDER";

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
    order_functions();
    Ok(())
}

fn order_functions() {
    println!("cargo::rerun-if-changed={START_ORDER}");
    println!("cargo::rerun-if-env-changed={TURN_OFF}");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let is_wanted = variable("CARGO_CFG_TARGET_OS") == "linux" && variable("PROFILE") == "release" && variable(TURN_OFF) != "off";
    if is_wanted {
        println!("cargo::rustc-link-arg-bin=openrunner=-T{}/{START_ORDER}", variable("CARGO_MANIFEST_DIR"));
    }
}
