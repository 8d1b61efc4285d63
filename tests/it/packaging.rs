//! The parts of a release beside the program: scripts, units and the container's entry point, each used as in production.
//!
//! Rules: I1.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

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
    for script in ["scripts/release.sh", "scripts/test.sh", "scripts/test-packaging.sh", "scripts/install-agents.sh", ".ci/run"] {
        let (code, said) = run(Command::new("bash").arg("-n").arg(repository(script)));
        assert_eq!(code, 0, "{script}: {said}");
    }
    for script in ["packaging/install.sh", "packaging/deb.sh", "packaging/docker/entrypoint.sh"] {
        let (code, said) = run(Command::new("sh").arg("-n").arg(repository(script)));
        assert_eq!(code, 0, "{script}: {said}");
    }
}

/// The value of `name = "value"` or `"name": "value"` in a file.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(repository(path)).expect("a file of this repository");
    let line = text.lines().find(|line| line.trim_start().trim_start_matches('"').starts_with(name)).expect("the field is there");
    line.rsplit('"').nth(1).expect("a value in quotes").to_owned()
}

#[test]
fn every_package_has_the_version_of_the_program() {
    for package in [
        "packaging/npm/package.json",
        "packaging/python/pyproject.toml",
        "clients/python/pyproject.toml",
        "clients/typescript/package.json",
    ] {
        assert_eq!(field(package, "version"), env!("CARGO_PKG_VERSION"), "{package}");
    }
}

