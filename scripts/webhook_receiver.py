"""Starts a server, makes a run whose events are sent here, fails twice, and checks what comes with the reference library."""

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
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
# How long the whole may take, in seconds.
LIMIT = 60

answers = [500, 503]
came = []
done = threading.Event()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers with what is left of `answers`, then with 204."""

    def do_POST(self):  # noqa: N802, the library's name
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = answers.pop(0) if answers else 204
        came.append((status, headers, body))
        self.send_response(status)
        self.end_headers()
        if status == 204 and json.loads(body)["type"] == "done":
            done.set()

    def log_message(self, *_args):
        """Says nothing."""


def call(url, path, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=LIMIT) as answer:
        return json.load(answer)


def check():
    verifier, other = Webhook(SECRET), Webhook(OTHER)
    taken = []
    for status, headers, body in came:
        event = verifier.verify(body, headers)
        try:
            other.verify(body, headers)
        except WebhookVerificationError:
            pass
        else:
            sys.exit("another secret fits as well")
        if status == 204:
            taken.append((headers["webhook-id"], event["data"]["seq"], event["type"]))
    ids = [one[0] for one in taken]
    assert len(ids) == len(set(ids)), f"an event was taken twice: {taken}"
    assert [one[1] for one in taken] == sorted(one[1] for one in taken), f"not in order: {taken}"
    assert taken[-1][2] == "done" and len(came) == len(taken) + 2, taken
    print(f"{len(taken)} events were taken, each once and in order, after two failures; every signature is good")


def main(program):
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "OPENRUNNER_ADDR": "127.0.0.1:0",
            "OPENRUNNER_DATA_DIR": f"{folder}/data",
            "OPENRUNNER_WEBHOOK_ALLOW": "127.0.0.1",
            "OPENRUNNER_WEBHOOK_RETRY_SECS": "1,1,1",
        }
        server = subprocess.Popen([program, "serve"], env=environment, stderr=subprocess.PIPE, text=True)
        try:
            address = next(found[1] for line in server.stderr if (found := re.search(r"is ready address=(\S+)", line)))
            threading.Thread(target=server.stderr.read, daemon=True).start()
            url = f"http://{address}"
            token = call(url, "/api/auth/login", {"username": "user", "password": "user"})["token"]
            webhook = {"url": f"http://127.0.0.1:{receiver.server_port}/", "secret": SECRET, "events": ["*"]}
            run = {"input": {"text": "create hello.py"}, "metadata": {"agent_type": "demo", "webhook": webhook}}
            call(url, "/api/runs", run, token)
            if not done.wait(LIMIT):
                sys.exit(f"the end of the run never came, only {came}")
        finally:
            server.kill()
            server.wait()
    check()


main(sys.argv[1])
