//! Files of the command line as parts of prompts and messages.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::Client;
use super::error::CliError;
use crate::run::MAX_UPLOAD_BYTES;

/// Maximum size of a file that is sent within the request, in bytes. Larger ones are uploaded before.
const MAX_INLINE: usize = 1024 * 1024;

/// A file that is attached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AttachedFile {
    name: String,
    kind: &'static str,
    media_type: &'static str,
    content: Vec<u8>,
}

/// Reads the files. The extension decides what is an image.
///
/// # Errors
/// If a file cannot be read, is too large, or has a name that is not UTF-8.
pub(super) fn read(files: &[PathBuf]) -> anyhow::Result<Vec<AttachedFile>> {
    let read = |path: &PathBuf| {
        let shown = path.display();
        // More than that is refused by the server, and must not fill the memory.
        let mut content = Vec::new();
        let file = std::fs::File::open(path).with_context(|| format!("cannot read --attach {shown}"))?;
        file.take(MAX_UPLOAD_BYTES + 1).read_to_end(&mut content).with_context(|| format!("cannot read --attach {shown}"))?;
        if content.len() as u64 > MAX_UPLOAD_BYTES {
            let limit = MAX_UPLOAD_BYTES / 1024 / 1024;
            return Err(CliError::usage(format!("--attach {shown}: a file may have at most {limit} MiB")).into());
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(CliError::usage(format!("--attach {shown}: the name is not UTF-8")).into());
        };
        let (kind, media_type) = media_type(path, &content);
        Ok(AttachedFile { name: name.to_owned(), kind, media_type, content })
    };
    files.iter().map(read).collect()
}

/// The files as parts of the input. Uploads large ones.
///
/// # Errors
/// If the server does not take one.
pub(super) async fn parts(client: &Client, files: Vec<AttachedFile>) -> anyhow::Result<Value> {
    let mut parts = Vec::new();
    for file in files {
        parts.push(if file.content.len() > MAX_INLINE { uploaded(client, file).await? } else { inline(&file) });
    }
    Ok(parts.into())
}

fn inline(file: &AttachedFile) -> Value {
    let AttachedFile { name, kind, media_type, content } = file;
    json!({ "type": kind, "media_type": media_type, "name": name, "data": STANDARD.encode(content) })
}

async fn uploaded(client: &Client, file: AttachedFile) -> anyhow::Result<Value> {
    let AttachedFile { name, media_type, content, .. } = file;
    let upload = client.upload(&name, content).await?;
    let mut part = json!({ "type": upload["type"], "file_id": upload["file_id"] });
    // Of a file, the extension can say more than the content.
    if upload["type"] == "file" && !media_type.starts_with("image/") {
        part["media_type"] = media_type.into();
    }
    Ok(part)
}

/// The kind of part and the media type of a file.
fn media_type(path: &Path, content: &[u8]) -> (&'static str, &'static str) {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "png" => ("image", "image/png"),
        "jpg" | "jpeg" => ("image", "image/jpeg"),
        "gif" => ("image", "image/gif"),
        "webp" => ("image", "image/webp"),
        "pdf" => ("file", "application/pdf"),
        "json" => ("file", "application/json"),
        _ if std::str::from_utf8(content).is_ok() => ("file", "text/plain"),
        _ => ("file", "application/octet-stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_a_part_by_its_extension_and_content() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let files = [file("a.PNG", b"x"), file("b.rs", b"fn"), file("c.bin", &[0xff])];
        let expected = [
            json!({ "type": "image", "media_type": "image/png", "name": "a.PNG", "data": "eA==" }),
            json!({ "type": "file", "media_type": "text/plain", "name": "b.rs", "data": "Zm4=" }),
            json!({ "type": "file", "media_type": "application/octet-stream", "name": "c.bin", "data": "/w==" }),
        ];
        assert_eq!(read(&files).unwrap().iter().map(inline).collect::<Vec<_>>(), expected);
        assert!(read(&[directory.path().join("missing")]).unwrap_err().to_string().contains("--attach"));
        let large = directory.path().join("large");
        std::fs::File::create(&large).unwrap().set_len(MAX_UPLOAD_BYTES + 1).unwrap();
        assert!(read(&[large]).unwrap_err().to_string().contains("20 MiB"));
    }
}
