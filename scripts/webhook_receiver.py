"""Starts a server and a webhook receiver that fails twice, makes a run, and verifies its deliveries with the reference library."""

import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
TIMEOUT_SECS = 60

failures = [500, 503]
deliveries = []
done = threading.Event()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses in `failures`, then with 204."""

    def do_POST(self):  # noqa: N802, name required by http.server
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = failures.pop(0) if failures else 204
        deliveries.append((status, headers, body))
        self.send_response(status)
        self.end_headers()
        if status == 204 and json.loads(body)["type"] == "done":
            done.set()

    def log_message(self, *_args):
        """Disables logging."""


def post(url, path, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=TIMEOUT_SECS) as response:
        return json.load(response)


def verify_deliveries():
    webhook, other_webhook = Webhook(SECRET), Webhook(OTHER_SECRET)
    accepted = []
    for status, headers, body in deliveries:
        event = webhook.verify(body, headers)
        try:
            other_webhook.verify(body, headers)
        except WebhookVerificationError:
            pass
        else:
            sys.exit("a signature is also valid with another secret")
        if status == 204:
            accepted.append((headers["webhook-id"], event["data"]["seq"], event["type"]))
    ids = [webhook_id for webhook_id, _, _ in accepted]
    seqs = [seq for _, seq, _ in accepted]
    assert len(ids) == len(set(ids)), f"an event was accepted twice: {accepted}"
    assert seqs == sorted(seqs), f"events are out of order: {accepted}"
    assert accepted[-1][2] == "done" and len(deliveries) == len(accepted) + 2, accepted
    print(f"{len(accepted)} events delivered once and in order after two failures; all signatures are valid")


def main(program):
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": directory,
            "OPENRUNNER_ADDR": "127.0.0.1:0",
            "OPENRUNNER_DATA_DIR": f"{directory}/data",
            "OPENRUNNER_WEBHOOK_ALLOW": "127.0.0.1",
            "OPENRUNNER_WEBHOOK_RETRY_SECS": "1,1,1",
        }
        server = subprocess.Popen([program, "serve"], env=environment, stderr=subprocess.PIPE, text=True)
        try:
            address = next(found[1] for line in server.stderr if (found := re.search(r"is ready address=(\S+)", line)))
            threading.Thread(target=server.stderr.read, daemon=True).start()
            url = f"http://{address}"
            token = post(url, "/api/auth/login", {"username": "user", "password": "user"})["token"]
            webhook = {"url": f"http://127.0.0.1:{receiver.server_port}/", "secret": SECRET, "events": ["*"]}
            run = {"input": {"text": "create hello.py"}, "metadata": {"agent_type": "demo", "webhook": webhook}}
            post(url, "/api/runs", run, token)
            if not done.wait(TIMEOUT_SECS):
                sys.exit(f"no `done` event after {TIMEOUT_SECS} s; received: {deliveries}")
        finally:
            server.kill()
            server.wait()
    verify_deliveries()


main(sys.argv[1])
