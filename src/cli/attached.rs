//! Files of the command line as parts of prompts and messages.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::error::CliError;
use crate::run::MAX_ATTACHMENT_BYTES;

/// The files as parts of the input. The extension decides what is an image.
///
/// # Errors
/// If a file cannot be read, is too large, or has a name that is not UTF-8.
pub(super) fn parts(files: &[PathBuf]) -> anyhow::Result<Value> {
    let part = |path: &PathBuf| {
        let shown = path.display();
        // More than that is refused by the server, and must not fill the memory.
        let mut content = Vec::new();
        let file = std::fs::File::open(path).with_context(|| format!("cannot read --attach {shown}"))?;
        file.take(MAX_ATTACHMENT_BYTES as u64 + 1).read_to_end(&mut content).with_context(|| format!("cannot read --attach {shown}"))?;
        if content.len() > MAX_ATTACHMENT_BYTES {
            let limit = MAX_ATTACHMENT_BYTES / 1024 / 1024;
            return Err(CliError::usage(format!("--attach {shown}: all files together may have at most {limit} MiB")).into());
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(CliError::usage(format!("--attach {shown}: the name is not UTF-8")).into());
        };
        let (kind, media_type) = media_type(path, &content);
        Ok(json!({ "type": kind, "media_type": media_type, "name": name, "data": STANDARD.encode(&content) }))
    };
    files.iter().map(part).collect()
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
        let expected = json!([
            { "type": "image", "media_type": "image/png", "name": "a.PNG", "data": "eA==" },
            { "type": "file", "media_type": "text/plain", "name": "b.rs", "data": "Zm4=" },
            { "type": "file", "media_type": "application/octet-stream", "name": "c.bin", "data": "/w==" },
        ]);
        assert_eq!(parts(&files).unwrap(), expected);
        assert!(parts(&[directory.path().join("missing")]).unwrap_err().to_string().contains("--attach"));
        assert!(parts(&[file("large", &vec![b'x'; MAX_ATTACHMENT_BYTES + 1])]).unwrap_err().to_string().contains("5 MiB"));
    }
}
