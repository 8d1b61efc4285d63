//! `openrunner health`: what a container engine or a script asks again and again.

use super::client::guest;
use super::commands::HealthArgs;
use super::exit::Exit;
use super::run::print_json;
use super::sanitize;

/// Carries out `openrunner health`. A server that answers and is not well ends it with [`Exit::Failed`].
pub(super) async fn health(args: HealthArgs) -> anyhow::Result<Exit> {
    let health = guest(&args.at)?.health().await?;
    let status = health["status"].as_str().unwrap_or("of a kind that this release does not know");
    if args.form.json {
        print_json(&health)?;
    } else {
        let (version, uptime) = (health["version"].as_str().unwrap_or("?"), health["uptime"].as_u64().unwrap_or(0));
        anstream::println!("{}", sanitize::line(&format!("{status}, version {version}, up for {uptime} s")));
    }
    Ok(if status == "ok" { Exit::Done } else { Exit::Failed })
}
