//! Uploaded files as parts of prompts and messages.
//!
//! Rules: C6, D4, I6.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, live};

const MIB: usize = 1024 * 1024;

/// The beginning of an image.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\npixels";

async fn upload(user: &Client, name: &str, content: impl Into<reqwest::Body>) -> Answer {
    user.send(user.request(Method::POST, &format!("/api/files?name={name}")).body(content)).await
}

/// The id of a new upload.
async fn uploaded(user: &Client, name: &str, content: impl Into<reqwest::Body>) -> String {
    let answer = upload(user, name, content).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let id = answer.body["file_id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("location"), format!("/api/files/{id}"));
    id
}

async fn create(user: &Client, input: Value) -> Answer {
    user.post("/api/runs", &json!({ "input": input })).await
}

#[test]
fn an_uploaded_image_and_file_reach_the_agent_also_after_they_were_deleted() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let [seen, go] = ["content.json", "go"].map(|name| server.directory().join(name));
        let image = upload(&user, "shot.png", PNG).await;
        assert_eq!((image.status, &image.body["type"], &image.body["media_type"]), (201, &json!("image"), &json!("image/png")));
        let text = uploaded(&user, "notes.txt", "notes").await;
        let input = json!({
            "text": format!("save content {}\nreport input\nsay up\nwait {}\nresult done", seen.display(), go.display()),
            "parts": [
                { "type": "image", "file_id": image.body["file_id"] },
                { "type": "file", "file_id": text },
                { "type": "file", "file_id": text, "name": "same.md", "media_type": "text/markdown" },
            ],
        });
        let run = create(&user, input).await;
        assert_eq!(run.status, 201, "{}", run.text);
        let run = run.body["run_id"].as_str().unwrap().to_owned();
        user.follow(&run).await.until_text("up").await;
        let message = json!({ "text": "report input\nresult two", "parts": [{ "type": "file", "file_id": text }] });
        assert_eq!(user.post(&format!("/api/runs/{run}/messages"), &message).await.status, 202);
        assert_eq!(user.delete(&format!("/api/files/{text}")).await.status, 204);
        std::fs::write(go, "").unwrap();
        let end = user.end_of(&run).await;
        assert_eq!(end["status"], "completed", "{end}");
        assert_eq!(
            end["attachments"],
            json!([
                { "type": "image", "media_type": "image/png", "name": "shot.png", "size": PNG.len() },
                { "type": "file", "media_type": "text/plain", "name": "notes.txt", "size": 5 },
                { "type": "file", "media_type": "text/markdown", "name": "same.md", "size": 5 },
            ])
        );
        let content: Value = serde_json::from_slice(&std::fs::read(&seen).unwrap()).unwrap();
        assert_eq!(content[1]["source"], json!({ "type": "base64", "media_type": "image/png", "data": STANDARD.encode(PNG) }));
        let said = user.said(&run).await;
        assert_eq!(said.first(), Some(&json!({ "notes.txt": "notes", "same.md": "notes" }).to_string()), "{said:?}");
        assert!(said[1..].contains(&json!({ "notes.txt": "notes" }).to_string()), "of the message: {said:?}");
    });
}

#[test]
fn a_file_may_be_larger_than_a_request_and_is_there_after_a_crash_of_the_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let file = uploaded(&user, "large.bin", vec![b'x'; 12 * MIB]).await;
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        let run = create(&user, json!({ "text": "result done", "parts": [{ "type": "file", "file_id": file }] })).await;
        assert_eq!(run.status, 201, "{}", run.text);
        let end = user.end_of(run.body["run_id"].as_str().unwrap()).await;
        assert_eq!((&end["status"], &end["attachments"][0]["size"]), (&json!("completed"), &json!(12 * MIB)));
        let stored = user.get("/api/usage").await.body["quotas"]["stored_bytes"]["used"].as_u64().unwrap();
        assert!(stored > 12 * MIB as u64, "the copy counts");
    });
}

