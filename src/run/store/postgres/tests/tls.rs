//! Which certificate of a database is accepted, and that a connection is encrypted where it must be.

use super::super::PostgresStore;
use crate::run::store::testing::{Postgres, new_database};

const HOST: &str = "db.example.test";

/// Opens the store at this URL. Returns why not.
async fn opened(url: &str) -> Result<PostgresStore, String> {
    PostgresStore::open_alongside_server(url).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_certificate_is_accepted_from_its_host_and_issuer_only_and_every_connection_is_encrypted() {
    let Some(server) = Postgres::start_with_tls(HOST) else { return };
    let [certificate, other] = server.certificates().map(|file| file.display().to_string());
    let socket = server.new_database();
    let database = socket.split(['/', '?']).nth(3).unwrap();
    let url = server.tcp_url(database, HOST);
    for accepted in [
        format!("&sslmode=verify-full&sslrootcert={certificate}"),
        format!("&sslrootcert={certificate}"),
        format!("&sslmode=require&sslrootcert={certificate}"),
        "&sslmode=require".to_owned(),
        "&sslmode=prefer".to_owned(),
    ] {
        let store = opened(&format!("{url}{accepted}")).await.unwrap_or_else(|error| panic!("{accepted}: {error}"));
        // One for writing and one for reading.
        assert!(!crate::run::store::UserStore::has_users(&store).await.unwrap());
        let open = format!(
            "SELECT count(*) FILTER (WHERE ssl) >= 2, count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE datname = '{database}'"
        );
        assert_eq!(server.sql("postgres", &open), "t|0", "{accepted}");
    }
    let impostor = server.tcp_url(database, "other.example.test");
    for rejected in [
        // Not issued by an authority that this machine trusts.
        url.clone(),
        format!("{url}&sslmode=verify-full"),
        format!("{url}&sslmode=verify-full&sslrootcert={other}"),
        format!("{impostor}&sslmode=verify-full&sslrootcert={certificate}"),
        format!("{impostor}&sslmode=require&sslrootcert={certificate}"),
    ] {
        let error = opened(&rejected).await.unwrap_err();
        assert!(error.contains("certificate"), "{rejected}: {error}");
    }
    let error = opened(&format!("{url}&sslrootcert=/nowhere.pem")).await.unwrap_err();
    assert!(error.contains("/nowhere.pem"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_encryption_is_required() {
    let Some(url) = new_database() else { return };
    for mode in ["require", "verify-full"] {
        let error = opened(&format!("{url}&sslmode={mode}")).await.unwrap_err();
        assert!(error.to_lowercase().contains("tls"), "{mode}: {error}");
    }
    opened(&format!("{url}&sslmode=prefer")).await.unwrap();
}
