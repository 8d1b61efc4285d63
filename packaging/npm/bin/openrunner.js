#!/usr/bin/env node
// Runs the openrunner program of this package's version, which it downloads and verifies on first use.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const fail = (message) => {
  console.error(`openrunner-cli: ${message}`);
  process.exit(1);
};

const release = JSON.parse(readFileSync(new URL("../release.json", import.meta.url), "utf8"));
if (!release.version) fail("this package was not made by a release; see RELEASING.md");

/** The archives that run on this machine, in order of preference. */
function targets() {
  const machine = { x64: "x86_64", arm64: "aarch64" }[process.arch];
  const systems = { linux: ["unknown-linux-musl", "unknown-linux-gnu"], darwin: ["apple-darwin"] }[process.platform];
  return machine && systems ? systems.map((system) => `${machine}-${system}`) : [];
}

async function archive(target) {
  const source = `${(process.env.OPENRUNNER_RELEASES || release.url).replace(/\/$/, "")}/openrunner-${release.version}-${target}.tar.gz`;
  let bytes;
  if (source.includes("://")) {
    const answer = await fetch(source).catch((error) => fail(`could not fetch ${source}: ${error.cause?.message ?? error.message}`));
    if (!answer.ok) fail(`could not fetch ${source}: status ${answer.status}`);
    bytes = Buffer.from(await answer.arrayBuffer());
  } else {
    bytes = readFileSync(source);
  }
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest !== release.sha256[target]) fail(`checksum mismatch of ${source}: expected ${release.sha256[target]}, got ${digest}`);
  return bytes;
}

/** The path of the program. Several first uses at once do not disturb each other: each unpacks beside it and renames. */
async function program() {
  const target = targets().find((name) => release.sha256[name]);
  if (!target) fail(`there is no release for ${process.platform} on ${process.arch}`);
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "openrunner-cli");
  const directory = join(cache, `${release.version}-${target}`);
  const path = join(directory, "openrunner");
  if (existsSync(path)) return path;
  const bytes = await archive(target);
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const work = mkdtempSync(join(cache, ".new-"));
  try {
    writeFileSync(join(work, "archive.tar.gz"), bytes);
    const name = `openrunner-${release.version}-${target}`;
    const unpacked = spawnSync("tar", ["-xzf", "archive.tar.gz"], { cwd: work, stdio: ["ignore", "inherit", "inherit"] });
    if (unpacked.status !== 0) fail("could not unpack the archive with tar");
    try {
      renameSync(join(work, name), directory);
    } catch (error) {
      if (!existsSync(path)) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return path;
}

const child = spawn(await program(), process.argv.slice(2), { stdio: "inherit" });
// A terminal sends these to the child as well; others send them to this process only.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => fail(error.message));
child.on("exit", (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exitCode = code;
  }
});
