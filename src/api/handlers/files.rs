//! Files in the working directory of a run.

use std::io::{self, SeekFrom};
use std::ops::Range;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};

use super::super::audit_context::AuditContext;
use super::super::limits::RateKey;
use super::super::{ApiError, AppState, FaultCode, Path, Query, body};
use super::file_response::{FileResponse, SAMPLE};
use super::pagination::page_size;
use super::params::{ConditionalHeader, FilePathParam, RangeHeader, RunPath};
use crate::auth::{Principal, Target};
use crate::run::FoundFile;
use crate::types::{AuditAction, RunId, Timestamp};
use crate::workspace::FilePath;
use crate::workspace::files::{FileEntry, FileKind};

/// Size of the pieces in which a file is sent, in bytes.
const CHUNK: usize = 64 * 1024;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// The directory, relative to the working directory. Default: the working directory itself.
    path: Option<String>,
    /// As it was after this turn, counted from 1; 0 stands for the start of the run. Default: as it is now.
    turn: Option<usize>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct StateQuery {
    /// As it was after this turn, counted from 1; 0 stands for the start of the run. Default: as it is now.
    turn: Option<usize>,
}

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described")]
pub(in crate::api) struct FileContent(Vec<u8>);

/// A file or directory in the working directory of a run.
#[derive(Serialize, ToSchema)]
#[schema(as = RunFile)]
pub(in crate::api) struct FileView {
    /// Its path, relative to the working directory. Bytes that are not UTF-8 are replaced.
    path: String,
    /// Its kind.
    r#type: FileType,
    /// Size of a file in bytes; of a link, the length of its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// When its content was changed. Absent for an earlier state.
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at: Option<Timestamp>,
    /// Whether its owner may execute it.
    executable: bool,
}

/// The kind of a file.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::api) enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link. Links are not followed.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// One page of a directory, in the order of names.
#[derive(Serialize, ToSchema)]
#[schema(as = RunFilePage)]
pub(in crate::api) struct FilePage {
    /// The files and directories. `.git` is left out.
    items: Vec<FileView>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl FileView {
    fn new(path: String, entry: &FileEntry) -> Self {
        let r#type = match entry.kind {
            FileKind::File => FileType::File,
            FileKind::Directory => FileType::Directory,
            FileKind::Link => FileType::Link,
            FileKind::Other => FileType::Other,
        };
        let FileEntry { size, executable, .. } = *entry;
        Self { path, r#type, size, modified_at: entry.modified.map(Timestamp::from_millis), executable }
    }
}

/// Lists a directory in the working directory of a run.
#[utoipa::path(get, path = "/api/runs/{id}/files", operation_id = "list_files", tag = "runs", params(RunPath, ListQuery),
    extensions(("x-error-codes" = json!(["not_found", "changes_unavailable", "wrong_file_type", "file_inaccessible", "working_dir_gone", "working_dir_not_allowed"]))),
    responses((status = 200, description = "A page of the directory.", body = FilePage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
    Query(query): Query<ListQuery>,
) -> Result<Answer<FilePage>, ApiError> {
    let limit = page_size(query.limit)?;
    let path = directory_path(query.path.as_deref())?;
    let after = query.cursor.as_deref().map(from_hex).transpose()?;
    let prefix = path.as_ref().map(|path| format!("{path}/")).unwrap_or_default();
    let found = app.runs.list_files(&principal.caller, run, query.turn, path, after, limit).await?;
    let view = |entry: &FileEntry| FileView::new(format!("{prefix}{}", String::from_utf8_lossy(&entry.name)), entry);
    Ok(Answer(FilePage { items: found.entries.iter().map(view).collect(), next_cursor: found.next.as_deref().map(to_hex) }))
}

/// Returns the content of a file in the working directory of a run.
///
/// An image or text is shown by browsers, everything else is downloaded.
#[utoipa::path(get, path = "/api/runs/{id}/files/{path}", operation_id = "get_file", tag = "runs",
    params(FilePathParam, StateQuery, ConditionalHeader, RangeHeader),
    extensions(("x-error-codes" = json!(["not_found", "changes_unavailable", "wrong_file_type", "file_inaccessible", "working_dir_gone", "working_dir_not_allowed", "range_not_satisfiable"]))),
    responses((status = 200, description = "The content.", content((FileContent = "application/octet-stream"), (String = "text/plain"), (FileContent = "image/*"))),
        (status = 206, description = "The requested range of the content.", content((FileContent = "application/octet-stream"), (String = "text/plain"), (FileContent = "image/*"))),
        (status = 304, description = "The cached response is still current.")))]
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    principal: Principal,
    Path((run, path)): Path<(RunId, String)>,
    Query(query): Query<StateQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let path = parse(&path)?;
    let name = path.name();
    match app.runs.open_file(&principal.caller, run, query.turn, path).await? {
        FoundFile::Now(open) => {
            let mut file = tokio::fs::File::from_std(open.file);
            let mut sample = Vec::new();
            (&mut file).take(SAMPLE as u64).read_to_end(&mut sample).await.map_err(|error| ApiError::internal(&error))?;
            let response = FileResponse { name, size: open.size, version: &open.version, sample: &sample };
            response.respond(&headers, |range| Body::from_stream(stream_of(file, range)))
        }
        FoundFile::Stored(stored) => {
            // Its content is in memory until it has been sent.
            let (size, version) = (stored.file.size, stored.file.blob.to_string());
            let sender = RateKey::User(principal.caller.user.name.clone());
            let memory = app.limits.bodies.reserve(sender, usize::try_from(size).unwrap_or(usize::MAX)).await?;
            let content = Bytes::from(stored.read().await?);
            let response =
                FileResponse { name, size: content.len() as u64, version: &version, sample: &content[..content.len().min(SAMPLE)] };
            response.respond(&headers, |range| {
                let part = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                let part = part.map_or(Bytes::new(), |(start, end)| content.slice(start..end));
                Body::from_stream(pieces(part, memory))
            })
        }
    }
}

