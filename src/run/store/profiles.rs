//! Profiles.

use async_trait::async_trait;

use super::{Audited, StoreError};
use crate::types::{Profile, ProfileName, Timestamp};

/// A stored profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRecord {
    /// Its name.
    pub name: ProfileName,
    /// What it sets.
    pub profile: Profile,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The result of storing a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileChange {
    /// It is new.
    Created,
    /// It replaced the one of the same name.
    Replaced,
    /// Nothing was stored: the store has the maximum number of profiles.
    Full,
}

/// Stores profiles. A change and its audit entry are stored together or not at all; the entry is left out if nothing is changed.
#[async_trait]
pub trait ProfileStore: Send + Sync {
    /// Stores a profile, unless it would be one more than `max`. Replaces the one of the same name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn set_profile(&self, record: ProfileRecord, max: usize, audit: Option<Audited>) -> Result<ProfileChange, StoreError>;

    /// The profile with this name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn profile(&self, name: &ProfileName) -> Result<Option<ProfileRecord>, StoreError>;

    /// At most `limit` profiles, by name. Damaged rows are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn profiles(&self, limit: usize) -> Result<Vec<ProfileRecord>, StoreError>;

    /// Removes a profile. Returns whether it existed.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn remove_profile(&self, name: &ProfileName, audit: Option<Audited>) -> Result<bool, StoreError>;
}
