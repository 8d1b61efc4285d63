//! The web console: a page that is a client of the API like any other and loads nothing from other servers.
//!
//! Its files are embedded in the program; a debug build reads them from the sources, so that changes need no build. The URLs of all files
//! except the page contain a digest of all files, so browsers load each file once and never mix versions.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{Embed, EmbeddedFile};
use sha2::{Digest, Sha256};

use super::super::{ApiError, Path};
use super::params::ConditionalHeader;
use super::static_files::{Cached, StaticFile};

/// The page may load its own files and call this server's API. Text never becomes markup, so no Trusted Types policy is allowed.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// Path of the files in the source of the page; the last component is replaced by the version.
const FILES_IN_SOURCE: &str = "console/version/";

const PAGE: &str = "index.html";

/// The files by their path below `console`.
#[derive(Embed)]
#[folder = "console/"]
#[include = "index.html"]
#[include = "app.css"]
#[include = "run.css"]
#[include = "app/*"]
#[include = "vendor/vendor.js"]
#[include = "vendor/vendor.LICENSES.txt"]
struct Files;

/// The compressed files that were requested so far, by the digest of their content.
static COMPRESSED: LazyLock<Mutex<HashMap<[u8; 32], Arc<StaticFile>>>> = LazyLock::new(Mutex::default);

/// The version, once computed.
static VERSION: Mutex<Option<String>> = Mutex::new(None);

/// Returns the web console.
#[utoipa::path(get, path = "/", operation_id = "console", tag = "server", params(ConditionalHeader),
    responses((status = 200, description = "The page. It loads nothing from other servers.", body = String, content_type = "text/html"),
        (status = 304, description = "Not modified.")))]
pub(in crate::api) async fn page(headers: HeaderMap) -> Result<Response, ApiError> {
    let file = Files::get(PAGE).ok_or_else(|| ApiError::internal(&std::io::Error::other("the console's page is not embedded")))?;
    let text = String::from_utf8_lossy(&file.data).replace(FILES_IN_SOURCE, &format!("console/{}/", version(cfg!(debug_assertions))));
    let page = StaticFile::new("text/html; charset=utf-8", text, false);
    let policy = [(header::CONTENT_SECURITY_POLICY, PAGE_POLICY), (HeaderName::from_static("referrer-policy"), "no-referrer")];
    Ok((policy, page.respond(&headers)).into_response())
}

/// Returns a file of the web console.
#[utoipa::path(get, path = "/console/{version}/{path}", operation_id = "console_file", tag = "server",
    params(("version" = String, Path, description = "Version of the console, as in the page."),
        ("path" = String, Path, description = "Path of the file.", example = "app.css"), ConditionalHeader),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The file.", content((String = "text/css"), (String = "text/javascript"), (String = "text/plain"))),
        (status = 304, description = "Not modified.")))]
pub(in crate::api) async fn file(Path((wanted, path)): Path<(String, String)>, headers: HeaderMap) -> Result<Response, ApiError> {
    // A debug build reads from the sources, where such a path would lead out of the directory.
    let is_inside = path.split('/').all(|part| part != "..");
    let found = content_type(&path).filter(|_type| is_inside).zip(Files::get(&path));
    let (content_type, file) = found.ok_or_else(|| ApiError::not_found("file not found"))?;
    // A page of another version gets the current files, but must not cache them under that version.
    let caching = if wanted == version(false) { Cached::Forever } else { Cached::Revalidated };
    Ok(compressed(content_type, &file)?.respond_cached(&headers, caching))
}

/// The content type by file extension; `None` for files that the page does not have.
fn content_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// The digest of the names and contents of all files. `recompute` computes it again, because the files of a debug build may have changed.
fn version(recompute: bool) -> String {
    let mut known = VERSION.lock().unwrap_or_else(PoisonError::into_inner);
    match &*known {
        Some(version) if !recompute => version.clone(),
        _ => known.insert(compute_digest()).clone(),
    }
}

fn compute_digest() -> String {
    let files = Files::iter().filter_map(|name| Some((Files::get(&name)?.metadata.sha256_hash(), name)));
    let digest = files.fold(Sha256::new(), |hash, (digest, name)| hash.chain_update(name.as_bytes()).chain_update(digest));
    digest.finalize()[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn compressed(content_type: &'static str, file: &EmbeddedFile) -> Result<Arc<StaticFile>, ApiError> {
    let mut files = COMPRESSED.lock().unwrap_or_else(PoisonError::into_inner);
    let digest = file.metadata.sha256_hash();
    if let Some(known) = files.get(&digest) {
        return Ok(Arc::clone(known));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let bytes = encoder.write_all(&file.data).and_then(|()| encoder.finish()).map_err(|error| ApiError::internal(&error))?;
    let compressed = Arc::new(StaticFile::new(content_type, bytes, true));
    files.insert(digest, Arc::clone(&compressed));
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    //! Rules: W7.

    use super::*;

    async fn text_of(response: Response) -> String {
        String::from_utf8(http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn file_at(version: &str, path: &str) -> Response {
        file(Path((version.to_owned(), path.to_owned())), HeaderMap::new()).await.into_response()
    }

    #[tokio::test]
    async fn the_page_loads_nothing_from_other_servers_and_has_no_inline_script() {
        let response = page(HeaderMap::new()).await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; ") && !policy.contains("unsafe") && !policy.contains("http"));
        assert!(policy.contains("require-trusted-types-for 'script'; trusted-types 'none'"));
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"));
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let text = text_of(response).await;
        assert!(!text.contains("<style") && !text.contains("style=") && !text.contains("//"), "{text}");
        assert!(text.split("<script").skip(1).all(|script| script.contains("src=") && script.contains("></script>")), "{text}");
    }

    #[tokio::test]
    async fn every_file_of_the_page_exists_and_is_cached_forever() {
        let text = text_of(page(HeaderMap::new()).await.unwrap()).await;
        let named: Vec<&str> = text.split("\"console/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() >= 3, "{text}");
        for name in named {
            let (version, path) = name.split_once('/').unwrap();
            let response = file_at(version, path).await;
            assert_eq!(response.status(), 200, "{name}");
            assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable", "{name}");
        }
    }

    #[tokio::test]
    async fn a_file_of_another_version_is_not_cached_forever() {
        let response = file_at("0", "app.css").await;
        assert_eq!((response.status().as_u16(), &response.headers()["cache-control"]), (200, &"no-cache".parse().unwrap()));
    }

    #[tokio::test]
    async fn only_files_of_the_console_are_served() {
        for path in [
            "package.json",
            "tests/unit/i18n.test.js",
            "docs/start.js",
            "../Cargo.toml",
            "app/../../Cargo.toml",
            "vendor/entry.js",
            "index.html",
            "",
        ] {
            assert_eq!(file_at("0", path).await.status(), 404, "{path}");
        }
    }
}
