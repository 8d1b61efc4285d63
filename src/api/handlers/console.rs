//! The console: a page in a browser that is a client of the API like any other, and asks no other server for anything.
//!
//! Its files are inside of the program; a debug build reads them from the sources, so that a change of them needs no build. All but the page
//! itself have the digest of the whole in their address, so a browser asks for none of them twice, and never mixes two versions.

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
use super::params::KnownHeader;
use super::static_files::{Cached, StaticFile};

/// What the page may load and do: its own files and this server's API. Text never becomes markup in it, so no policy may make it.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// Where the page as it lies in the sources has its files; the version takes the place of the last part.
const FILES_IN_SOURCE: &str = "console/version/";

const PAGE: &str = "index.html";

/// The files, by their path beneath `console`.
#[derive(Embed)]
#[folder = "console/"]
#[include = "index.html"]
#[include = "app.css"]
#[include = "run.css"]
#[include = "app/*"]
#[include = "vendor/vendor.js"]
#[include = "vendor/vendor.LICENSES.txt"]
struct Files;

/// What was asked for already, compressed, by the digest of its bytes. At most every file once; a server whose console nobody opens
/// holds nothing.
static PACKED: LazyLock<Mutex<HashMap<[u8; 32], Arc<StaticFile>>>> = LazyLock::new(Mutex::default);

/// The version, once somebody has asked for it.
static VERSION: Mutex<Option<String>> = Mutex::new(None);

/// Shows the console.
#[utoipa::path(get, path = "/", operation_id = "console", tag = "server", params(KnownHeader),
    responses((status = 200, description = "A page, which needs nothing from elsewhere.", body = String, content_type = "text/html"),
        (status = 304, description = "The client has it.")))]
pub(in crate::api) async fn page(headers: HeaderMap) -> Result<Response, ApiError> {
    let file = Files::get(PAGE).ok_or_else(|| ApiError::internal(&std::io::Error::other("the console has no page")))?;
    let text = String::from_utf8_lossy(&file.data).replace(FILES_IN_SOURCE, &format!("console/{}/", version(cfg!(debug_assertions))));
    let page = StaticFile::new("text/html; charset=utf-8", text, false);
    let policy = [(header::CONTENT_SECURITY_POLICY, PAGE_POLICY), (HeaderName::from_static("referrer-policy"), "no-referrer")];
    Ok((policy, page.answer(&headers)).into_response())
}

/// Gives a file of the console.
#[utoipa::path(get, path = "/console/{version}/{path}", operation_id = "console_file", tag = "server",
    params(("version" = String, Path, description = "The console's version, as the page names it."),
        ("path" = String, Path, description = "The file's path.", example = "app.css"), KnownHeader),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The file.", content((String = "text/css"), (String = "text/javascript"), (String = "text/plain"))),
        (status = 304, description = "The client has it.")))]
pub(in crate::api) async fn file(Path((wanted, path)): Path<(String, String)>, headers: HeaderMap) -> Result<Response, ApiError> {
    // A debug build would take such a way through the sources.
    let is_straight = path.split('/').all(|part| part != "..");
    let found = content_type(&path).filter(|_type| is_straight).zip(Files::get(&path));
    let (content_type, file) = found.ok_or_else(|| ApiError::not_found("the console has no such file"))?;
    // A page that another version has left in a browser gets today's files, but may not keep them under that name.
    let kept = if wanted == version(false) { Cached::Forever } else { Cached::Revalidated };
    Ok(packed(content_type, &file)?.answer_kept(&headers, kept))
}

/// By the name's end; `None` for what is no file of the page.
fn content_type(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// The digest of all files, names included. With `anew` it is worked out again, since a debug build's files may have changed.
fn version(anew: bool) -> String {
    let mut known = VERSION.lock().unwrap_or_else(PoisonError::into_inner);
    match &*known {
        Some(version) if !anew => version.clone(),
        _ => known.insert(digest_of_all()).clone(),
    }
}

fn digest_of_all() -> String {
    let files = Files::iter().filter_map(|name| Some((Files::get(&name)?.metadata.sha256_hash(), name)));
    let whole = files.fold(Sha256::new(), |whole, (digest, name)| whole.chain_update(name.as_bytes()).chain_update(digest));
    whole.finalize()[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn packed(content_type: &'static str, file: &EmbeddedFile) -> Result<Arc<StaticFile>, ApiError> {
    let mut packed = PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let digest = file.metadata.sha256_hash();
    if let Some(known) = packed.get(&digest) {
        return Ok(Arc::clone(known));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let bytes = encoder.write_all(&file.data).and_then(|()| encoder.finish()).map_err(|error| ApiError::internal(&error))?;
    let fixed = Arc::new(StaticFile::new(content_type, bytes, true));
    packed.insert(digest, Arc::clone(&fixed));
    Ok(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text_of(response: Response) -> String {
        String::from_utf8(http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn file_at(version: &str, path: &str) -> Response {
        file(Path((version.to_owned(), path.to_owned())), HeaderMap::new()).await.into_response()
    }

    #[tokio::test]
    async fn w7_the_page_may_load_nothing_from_elsewhere_and_has_no_script_in_it() {
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
    async fn every_file_that_the_page_names_is_there_and_is_kept_for_good() {
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
    async fn a_file_under_another_version_is_not_kept_under_that_name() {
        let response = file_at("0", "app.css").await;
        assert_eq!((response.status().as_u16(), &response.headers()["cache-control"]), (200, &"no-cache".parse().unwrap()));
    }

    #[tokio::test]
    async fn only_the_consoles_own_files_are_given() {
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