/// Writes a file in the working directory of a run.
///
/// The file is replaced as a whole, once its content is on disk. Missing directories are created.
#[utoipa::path(put, path = "/api/runs/{id}/files/{path}", operation_id = "put_file", tag = "runs", params(FilePathParam),
    request_body(content = FileContent, content_type = "application/octet-stream", description = "The content, at most 20 MiB. Any content type."),
    extensions(("x-error-codes" = json!(["not_found", "wrong_file_type", "file_inaccessible", "run_read_only", "working_dir_gone", "working_dir_not_allowed", "storage", "storage_quota_exceeded"]))),
    responses((status = 200, description = "The file was replaced.", body = FileView), (status = 201, description = "The file was created.", body = FileView)))]
pub(in crate::api) async fn put(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path((run, path)): Path<(RunId, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let path = parse(&path)?;
    let (runs, caller, target) = (app.runs.clone(), audit_context.caller(), path.clone());
    let event = audit_context.event(AuditAction::RunWrite).to(Target::Run(run));
    let (sender, content) = body::upload_channel();
    let writing = app.audited(event, move |_audit| async move { Ok(runs.write_file(&caller, run, target, content).await?) });
    let (received, written) = tokio::join!(body::receive(request, sender), writing);
    // An error of the body is the cause of an incomplete content.
    received?;
    let (entry, is_new) = written?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Answer(FileView::new(path.to_string(), &entry))).into_response())
}

/// The bytes of a range of a file. The range ends early if the file has become shorter: the client sees that the response is incomplete.
fn stream_of(mut file: tokio::fs::File, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::once(async move {
        file.seek(SeekFrom::Start(range.start)).await?;
        Ok::<_, io::Error>(ReaderStream::with_capacity(file.take(range.end - range.start), CHUNK))
    })
    .try_flatten()
}

/// The pieces of a content. `permit` is dropped with the last one.
fn pieces<P>(content: Bytes, permit: P) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold((content, permit), |(mut rest, permit)| async move {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(rest.len().min(CHUNK));
        Some((Ok(piece), (rest, permit)))
    })
}

/// The path of a directory; `None` for the working directory itself.
pub(super) fn directory_path(path: Option<&str>) -> Result<Option<FilePath>, ApiError> {
    path.filter(|path| !matches!(*path, "" | ".")).map(parse).transpose()
}

fn parse(path: &str) -> Result<FilePath, ApiError> {
    FilePath::parse(path).map_err(|bad| ApiError::invalid_field("path", FaultCode::Invalid, bad.to_string()))
}

/// A cursor: the bytes of a name.
fn to_hex(name: &[u8]) -> String {
    use std::fmt::Write as _;

    name.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(cursor: &str) -> Result<Vec<u8>, ApiError> {
    let invalid = || ApiError::invalid_field("cursor", FaultCode::Invalid, "is not a `next_cursor` of this list");
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = cursor.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    if cursor.len() > 512 { Err(invalid()) } else { pairs.collect::<Option<_>>().ok_or_else(invalid) }
}
