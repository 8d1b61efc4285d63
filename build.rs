//! Build script: compresses embedded documents, which makes them ten times smaller and ready to send, and passes a function order to the
//! linker.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use flate2::{Compression, GzBuilder};

/// The API description and the event schema, in `docs`.
const DOCUMENTS: [&str; 2] = ["openapi.json", "events.schema.json"];

/// A linker script that places the functions that run at startup next to each other. It is added to the linker's default script. Names that
/// do not exist are ignored; functions that it does not list keep their default position.
///
/// LLD, Rust's default linker on Linux, and GNU ld support it; gold and mold do not, so it can be disabled.
const START_ORDER: &str = "packaging/start-order.ld";
/// Environment variable that disables the linker script if set to `off`.
const START_ORDER_VARIABLE: &str = "OPENRUNNER_START_ORDER";

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
    order_functions();
    Ok(())
}

fn order_functions() {
    println!("cargo::rerun-if-changed={START_ORDER}");
    println!("cargo::rerun-if-env-changed={START_ORDER_VARIABLE}");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let is_release = variable("CARGO_CFG_TARGET_OS") == "linux" && variable("PROFILE") == "release";
    if is_release && variable(START_ORDER_VARIABLE) != "off" {
        println!("cargo::rustc-link-arg-bin=openrunner=-T{}/{START_ORDER}", variable("CARGO_MANIFEST_DIR"));
    }
}
