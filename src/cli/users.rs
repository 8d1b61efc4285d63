//! `openrunner user`

use std::process::ExitCode;

use serde_json::json;

use super::{DataFlags, UserCommand, local_store, password};
use crate::auth::Target;
use crate::run::store::UserRecord;
use crate::types::{AuditAction, BudgetChange, Limit, UserName, UserRole};

/// Users that are read at once.
const PAGE: usize = 200;

pub(super) fn user(command: UserCommand) -> anyhow::Result<ExitCode> {
    match command {
        UserCommand::Add { name, role, data } => add(&name, role, data)?,
        UserCommand::Passwd { name, data } => passwd(&name, data)?,
        UserCommand::Budget { name, tokens_per_day, cost_per_day_usd, data } => {
            budget(&name, BudgetChange { tokens_per_day, cost_per_day: cost_per_day_usd }, data)?;
        }
        UserCommand::List { json, data } => list(json, data)?,
        UserCommand::Remove { name, data } => remove(&name, data)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn add(name: &UserName, role: UserRole, data: DataFlags) -> anyhow::Result<()> {
    let password = password::ask(name.as_str())?;
    local_store::with(data, async |identity| {
        let (target, detail) = (Target::User(name.clone()), format!("role={}", role.as_str()));
        let added = identity.auth.add_user(name.clone(), role, &password).await;
        identity.record(AuditAction::UserCreate, target, detail, added).await?;
        anstream::println!("{name} is there now, as {}", role.as_str());
        Ok(())
    })
}

fn passwd(name: &UserName, data: DataFlags) -> anyhow::Result<()> {
    let password = password::ask(name.as_str())?;
    local_store::with(data, async |identity| {
        let changed = identity.auth.change_user(name, None, Some(&password), BudgetChange::default()).await;
        identity.record(AuditAction::UserChange, Target::User(name.clone()), "password".to_owned(), changed).await?;
        anstream::println!("{name} has a new password; tokens that were got before are worthless");
        Ok(())
    })
}

fn budget(name: &UserName, change: BudgetChange, data: DataFlags) -> anyhow::Result<()> {
    anyhow::ensure!(change.is_some(), "nothing to change: give --tokens-per-day, --cost-per-day-usd or both");
    local_store::with(data, async |identity| {
        let changed = identity.auth.change_user(name, None, None, change).await;
        identity.record(AuditAction::UserChange, Target::User(name.clone()), change.to_string(), changed).await?;
        anstream::println!("{name} has this budget from now on: {change}");
        Ok(())
    })
}

fn list(as_json: bool, data: DataFlags) -> anyhow::Result<()> {
    let users = local_store::with(data, async |identity| {
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
            .map(|user| json!({ "username": user.name, "role": user.role, "default_password": user.default_password, "budget": user.budget }))
            .collect();
        anstream::println!("{}", serde_json::to_string_pretty(&users)?);
        return Ok(());
    }
    let width = users.iter().map(|user| user.name.as_str().len()).max().unwrap_or(0);
    for user in users {
        let note = if user.default_password { "  default password: from this machine only" } else { "" };
        let tokens = user.budget.tokens_per_day.map(|bound| format!("  {} a day", in_words(bound, "tokens")));
        let cost = user.budget.cost_per_day_usd.map(|bound| format!("  {} a day", in_words(bound, "dollars")));
        let budget = [tokens, cost].map(Option::unwrap_or_default).concat();
        anstream::println!("{:width$}  {:5}{note}{budget}", user.name.as_str(), user.role.as_str());
    }
    Ok(())
}

fn remove(name: &UserName, data: DataFlags) -> anyhow::Result<()> {
    local_store::with(data, async |identity| {
        let removed = identity.auth.remove_user(name).await;
        identity.record(AuditAction::UserDelete, Target::User(name.clone()), String::new(), removed).await?;
        anstream::println!("{name} is removed; the runs under that name stay");
        Ok(())
    })
}

fn in_words<T: std::fmt::Display>(bound: Limit<T>, what: &str) -> String {
    bound.amount().map_or_else(|| format!("unlimited {what}"), |most| most.to_string())
}
