//! `openrunner user`

use std::process::ExitCode;

use serde_json::json;

use super::{DataFlags, UserCommand, identity, password};
use crate::auth::Target;
use crate::run::store::UserRecord;
use crate::types::{Action, UserName, UserRole};

/// Users that are read at once.
const PAGE: usize = 200;

pub(super) fn user(command: UserCommand) -> anyhow::Result<ExitCode> {
    match command {
        UserCommand::Add { name, role, data } => add(&name, role, data)?,
        UserCommand::Passwd { name, data } => passwd(&name, data)?,
        UserCommand::List { json, data } => list(json, data)?,
        UserCommand::Remove { name, data } => remove(&name, data)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn add(name: &UserName, role: UserRole, data: DataFlags) -> anyhow::Result<()> {
    let password = password::ask(name.as_str())?;
    identity::with(data, async |identity| {
        let (target, detail) = (Target::User(name.clone()), format!("role={}", role.as_str()));
        let added = identity.auth.add_user(name.clone(), role, &password).await;
        identity.record(Action::UserCreate, target, detail, added).await?;
        anstream::println!("{name} is there now, as {}", role.as_str());
        Ok(())
    })
}

fn passwd(name: &UserName, data: DataFlags) -> anyhow::Result<()> {
    let password = password::ask(name.as_str())?;
    identity::with(data, async |identity| {
        let changed = identity.auth.change_user(name, None, Some(&password)).await;
        identity.record(Action::UserChange, Target::User(name.clone()), "password".to_owned(), changed).await?;
        anstream::println!("{name} has a new password; tokens that were got before are worthless");
        Ok(())
    })
}

fn list(as_json: bool, data: DataFlags) -> anyhow::Result<()> {
    let users = identity::with(data, async |identity| {
        let mut users: Vec<UserRecord> = Vec::new();
        loop {
            let page = identity.auth.users(users.last().map(|user| user.name.clone()), PAGE).await?;
            let is_last = page.len() < PAGE;
            users.extend(page);
            if is_last {
                return Ok(users);
            }
        }
    })?;
    if as_json {
        let users: Vec<_> = users
            .iter()
            .map(|user| json!({ "username": user.name, "role": user.role, "default_password": user.default_password }))
            .collect();
        anstream::println!("{}", serde_json::to_string_pretty(&users)?);
        return Ok(());
    }
    let width = users.iter().map(|user| user.name.as_str().len()).max().unwrap_or(0);
    for user in users {
        let note = if user.default_password { "  default password: from this machine only" } else { "" };
        anstream::println!("{:width$}  {:5}{note}", user.name.as_str(), user.role.as_str());
    }
    Ok(())
}

fn remove(name: &UserName, data: DataFlags) -> anyhow::Result<()> {
    identity::with(data, async |identity| {
        let removed = identity.auth.remove_user(name).await;
        identity.record(Action::UserDelete, Target::User(name.clone()), String::new(), removed).await?;
        anstream::println!("{name} is removed; the runs under that name stay");
        Ok(())
    })
}
