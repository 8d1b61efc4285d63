//! The parts of a release beside the program: scripts, units and the container's entry point, each used as in production.
//!
//! Rules: I1.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reqwest::Method;
use serde_json::json;

use crate::support::{Server, Setup, live};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a command and returns its exit code and output.
fn run(command: &mut Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().expect("the command");
    let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (status.code().unwrap_or(-1), said)
}

#[test]
fn every_script_is_valid_for_its_shell() {
    for script in ["scripts/release.sh", "scripts/test.sh", "scripts/install-agents.sh", ".ci/run"] {
        let (code, said) = run(Command::new("bash").arg("-n").arg(repository(script)));
        assert_eq!(code, 0, "{script}: {said}");
    }
    for script in ["packaging/install.sh", "packaging/docker/entrypoint.sh"] {
        let (code, said) = run(Command::new("sh").arg("-n").arg(repository(script)));
        assert_eq!(code, 0, "{script}: {said}");
    }
}

#[test]
fn the_systemd_units_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let units = ["openrunner.service", "openrunner.socket"].map(|name| {
        let unit = fs::read_to_string(repository("packaging/systemd").join(name)).unwrap();
        let path = directory.path().join(name);
        // The program of the unit need not be installed here.
        fs::write(&path, unit.replace("/usr/local/bin/openrunner", "/bin/true")).unwrap();
        path
    });
    let Ok(output) = Command::new("systemd-analyze").arg("verify").arg("--man=no").args(&units).output() else {
        return eprintln!("left out: there is no systemd-analyze");
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Versions before 254 do not know this directive, as the unit explains.
    let complaints: Vec<&str> = said.lines().filter(|line| !line.contains("DelegateSubgroup")).collect();
    assert!(output.status.success() && complaints.is_empty(), "{said}");
}

/// A release whose program only calls the test build: small and quickly made.
struct Release {
    directory: tempfile::TempDir,
    archive: PathBuf,
}

impl Release {
    fn make() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join("program");
        fs::write(&program, format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_openrunner"))).expect("a script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("the test owns it");
        let out = directory.path().join("out");
        let mut release = Command::new(repository("scripts/release.sh"));
        let (code, said) = run(release.args(["--no-sbom", "--target", &platform(), "--binary"]).arg(&program).arg("--out").arg(&out));
        assert_eq!(code, 0, "{said}");
        let archive = out.join(format!("{}.tar.gz", name()));
        Self { directory, archive }
    }

    /// Runs its install.sh with `prefix`.
    fn install(&self, prefix: &str, args: &[&str]) -> (i32, String) {
        run(Command::new("sh").arg(self.out("install.sh")).args(args).arg("--prefix").arg(self.directory.path().join(prefix)))
    }

    fn out(&self, name: &str) -> PathBuf {
        self.directory.path().join("out").join(name)
    }

    fn installed(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }
}

fn platform() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn name() -> String {
    format!("openrunner-{}-{}", env!("CARGO_PKG_VERSION"), platform())
}

#[cfg(target_os = "linux")]
#[test]
fn a_release_is_installed_completely_and_removed_without_a_trace() {
    let release = Release::make();
    let archive = release.archive.to_str().unwrap();
    let (code, said) = release.install("a", &["--from", archive]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = run(Command::new(release.installed("a/bin/openrunner")).arg("--version"));
    assert_eq!((code, said.trim()), (0, concat!("openrunner ", env!("CARGO_PKG_VERSION"))));
    for (file, words) in [
        ("share/man/man1/openrunner.1", "openrunner backup"),
        ("share/bash-completion/completions/openrunner", "_openrunner"),
        ("share/zsh/site-functions/_openrunner", "#compdef openrunner"),
        ("share/fish/vendor_completions.d/openrunner.fish", "complete -c openrunner"),
        ("share/doc/openrunner/openrunner.service", "KillMode=process"),
    ] {
        let text = fs::read_to_string(release.installed("a").join(file)).unwrap_or_default();
        assert!(text.contains(words), "{file} has no {words:?}");
    }
    // Over itself, as an upgrade; then from a directory of releases, and from the unpacked archive.
    assert_eq!(release.install("a", &["--from", archive]).0, 0);
    let mut by_version = Command::new("sh");
    by_version.arg(release.out("install.sh")).args(["--version", env!("CARGO_PKG_VERSION"), "--prefix"]).arg(release.installed("b"));
    assert_eq!(run(by_version.env("OPENRUNNER_RELEASES", release.out(""))).0, 0);
    assert!(run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(release.directory.path())).0 == 0);
    let unpacked = release.installed(&name()).join("install.sh");
    assert_eq!(run(Command::new("sh").arg(unpacked).arg("--prefix").arg(release.installed("c"))).0, 0);
    for prefix in ["a", "b", "c"] {
        let (code, said) = release.install(prefix, &["--uninstall"]);
        assert_eq!(code, 0, "{said}");
        let (_, left) = run(Command::new("find").arg(release.installed(prefix)).args(["-type", "f"]));
        assert_eq!(left, "");
    }
    assert_eq!(release.install("a", &["--uninstall"]).0, 1, "there is nothing to remove");
}

