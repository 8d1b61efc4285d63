/** A server with many runs: one run is created, and the database is filled with copies of it. */
import { client, runInDatabase, startServer } from './support.js';

/** Prompts. */
const PROMPTS = [
  'Fix the flaky test in payments', 'Add dark mode to the settings page', 'Upgrade the date library and remove the old one', 'Explain how the retry queue works',
  'Write a migration for the orders table', 'Find out why the build is slow on CI', 'Rename UserService to Accounts everywhere', 'Review the error handling of the importer',
  'Add an endpoint that exports invoices as CSV', 'Make the search field keyboard accessible',
];

const SCRIPT = (/** @type {number} */ count) => `
import random, time, uuid, datetime
random.seed(7)
prompts = ${JSON.stringify(PROMPTS)}
columns = [row[1] for row in db.execute("PRAGMA table_info(runs)")]
model = dict(zip(columns, db.execute("SELECT * FROM runs").fetchone()))
sessions = [row[1] for row in db.execute("PRAGMA table_info(sessions)")]
session = dict(zip(sessions, db.execute("SELECT * FROM sessions").fetchone()))
now = int(time.time() * 1000)
unit = 1000 if model["created_at"] > 10**14 else 1
def identity(prefix, at):
    return prefix + "%012x7%03x%04x%012x" % (at, random.getrandbits(12), 0x8000 | random.getrandbits(14), random.getrandbits(48))
def insert(table, row):
    db.execute("INSERT INTO %s (%s) VALUES (%s)" % (table, ",".join(row), ",".join("?" * len(row))), list(row.values()))
agents = ["claude_code"] * 5 + ["codex"] * 3 + ["opencode"] * 2 + ["demo"]
models = {"claude_code": "sonnet", "codex": "gpt-5-codex", "opencode": "anthropic/haiku", "demo": ""}
ids = dict(db.execute("SELECT name, id FROM users"))
at = now - 60000
for index in range(${count}):
    at -= random.randint(20000, 2400000)
    owner, agent = random.choice(["admin", "admin", "carol", "dan"]), random.choice(agents)
    status, cause = random.choice([("completed", "ok")] * 7 + [("failed", "agent_error"), ("cancelled", "cancelled"), ("timed_out", "timeout")])
    duration = random.randint(4000, 900000)
    usage = dict(input_tokens=random.randint(800, 90000), output_tokens=random.randint(100, 9000), cache_read_tokens=random.randint(0, 400000), cache_write_tokens=random.randint(0, 20000),
        reasoning_tokens=0, cost_usd=round(random.random() * 1.4, 4), cost_is_estimate=agent == "codex")
    spec, done = json.loads(model["spec"]), json.loads(model["done"])
    text = prompts[index % len(prompts)] + ("" if index < len(prompts) else " (%d)" % index)
    for key in list(spec):
        if spec[key] == "create hello.py": spec[key] = text
    spec["labels"] = {"team": random.choice(["web", "core"])} if index % 5 == 0 else {}
    if "agent_type" in spec: spec["agent_type"] = agent
    if models[agent]: spec["model"] = models[agent]
    done.update(status=status, cause=cause, usage=usage, duration_ms=duration)
    mine = identity("ses_", at)
    insert("sessions", dict(session, id=mine, owner=ids[owner], agent_type=agent, working_dir=json.dumps("/home/%s/%s" % (owner, random.choice(["shop", "site", "api"]))), created_at=at * unit))
    run = identity("run_", at)
    insert("runs", dict(model, id=run, session_id=mine, owner=ids[owner], agent_type=agent, status=status, spec=json.dumps(spec), done=json.dumps(done),
        created_at=at * unit, started_at=(at + 400) * unit, ended_at=(at + duration) * unit))
    day = datetime.datetime.fromtimestamp(at / 1000, datetime.timezone.utc).strftime("%Y-%m-%d")
    counts = {name: 1 if name == status else 0 for name in ["completed", "failed", "cancelled", "timed_out", "interrupted"]}
    used = dict(counts, unpriced=0, input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"], cache_read_tokens=usage["cache_read_tokens"],
        cache_write_tokens=usage["cache_write_tokens"], reasoning_tokens=0, cost_micros=int(usage["cost_usd"] * 1000000), is_estimate=int(usage["cost_is_estimate"]))
    insert("usage", dict(used, run_id=run, day=day, session_id=mine, owner=ids[owner], agent_type=agent, model=models[agent]))
    key = dict(day=day, owner=ids[owner], agent_type=agent, model=models[agent])
    sums = {name: value for name, value in used.items()}
    names = ",".join(list(key) + list(sums))
    changes = ",".join("%s = coalesce(%s, 0) + excluded.%s" % (n, n, n) if n != "is_estimate" else "is_estimate = max(is_estimate, excluded.is_estimate)" for n in sums)
    db.execute("INSERT INTO usage_by_day (%s) VALUES (%s) ON CONFLICT DO UPDATE SET %s" % (names, ",".join("?" * (len(key) + len(sums))), changes), list(key.values()) + list(sums.values()))
`;

/**
 * Starts a server with ended runs of three users from the last weeks.
 * @param {number} count the number of runs @param {Record<string, string>} [env]
 */
export async function startSeededServer(count, env = {}) {
  const first = await startServer({ env });
  const setup = await client(first.url);
  for (const username of ['carol', 'dan']) await setup.request('POST', 'api/users', { username, password: 'long enough' });
  const run = await setup.createRun('create hello.py');
  await setup.waitForEnd(run.run_id);
  await first.stop();
  runInDatabase(first.dir, SCRIPT(count));
  const server = await startServer({ env, dir: first.dir });
  return { server, admin: await client(server.url) };
}
