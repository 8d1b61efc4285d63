//! `openrunner health`

use crate::cli::client::anonymous;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::sanitize;

/// Checks a server without a login. The exit code is 1 if the server is degraded, 3 if it does not answer.
pub(in crate::cli) async fn health(context: &Context) -> anyhow::Result<Exit> {
    let health = anonymous(&context.server, context.output)?.health().await?;
    let (status, version, uptime) = (field(&health, "status"), field(&health, "version"), field(&health, "uptime"));
    context.output.confirm(&sanitize::line(&format!("{status}, version {version}, up {uptime} s")), &health)?;
    Ok(if status == "ok" { Exit::Success } else { Exit::Failed })
}
