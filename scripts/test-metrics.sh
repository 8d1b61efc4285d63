#!/usr/bin/env bash
# Parses /metrics of a running server with Prometheus' Python library, after a few runs of the demo agent. Requires the built program, curl,
# python3 with venv, and PyPI the first time; the library is installed into target/prometheus. Exit code 4: it could not be installed.
set -euo pipefail

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
. scripts/tools.sh
venv=$target/prometheus
install_python_packages scripts/prometheus.txt "$venv"

start_server
token=$(request --data '{"username":"user","password":"user"}' "$url/api/auth/login" | json_field token)
for _ in 1 2 3; do
    run=$(request --header "Authorization: Bearer $token" --data '{"input":{"text":"create hello.py"},"metadata":{"agent_type":"demo"}}' "$url/api/runs" | json_field run_id)
    request --header "Authorization: Bearer $token" "$url/api/runs/$run?wait=60" >/dev/null
done
# Requests from the local machine need no token.
curl --silent --fail --header 'Accept: application/openmetrics-text' "$url/metrics" >"$work/metrics"
curl --silent --fail "$url/metrics" >"$work/metrics.txt"
"$venv/bin/python" - "$work/metrics" "$work/metrics.txt" <<'PYTHON'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as text_format_families

text = open(sys.argv[1], encoding="utf-8").read()
families = {family.name: family for family in text_string_to_metric_families(text)}
samples = {(s.name, s.labels.get("agent_type")): s.value for f in families.values() for s in f.samples if s.name.endswith(("_total", "_count"))}
for name, expected in [
    ("openrunner_runs_created_total", 3),
    ("openrunner_runs_ended_total", 3),
    ("openrunner_agent_start_seconds_count", 3),
]:
    assert samples[(name, "demo")] == expected, (name, samples)
assert families["openrunner_commit_seconds"].type == "histogram" and families["openrunner_commit_seconds"].unit == "seconds"
assert all(family.documentation for family in families.values())
text_format = {family.name: family for family in text_format_families(open(sys.argv[2], encoding="utf-8").read())}
assert text_format["openrunner_runs_created"].type == "counter", sorted(text_format)
assert len(text_format) == len(families), sorted(set(text_format) ^ set(families))
print(f"{len(families)} metric families parsed")
PYTHON
