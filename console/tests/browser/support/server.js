/** The real server with the scripted agent in place of Claude Code, and an API client. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { PASSWORD, PROGRAM } from '../support.js';

const SERVER = resolve(PROGRAM);
const FAKE_AGENT = resolve(process.env.OPENRUNNER_TEST_FAKE_AGENT ?? join(dirname(SERVER), 'fake_agent'));

export class Server {
  /** @param {string} dir @param {number} port @param {Record<string, string>} env */
  constructor(dir, port, env) {
    this.dir = dir;
    this.url = `http://127.0.0.1:${port}`;
    this.env = env;
    this.log = '';
    /** @type {import('node:child_process').ChildProcess | null} */
    this.process = null;
    this.token = '';
  }

  /** @param {{ env?: Record<string, string>, agents?: string }} [options] `agents`: a directory with real agent programs */
  static async start({ env = {}, agents } = {}) {
    const dir = await mkdtemp(join(tmpdir(), 'openrunner-console-'));
    const home = join(dir, 'home');
    await mkdir(home);
    const bin = join(dir, 'agents/bin');
    await mkdir(bin, { recursive: true });
    const words = [process.execPath, join(import.meta.dirname, 'scripted_claude.js'), FAKE_AGENT, join(dir, 'scripts')].map((word) => `'${word}'`);
    await writeFile(join(bin, 'claude'), `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`);
    await chmod(join(bin, 'claude'), 0o755);
    const port = await freePort();
    const server = new Server(dir, port, {
      PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, OPENRUNNER_ADDR: `127.0.0.1:${port}`, OPENRUNNER_DATA_DIR: join(dir, 'data'),
      OPENRUNNER_AGENTS_DIR: agents ?? join(dir, 'agents'), OPENRUNNER_ADMIN_PASSWORD: PASSWORD, OPENRUNNER_MAX_RUNS: '8', OPENRUNNER_STOP_GRACE_SECS: '1',
      OPENRUNNER_EXIT_GRACE_SECS: '1',
      // The stub, its scripts and the files that it waits for lie in /tmp, of which isolated agents have their own.
      OPENRUNNER_ISOLATION: 'none', ...env,
    });
    await server.launch();
    return server;
  }

  /** Starts or restarts the process, and logs in. */
  async launch() {
    const child = spawn(SERVER, [], { env: this.env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.process = child;
    const exited = new Promise((_, reject) => child.once('exit', (code, signal) => reject(new Error(`the server exited with ${code ?? signal}:\n${this.log}`))));
    exited.catch(() => {});
    const logStart = this.log.length;
    const ready = new Promise((done) => {
      child.stderr?.on('data', (piece) => {
        this.log += piece;
        if (this.log.slice(logStart).includes('openrunner is ready')) done(undefined);
      });
    });
    await Promise.race([ready, exited]);
    this.token ||= (await this.post('/api/auth/login', { username: 'admin', password: PASSWORD })).token;
  }

  /** Kills the process with SIGKILL. Agents keep running. */
  async kill() {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await exited;
  }

  /** Kills the server and its agents, and removes the directory. */
  async close() {
    await this.kill();
    for (const pid of await findShims(join(this.dir, 'data/runs'))) process.kill(pid, 'SIGKILL');
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** @param {string} path @param {unknown} body */
  post(path, body) {
    return this.request(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
  }

  /** @param {string} path */
  get(path) {
    return this.request(path, {});
  }

  /** @param {string} path @param {RequestInit} init */
  async request(path, init) {
    const response = await fetch(this.url + path, { ...init, headers: { ...init.headers, ...(this.token && { Authorization: `Bearer ${this.token}` }) } });
    const body = await response.json();
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return body;
  }

  /** Creates a run, by default of the scripted agent. @param {string} text @param {Record<string, unknown>} [metadata] @returns {Promise<string>} */
  async createRun(text, metadata = {}) {
    const cwd = join(this.dir, 'work');
    await mkdir(cwd, { recursive: true });
    const run = await this.post('/api/runs', { input: { text }, metadata: { agent_type: 'claude_code', cwd, timeout_secs: 120, ...metadata } });
    return run.run_id;
  }

  /** Creates a run of the scripted agent with a natural prompt. @param {string} prompt @param {string} script
   * @param {Record<string, unknown>} [metadata] */
  async runScript(prompt, script, metadata = {}) {
    const scripts = join(this.dir, 'scripts');
    await mkdir(scripts, { recursive: true });
    await writeFile(join(scripts, String(/^\w+/.exec(prompt))), script);
    return this.createRun(prompt, metadata);
  }

  /** @param {string} id */
  waitForEnd(id) {
    return this.get(`/api/runs/${id}?wait=100`);
  }

  /** The log of an ended run. @param {string} id @returns {Promise<any[]>} */
  async events(id) {
    const headers = { Accept: 'application/x-ndjson', Authorization: `Bearer ${this.token}` };
    const response = await fetch(`${this.url}/api/runs/${id}/events`, { headers });
    return (await response.text()).split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((done) => {
    const listener = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address());
      listener.close(() => done(port));
    });
  });
}

/** The pids of the shims of a server: processes with a directory of its runs as an argument. @param {string} runsDir */
async function findShims(runsDir) {
  if (!existsSync('/proc/self/cmdline')) return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(pids.map(async (pid) => [Number(pid), await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')]));
  return commands.filter(([, command]) => String(command).includes(runsDir)).map(([pid]) => Number(pid));
}
