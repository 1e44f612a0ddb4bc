// A server of the binary that is tested, in an empty directory of its own.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 120_000;

// Calls `ready` until it gives something, at most as long as `child` runs.
export async function waitFor(what, child, ready) {
  for (const begin = Date.now(); Date.now() - begin < PATIENCE_MS; await sleep(50)) {
    const value = await ready();
    if (value) {
      return value;
    }
    if (child.exitCode !== null) {
      break;
    }
  }
  throw new Error(`there was nothing of ${what}`);
}

export const ended = (child) =>
  child.exitCode === null && child.signalCode === null ? new Promise((done) => child.once("exit", done)) : Promise.resolve();

// Calls `body` with a server on `database`, which has ended well when this returns.
export async function withServer(binary, database, settings, body) {
  const directory = mkdtempSync(join(tmpdir(), "broadsheet-clients-"));
  // Where no .env lies, and without the settings of whoever runs this.
  const environment = { PATH: process.env.PATH, HOME: directory, PORT: "0", DATABASE_URL: database, ...settings };
  const child = spawn(binary, [], { cwd: directory, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stdout.on("data", (chunk) => (log += chunk));
  child.stderr.on("data", (chunk) => (log += chunk));
  const logged = (words) => waitFor(`${words} in the log`, child, () => words.exec(log));
  try {
    const [, address] = await logged(/listening on (http:\/\/\S+)/);
    const result = await body({ url: `${address}/graphql`, logged, signal: (name) => child.kill(name) });
    child.kill("SIGTERM");
    await ended(child);
    if (child.exitCode !== 0) {
      throw new Error(`the server ended with ${child.exitCode ?? child.signalCode}`);
    }
    return result;
  } catch (error) {
    console.error(`The end of the server's log:\n${log.slice(-5000)}`);
    throw error;
  } finally {
    child.kill("SIGKILL");
    await ended(child);
    rmSync(directory, { recursive: true });
  }
}
