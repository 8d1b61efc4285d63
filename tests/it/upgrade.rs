//! The server opens the data directories of earlier releases: see `tests/fixtures/upgrade`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::docs::root;
use crate::support::{Setup, assert_dense, live};

/// The frozen releases.
fn releases() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/fixtures/upgrade")).expect("a directory of this repository");
    entries.map(|entry| entry.expect("a directory entry").path()).filter(|path| path.is_dir()).collect()
}

/// Whether the tables of a release are still as it has defined them. Those of a version that is not released yet may change, and its fixture
/// is made again at the latest for the release; those of a released version must not.
fn is_current(release: &Path) -> bool {
    let version = release.file_name().expect("a name").to_string_lossy();
    let is_unreleased = read("CHANGELOG.md").contains(&format!("\n## {version} - unreleased\n"));
    let entries = fs::read_dir(release.join("migrations")).expect("the migrations of the release");
    let is_same = entries.map(|entry| entry.expect("a directory entry")).all(|entry| {
        let name = format!("migrations/sqlite/{}", entry.file_name().to_string_lossy());
        fs::read_to_string(entry.path()).expect("a migration") == read(&name)
    });
    assert!(is_same || is_unreleased, "a migration of the release {version} was changed; add one instead");
    if !is_same {
        eprintln!("left out: the tables of {version} have changed since it was frozen; run scripts/freeze.py");
    }
    is_same
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Unpacks the data directory of a release for the server to be started.
fn unpack(release: &Path, setup: &Setup) {
    let data = setup.directory().join("data");
    fs::create_dir(&data).expect("a new directory");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("the test owns it");
    let mut tar = Command::new("tar");
    tar.args(["--no-same-owner", "-xzf"]).arg(release.join("data.tar.gz")).arg("-C").arg(setup.directory());
    assert!(tar.status().expect("tar").success());
}

/// Asserts that everything in `old` is in `new` with the same value. Objects may have further fields.
fn assert_kept(old: &Value, new: &Value, place: &str) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                let field = format!("{place}.{name}");
                assert_kept(value, new.get(name).unwrap_or_else(|| panic!("{field} is gone")), &field);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            assert_eq!(old.len(), new.len(), "{place}");
            for (number, (old, new)) in old.iter().zip(new).enumerate() {
                assert_kept(old, new, &format!("{place}[{number}]"));
            }
        }
        _ => assert_eq!(old, new, "{place}"),
    }
}

#[test]
fn there_is_a_frozen_release() {
    assert!(!releases().is_empty());
}

#[test]
fn runs_streams_sessions_and_users_of_earlier_releases_are_kept() {
    live(async {
        for release in releases().into_iter().filter(|release| is_current(release)) {
            let expected: Value = serde_json::from_str(&fs::read_to_string(release.join("expected.json")).unwrap()).unwrap();
            let setup = Setup::new();
            unpack(&release, &setup);
            let server = setup.start().await;
            let program = server.guest().with_token(expected["key"].as_str().unwrap());
            let admin = server.guest().login("admin", "frozen admin password").await;
            server.guest().login("carol", "frozen password of carol").await;
            assert_eq!(admin.get("/api/profiles/careful").await.body["permission_mode"], "ask");

            for (run, events) in expected["runs"].as_array().unwrap().iter().zip(expected["events"].as_array().unwrap()) {
                let id = run["run_id"].as_str().unwrap();
                assert_kept(run, &program.run(id).await, id);
                let frames = program.follow(id).await.rest().await;
                assert_dense(&frames);
                let read: Vec<Value> = frames.into_iter().map(|frame| frame.data).collect();
                assert_kept(events, &read.into(), id);
            }
            let id = expected["session"]["session_id"].as_str().unwrap();
            assert_kept(&expected["session"], &admin.get(&format!("/api/sessions/{id}")).await.body, id);
            let first = expected["runs"][0]["run_id"].as_str().unwrap();
            assert_eq!(admin.get(&format!("/api/runs/{first}/changes.patch")).await.text, expected["changes"].as_str().unwrap());

            // And it is a server like any other.
            let run = admin.create("say up, fast", json!({ "agent_type": "demo" })).await;
            assert_eq!(admin.end_of(&run).await["status"], "completed");
        }
    });
}
