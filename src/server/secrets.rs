//! The secret values that the server knows and masks everywhere.

use crate::config::Settings;
use crate::redact::{Secrets, is_secret_name};

/// Collects the server's own secrets and the secrets in its environment, some of which agents receive, such as provider keys. Those of single
/// agents are masked in their runs only.
pub(super) fn known_secrets(settings: &Settings) -> Secrets {
    let own = [&settings.jwt_secret, &settings.admin_password, &settings.webhook_secret, &settings.database_url]
        .into_iter()
        .flatten()
        .map(|secret| secret.expose().to_owned());
    let own = own.chain(settings.database_url.as_ref().and_then(|url| url_password(url.expose())));
    let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let values = environment.flat_map(|(name, value)| if is_secret_name(&name) { vec![value] } else { otlp_header_values(&name, &value) });
    Secrets::new(own.chain(values))
}

/// The password in a URL.
fn url_password(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (account, _) = rest.split(['/', '?']).next()?.rsplit_once('@')?;
    Some(account.split_once(':')?.1.to_owned()).filter(|password| !password.is_empty())
}

/// The values in an OTLP headers variable (`name=value`, comma-separated), which often hold an API key.
fn otlp_header_values(name: &str, value: &str) -> Vec<String> {
    if !["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"].contains(&name) {
        return Vec::new();
    }
    value.split(',').filter_map(|header| Some(header.split_once('=')?.1.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_one_agent_are_not_masked_in_the_runs_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let agent = "protocol = \"acp\"\ncommand = [\"never-used\"]\n";
        let env = "set_env = { NODE_ENV = \"production\", SOME_API_KEY = \"sk-0123456789\" }\nsecret_env = { X = \"declared-secret\" }";
        let file = dir.path().join("openrunner.toml");
        std::fs::write(&file, format!("[agents.mine]\n{agent}{env}")).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let data_dir = dir.path().as_os_str().to_owned();
        let get = move |name: &str| (name == "OPENRUNNER_DATA_DIR").then(|| data_dir.clone());
        let settings = crate::config::load(crate::config::Flags::default(), &get).unwrap();
        let text = "production.py sk-0123456789 declared-secret";
        let everywhere = known_secrets(&settings);
        let masked = |secrets: &Secrets| {
            let mut text = text.to_owned();
            secrets.redact(&mut text);
            text
        };
        assert_eq!(masked(&everywhere), text);
        let [mine] = &settings.agents.configured[..] else { panic!("{settings:?}") };
        let of_agent = crate::agent::Program::secrets(&crate::agent::configured::Configured::new(mine.clone()));
        assert_eq!(masked(&everywhere.with(of_agent.iter().map(String::as_str))), "production.py [masked] [masked]");
    }

    #[test]
    fn the_password_of_the_database_is_a_secret() {
        assert_eq!(url_password("postgres://ann:s3cret@db.example.org:5432/o?sslmode=require").as_deref(), Some("s3cret"));
        for without in ["postgres://ann@db/o", "postgres:///o?host=/run", "postgres://ann:@db/o", "db/o@x:y"] {
            assert_eq!(url_password(without), None, "{without}");
        }
    }

    #[test]
    fn the_values_of_otlp_headers_are_secrets() {
        assert_eq!(otlp_header_values("OTEL_EXPORTER_OTLP_HEADERS", "x-key= 12345678 ,b=c"), ["12345678", "c"]);
        assert!(otlp_header_values("OTEL_RESOURCE_ATTRIBUTES", "a=b").is_empty());
    }
}
