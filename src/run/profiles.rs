//! Profiles that runs are created with: those of the settings file, which are read-only, and those that admins store through the API.

use super::create::check_profile;
use super::manager::RunManager;
use super::request::BadRun;
use super::store::{Audited, ProfileChange, ProfileRecord, StoreError};
use crate::types::{Caller, Profile, ProfileName, Timestamp, string_enum};

/// Maximum number of stored profiles.
const MAX_PROFILES: usize = 256;

string_enum! {
    /// Where a profile is defined.
    #[derive(utoipa::ToSchema)]
    pub enum ProfileSource {
        /// In the settings file. It cannot be changed through the API.
        Settings = "settings",
        /// Through the API.
        Api = "api",
    }
}

/// A profile with its name and origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedProfile {
    /// Its name.
    pub name: ProfileName,
    /// Where it is defined.
    pub source: ProfileSource,
    /// What it sets.
    pub profile: Profile,
    /// When it was last changed; `None` for one of the settings file.
    pub updated_at: Option<Timestamp>,
}

/// Why a profile was not returned or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is none with this name that the caller may use.
    #[error("profile {0} not found")]
    NotFound(ProfileName),
    /// It is defined in the settings file.
    #[error("profile {0} is defined in the settings file; change it there, or choose another name")]
    ReadOnly(ProfileName),
    /// There are too many.
    #[error("there are {MAX_PROFILES} profiles already; delete one first")]
    TooMany,
    /// The definition is invalid; at least one fault.
    #[error("the profile is invalid")]
    Invalid(Vec<BadRun>),
    /// The store failed.
    #[error("could not read or store the profile")]
    Store(#[from] StoreError),
}

/// The first fault of a profile in the settings file, after the name of its field; `None` if it is valid.
pub fn fault_of_profile(profile: &Profile) -> Option<String> {
    let fault = check_profile(profile).into_iter().next()?;
    let field = match &fault {
        BadRun::ProfileField { field, .. } | BadRun::Timeout { field } => (*field).to_owned(),
        BadRun::Model => "model".to_owned(),
        BadRun::Rule { index, error } => format!("permission_rules[{index}].{}", error.field),
        BadRun::RulesTooLong | BadRun::TooManyRules => "permission_rules".to_owned(),
        BadRun::McpServer { index, .. } => format!("mcp_servers[{index}]"),
        // What else the check finds is about the instructions.
        _ => "instructions".to_owned(),
    };
    Some(format!("{field}: {fault}"))
}

impl RunManager {
    /// The profiles that the caller may use, by name. For admins all.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn profiles(&self, caller: &Caller) -> Result<Vec<NamedProfile>, StoreError> {
        let stored = self.inner.profiles.profiles(MAX_PROFILES).await?;
        let of_settings = &self.inner.config.profiles;
        // A name of the settings file may have been stored before it was defined there.
        let stored = stored.into_iter().filter(|record| !of_settings.contains_key(&record.name)).map(NamedProfile::from);
        let fixed = of_settings.iter().map(|(name, profile)| NamedProfile::of_settings(name, profile));
        let mut all: Vec<NamedProfile> = stored.chain(fixed).filter(|named| may_use(caller, &named.profile)).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// The profile with this name.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`], also if the caller may not use it, or [`ProfileError::Store`].
    pub async fn profile(&self, caller: &Caller, name: &ProfileName) -> Result<NamedProfile, ProfileError> {
        self.usable_profile(caller, name).await?.ok_or_else(|| ProfileError::NotFound(name.clone()))
    }

    /// The profile with this name, if the caller may use it.
    pub(super) async fn usable_profile(&self, caller: &Caller, name: &ProfileName) -> Result<Option<NamedProfile>, StoreError> {
        let found = match self.inner.config.profiles.get(name) {
            Some(profile) => Some(NamedProfile::of_settings(name, profile)),
            None => self.inner.profiles.profile(name).await?.map(NamedProfile::from),
        };
        Ok(found.filter(|named| may_use(caller, &named.profile)))
    }

    /// The profile of a run for which neither the request nor its API key names one. It may not exist: then no such run can be created.
    pub fn default_profile(&self) -> Option<&ProfileName> {
        self.inner.config.default_profile.as_ref()
    }

    /// Stores a profile, or replaces the one of the same name. Runs that exist keep what they have. Returns whether it is new.
    ///
    /// # Errors
    /// [`ProfileError`], by cause.
    pub async fn set_profile(
        &self,
        name: ProfileName,
        profile: Profile,
        audit: Option<Audited>,
    ) -> Result<(NamedProfile, bool), ProfileError> {
        self.refuse_read_only(&name)?;
        let checked = profile.clone();
        // Patterns are compiled, which takes time.
        let faults = tokio::task::spawn_blocking(move || check_profile(&checked)).await;
        let mut faults = faults.map_err(|panic| StoreError::Internal(panic.to_string()))?;
        if let Some(agent) = profile.agent_type.as_ref().filter(|agent| !self.agents().contains(agent)) {
            let known = self.agents().names().collect::<Vec<_>>().join(", ");
            faults.push(BadRun::UnknownAgent { name: agent.clone(), known });
        }
        if !faults.is_empty() {
            return Err(ProfileError::Invalid(faults));
        }
        let record = ProfileRecord { name, profile, updated_at: self.inner.log.now() };
        match self.inner.profiles.set_profile(record.clone(), MAX_PROFILES, audit).await? {
            ProfileChange::Full => Err(ProfileError::TooMany),
            change => Ok((record.into(), change == ProfileChange::Created)),
        }
    }

    /// Removes a stored profile. Runs that exist keep what they have.
    ///
    /// # Errors
    /// [`ProfileError`], by cause.
    pub async fn remove_profile(&self, name: &ProfileName, audit: Option<Audited>) -> Result<(), ProfileError> {
        self.refuse_read_only(name)?;
        let existed = self.inner.profiles.remove_profile(name, audit).await?;
        if existed { Ok(()) } else { Err(ProfileError::NotFound(name.clone())) }
    }

    fn refuse_read_only(&self, name: &ProfileName) -> Result<(), ProfileError> {
        let is_fixed = self.inner.config.profiles.contains_key(name);
        if is_fixed { Err(ProfileError::ReadOnly(name.clone())) } else { Ok(()) }
    }
}

fn may_use(caller: &Caller, profile: &Profile) -> bool {
    caller.is_admin() || profile.users.is_empty() || profile.users.iter().any(|user| user.is(&caller.user))
}

impl NamedProfile {
    fn of_settings(name: &ProfileName, profile: &Profile) -> Self {
        Self { name: name.clone(), source: ProfileSource::Settings, profile: profile.clone(), updated_at: None }
    }
}

impl From<ProfileRecord> for NamedProfile {
    fn from(record: ProfileRecord) -> Self {
        let ProfileRecord { name, profile, updated_at } = record;
        Self { name, source: ProfileSource::Api, profile, updated_at: Some(updated_at) }
    }
}