#[test]
fn the_toolchain_of_every_build_is_the_minimum_supported_version() {
    let minimum = env!("CARGO_PKG_RUST_VERSION");
    assert_eq!(field("rust-toolchain.toml", "channel"), format!("{minimum}.0"));
    for image in ["Dockerfile", ".devcontainer/Dockerfile"] {
        assert!(fs::read_to_string(repository(image)).unwrap().contains(&format!("FROM rust:{minimum}-")), "{image}");
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

/// Serves a directory over HTTP until dropped.
struct FileServer {
    child: Child,
    url: String,
}

impl FileServer {
    fn start(directory: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(directory);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("python3");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("its first line");
        let port = line.split(" port ").nth(1).and_then(|rest| rest.split(' ').next()).expect("it prints its port");
        Self { url: format!("http://127.0.0.1:{port}"), child }
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The ways to install that download the release: the script from a pipe, and the packages for Python and npm.
#[cfg(target_os = "linux")]
#[test]
fn every_package_downloads_verifies_and_runs_the_release() {
    let release = Release::make();
    let server = FileServer::start(&release.out(""));
    let filled = release.installed("filled");
    let mut fill = Command::new(repository("packaging/fill.py"));
    let (code, said) = run(fill.arg("--sums").arg(release.out("SHA256SUMS")).args(["--url", &server.url]).arg("--out").arg(&filled));
    assert_eq!(code, 0, "{said}");

    let pip_like = |home: &str| {
        let mut command = Command::new("python3");
        command.args(["-m", "openrunner_cli", "--version"]).env("PYTHONPATH", filled.join("python/src"));
        command.env("XDG_CACHE_HOME", release.installed(home)).env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
        run(&mut command)
    };
    let npx_like = |home: &str| {
        let mut command = Command::new("node");
        command.arg(filled.join("npm/bin/openrunner.js")).arg("--version");
        run(command.env("XDG_CACHE_HOME", release.installed(home)).env("NO_PROXY", "*"))
    };
    let piped = |prefix: &str| {
        let mut command = Command::new("sh");
        command.args(["-s", "--", "--prefix"]).arg(release.installed(prefix)).current_dir(release.directory.path());
        run(command.stdin(fs::File::open(filled.join("install.sh")).unwrap()).env("NO_PROXY", "*").env_remove("OPENRUNNER_RELEASES"))
    };
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_node {
        eprintln!("left out: there is no Node.js");
    }

    let version = concat!("openrunner ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
    let (code, said) = piped("piped");
    assert_eq!(code, 0, "{said}");
    assert_eq!(run(Command::new(release.installed("piped/bin/openrunner")).arg("--version")), (0, version.clone()));
    // The second use needs no download.
    for home in ["pip", "pip", "npx", "npx"] {
        let printed = if home == "pip" {
            pip_like(home)
        } else if has_node {
            npx_like(home)
        } else {
            continue;
        };
        assert_eq!(printed, (0, version.clone()), "{home}");
    }

    let mut bytes = fs::read(&release.archive).unwrap();
    bytes.push(0);
    fs::write(&release.archive, bytes).unwrap();
    assert_eq!(piped("refused").0, 3);
    let (code, said) = pip_like("refused");
    assert_eq!((code, said.contains("checksum mismatch")), (1, true), "{said}");
    if has_node {
        let (code, said) = npx_like("refused");
        assert_eq!((code, said.contains("checksum mismatch")), (1, true), "{said}");
    }
    assert!(!release.installed("refused/bin").exists() && !release.installed("refused/openrunner-cli").exists(), "nothing was unpacked");
}

#[test]
fn packages_that_no_release_has_filled_say_so() {
    let mut command = Command::new("python3");
    command.args(["-m", "openrunner_cli"]).env("PYTHONPATH", repository("packaging/python/src")).env("PYTHONDONTWRITEBYTECODE", "1");
    let (code, said) = run(&mut command);
    assert_eq!((code, said.contains("not made by a release")), (1, true), "{said}");
}

#[test]
fn the_homebrew_formula_names_each_archive_with_its_checksum() {
    let directory = tempfile::tempdir().unwrap();
    let (sums, out) = (directory.path().join("SHA256SUMS"), directory.path().join("out"));
    let targets = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl", "aarch64-apple-darwin"];
    let archive = |target: &str| format!("openrunner-{}-{target}.tar.gz", env!("CARGO_PKG_VERSION"));
    let lines: Vec<String> =
        targets.iter().zip('a'..).map(|(target, c)| format!("{}  {}", c.to_string().repeat(64), archive(target))).collect();
    fs::write(&sums, lines.join("\n")).unwrap();
    let mut fill = Command::new(repository("packaging/fill.py"));
    let (code, said) = run(fill.arg("--sums").arg(&sums).args(["--url", "https://example.org/v1/"]).arg("--out").arg(&out));
    assert_eq!(code, 0, "{said}");
    let formula = fs::read_to_string(out.join("openrunner.rb")).unwrap();
    for (target, c) in targets.iter().zip('a'..) {
        let expected = format!("url \"https://example.org/v1/{}\"\n      sha256 \"{}\"\n", archive(target), c.to_string().repeat(64));
        assert!(formula.contains(&expected), "{formula}");
    }
    assert!(!formula.contains('@'), "a placeholder is left: {formula}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_debian_package_contains_the_program_its_pages_and_its_units() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        return eprintln!("left out: there is no dpkg-deb");
    }
    let release = Release::make();
    let (code, said) = run(Command::new(repository("packaging/deb.sh")).arg(&release.archive).arg(release.installed("deb")));
    assert_eq!(code, 0, "{said}");
    let package = PathBuf::from(said.trim());
    let root = release.installed("root");
    assert_eq!(run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root)).0, 0);
    let version = concat!("openrunner ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
    assert_eq!(run(Command::new(root.join("usr/bin/openrunner")).arg("--version")), (0, version));
    assert!(root.join("usr/share/man/man1/openrunner.1.gz").exists());
    let unit = fs::read_to_string(root.join("usr/lib/systemd/system/openrunner.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/openrunner serve"), "{unit}");
    let (_, about) = run(Command::new("dpkg-deb").arg("--info").arg(&package));
    assert!(about.contains(concat!("Version: ", env!("CARGO_PKG_VERSION"))) && about.contains("Recommends: bubblewrap"), "{about}");
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
