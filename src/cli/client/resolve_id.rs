//! What a person types to name a run or a session: its id, the beginning of it, or `last`.

use serde_json::Value;

use super::Client;
use crate::cli::exit::Stop;

/// Most entries that are looked through for the beginning of an id, newest first. Older ones are named in full.
const LOOKED_THROUGH: usize = 10_000;
/// The word for the newest one.
const LAST: &str = "last";

/// The full id of a run.
///
/// # Errors
/// If there is none, several begin so, or the server does not answer.
pub(in crate::cli) async fn run_named(client: &Client, name: &str) -> anyhow::Result<String> {
    resolve_id(client, name, &Kind { what: "run", prefix: "run_", field: "run_id", path: "/api/runs" }).await
}

/// The full id of a session.
///
/// # Errors
/// As [`run_named`].
pub(in crate::cli) async fn session_named(client: &Client, name: &str) -> anyhow::Result<String> {
    resolve_id(client, name, &Kind { what: "session", prefix: "ses_", field: "session_id", path: "/api/sessions" }).await
}

struct Kind {
    what: &'static str,
    prefix: &'static str,
    field: &'static str,
    path: &'static str,
}

async fn resolve_id(client: &Client, name: &str, kind: &Kind) -> anyhow::Result<String> {
    if name == LAST {
        let newest = client.get(&format!("{}?limit=1", kind.path)).await?;
        let id = ids(&newest, kind).next().map(str::to_owned);
        return id.ok_or_else(|| Stop::not_found(format!("there is no {} yet", kind.what)).into());
    }
    let digits = name.strip_prefix(kind.prefix).unwrap_or(name);
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        let what = kind.what;
        return Err(Stop::usage(format!("`{name}` names no {what}; give the id of a {what}, the beginning of one, or `{LAST}`")).into());
    }
    if digits.len() == 32 {
        return Ok(format!("{}{digits}", kind.prefix));
    }
    let start = format!("{}{digits}", kind.prefix);
    let (mut found, mut seen, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let page = client.get_with(kind.path, &[("limit", Some("200".to_owned())), ("cursor", cursor)]).await?;
        let before = seen;
        for id in ids(&page, kind) {
            seen += 1;
            if id.starts_with(&start) {
                found.push(id.to_owned());
            }
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || seen >= LOOKED_THROUGH || seen == before {
            break;
        }
    }
    one_of(found, &start, kind)
}

fn one_of(mut found: Vec<String>, start: &str, kind: &Kind) -> anyhow::Result<String> {
    match found.len() {
        0 => Err(Stop::not_found(format!("there is no {} whose id begins with {start}", kind.what)).into()),
        1 => Ok(found.remove(0)),
        many => {
            let some: Vec<&str> = found.iter().take(5).map(String::as_str).collect();
            Err(Stop::usage(format!("{many} {}s begin with {start}: {}; type more of the id", kind.what, some.join(", "))).into())
        }
    }
}

fn ids<'a>(page: &'a Value, kind: &Kind) -> impl Iterator<Item = &'a str> {
    page["items"].as_array().into_iter().flatten().filter_map(|item| item[kind.field].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    const RUN: Kind = Kind { what: "run", prefix: "run_", field: "run_id", path: "/api/runs" };

    #[test]
    fn a_beginning_counts_only_if_one_id_begins_so() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(one_of(ids(&["run_01"]), "run_0", &RUN).unwrap(), "run_01");
        let error = one_of(ids(&["run_01", "run_02"]), "run_0", &RUN).unwrap_err();
        assert_eq!((Exit::of_error(&error), error.to_string().contains("run_01, run_02")), (Exit::Usage, true));
        assert_eq!(Exit::of_error(&one_of(vec![], "run_0", &RUN).unwrap_err()), Exit::NotFound);
    }
}
