//! Settings of a session with the database.

use tokio_postgres::Client;

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// Short statements of many callers.
    Shared,
    /// One statement that may take as long as it needs: a migration, a copy of everything.
    Unlimited,
}

/// Has the database notice within half a minute that this end of the connection is gone, so that a lock does not outlive its server. Not every
/// system can do all of this.
const NOTICE_LOST_CLIENTS: &str = "DO $$
DECLARE
    setting record;
BEGIN
    FOR setting IN SELECT * FROM (VALUES ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
            ('tcp_user_timeout', '30s'), ('client_connection_check_interval', '10s')) AS s (name, value) LOOP
        BEGIN
            PERFORM set_config(setting.name, setting.value, false);
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
END $$";

/// Sets what must not depend on the defaults of the database: a commit that was acknowledged is on disk, and nothing waits for ever.
pub(super) async fn prepare(client: &Client, lifetime: Lifetime) -> Result<(), tokio_postgres::Error> {
    let seconds = match lifetime {
        Lifetime::Shared => 60,
        Lifetime::Unlimited => 0,
    };
    let settings = format!(
        "SET client_min_messages = error; SET statement_timeout = '{seconds}s'; SET lock_timeout = '30s';
         SET idle_in_transaction_session_timeout = '{seconds}s'; SET default_transaction_isolation = 'read committed';
         SET default_transaction_read_only = off; SET timezone = 'UTC';
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    );
    client.batch_execute(&settings).await?;
    client.batch_execute(NOTICE_LOST_CLIENTS).await
}
