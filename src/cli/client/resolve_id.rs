//! Resolves the names of runs and sessions on the command line: an id, a unique prefix of one, or `last`.

use serde_json::Value;

use super::Client;
use crate::cli::error::CliError;
use crate::cli::format::items;

/// The name of the caller's newest run, and of that run's session.
const LAST: &str = "last";
/// Maximum number of ids that an error message lists.
const LISTED: usize = 5;

/// The full id of a run.
///
/// # Errors
/// If no run matches, several do, or the server does not answer.
pub(in crate::cli) async fn resolve_run(client: &Client, name: &str) -> anyhow::Result<String> {
    if name == LAST {
        return last_own_run(client).await.and_then(|run| id_of(&run, &RUN));
    }
    let prefix = match parse(name, &RUN)? {
        Parsed::Full(id) => return Ok(id),
        Parsed::Prefix(prefix) => prefix,
    };
    // `q` also searches prompts and labels, so other runs may be among the results, and the matching ids on a later page.
    let mut matches = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let query = [("q", Some(prefix.clone())), ("limit", Some("200".to_owned())), ("cursor", cursor)];
        let page = client.get_with(RUN.path, &query).await?;
        matches.extend(matching(&page, &prefix, &RUN));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || matches.len() > LISTED {
            return unique(matches, &prefix, &RUN);
        }
    }
}

/// The full id of a session.
///
/// # Errors
/// As [`resolve_run`].
pub(in crate::cli) async fn resolve_session(client: &Client, name: &str) -> anyhow::Result<String> {
    if name == LAST {
        return last_own_run(client).await.and_then(|run| id_of(&run, &SESSION));
    }
    let prefix = match parse(name, &SESSION)? {
        Parsed::Full(id) => return Ok(id),
        Parsed::Prefix(prefix) => prefix,
    };
    // Sessions are listed by descending id: a page that starts after the largest id with this prefix starts with the matches.
    let cursor = format!("{prefix:f<0$}", SESSION.prefix.len() + 32);
    let page = client.get_with(SESSION.path, &[("limit", Some((LISTED + 1).to_string())), ("cursor", Some(cursor))]).await?;
    unique(matching(&page, &prefix, &SESSION).collect(), &prefix, &SESSION)
}

struct Kind {
    noun: &'static str,
    prefix: &'static str,
    field: &'static str,
    path: &'static str,
}

const RUN: Kind = Kind { noun: "run", prefix: "run_", field: "run_id", path: "/api/runs" };
const SESSION: Kind = Kind { noun: "session", prefix: "ses_", field: "session_id", path: "/api/sessions" };

enum Parsed {
    Full(String),
    Prefix(String),
}

/// Parses an id or the prefix of one, with or without `run_` or `ses_`.
fn parse(name: &str, kind: &Kind) -> anyhow::Result<Parsed> {
    let digits = name.strip_prefix(kind.prefix).unwrap_or(name);
    if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        let noun = kind.noun;
        return Err(CliError::usage(format!("`{name}` is not the id of a {noun}"))
            .hint(format!("use an id ({}…), the start of one, or `{LAST}`; `openrunner {noun} ls` lists them", kind.prefix))
            .into());
    }
    let id = format!("{}{digits}", kind.prefix);
    Ok(if digits.len() == 32 { Parsed::Full(id) } else { Parsed::Prefix(id) })
}

/// The caller's newest run. Admins see the runs of all users, so the owner must be named.
async fn last_own_run(client: &Client) -> anyhow::Result<Value> {
    let me = client.get("/api/auth/me").await?;
    let owner = me["username"].as_str().map(str::to_owned);
    let page = client.get_with(RUN.path, &[("owner", owner), ("limit", Some("1".to_owned()))]).await?;
    let newest = items(&page).next().cloned();
    newest.ok_or_else(|| CliError::not_found("you have no runs yet").hint("start one with `openrunner run \"prompt\"`").into())
}

fn id_of(run: &Value, kind: &Kind) -> anyhow::Result<String> {
    run[kind.field].as_str().map(str::to_owned).ok_or_else(|| CliError::failed(format!("the server's answer has no {}", kind.field)).into())
}

fn matching<'a>(page: &'a Value, prefix: &'a str, kind: &'a Kind) -> impl Iterator<Item = String> + 'a {
    items(page).filter_map(|item| item[kind.field].as_str()).filter(move |id| id.starts_with(prefix)).map(str::to_owned)
}

fn unique(mut matches: Vec<String>, prefix: &str, kind: &Kind) -> anyhow::Result<String> {
    match matches.len() {
        0 => Err(CliError::not_found(format!("no {} starts with {prefix}", kind.noun)).into()),
        1 => Ok(matches.remove(0)),
        count => {
            let listed = matches.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if count > LISTED { ", …" } else { "" };
            Err(CliError::usage(format!("several {}s start with {prefix}: {listed}{more}", kind.noun))
                .hint("use more digits of the id")
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::error::Report;
    use crate::cli::exit::Exit;

    #[test]
    fn a_prefix_must_match_exactly_one_id() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(unique(ids(&["run_01"]), "run_0", &RUN).unwrap(), "run_01");
        let error = Report::from(&unique(ids(&["run_01", "run_02"]), "run_0", &RUN).unwrap_err());
        assert_eq!((error.exit, error.message.contains("run_01, run_02")), (Exit::Usage, true));
        assert_eq!(Report::from(&unique(vec![], "run_0", &RUN).unwrap_err()).exit, Exit::NotFound);
    }

    #[test]
    fn the_prefix_of_the_kind_may_be_omitted() {
        assert!(matches!(parse("0198", &RUN).unwrap(), Parsed::Prefix(id) if id == "run_0198"));
        assert!(matches!(parse("run_0198a8f0c0de7000800000000000000a", &RUN).unwrap(), Parsed::Full(_)));
        for wrong in ["", "run_", "xyz", "ses_01", "0198a8f0c0de7000800000000000000a0"] {
            assert!(parse(wrong, &RUN).is_err(), "{wrong}");
        }
    }
}
