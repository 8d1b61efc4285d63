//! Uploaded files, for prompts and messages.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, Path, Query, body};
use super::created::Created;
use super::files::FileContent;
use super::params::UploadPath;
use crate::run::Upload;
use crate::types::{AttachmentKind, AuditAction, Timestamp, UploadId};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UploadQuery {
    /// File name without directories, for the agent.
    #[param(min_length = 1, max_length = 128)]
    name: String,
}

/// An uploaded file.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadedFile)]
pub(in crate::api) struct UploadView {
    /// ID of the file, for `file_id` in parts of prompts and messages.
    file_id: UploadId,
    /// Its name.
    name: String,
    /// What its content is.
    r#type: AttachmentKind,
    /// Its media type, according to its content.
    media_type: String,
    /// Its size in bytes.
    size: u64,
    /// When it is removed.
    expires_at: Timestamp,
}

impl UploadView {
    fn new(file_id: UploadId, upload: Upload) -> Self {
        let r#type = if upload.is_image() { AttachmentKind::Image } else { AttachmentKind::File };
        let expires_at = upload.expires_at();
        Self { file_id, name: upload.name, r#type, media_type: upload.media_type, size: upload.size, expires_at }
    }
}

/// Uploads a file for prompts and messages of the caller.
///
/// It is kept for a day. Runs and messages that refer to it by `file_id` get a copy.
#[utoipa::path(post, path = "/api/files", operation_id = "upload_file", tag = "runs", params(UploadQuery),
    request_body(content = FileContent, content_type = "application/octet-stream", description = "The content, at most 20 MiB. Any content type."),
    extensions(("x-error-codes" = json!(["storage", "storage_quota_exceeded"]))),
    responses((status = 201, description = "The file was stored.", body = UploadView, headers(("Location" = String, description = "Path of the file, for `DELETE`.")))))]
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Query(query): Query<UploadQuery>,
    request: Request,
) -> Result<Created<UploadView>, ApiError> {
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::FileUpload);
    let (sender, content) = body::upload_channel();
    let storing = app.audited(event, move |_audit| async move { Ok(runs.upload(&caller, query.name, content).await?) });
    let (received, stored) = tokio::join!(body::receive(request, sender), storing);
    // An error of the body is the cause of an incomplete content.
    received?;
    let (id, upload) = stored?;
    Ok(Created { location: format!("/api/files/{id}"), body: UploadView::new(id, upload) })
}

/// Deletes an uploaded file.
///
/// Runs that use it keep their copies.
#[utoipa::path(delete, path = "/api/files/{id}", operation_id = "delete_file", tag = "runs", params(UploadPath),
    extensions(("x-error-codes" = json!(["not_found", "storage"]))),
    responses((status = 204, description = "The file was deleted.")))]
pub(in crate::api) async fn delete(
    State(app): State<AppState>,
    audit_context: AuditContext,
    Path(id): Path<UploadId>,
) -> Result<StatusCode, ApiError> {
    let (runs, caller) = (app.runs.clone(), audit_context.caller());
    let event = audit_context.event(AuditAction::FileDelete);
    app.audited(event, move |_audit| async move { Ok(runs.remove_upload(&caller, id).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}
