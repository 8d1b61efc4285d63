//! A server whose database is in PostgreSQL behaves like one with a database of its own. Besides this file, scripts/test.sh runs other tests of
//! this suite with PostgreSQL.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Frame, Postgres, Setup, assert_dense, last, live, new_database, postgres, typed};

fn on(url: &str) -> Setup {
    Setup::new().env("OPENRUNNER_DATABASE_URL", url)
}

/// The name of a database in its URL.
fn name(url: &str) -> &str {
    url.split(['/', '?']).nth(3).expect("the URL of a database")
}

#[test]
fn a_run_survives_kill_9_of_the_server_and_its_database_connections() {
    live(async {
        let Some(url) = new_database() else { return };
        let server = on(&url).start().await;
        let mut user = server.client("user").await;
        let id = user.script("pace 2000 1000\nresult done").await;
        let mut reader = user.follow(&id).await;
        let mut seen: Vec<Frame> = Vec::new();
        while seen.len() < 300 {
            seen.extend(reader.next().await);
        }
        let cut = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'", name(&url));
        postgres().sql("postgres", &cut);
        while seen.len() < 600 {
            seen.extend(reader.next().await);
        }
        server.signal(Signal::KILL);
        seen.extend(reader.rest().await);
        let server = server.killed_and_started_again().await;
        user = user.at(server.url());
        let after = seen.last().and_then(|frame| frame.id).unwrap_or(0);
        seen.extend(user.follow_after(&id, after).await.rest().await);
        assert_dense(&seen);
        assert_eq!((&last(&seen)["status"], &last(&seen)["result"]), (&json!("completed"), &json!("done")), "{}", last(&seen));
        assert!(user.follow(&id).await.rest().await == seen, "a replay is something else than what was live");
        assert!(!server.data().join("openrunner.db").exists(), "there is a database in the data directory");
    });
}

#[test]
fn a_second_server_on_the_database_is_refused_with_a_remedy() {
    live(async {
        let Some(url) = new_database() else { return };
        let server = on(&url).start().await;
        let (status, log) = on(&url).fails_to_start().await;
        assert!(!status.success() && log.contains("another openrunner server uses the database"), "{log}");
        let health = server.guest().get("/health").await;
        assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")), "{}", health.text);
    });
}

