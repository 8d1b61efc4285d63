//! `openrunner acp` with the official SDK of the Agent Client Protocol as the editor.

use std::process::Command;

use crate::support::{Server, path, test_program};

#[test]
fn the_official_sdk_prompts_cancels_and_loads_sessions() {
    let Some(server) = Server::shared() else { return };
    let (key, directory) = (server.create_key("editor"), server.bench.new_directory());
    let output = Command::new("node")
        .arg(test_program("acp_client.mjs"))
        .args([env!("CARGO_BIN_EXE_openrunner"), &format!("http://{}", server.address), path(&directory)])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", server.bench.home())
        .env("OPENRUNNER_TOKEN", key)
        .env("ACP_SDK", server.bench.acp_sdk())
        .output()
        .expect("node");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("all is well"), "{}\n{out}{errors}", output.status);
}
