//! Archives of working directories.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::{ApiError, AppState, FaultCode, Path, Query};
use super::files::{FileContent, directory_path};
use super::params::RunPath;
use crate::auth::Principal;
use crate::types::RunId;
use crate::workspace::Archive;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ArchiveQuery {
    /// Only the files that the run has changed, as they are now.
    #[param(default = false)]
    changed: Option<bool>,
    /// Only this directory, relative to the working directory. Not together with `changed`.
    path: Option<String>,
}

/// Returns the working directory of a run, or the files that it has changed, as a tar.gz archive.
///
/// Links are stored as links. `.git`, pipes, sockets and devices are left out.
#[utoipa::path(get, path = "/api/runs/{id}/archive", operation_id = "get_archive", tag = "runs", params(RunPath, ArchiveQuery),
    extensions(("x-error-codes" = json!(["not_found", "changes_unavailable", "wrong_file_type", "file_inaccessible", "working_dir_gone", "working_dir_not_allowed", "too_many_streams"]))),
    responses((status = 200, description = "The archive. It ends early if the directory contains more than 500,000 files or 8 GiB.", body = FileContent, content_type = "application/gzip")))]
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    principal: Principal,
    Path(run): Path<RunId>,
    Query(query): Query<ArchiveQuery>,
) -> Result<Response, ApiError> {
    let path = directory_path(query.path.as_deref())?;
    let archive = match (query.changed.unwrap_or(false), path) {
        (true, Some(_)) => return Err(ApiError::invalid_field("path", FaultCode::Conflict, "must not be given together with `changed`")),
        (true, None) => app.runs.archive_of_changes(&principal.caller, run).await?,
        (false, path) => app.runs.archive(&principal.caller, run, path).await?,
    };
    // Each takes a descriptor, and a part of the processor while its client reads.
    let permit = app.limits.streams.open(&principal.caller.user.name)?;
    let headers: [(HeaderName, HeaderValue); 1] = [(header::CONTENT_TYPE, HeaderValue::from_static("application/gzip"))];
    let mut response = (headers, Body::from_stream(permit.attach(pieces(archive)))).into_response();
    let name = HeaderValue::try_from(format!("attachment; filename=\"{run}.tar.gz\"")).ok();
    response.headers_mut().extend(name.map(|name| (header::CONTENT_DISPOSITION, name)));
    Ok(response)
}

/// The pieces of an archive, each made when the client has taken the one before. An error ends the response early, which the client sees.
fn pieces(archive: Archive) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(archive, |mut archive| async move {
        let made = tokio::task::spawn_blocking(move || (archive.next_piece(), archive)).await;
        let (piece, archive) = made.map_err(io::Error::other)?;
        let piece = piece.inspect_err(|error| tracing::warn!(%error, "an archive ended early"))?;
        Ok(piece.map(|piece| (piece, archive)))
    })
}
