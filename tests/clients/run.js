// Starts the given server on SQLite, runs the audits and all tests against it, and then the same on PostgreSQL.
//
//     run BINARY
//
// PostgreSQL is the server in TEST_DATABASE_URL, where a database is made and dropped, or else a temporary one made of
// the programs that are installed. Without either it is left out, which is a failure where CI is set.

import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ended, waitFor, withServer } from "./server.js";

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.argv[2] && resolve(process.argv[2]);
if (!binary || !existsSync(binary)) {
  console.error("usage: run BINARY");
  process.exit(2);
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => probe.once("listening", done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

function command(parameters, environment) {
  const child = spawn(process.execPath, parameters, {
    cwd: here,
    env: { ...process.env, ...environment },
    stdio: "inherit",
  });
  return new Promise((done) => child.once("exit", (code) => done(code === 0)));
}

const testsOn = (database) =>
  withServer(binary, database, {}, async ({ url }) => {
    // A test that needs another server starts its own, on the same database.
    const environment = { BROADSHEET_URL: url, BROADSHEET_BINARY: binary, BROADSHEET_DATABASE: database };
    const audits = await command([join(here, "../../crates/graphql-transports/tests/audits/audits.js"), url], environment);
    const files = readdirSync(here).filter((name) => name.endsWith(".test.js")).sort();
    const clients = await command(["--test", "--test-concurrency=1", "--test-reporter=spec", ...files], environment);
    if (!audits || !clients) {
      throw new Error("not every test has passed");
    }
    return true;
  });

async function onSqlite() {
  const directory = mkdtempSync(join(tmpdir(), "broadsheet-sqlite-"));
  try {
    return await testsOn(`sqlite:${join(directory, "clients.db")}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

// The directory of `initdb` and `postgres`: on the PATH, or where Debian puts them, the newest first.
function postgresPrograms() {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((one, other) => other - one) : [];
  return [...process.env.PATH.split(delimiter), ...versions.map((version) => join(debian, version, "bin"))].find((directory) =>
    ["initdb", "postgres"].every((program) => existsSync(join(directory, program))),
  );
}

// Calls `body` with the URL of a database on a temporary server, which the supervisor of the Rust tests removes.
async function withTemporaryPostgres(programs, body) {
  const directory = mkdtempSync(join(tmpdir(), "broadsheet-postgres-"));
  const port = await freePort();
  const owner = {};
  if (process.getuid() === 0) {
    // postgres refuses root.
    const [, , uid, gid] = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":")).find(([name]) => name === "postgres");
    Object.assign(owner, { uid: Number(uid), gid: Number(gid) });
    chownSync(directory, owner.uid, owner.gid);
  }
  const script = readFileSync(join(here, "../api/postgres/supervise.sh"), "utf8");
  const settings = [`port=${port}`, "listen_addresses=127.0.0.1", "unix_socket_directories=..", "fsync=off"];
  const supervisor = spawn("/bin/sh", ["-c", script, "supervise", directory, programs, ...settings], {
    cwd: directory,
    env: { PATH: process.env.PATH, LC_ALL: "C" },
    // It runs as long as this pipe is open, however this process ends.
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    ...owner,
  });
  try {
    await waitFor("PostgreSQL", supervisor, () => {
      const status = join(directory, "data/postmaster.pid");
      return existsSync(status) && /^ready\s*$/m.test(readFileSync(status, "utf8"));
    });
    return await body(`postgres://postgres@127.0.0.1:${port}/postgres`);
  } finally {
    supervisor.stdin.end();
    await ended(supervisor);
  }
}

// Calls `body` with the URL of a new database on a server that is there.
async function withDatabaseOn(server, body) {
  const name = `broadsheet_clients_${randomUUID().replaceAll("-", "")}`;
  const sql = (text) => {
    const ran = spawnSync("psql", ["-qX", "-v", "ON_ERROR_STOP=1", "-c", text, server], { stdio: "inherit" });
    if (ran.status !== 0) {
      throw new Error(`psql failed: ${ran.error ?? ran.status}`);
    }
  };
  sql(`CREATE DATABASE ${name}`);
  try {
    const database = new URL(server);
    database.pathname = `/${name}`;
    return await body(database.href);
  } finally {
    sql(`DROP DATABASE ${name} WITH (FORCE)`);
  }
}

async function onPostgres() {
  const programs = postgresPrograms();
  if (process.env.TEST_DATABASE_URL) {
    return withDatabaseOn(process.env.TEST_DATABASE_URL, testsOn);
  }
  if (programs) {
    return withTemporaryPostgres(programs, testsOn);
  }
  return null;
}

const outcomes = [];
for (const [name, attempt] of [
  ["SQLite", onSqlite],
  ["PostgreSQL", onPostgres],
]) {
  console.log(`\n-- The clients, on ${name}`);
  const passed = await attempt().catch((error) => (console.error(error), false));
  outcomes.push([name, passed]);
}
console.log("");
for (const [name, passed] of outcomes) {
  const words = passed === null ? "left out: there is neither TEST_DATABASE_URL nor the programs of PostgreSQL" : passed ? "passed" : "FAILED";
  console.log(`The audits and the clients on ${name}: ${words}`);
}
const bad = ([, passed]) => passed === false || (passed === null && Boolean(process.env.CI));
process.exitCode = outcomes.some(bad) ? 1 : 0;
