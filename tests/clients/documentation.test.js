// docs/clients.md shows files of this directory, and shows them as they are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

test("every file that docs/clients.md shows is the file that is tested", () => {
  const documentation = readFileSync(new URL("../../docs/clients.md", import.meta.url), "utf8");
  const shown = [...documentation.matchAll(/^`tests\/clients\/(\S+)`:\n\n```\w+\n(.*?)^```$/gms)];
  assert.equal(shown.length, documentation.match(/^```\w+$/gm).length, "each block is named");
  assert.ok(shown.length > 0);
  for (const [, file, code] of shown) {
    assert.equal(code, readFileSync(new URL(file, import.meta.url), "utf8"), file);
  }
});
