// graphql-codegen with the client preset, configured in codegen/codegen.js, and TypeScript on what comes of it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freshSlug, url } from "./support.js";

const directory = fileURLToPath(new URL("codegen/", import.meta.url));

// Runs a program that a package installed.
function run(program, parameters, environment = {}) {
  try {
    return execFileSync(join(directory, "../node_modules/.bin", program), parameters, {
      cwd: directory,
      env: { ...process.env, ...environment },
      encoding: "utf8",
      stdio: "pipe",
    });
  } catch (error) {
    assert.fail(`${program} ${parameters.join(" ")}\n${error.stdout}${error.stderr}`);
  }
}

function generate(environment) {
  rmSync(join(directory, "gql"), { recursive: true, force: true });
  run("graphql-codegen", ["--config", "codegen.js"], environment);
  run("tsc", ["--noEmit"]);
  return readFileSync(join(directory, "gql/graphql.ts"), "utf8");
}

test("the types of schema.graphql and of the served schema are the same, and the example compiles with both", () => {
  const fromFile = generate({ BROADSHEET_SCHEMA: "../../../schema.graphql" });
  const fromServer = generate({ BROADSHEET_SCHEMA: url });
  assert.equal(fromServer, fromFile);
  assert.match(fromFile, /createdAt: string/);
});

test("the typed example runs against the server", async (context) => {
  generate({ BROADSHEET_SCHEMA: url });
  const output = mkdtempSync(join(directory, "gql/compiled-"));
  context.after(() => rmSync(output, { recursive: true }));
  run("tsc", ["--outDir", output]);
  const { createAndFind } = await import(join(output, "example.js"));

  const title = freshSlug();
  const found = await createAndFind(url, title);
  assert.deepEqual(found.map(({ title, version }) => [title, version]), [[title, 1]]);
  assert.ok(Math.abs(found[0].created - Date.now()) < 60_000, `${found[0].created}`);
});
