// Runs relay-compiler on relay/, with the schema of a server, as docs/clients.md says.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const here = fileURLToPath(new URL("relay/", import.meta.url));
const CONFIG = "relay.config.json";

// Answers where the compiled operations lie. A bundler wants modules of ECMAScript, and Node.js, which needs extensions
// in the imports of such, those of CommonJS: they are compiled from a copy.
export async function compileRelay(url, { forNode = false } = {}) {
  let directory = here;
  if (forNode) {
    directory = join(here, "../relay-commonjs");
    mkdirSync(directory, { recursive: true });
    copyFileSync(join(here, "documents.js"), join(directory, "documents.js"));
    const config = { ...JSON.parse(readFileSync(join(here, CONFIG), "utf8")), eagerEsModules: false };
    writeFileSync(join(directory, CONFIG), JSON.stringify(config));
    writeFileSync(join(directory, "package.json"), '{ "type": "commonjs" }');
  }
  const schema = await fetch(new URL("/schema.graphql", url));
  writeFileSync(join(directory, "schema.graphql"), await schema.text());
  execFileSync(process.execPath, [require.resolve("relay-compiler/cli.js"), CONFIG], { cwd: directory, stdio: "pipe" });
  return join(directory, "__generated__");
}
