//! Quotas: how much a user may keep on the server.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Amount, Limit, LimitChange, string_enum};

string_enum! {
    /// What a quota limits, per user.
    #[derive(ToSchema)]
    pub enum Quota {
        /// Stored runs with their events, and the output of their agents, in bytes.
        StoredBytes = "stored_bytes",
        /// Content of fresh workspaces, in bytes.
        WorkspaceBytes = "workspace_bytes",
        /// Runs.
        Runs = "runs",
        /// Sessions.
        Sessions = "sessions",
        /// API keys.
        Keys = "keys",
    }
}

impl Quota {
    /// Whether the quota is a number of bytes.
    pub fn is_bytes(self) -> bool {
        matches!(self, Self::StoredBytes | Self::WorkspaceBytes)
    }
}

/// One value for each quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerQuota<T>([T; 5]);

impl<T> PerQuota<T> {
    /// The value of each quota.
    pub fn new(value: impl FnMut(Quota) -> T) -> Self {
        Self(Quota::ALL.map(value))
    }

    /// Each quota with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Quota, &T)> {
        Quota::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Quota> for PerQuota<T> {
    type Output = T;

    fn index(&self, quota: Quota) -> &T {
        &self.0[quota as usize]
    }
}

impl<T> IndexMut<Quota> for PerQuota<T> {
    fn index_mut(&mut self, quota: Quota) -> &mut T {
        &mut self.0[quota as usize]
    }
}

/// The quotas that a user has instead of the server's defaults. Those that are absent default to the server's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct OwnQuotas {
    /// Runs with their events, and the output of their agents, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<Limit<Amount>>,
    /// Content of fresh working directories, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_bytes: Option<Limit<Amount>>,
    /// Runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Limit<Amount>>,
    /// Sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Limit<Amount>>,
    /// API keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Limit<Amount>>,
}

impl OwnQuotas {
    /// Whether all quotas are the server's.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<PerQuota<Option<Limit<Amount>>>> for OwnQuotas {
    fn from(own: PerQuota<Option<Limit<Amount>>>) -> Self {
        Self {
            stored_bytes: own[Quota::StoredBytes],
            workspace_bytes: own[Quota::WorkspaceBytes],
            runs: own[Quota::Runs],
            sessions: own[Quota::Sessions],
            keys: own[Quota::Keys],
        }
    }
}

/// Changes of a user's quotas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaChange(pub PerQuota<LimitChange<Amount>>);

impl QuotaChange {
    /// Whether anything changes.
    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }
}

/// The form in the audit log: `runs=5000 keys=unlimited`.
impl fmt::Display for QuotaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = self.0.iter().filter_map(|(quota, change)| {
            let value = change.describe(|amount| amount.get().to_string())?;
            Some(format!("{}={value}", quota.as_str()))
        });
        f.write_str(&changes.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quota_has_a_value_of_its_own() {
        let mut names = PerQuota::new(Quota::as_str);
        assert!(names.iter().all(|(quota, name)| quota.as_str() == *name && names[quota] == *name));
        names[Quota::Keys] = "changed";
        assert_eq!(names.iter().filter(|(_, name)| **name == "changed").count(), 1);
    }

    #[test]
    fn own_quotas_are_shown_by_the_names_of_the_quotas() {
        let own = OwnQuotas::from(PerQuota::new(|quota| Some(Limit::At(Amount::new(quota as u64)))));
        let shown = serde_json::to_value(own).unwrap();
        assert_eq!(shown.as_object().unwrap().len(), Quota::ALL.len());
        assert!(Quota::ALL.iter().all(|quota| shown[quota.as_str()] == *quota as u64), "{shown}");
        assert!(OwnQuotas::from(PerQuota::default()).is_default());
        assert_eq!(serde_json::to_value(OwnQuotas::default()).unwrap(), serde_json::json!({}));
    }

    #[test]
    fn a_change_states_what_is_set() {
        let mut change = QuotaChange::default();
        assert!(!change.is_some());
        (change.0[Quota::Runs], change.0[Quota::Keys]) = (LimitChange::Set(Limit::At(Amount::new(5))), LimitChange::Set(Limit::NONE));
        change.0[Quota::StoredBytes] = LimitChange::Reset;
        assert_eq!(change.to_string(), "stored_bytes=default runs=5 keys=unlimited");
    }
}
