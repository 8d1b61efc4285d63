//! `openrunner usage`: what was used, and what it cost.

use serde_json::Value;

use super::client::{connect, session_named};
use super::commands::{UsageArgs, UsageBy};
use super::exit::Exit;
use super::lists::text;
use super::run::print_json;
use super::{table, terminal};

/// Carries out `openrunner usage`.
pub(super) async fn usage(args: UsageArgs) -> anyhow::Result<Exit> {
    let client = connect(&args.at).await?;
    let session = match &args.session {
        Some(name) => Some(session_named(&client, name).await?),
        None => None,
    };
    let query = [
        ("group_by", Some(args.by.group().to_owned())),
        ("since", args.since.map(|day| day.to_string())),
        ("until", args.until.map(|day| day.to_string())),
        ("owner", args.user.map(|user| user.to_string())),
        ("agent_type", args.agent),
        ("session_id", session),
        ("limit", Some(args.limit.to_string())),
    ];
    let page = client.get_with("/api/usage", &query).await?;
    if args.form.json {
        return print_json(&page).map(|()| Exit::Done);
    }
    let mut rows: Vec<_> = page["items"].as_array().into_iter().flatten().map(|item| row(text(item, args.by.field()), item)).collect();
    // Programs can add up, and a row that is none of the listed would only get in their way.
    if terminal::is_seen() {
        rows.push(row("in all".to_owned(), &page["total"]));
    }
    table::print([args.by.field().trim_end_matches("_id"), "runs", "in", "out", "cache read", "cache write", "cost"], &rows)?;
    Ok(Exit::Done)
}

fn row(key: String, used: &Value) -> [String; 7] {
    let key = if key.is_empty() { "unknown".to_owned() } else { key };
    let number = |field: &str| text(used, field);
    let numbers = ["runs", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"].map(number);
    let [runs, input, output, read, write] = numbers;
    [key, runs, input, output, read, write, cost(used)]
}

/// The cost, with what is known of its worth: `about` for list prices, `+` where some runs have told none.
fn cost(used: &Value) -> String {
    let is_partial = used["runs_without_cost"].as_u64() > Some(0);
    let Some(cost) = used["cost_usd"].as_f64() else {
        return if is_partial { "not told".to_owned() } else { String::new() };
    };
    let about = if used["cost_is_estimate"] == true { "about " } else { "" };
    format!("{about}${cost:.4}{}", if is_partial { " +" } else { "" })
}

impl UsageBy {
    /// The API's word for it.
    fn group(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::User => "owner",
            Self::Agent => "agent_type",
            Self::Model => "model",
            Self::Session => "session",
            Self::Run => "run",
        }
    }

    /// The field of an item that names it.
    fn field(self) -> &'static str {
        match self {
            Self::Session => "session_id",
            Self::Run => "run_id",
            Self::Day | Self::User | Self::Agent | Self::Model => self.group(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cost_says_what_it_is_worth() {
        assert_eq!(cost(&json!({ "cost_usd": 1.5, "cost_is_estimate": false, "runs_without_cost": 0 })), "$1.5000");
        assert_eq!(cost(&json!({ "cost_usd": 1.5, "cost_is_estimate": true, "runs_without_cost": 2 })), "about $1.5000 +");
        assert_eq!(cost(&json!({ "runs_without_cost": 2 })), "not told");
        assert_eq!(cost(&json!({ "runs_without_cost": 0 })), "");
    }
}