#[test]
fn a_database_that_goes_away_degrades_the_server_until_it_is_back() {
    live(async {
        // Its own, which is stopped.
        let Some(own) = Postgres::start() else { return };
        let url = own.new_database();
        let server = on(&url).start().await;
        let user = server.client("user").await;
        let id = user.script("say up\nhang").await;
        user.follow(&id).await.until_text("up").await;
        own.sql("postgres", &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", name(&url)));
        let cut = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'", name(&url));
        own.sql("postgres", &cut);
        let refused = user.ask("demo", json!({ "agent_type": "demo" })).await;
        assert!(refused.status >= 500, "{}", refused.text);
        assert_eq!(server.guest().get("/health").await.body["status"], "degraded");
        own.sql("postgres", &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", name(&url)));
        while server.guest().get("/health").await.body["status"] != "ok" {}
        user.cancel(&id).await;
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(last(&frames)["status"], "cancelled");
    });
}

#[test]
fn runs_and_readers_go_on_after_restarts_and_a_long_outage_of_the_database() {
    live(async {
        let Some(own) = Postgres::start() else { return };
        let server = on(&own.new_database()).start().await;
        let user = server.client("user").await;
        let id = user.script("pace 3000 500\nresult done").await;
        let mut reader = user.follow(&id).await;
        let mut seen: Vec<Frame> = Vec::new();
        for events in [200, 400] {
            while seen.len() < events {
                seen.extend(reader.next().await);
            }
            own.stop();
            own.start_again();
        }
        while seen.len() < 600 {
            seen.extend(reader.next().await);
        }
        own.stop();
        // Longer than a restart.
        server.logs("still no connection to the database").await;
        let refused = user.ask("demo", json!({ "agent_type": "demo" })).await;
        assert!(refused.status >= 500, "{}", refused.text);
        own.start_again();
        seen.extend(reader.rest().await);
        assert_dense(&seen);
        assert_eq!((&last(&seen)["status"], &last(&seen)["result"]), (&json!("completed"), &json!("done")), "{}", last(&seen));
        assert!(user.follow(&id).await.rest().await == seen, "a replay is something else than what was live");
        assert_eq!(server.guest().get("/health").await.body["status"], "ok");
        assert_eq!(user.end_of(&user.script("result later").await).await["result"], "later");
    });
}

#[test]
fn a_server_and_doctor_verify_the_certificate_of_the_database() {
    live(async {
        let Some(own) = Postgres::start_with_tls("db.example.test") else { return };
        let url = own.tcp_url(name(&own.new_database()), "db.example.test");
        let [trusted, other] = own.certificates().map(|file| format!("{url}&sslrootcert={}", file.display()));
        let (status, log) = on(&other).fails_to_start().await;
        assert!(!status.success() && log.contains("invalid peer certificate"), "{log}");
        let server = on(&trusted).start().await;
        let user = server.client("user").await;
        assert_eq!(user.end_of(&user.script("result encrypted").await).await["result"], "encrypted");
        for (url, shown) in [(&other, "invalid peer certificate"), (&trusted, "PostgreSQL can be reached")] {
            let doctor = typed(&server.home(), &["doctor"]).env("OPENRUNNER_DATABASE_URL", url).done().await;
            assert!(doctor.out.contains(shown), "{}", doctor.out);
        }
    });
}

#[test]
fn a_server_moves_to_postgresql_and_back_with_everything() {
    live(async {
        let mut server = Setup::new().start().await;
        let user = server.client("user").await;
        let id = user.script("flood 500\nresult done").await;
        let log = user.follow(&id).await.rest().await;
        let run = user.run(&id).await;
        let Some(url) = new_database() else { return };
        let (home, data) = (server.home(), server.data());
        let moved = typed(&home, &["store", "migrate", "--to", &url]).env("OPENRUNNER_DATA_DIR", &data).done().await;
        assert!(moved.code == 1 && moved.err.contains("another openrunner server"), "{}", moved.err);
        server.signal(Signal::TERM);
        server.ended().await;
        let moved = typed(&home, &["store", "migrate", "--to", &url]).env("OPENRUNNER_DATA_DIR", &data).done().await;
        assert!(moved.code == 0 && moved.out.contains("of 1 run, verified"), "{} {}", moved.out, moved.err);
        assert!(moved.err.contains("event_chunks: "), "{}", moved.err);

        let mut server = server.again().env("OPENRUNNER_DATABASE_URL", &url).start().await;
        let there = server.client("user").await;
        assert!(there.follow(&id).await.rest().await == log && there.run(&id).await == run);
        let backup = typed(&home, &["backup", "x.db"]).env("OPENRUNNER_DATABASE_URL", &url).env("OPENRUNNER_DATA_DIR", &data).done().await;
        assert!(backup.code == 2 && backup.err.contains("pg_dump"), "{} {}", backup.code, backup.err);
        let users = server.offline(&["user", "ls"]).done().await;
        assert!(users.code == 0 && users.out.contains("admin"), "{} {}", users.out, users.err);
        let doctor = typed(&home, &["doctor"]).env("OPENRUNNER_DATABASE_URL", &url).env("OPENRUNNER_DATA_DIR", &data).done().await;
        assert!(doctor.out.contains("PostgreSQL can be reached") && doctor.out.contains("1 run"), "{}", doctor.out);
        server.signal(Signal::TERM);
        server.ended().await;

        let back = server.directory().join("back");
        let moved = typed(&home, &["store", "migrate", "--to"]).arg(&back).env("OPENRUNNER_DATABASE_URL", &url).done().await;
        assert!(moved.code == 0, "{} {}", moved.out, moved.err);
        let server = server.again().env("OPENRUNNER_DATABASE_URL", "").env("OPENRUNNER_DATA_DIR", back.display()).start().await;
        let back = server.client("user").await;
        assert!(back.follow(&id).await.rest().await == log && back.run(&id).await == run);
    });
}