#[cfg(target_os = "linux")]
#[test]
fn an_archive_with_a_wrong_checksum_is_not_installed() {
    let release = Release::make();
    let archive = release.archive.to_str().unwrap();
    let digest = fs::read_to_string(release.out("SHA256SUMS")).unwrap().split(' ').next().unwrap().to_owned();
    let mut bytes = fs::read(archive).unwrap();
    bytes.push(0);
    fs::write(archive, bytes).unwrap();
    assert_eq!(release.install("p", &["--from", archive]).0, 3);
    assert_eq!(release.install("p", &["--from", archive, "--sha256", &digest]).0, 3);
    fs::remove_file(release.out("SHA256SUMS")).unwrap();
    let (code, said) = release.install("p", &["--from", archive]);
    assert_eq!((code, said.contains("--sha256")), (1, true), "{said}");
    assert_eq!(release.install("p", &["--from", "/nowhere/at/all.tar.gz"]).0, 1);
    assert_eq!(release.install("p", &["--frm", archive]).0, 2);
    assert!(!release.installed("p").exists(), "nothing has changed");
}

/// A server started by the container's entry point, with its output in a file.
fn contained(setup: Setup) -> Setup {
    let directory = Path::new(env!("CARGO_BIN_EXE_openrunner")).parent().expect("it lies in a directory").display().to_string();
    let (entry, said) = (repository("packaging/docker/entrypoint.sh"), setup.directory().join("said"));
    setup.after_shell(&format!("PATH={directory}:$PATH; export PATH; exec {} >{}", entry.display(), said.display()))
}

fn said(server: &Server) -> String {
    fs::read_to_string(server.directory().join("said")).expect("what it said")
}

/// The status of a login.
async fn login(server: &Server, name: &str, password: &str) -> u16 {
    let guest = server.guest();
    guest.send(guest.request(Method::POST, "/api/auth/login").json(&json!({ "username": name, "password": password }))).await.status
}

#[test]
fn a_container_has_no_default_password_and_prints_a_random_one_once() {
    live(async {
        let server = contained(Setup::new()).start().await;
        let told = said(&server);
        let password =
            told.strip_prefix("openrunner: generated admin password: ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
        assert_eq!((password.len(), told.lines().count()), (24, 1));
        assert_eq!([login(&server, "admin", "admin").await, login(&server, "user", "user").await], [401, 401]);
        assert_eq!(login(&server, "admin", &password).await, 200);
        let again = server.killed_and_started_again().await;
        assert_eq!(said(&again), "", "it is told once");
        assert_eq!(login(&again, "admin", &password).await, 200, "and stays");
    });
}

#[test]
fn a_container_uses_the_configured_admin_password() {
    live(async {
        let server = contained(Setup::new().env("OPENRUNNER_ADMIN_PASSWORD", "correct horse")).start().await;
        assert_eq!(said(&server), "");
        assert_eq!([login(&server, "admin", "correct horse").await, login(&server, "user", "user").await], [200, 401]);
    });
}
