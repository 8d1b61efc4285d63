"""A receiver of webhooks that counts what it gets and sometimes fails."""

import http.server
import json
import random
import threading

FAILURE_RATE = 0.05


class Receiver:
    """Listens on a port of this machine. `accepted` has the deliveries that it answered with 204, in their order."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = []
        self.received = 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802, name required by http.server
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                fails = random.random() < FAILURE_RATE
                with receiver.lock:
                    receiver.received += 1
                    if not fails:
                        receiver.accepted.append((self.headers["webhook-id"], body["data"]))
                try:
                    self.send_response(500 if fails else 204)
                    self.send_header("content-length", "0")
                    self.end_headers()
                except OSError:
                    # The server was killed while it waited for the answer. It sends this delivery again.
                    pass

            def log_message(self, *_args):
                """Disables logging."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_args: None
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
