/** Runs of the real agent programs in the console, against a mock model service. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, openSignedIn, screenshot } from './support/browser.js';
import { Server } from './support/server.js';

const AGENTS = process.env.OPENRUNNER_TEST_AGENTS && resolve(process.env.OPENRUNNER_TEST_AGENTS);
const MODEL = resolve(import.meta.dirname, '../../../tests/mock-llm/mock_llm.py');
const KEY = 'sk-test-not-a-key';
const skip = AGENTS && existsSync(join(AGENTS, 'bin/claude')) ? false : 'OPENRUNNER_TEST_AGENTS is not a directory with agent programs';

/** @type {Server} */
let server;
/** @type {any} */
let browser;
/** @type {import('node:child_process').ChildProcess} */
let model;
/** @type {string} */
let root;

before(async () => {
  assert.ok(!skip || process.env.CI !== 'true', `required with CI=true: ${skip}`);
  if (skip) return;
  // Not below /tmp: Codex warns about a home directory there.
  root = await mkdtemp('/var/tmp/openrunner-console-');
  const portFile = join(root, 'port');
  model = spawn('python3', [MODEL, '--port', '0', '--port-file', portFile], { stdio: 'ignore' });
  let port = '';
  while (!port) {
    await new Promise((done) => { setTimeout(done, 50); });
    port = await readFile(portFile, 'utf8').catch(() => '');
  }
  const address = `http://127.0.0.1:${port.trim()}`;
  const home = join(root, 'home');
  await mkdir(join(home, '.codex'), { recursive: true });
  await mkdir(join(home, '.config/opencode'), { recursive: true });
  await writeFile(join(home, '.codex/config.toml'), [
    'model = "gpt-5.5"', 'model_provider = "mock"', 'check_for_update_on_startup = false', '[analytics]', 'enabled = false',
    '[model_providers.mock]', 'name = "mock"', `base_url = "${address}/v1"`, 'env_key = "MOCK_KEY"', 'wire_api = "responses"', '',
  ].join('\n'));
  await writeFile(join(home, '.config/opencode/opencode.json'), JSON.stringify({
    autoupdate: false, share: 'disabled', model: 'mock/mock-model', small_model: 'mock/mock-model',
    provider: { mock: { npm: '@ai-sdk/openai-compatible', name: 'Mock', options: { baseURL: `${address}/v1`, apiKey: KEY },
      models: { 'mock-model': { name: 'Mock', limit: { context: 200_000, output: 8_000 } } } } },
  }));
  server = await Server.start({
    agents: AGENTS || '',
    env: {
      HOME: home, PATH: process.env.PATH ?? '', ANTHROPIC_BASE_URL: address, ANTHROPIC_API_KEY: KEY, MOCK_KEY: KEY, OPENRUNNER_AGENT_ENV: 'MOCK_KEY',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    },
  });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.close();
  model?.kill('SIGKILL');
  if (root) await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

for (const agent of ['claude_code', 'codex', 'opencode']) {
  test(`${agent}: the permission request, the answer and the diff of a new file are shown`, { skip, timeout: 180_000 }, async () => {
    const cwd = join(root, `work-${agent}`);
    await mkdir(cwd);
    const id = await server.createRun('create hello.py [[mock:tool path=hello.py]]', { agent_type: agent, permission_mode: 'ask', cwd });
    const { page, violations, context } = await openSignedIn(browser, server);
    page.setDefaultTimeout(90_000);
    await page.goto(`${server.url}/#/runs/${id}`);
    await page.waitForSelector('.request:has-text("hello.py")');
    await page.click('.request button:has-text("Allow once")');
    await page.waitForSelector('.done[data-status="completed"]');
    await page.waitForSelector('.diff-line[data-kind="new"]:has-text("hello from the mock")');
    await page.waitForSelector('.assistant:has-text("Done: hello.py is created.")');
    await screenshot(page, `agent-${agent}`);
    assert.deepEqual(violations, []);
    await context.close();
  });
}

test('a message steers Codex within its turn', { skip, timeout: 180_000 }, async () => {
  const cwd = join(root, 'work-steered');
  await mkdir(cwd);
  const id = await server.createRun('sleep [[mock:sleeper s=4]]', { agent_type: 'codex', cwd });
  const { page, violations, context } = await openSignedIn(browser, server);
  page.setDefaultTimeout(90_000);
  await page.goto(`${server.url}/#/runs/${id}`);
  await page.waitForSelector('.tool');
  await page.check('.modes input[value="steer"]', { force: true });
  await page.fill('.composer textarea', 'what do you know [[mock:history]]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.user:has-text("what do you know")');
  await page.waitForSelector('.assistant:has-text("I have seen 2 marked prompts.")');
  await page.waitForSelector('.done[data-status="completed"]');
  const [{ mode }] = (await server.events(id)).filter(({ type }) => type === 'user_message');
  assert.equal(mode, 'steer');
  assert.deepEqual(violations, []);
  await context.close();
});
