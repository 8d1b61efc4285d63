//! Resources: runs, their logs and their changes.

use futures_util::TryStreamExt;
use rmcp::model::{
    ErrorData, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::json;

use super::backend::{Backend, BackendError, Call};
use super::path::{RESOURCES, run_segment, uri_of_run};
use super::{events, summary};

/// Number of runs whose resources are listed.
const LISTED: usize = 20;
/// Maximum number of bytes of a log in one resource.
const MAX_LOG: usize = 1024 * 1024;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const PATCH: &str = "text/x-diff";

/// A resource of a run.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// The run.
    Run,
    /// Its log after an event.
    Events { after: u64 },
    /// Its changes.
    Changes,
}

/// The resources of the newest runs.
///
/// # Errors
/// As [`Backend::json`].
pub(super) async fn list(backend: &dyn Backend) -> Result<ListResourcesResult, BackendError> {
    let runs = backend.json(Call::get(format!("/api/runs?limit={LISTED}"))).await?;
    let resources = runs["items"].as_array().into_iter().flatten().flat_map(|run| {
        let (id, title) = (summary::id(run), run["title"].as_str().unwrap_or_default());
        let described = |uri: String, name: &str, kind: &'static str| {
            Resource::new(uri, format!("{name} of {id}")).with_title(format!("{title} ({name})")).with_mime_type(kind)
        };
        [
            described(uri_of_run(&id), "run", JSON),
            described(format!("{RESOURCES}{id}/events"), "log", NDJSON),
            described(format!("{RESOURCES}{id}/changes.patch"), "changes", PATCH),
        ]
    });
    Ok(ListResourcesResult::with_all_items(resources.collect()))
}

/// The forms of their URIs.
pub(super) fn templates() -> ListResourceTemplatesResult {
    let template = |uri: &str, name: &str, description: &str, kind: &str| {
        ResourceTemplate::new(format!("{RESOURCES}{uri}"), name).with_description(description).with_mime_type(kind)
    };
    ListResourceTemplatesResult::with_all_items(vec![
        template("{run_id}", "run", "A run, with its whole answer", JSON),
        template("{run_id}/events{?after}", "log", "The log of a run so far, from its beginning or after an event; at most 1 MiB", NDJSON),
        template("{run_id}/changes.patch", "changes", "What a run has changed in its directory, as a patch", PATCH),
    ])
}

/// Reads a resource.
///
/// # Errors
/// If the URI is none of a resource, or the run cannot be read.
pub(super) async fn read(backend: &dyn Backend, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (run, part) =
        parse(uri).ok_or_else(|| not_found(uri, "resources are openrunner://runs/{run_id}, with /events or /changes.patch"))?;
    let failed = |error: BackendError| match error {
        BackendError::Refused(reason) => not_found(uri, &reason),
        BackendError::Unavailable(reason) => ErrorData::internal_error(reason, None),
    };
    let contents = match part {
        Part::Run => {
            let run = backend.json(Call::get(format!("/api/runs/{run}"))).await.map_err(failed)?;
            ResourceContents::text(run.to_string(), uri).with_mime_type(JSON)
        }
        Part::Events { after } => {
            let tip = backend.json(Call::get(format!("/api/runs/{run}"))).await.map_err(failed)?["last_seq"].as_u64().unwrap_or_default();
            let events = events::read(backend, &run, after, tip, usize::MAX, MAX_LOG).await.map_err(failed)?;
            let lines: Vec<String> = events.items.iter().map(|event| format!("{event}\n")).collect();
            ResourceContents::text(lines.concat(), uri).with_mime_type(NDJSON)
        }
        Part::Changes => ResourceContents::text(patch(backend, &run, None).await.map_err(failed)?, uri).with_mime_type(PATCH),
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

/// The changes of a run as a patch.
///
/// # Errors
/// As [`Backend::stream`].
pub(super) async fn patch(backend: &dyn Backend, run: &str, turn: Option<u64>) -> Result<String, BackendError> {
    let query = turn.map(|turn| format!("?turn={turn}")).unwrap_or_default();
    let body = backend.stream(&format!("/api/runs/{run}/changes.patch{query}"), PATCH).await?;
    let body: Vec<u8> = body
        .try_fold(Vec::new(), async |mut whole, part| {
            whole.extend_from_slice(&part);
            Ok(whole)
        })
        .await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn parse(uri: &str) -> Option<(String, Part)> {
    let rest = uri.strip_prefix(RESOURCES)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (run, part) = path.split_once('/').unwrap_or((path, ""));
    let after = match query {
        "" => 0,
        query => query.strip_prefix("after=")?.parse().ok()?,
    };
    let part = match part {
        "" => Part::Run,
        "events" => Part::Events { after },
        "changes.patch" => Part::Changes,
        _ => return None,
    };
    Some((run_segment(run).ok()?, part))
}

fn not_found(uri: &str, reason: &str) -> ErrorData {
    ErrorData::resource_not_found(reason.to_owned(), Some(json!({ "uri": uri })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_a_run_and_one_of_its_parts_and_nothing_else() {
        let run = || "run_0198a8f0c0de7000800000000000000a".to_owned();
        let uri = |rest: &str| format!("openrunner://runs/run_0198a8f0c0de7000800000000000000a{rest}");
        assert_eq!(parse(&uri("")), Some((run(), Part::Run)));
        assert_eq!(parse(&uri("/events")), Some((run(), Part::Events { after: 0 })));
        assert_eq!(parse(&uri("/events?after=12")), Some((run(), Part::Events { after: 12 })));
        assert_eq!(parse(&uri("/changes.patch")), Some((run(), Part::Changes)));
        for wrong in [
            &*uri("/other"),
            &uri("/events?after=x"),
            &uri("/events/.."),
            "openrunner://runs/",
            "openrunner://runs/..",
            "file:///etc/passwd",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
