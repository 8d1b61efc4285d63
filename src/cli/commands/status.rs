//! `openrunner auth status`

use serde_json::json;

use super::show::print_fields;
use crate::cli::client::target;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::field;
use crate::cli::output::print_json;

/// Shows the server and the user that commands use, and verifies the login.
pub(in crate::cli) async fn status(context: &Context) -> anyhow::Result<Exit> {
    let target = target(&context.server)?;
    let me = context.connect().await?.get("/api/auth/me").await?;
    if context.output.json {
        let document = json!({
            "url": target.address.to_string(), "name": target.name, "source": target.source.as_str(),
            "username": me["username"], "role": me["role"],
        });
        return print_json(&document).map(|()| Exit::Success);
    }
    let mut fields = vec![
        ("server", target.address.to_string()),
        ("name", target.name.unwrap_or_default()),
        ("chosen by", target.source.as_str().to_owned()),
        ("user", field(&me, "username")),
        ("role", field(&me, "role")),
    ];
    fields.retain(|(_label, value)| !value.is_empty());
    print_fields(&fields)?;
    Ok(Exit::Success)
}
