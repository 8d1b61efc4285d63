//! Entries of the audit log as values of a statement.

use crate::run::store::AuditEntry;
use crate::types::UserName;

/// An entry as the function `add_audit` of the schema takes it.
pub(super) fn columns(entry: &AuditEntry) -> [Option<String>; 12] {
    [
        Some(entry.created_at.as_millis().to_string()),
        entry.user.as_ref().map(|user| user.id.to_string()),
        entry.user.as_ref().map(|user| user.name.to_string()),
        entry.key.map(|key| key.to_string()),
        entry.address.map(|address| address.to_string()),
        Some(entry.action.as_str().to_owned()),
        Some(entry.outcome.clone()),
        entry.run.map(|run| run.to_string()),
        entry.target_user.map(|user| user.to_string()),
        entry.target_username.as_ref().map(UserName::to_string),
        entry.target_key.map(|key| key.to_string()),
        entry.detail.clone(),
    ]
}
