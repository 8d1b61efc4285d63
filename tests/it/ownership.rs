//! Files of the server that another account controls stop the start, with the command that fixes it.
//!
//! Rules: G6.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Server, Setup, live, typed};

/// Another account.
const OTHER: u32 = 65_534;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the test owns it");
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o7777
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A server that has been started once and stopped, with a settings file without secrets.
async fn stopped() -> Server {
    let setup = Setup::new();
    let settings = setup.directory().join("openrunner.toml");
    fs::write(&settings, "logins_per_minute = 50\n").expect("test setup");
    set_mode(&settings, 0o644);
    let mut server = setup.env("OPENRUNNER_CONFIG", settings.display()).start().await;
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, 0);
    server
}

/// The next start must fail with this command at the end of its error.
async fn refuses(server: &Server, problem: &str, command: &str) {
    let (status, log) = server.again().fails_to_start().await;
    assert!(!status.success(), "{log}");
    assert!(log.contains(problem) && log.contains(&format!("fix it with `{command}`")), "expected {command}: {log}");
}

#[test]
fn a_start_with_files_that_another_account_controls_is_refused_with_the_command() {
    live(async {
        let server = stopped().await;
        let (data, settings) = (server.data(), server.directory().join("openrunner.toml"));
        let files = ["", "jwt.key", "openrunner.db", "openrunner.lock", "workspaces", "runs", "empty"].map(|name| match name {
            "" => data.clone(),
            name => data.join(name),
        });
        let files: Vec<PathBuf> = files.into_iter().chain([settings]).filter(|path| path.exists()).collect();
        assert!(files.len() >= 6, "{files:?}");
        for path in &files {
            let before = mode_of(path);
            for added in [0o002, 0o020] {
                set_mode(path, before | added);
                refuses(&server, "is writable by other accounts", &format!("chmod go-w {}", path.display())).await;
            }
            set_mode(path, before);
            if is_root() {
                chown(path, Some(OTHER), None).unwrap();
                refuses(&server, "belongs to ", &format!("chown root {}", path.display())).await;
                chown(path, Some(0), None).unwrap();
            }
        }
        // The commands bring it back.
        drop(server.again().start().await);
    });
}

#[test]
fn a_directory_above_that_others_can_write_stops_the_start_unless_it_is_sticky() {
    live(async {
        let server = stopped().await;
        let above = server.directory().to_owned();
        set_mode(&above, 0o777);
        refuses(&server, "is writable by other accounts", &format!("chmod go-w {}", above.display())).await;
        set_mode(&above, 0o1777);
        drop(server.again().start().await);
    });
}

#[test]
fn an_agent_program_that_another_account_can_change_stops_the_start() {
    live(async {
        let server = stopped().await;
        let agents = server.directory().join("agents");
        let package = agents.join("lib/node_modules/agent");
        fs::create_dir_all(&package).unwrap();
        let script = package.join("cli.js");
        fs::write(&script, "").unwrap();
        for path in [&script, &package, &agents.join("bin")] {
            let before = mode_of(path);
            set_mode(path, before | 0o002);
            refuses(&server, "is writable by other accounts", &format!("chmod -R go-w {}", agents.display())).await;
            set_mode(path, before);
        }
        drop(server.again().start().await);
    });
}

#[test]
fn a_key_or_a_settings_file_with_secrets_that_others_can_read_stops_the_start() {
    live(async {
        let server = stopped().await;
        let (key, settings) = (server.data().join("jwt.key"), server.directory().join("openrunner.toml"));
        for mode in [0o640, 0o604] {
            set_mode(&key, mode);
            refuses(&server, "readable by other accounts", &format!("chmod 600 {}", key.display())).await;
        }
        set_mode(&key, 0o600);
        for secret in [
            "admin_password = \"a fine password\"",
            "webhook_url = \"https://example.test/token\"\nwebhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"",
            "[agents.mine]\nprotocol = \"text\"\ncommand = [\"cat\"]\nsecret_env = { MY_KEY = \"hidden-value\" }",
        ] {
            fs::write(&settings, secret).unwrap();
            refuses(&server, "holds secrets and is readable by other accounts", &format!("chmod 600 {}", settings.display())).await;
            set_mode(&settings, 0o600);
            drop(server.again().start().await);
            set_mode(&settings, 0o644);
        }
    });
}

#[test]
fn commands_that_open_the_store_refuse_and_doctor_reports_the_same() {
    live(async {
        let server = stopped().await;
        let data = server.data();
        set_mode(&data, 0o777);
        let home = server.directory().join("home");
        let copy = home.join("copy.db");
        for args in [&["user", "ls"][..], &["backup", copy.to_str().expect("UTF-8")], &["doctor"]] {
            let by_option = args[0] == "user";
            let args: Vec<&str> = args
                .iter()
                .copied()
                .chain(by_option.then_some("--data-dir"))
                .chain(by_option.then(|| data.to_str().expect("UTF-8")))
                .collect();
            let printed = typed(&home, &args).env("OPENRUNNER_DATA_DIR", &data).done().await;
            let text = printed.out + &printed.err;
            assert!(printed.code != 0 && text.contains(&format!("chmod go-w {}", data.display())), "{args:?}: {text}");
        }
        assert!(!copy.exists());
    });
}

#[test]
fn a_fresh_start_works_with_the_usual_file_mode_masks() {
    live(async {
        for umask in ["002", "022", "077", "000"] {
            let server = Setup::new().after_shell(&format!("umask {umask}")).start().await;
            let user = server.client("user").await;
            user.end_of(&user.create("create hello.py", json!({ "agent_type": "demo" })).await).await;
            assert_eq!(mode_of(&server.data()), 0o700, "umask {umask}");
            drop(server.killed_and_started_again().await);
        }
    });
}