#[test]
fn bad_uploads_are_refused_and_leave_nothing() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        assert_eq!(upload(&user, "", "x").await.problem(422, "invalid_field"), "name");
        for name in ["..%2Fa", "%2Fetc%2Fpasswd", ".ssh", "-rf", "a%0Ab"] {
            assert_eq!(upload(&user, name, "x").await.problem(422, "invalid_field"), "name", "{name}");
        }
        assert_eq!(upload(&user, "a", "").await.problem(422, "invalid_field"), "body");
        upload(&user, "a", vec![b'x'; 20 * MIB + 1]).await.problem(413, "body_too_large");
        let left = std::fs::read_dir(server.data().join("uploads")).map_or(0, Iterator::count);
        assert_eq!(left, 0);
        // A form of another site cannot upload: it has no token.
        let anonymous = server.guest();
        assert_eq!(upload(&anonymous, "a", "x").await.status, 401);
    });
}

#[test]
fn an_upload_is_the_owners_alone() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let file = uploaded(&admin, "secret.txt", "secret").await;
        let own = uploaded(&user, "own.txt", "own").await;
        let part = |id: &str| json!({ "text": "result x", "parts": [{ "type": "text", "text": "x" }, { "type": "file", "file_id": id }] });
        assert_eq!(create(&user, part(&file)).await.problem(422, "invalid_field"), "input.parts[1].file_id");
        user.delete(&format!("/api/files/{file}")).await.problem(404, "not_found");
        // An admin could read it in the run.
        assert_eq!(create(&admin, part(&own)).await.problem(422, "invalid_field"), "input.parts[1].file_id");
        assert_eq!(admin.delete(&format!("/api/files/{own}")).await.status, 204);
        assert_eq!(create(&user, part(&own)).await.problem(422, "invalid_field"), "input.parts[1].file_id");
    });
}

#[test]
fn the_content_of_an_upload_decides_whether_it_is_an_image() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let page = uploaded(&user, "page.png", "<script>alert(1)</script>").await;
        let image = uploaded(&user, "data", PNG).await;
        let large = uploaded(&user, "large.png", [PNG, &vec![0; 5 * MIB]].concat()).await;
        let faults: [(Value, &str); 5] = [
            (json!({ "type": "image", "file_id": page }), "file_id"),
            (json!({ "type": "image", "file_id": image, "media_type": "image/gif" }), "media_type"),
            (json!({ "type": "file", "file_id": image, "data": "eA==" }), "data"),
            (json!({ "type": "text", "text": "x", "file_id": image }), "file_id"),
            (json!({ "type": "file", "file_id": image, "name": "../x" }), "name"),
        ];
        for (part, field) in faults {
            let answer = create(&user, json!({ "text": "result x", "parts": [part] })).await;
            assert_eq!(answer.problem(422, "invalid_field"), format!("input.parts[0].{field}"), "{part}");
        }
        let answer = create(&user, json!({ "text": "result x", "parts": [{ "type": "image", "file_id": large }] })).await;
        assert_eq!(answer.problem(422, "invalid_field"), "input.parts", "images have a limit of their own");
    });
}

#[test]
fn uploads_are_bounded_per_user_and_can_be_deleted() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let mut last = String::new();
        for _ in 0..100 {
            last = uploaded(&user, "a", "x").await;
        }
        upload(&user, "a", "x").await.problem(507, "storage_quota_exceeded");
        assert_eq!(upload(&admin, "a", "x").await.status, 201, "others are not affected");
        assert_eq!(user.delete(&format!("/api/files/{last}")).await.status, 204);
        assert_eq!(upload(&user, "a", "x").await.status, 201);
        let audit = admin.get("/api/audit?action=file.delete").await.body;
        assert_eq!((&audit["items"][0]["username"], &audit["items"][0]["outcome"]), (&json!("user"), &json!("ok")));
    });
}

#[test]
fn a_large_file_of_the_command_line_is_uploaded() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let [small, large] = [("small.txt", 5), ("large.txt", 7 * MIB)].map(|(name, size)| {
            let path = server.directory().join(name);
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            path.display().to_string()
        });
        let args = ["run", "--agent-type", "claude_code", "-f", &small, "-f", &large, "--quiet", "result done"];
        let run = server.typed(&args).done().await;
        assert_eq!(run.code, 0, "{run:?}");
        let runs = admin.get("/api/runs?limit=1").await.body;
        let run = admin.run(runs["items"][0]["run_id"].as_str().unwrap()).await;
        let sizes: Vec<_> = run["attachments"].as_array().unwrap().iter().map(|file| file["size"].as_u64()).collect();
        assert_eq!(sizes, [Some(5), Some(7 * MIB as u64)]);
        assert_eq!(admin.get("/api/audit?action=file.upload").await.body["items"].as_array().unwrap().len(), 1);
    });
}
