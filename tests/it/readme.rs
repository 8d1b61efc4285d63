//! The READMEs are short, and their animation shows what the program prints now.

use std::fs;
use std::process::Command;

use crate::docs::root;

#[test]
fn both_readmes_have_at_most_180_lines() {
    for readme in ["README.md", "README.zh-CN.md"] {
        let lines = fs::read_to_string(root().join(readme)).unwrap().lines().count();
        assert!(lines <= 180, "{readme} has {lines} lines");
    }
}

#[test]
fn pictures_of_the_readmes_are_small() {
    for (picture, most) in [("session.svg", 20), ("console-run-light.png", 150)] {
        let bytes = fs::metadata(root().join("docs/images").join(picture)).unwrap().len();
        assert!(bytes <= most * 1024, "{picture} has {bytes} bytes");
    }
}

/// The script pastes the commands of the README into a shell, in which the server is killed and started again.
#[test]
fn the_animation_shows_the_commands_of_the_readme_and_what_they_print_now() {
    let mut script = Command::new("python3");
    let output = script.args(["scripts/animation.py", "--check", env!("CARGO_BIN_EXE_openrunner")]).current_dir(root()).output();
    let output = output.expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
