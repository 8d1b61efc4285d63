//! `openrunner key`

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::{DataFlags, KeyCommand, local_store};
use crate::auth::{NewKey, Target};
use crate::run::store::ApiKeyRecord;
use crate::types::{AuditAction, Caller, KeyId, Scope, UserName, UserRole};

/// Keys that are read at once.
const PAGE: usize = 200;

pub(super) fn key(command: KeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::Create { user, name, scopes, expires_in_days, data } => {
            let expires_in = expires_in_days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60));
            create(&user, NewKey { name, scopes: scopes.into_iter().collect(), expires_in }, data)?;
        }
        KeyCommand::List { user, json, data } => list(user.as_ref(), json, data)?,
        KeyCommand::Revoke { id, data } => revoke(id, data)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever can open the data folder can do what an admin can.
fn operator(name: UserName) -> Caller {
    Caller { user: name, role: UserRole::Admin }
}

fn create(owner: &UserName, new: NewKey, data: DataFlags) -> anyhow::Result<()> {
    local_store::with(data, async |identity| {
        let detail = said(&new.scopes);
        let made = identity.auth.create_key(owner, new).await;
        let target = made.as_ref().map_or_else(|_error| Target::User(owner.clone()), |(_key, record)| Target::Key(record.id));
        let (key, record) = identity.record(AuditAction::KeyCreate, target, detail, made).await?;
        // The key alone goes to standard output, so that it can be passed on.
        anstream::eprintln!("{} of {owner}; this is the only time that it is shown:", record.id);
        anstream::println!("{key}");
        Ok(())
    })
}

fn list(owner: Option<&UserName>, as_json: bool, data: DataFlags) -> anyhow::Result<()> {
    let keys = local_store::with(data, async |identity| {
        let mut keys: Vec<ApiKeyRecord> = Vec::new();
        loop {
            let page = identity.auth.keys(&operator("admin".parse()?), owner.cloned(), keys.last().map(|key| key.id), PAGE).await?;
            let is_last = page.len() < PAGE;
            keys.extend(page);
            if is_last {
                return Ok(keys);
            }
        }
    })?;
    if as_json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "id": key.id, "name": key.name, "owner": key.owner, "scopes": key.scopes, "created_at": key.created_at,
                    "expires_at": key.expires_at, "last_used_at": key.last_used_at,
                })
            })
            .collect();
        anstream::println!("{}", serde_json::to_string_pretty(&keys)?);
        return Ok(());
    }
    for key in keys {
        let ends = key.expires_at.map_or_else(String::new, |end| format!("  until {end}"));
        anstream::println!("{}  {}  {}  {}{ends}", key.id, key.owner, said(&key.scopes), key.name);
    }
    Ok(())
}

fn revoke(id: KeyId, data: DataFlags) -> anyhow::Result<()> {
    local_store::with(data, async |identity| {
        let revoked = identity.auth.revoke_key(&operator("admin".parse()?), id).await;
        identity.record(AuditAction::KeyDelete, Target::Key(id), String::new(), revoked).await?;
        anstream::println!("{id} is revoked");
        Ok(())
    })
}

fn said(scopes: &std::collections::BTreeSet<Scope>) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}
