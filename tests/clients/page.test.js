// The clients of docs/clients.md in a page that Vite has built, in headless Chromium, on another origin than the server.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build, preview } from "vite";
import { launch, skip } from "./chromium.js";
import { compileRelay } from "./relay-compile.js";
import { withServer } from "./server.js";
import { url as sharedServer, within } from "./support.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const { BROADSHEET_BINARY: binary, BROADSHEET_DATABASE: database } = process.env;
const why = skip || (binary && database ? false : "needs BROADSHEET_BINARY and BROADSHEET_DATABASE");

let directory;
let site;
let browser;

before(async () => {
  if (why) {
    return;
  }
  await compileRelay(sharedServer);
  execFileSync(join(here, "node_modules/.bin/graphql-codegen"), ["--config", "codegen.js"], {
    cwd: join(here, "codegen"),
    env: { ...process.env, BROADSHEET_SCHEMA: sharedServer },
    stdio: "pipe",
  });
  directory = mkdtempSync(join(tmpdir(), "broadsheet-page-"));
  const common = { root: join(here, "page"), configFile: join(here, "vite.config.js"), logLevel: "warn" };
  await build({ ...common, build: { outDir: directory, emptyOutDir: true } });
  site = await preview({ ...common, build: { outDir: directory }, preview: { host: "127.0.0.1", port: 4173 } });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await site?.close();
  if (directory) {
    rmSync(directory, { recursive: true });
  }
});

const expected = {
  apollo: ["From a page", "CREATED"],
  "urql over WebSocket": ["From a page", "CREATED"],
  "urql over SSE": ["From a page", "CREATED"],
  relay: ["From a page", "Article"],
  codegen: ["page-", 1],
  "feed over WebSocket": ["From a page", "CREATED"],
  "feed over EventSource": ["From a page", "CREATED"],
};

test("each client that is documented works in a page that Vite built", { skip: why, timeout: 120_000 }, async (context) => {
  const [address] = site.resolvedUrls.local;
  const origin = new URL(address).origin;
  await withServer(binary, database, { CORS_ORIGINS: origin }, async ({ url }) => {
    for (const [name, outcome] of Object.entries(expected)) {
      await context.test(name, async () => {
        const page = await browser.newPage();
        const complaints = [];
        page.on("pageerror", (error) => complaints.push(String(error)));
        await page.goto(address);
        try {
          await page.waitForFunction(() => globalThis.run, null, { timeout: 10_000 });
          const came = await within(page.evaluate(([name, url]) => globalThis.run[name](url), [name, url]));
          assert.deepEqual(came, outcome);
        } finally {
          assert.deepEqual(complaints, []);
          await page.close();
        }
      });
    }
  });
});
