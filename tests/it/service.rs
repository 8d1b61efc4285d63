//! The server under a service manager: socket activation, readiness and stop notifications.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use tokio::net::UnixDatagram;

use crate::support::{Setup, assert_dense, last, live};

fn socket() -> (Arc<TcpListener>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    (Arc::new(listener), port)
}

async fn heard(ear: &UnixDatagram) -> String {
    let mut words = [0; 200];
    let length = ear.recv(&mut words).await.expect("a datagram");
    String::from_utf8_lossy(&words[..length]).into_owned()
}

#[test]
fn the_service_manager_is_notified_of_readiness_and_stopping() {
    live(async {
        let (setup, (listener, port)) = (Setup::new(), socket());
        let path = setup.directory().join("notify");
        let ear = UnixDatagram::bind(&path).unwrap();
        let mut server = setup.on_socket(&listener).env("NOTIFY_SOCKET", path.display()).env("WATCHDOG_USEC", 200_000).start().await;
        assert_eq!(server.port(), port, "the socket counts, not OPENRUNNER_ADDR");
        assert_eq!(heard(&ear).await, format!("READY=1\nSTATUS=listening on 127.0.0.1:{port}"));
        assert_eq!(server.guest().get("/health").await.body["status"], "ok");
        assert_eq!(heard(&ear).await, "WATCHDOG=1");
        server.signal(Signal::TERM);
        while heard(&ear).await != "STOPPING=1" {}
        assert_eq!(server.ended().await, 0);
    });
}

#[test]
fn a_restart_with_socket_activation_loses_no_connection_and_no_run() {
    live(async {
        let (listener, _) = socket();
        let mut server = Setup::new().on_socket(&listener).start().await;
        let user = server.client("user").await;
        let id = user.script("pace 2000 1000\nresult done").await;
        user.follow(&id).await.until("token").await;
        let (guest, is_over) = (server.guest(), AtomicBool::new(false));
        // A connection without a running server waits for the next one. Every request uses its own connection.
        let pounding = async {
            let mut answered = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                let request = guest.request(reqwest::Method::GET, "/health").header("connection", "close");
                assert_eq!(guest.send(request).await.status, 200);
                answered += 1;
            }
            answered
        };
        let restarting = async {
            server.signal(Signal::TERM);
            assert_eq!(server.ended().await, 0);
            let next = server.again().start().await;
            let frames = user.follow(&id).await.rest().await;
            assert_dense(&frames);
            assert_eq!(last(&frames)["status"], "completed");
            is_over.store(true, Ordering::Relaxed);
            next
        };
        let (answered, next) = tokio::join!(pounding, restarting);
        assert!(answered > 1, "{answered}");
        assert_eq!(next.client("user").await.run(&id).await["last_seq"], user.run(&id).await["last_seq"]);
    });
}

#[test]
fn a_passed_descriptor_must_be_a_socket() {
    live(async {
        let script = "exec 3</dev/null; LISTEN_FDS=1; LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID";
        let (status, said) = Setup::new().after_shell(script).fails_to_start().await;
        assert!(!status.success() && said.contains("LISTEN_FDS"), "{said}");
        // Meant for another process, such as the shell that started this one.
        let script = "LISTEN_FDS=1; LISTEN_PID=1; export LISTEN_FDS LISTEN_PID";
        drop(Setup::new().after_shell(script).start().await);
    });
}
