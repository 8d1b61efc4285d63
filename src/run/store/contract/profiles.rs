//! What every store must do for profiles.

use super::fixtures::{at, contract};
use crate::run::store::{AuditEntry, AuditFilter, AuditStore, Audited, ProfileChange, ProfileRecord, ProfileStore};
use crate::types::{AuditAction, Profile, ProfileName};

fn profile(name: &str, model: &str) -> ProfileRecord {
    let profile = serde_json::json!({
        "model": model,
        "permission_mode": "ask",
        "permission_rules": [{ "tool": "Bash", "decision": "deny" }],
        "mcp_servers": [{ "name": "files", "command": "mcp", "args": [], "env": { "TOKEN": "secret" } }],
        "isolation": "sandbox",
        "timeout_secs": 60,
        "users": ["ann"],
    });
    let profile: Profile = serde_json::from_value(profile).unwrap();
    ProfileRecord { name: name.parse().unwrap(), profile, updated_at: at(1_000) }
}

async fn a_profile_is_read_as_it_was_stored_until_it_is_replaced_or_removed(store: &dyn ProfileStore) {
    let (b, a, newer) = (profile("b", "one"), profile("a", "two"), profile("b", "three"));
    for (record, change) in [(&b, ProfileChange::Created), (&a, ProfileChange::Created), (&newer, ProfileChange::Replaced)] {
        assert_eq!(store.set_profile(record.clone(), 2, None).await.unwrap(), change);
        assert_eq!(store.profile(&record.name).await.unwrap().as_ref(), Some(record));
    }
    assert_eq!(store.profiles(9).await.unwrap(), [a.clone(), newer]);
    assert_eq!(store.profiles(1).await.unwrap(), std::slice::from_ref(&a));
    for existed in [true, false] {
        assert_eq!(store.remove_profile(&a.name, None).await.unwrap(), existed);
    }
    assert_eq!(store.profile(&a.name).await.unwrap(), None);
}

async fn no_more_profiles_are_stored_than_the_maximum(store: &dyn ProfileStore) {
    assert_eq!(store.set_profile(profile("a", "one"), 1, None).await.unwrap(), ProfileChange::Created);
    assert_eq!(store.set_profile(profile("b", "one"), 1, None).await.unwrap(), ProfileChange::Full);
    assert_eq!(store.profile(&"b".parse().unwrap()).await.unwrap(), None);
    assert_eq!(store.set_profile(profile("a", "two"), 1, None).await.unwrap(), ProfileChange::Replaced, "a full store can be changed");
}

async fn a_change_of_a_profile_is_stored_with_its_audit_entry(store: &(impl ProfileStore + AuditStore)) {
    let entry = |detail: &str| {
        Some(Audited::new(AuditEntry {
            created_at: at(1),
            user: None,
            key: None,
            address: None,
            action: AuditAction::ProfileSet,
            outcome: "ok".into(),
            run: None,
            target_username: None,
            target_user: None,
            target_key: None,
            detail: Some(detail.to_owned()),
        }))
    };
    store.set_profile(profile("a", "one"), 1, entry("stored")).await.unwrap();
    store.set_profile(profile("b", "one"), 1, entry("refused")).await.unwrap();
    let missing: ProfileName = "missing".parse().unwrap();
    store.remove_profile(&missing, entry("missing")).await.unwrap();
    let entries = store.audit(AuditFilter::default(), 9).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.entry.detail.as_deref()).collect::<Vec<_>>(), [Some("stored")]);
}

contract![
    a_profile_is_read_as_it_was_stored_until_it_is_replaced_or_removed,
    no_more_profiles_are_stored_than_the_maximum,
    a_change_of_a_profile_is_stored_with_its_audit_entry,
];
