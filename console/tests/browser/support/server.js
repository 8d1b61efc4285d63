// The real server with the scripted agent in the place of Claude Code, and a client of its API.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { PASSWORD, PROGRAM } from '../support.js';

const SERVER = resolve(PROGRAM);
const FAKE_AGENT = resolve(process.env.OPENRUNNER_TEST_FAKE_AGENT ?? join(dirname(SERVER), 'fake_agent'));

/** A server of its own for a test, with a folder of its own. */
export class Server {
  /** @param {string} folder @param {number} port @param {Record<string, string>} env */
  constructor(folder, port, env) {
    this.folder = folder;
    this.url = `http://127.0.0.1:${port}`;
    this.env = env;
    this.log = '';
    /** @type {import('node:child_process').ChildProcess | null} */
    this.process = null;
    this.token = '';
  }

  /** @param {{ env?: Record<string, string>, agents?: string }} [options] `agents`: a folder with real programs */
  static async start({ env = {}, agents } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'openrunner-console-'));
    const home = join(folder, 'home');
    await mkdir(home);
    const bin = join(folder, 'agents/bin');
    await mkdir(bin, { recursive: true });
    const words = [process.execPath, join(import.meta.dirname, 'scripted_claude.js'), FAKE_AGENT, join(folder, 'scripts')].map((word) => `'${word}'`);
    await writeFile(join(bin, 'claude'), `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`);
    await chmod(join(bin, 'claude'), 0o755);
    const port = await freePort();
    const server = new Server(folder, port, {
      PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, OPENRUNNER_ADDR: `127.0.0.1:${port}`, OPENRUNNER_DATA_DIR: join(folder, 'data'),
      OPENRUNNER_AGENTS_DIR: agents ?? join(folder, 'agents'), OPENRUNNER_ADMIN_PASSWORD: PASSWORD, OPENRUNNER_MAX_RUNS: '8', OPENRUNNER_STOP_GRACE_SECS: '1',
      OPENRUNNER_LINGER_SECS: '1', ...env,
    });
    await server.launch();
    return server;
  }

  /** Starts the process, again if it was killed, and logs in. */
  async launch() {
    const child = spawn(SERVER, [], { env: this.env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.process = child;
    const ended = new Promise((_, reject) => child.once('exit', (code, signal) => reject(new Error(`the server ended with ${code ?? signal}:\n${this.log}`))));
    ended.catch(() => {});
    const begun = this.log.length;
    const ready = new Promise((done) => {
      child.stderr?.on('data', (piece) => {
        this.log += piece;
        if (this.log.slice(begun).includes('openrunner is ready')) done(undefined);
      });
    });
    await Promise.race([ready, ended]);
    this.token ||= (await this.post('/api/auth/login', { username: 'admin', password: PASSWORD })).token;
  }

  /** Ends the process as a power cut would. The agents go on. */
  async kill() {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  }

  /** Ends everything, agents included, and removes the folder. */
  async close() {
    await this.kill();
    for (const pid of await keepersIn(join(this.folder, 'data/runs'))) process.kill(pid, 'SIGKILL');
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** @param {string} path @param {unknown} body */
  post(path, body) {
    return this.ask(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
  }

  /** @param {string} path */
  get(path) {
    return this.ask(path, {});
  }

  /** @param {string} path @param {RequestInit} init */
  async ask(path, init) {
    const response = await fetch(this.url + path, { ...init, headers: { ...init.headers, ...(this.token && { Authorization: `Bearer ${this.token}` }) } });
    const body = await response.json();
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return body;
  }

  /** Makes a run of the scripted agent, or of another. @param {string} text @param {Record<string, unknown>} [metadata] @returns {Promise<string>} */
  async run(text, metadata = {}) {
    const cwd = join(this.folder, 'work');
    await mkdir(cwd, { recursive: true });
    const made = await this.post('/api/runs', { input: { text }, metadata: { agent_type: 'claude_code', cwd, timeout_secs: 120, ...metadata } });
    return made.run_id;
  }

  /** Makes a run of the scripted agent with a prompt for people; what it does is told by its first word. @param {string} prompt
   * @param {string} script @param {Record<string, unknown>} [metadata] */
  async stage(prompt, script, metadata = {}) {
    const scripts = join(this.folder, 'scripts');
    await mkdir(scripts, { recursive: true });
    await writeFile(join(scripts, String(/^\w+/.exec(prompt))), script);
    return this.run(prompt, metadata);
  }

  /** Waits for a run's end. @param {string} id */
  ended(id) {
    return this.get(`/api/runs/${id}?wait=100`);
  }

  /** The whole log of a run that has ended. @param {string} id @returns {Promise<any[]>} */
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

/** The processes that keep the agents of these runs: those that have the run's folder as an argument. @param {string} folder */
async function keepersIn(folder) {
  if (!existsSync('/proc/self/cmdline')) return [];
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(pids.map(async (pid) => [Number(pid), await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')]));
  return commands.filter(([, command]) => String(command).includes(folder)).map(([pid]) => Number(pid));
}
