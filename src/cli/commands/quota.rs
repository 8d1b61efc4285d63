//! `openrunner user quota`, and the quotas that `openrunner usage` shows.

use clap::Args;
use serde_json::Value;

use super::budget::limit;
use crate::cli::accounts::Accounts;
use crate::cli::args::OfflineArgs;
use crate::cli::context::Context;
use crate::cli::format::field;
use crate::cli::output::print_json;
use crate::cli::table;
use crate::types::{Amount, Limit, LimitChange, PerQuota, Quota, QuotaChange, UserName};

/// New quotas.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct QuotaArgs {
    /// MiB of runs, events and output: a number, `unlimited`, or `default` for the server's setting
    #[arg(long, value_name = "N", value_parser = mebibytes, allow_negative_numbers = true)]
    stored_mb: Option<LimitChange<Amount>>,
    /// MiB of fresh working directories
    #[arg(long, value_name = "N", value_parser = mebibytes, allow_negative_numbers = true)]
    workspace_mb: Option<LimitChange<Amount>>,
    /// Runs
    #[arg(long, value_name = "N", value_parser = limit::<Amount>, allow_negative_numbers = true)]
    runs: Option<LimitChange<Amount>>,
    /// Sessions
    #[arg(long, value_name = "N", value_parser = limit::<Amount>, allow_negative_numbers = true)]
    sessions: Option<LimitChange<Amount>>,
    /// API keys
    #[arg(long, value_name = "N", value_parser = limit::<Amount>, allow_negative_numbers = true)]
    keys: Option<LimitChange<Amount>>,
}

fn mebibytes(text: &str) -> Result<LimitChange<Amount>, String> {
    Ok(match limit::<Amount>(text)? {
        LimitChange::Set(Limit::At(number)) => {
            let bytes = number.get().checked_mul(1024 * 1024).and_then(|bytes| Amount::try_from(bytes).ok());
            LimitChange::Set(Limit::At(bytes.ok_or("the number is too large; use `unlimited`")?))
        }
        other => other,
    })
}

impl QuotaArgs {
    /// The change of the quotas. None if none is given.
    pub(super) fn change(self) -> Option<QuotaChange> {
        let change = QuotaChange(PerQuota::new(|quota| {
            let change = match quota {
                Quota::StoredBytes => self.stored_mb,
                Quota::WorkspaceBytes => self.workspace_mb,
                Quota::Runs => self.runs,
                Quota::Sessions => self.sessions,
                Quota::Keys => self.keys,
            };
            change.unwrap_or_default()
        }));
        change.is_some().then_some(change)
    }
}

/// Shows the quotas of a user, or of the caller.
pub(super) async fn show(context: &Context, name: Option<UserName>) -> anyhow::Result<()> {
    let query = [("owner", name.map(|name| name.to_string())), ("limit", Some("1".to_owned()))];
    let quotas = context.connect().await?.get_with("/api/usage", &query).await?["quotas"].take();
    if context.output.json { print_json(&quotas) } else { print(context, &quotas) }
}

/// Prints quotas as a table.
pub(super) fn print(context: &Context, quotas: &Value) -> anyhow::Result<()> {
    let rows: Vec<_> = Quota::ALL.into_iter().map(|quota| row(quota, &quotas[quota.as_str()])).collect();
    table::print(context.output, ["quota", "used", "allowed"], &rows)
}

fn row(quota: Quota, allowance: &Value) -> [String; 3] {
    let allowed = if allowance["allowed"].is_null() { "unlimited".to_owned() } else { amount(quota, &allowance["allowed"]) };
    [short_name(quota).to_owned(), amount(quota, &allowance["used"]), allowed]
}

/// The name of a quota in tables.
pub(super) fn short_name(quota: Quota) -> &'static str {
    quota.as_str().trim_end_matches("_bytes")
}

/// A number with its unit.
pub(super) fn amount(quota: Quota, number: &Value) -> String {
    match number.as_u64() {
        Some(bytes) if quota.is_bytes() => format!("{} MiB", bytes / 1024 / 1024),
        _ => number.to_string(),
    }
}

/// Sets quotas of a user.
pub(super) async fn set(context: &Context, name: &UserName, change: QuotaChange, offline: OfflineArgs) -> anyhow::Result<()> {
    let user = Accounts::open(context, offline).await?.change_quotas(name, change).await?;
    context.output.confirm(&format!("Set quotas of {}: {change}", field(&user, "username")), &user)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_are_given_and_shown_in_mebibytes() {
        assert_eq!(mebibytes("2"), Ok(LimitChange::Set(Limit::At(Amount::new(2 * 1024 * 1024)))));
        assert_eq!(mebibytes("unlimited"), Ok(LimitChange::Set(Limit::NONE)));
        assert_eq!(mebibytes("default"), Ok(LimitChange::Reset));
        assert!(mebibytes("1000000000000000").is_err() && mebibytes("-1").is_err());
        let of_bytes = row(Quota::StoredBytes, &json!({ "used": 3 * 1024 * 1024 + 5, "allowed": 1024 * 1024 * 1024, "is_own": false }));
        assert_eq!(of_bytes, ["stored", "3 MiB", "1024 MiB"]);
        assert_eq!(row(Quota::Keys, &json!({ "used": 4, "is_own": true })), ["keys", "4", "unlimited"]);
    }
}
