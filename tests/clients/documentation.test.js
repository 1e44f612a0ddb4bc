// docs/clients.md shows files of this directory, and shows them as they are; each section names what it needs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const documentation = read("../../docs/clients.md");
const FILE = /^`tests\/clients\/(\S+)`:\n\n```\w+\n(.*?)^```$/gms;

test("every file that docs/clients.md shows is the file that is tested", () => {
  const shown = [...documentation.matchAll(FILE)];
  const blocks = documentation.match(/^```(?!sh$)\w+$/gm);
  assert.equal(shown.length, blocks.length, "each block is named, but for those of a shell");
  assert.ok(shown.length > 0);
  for (const [, file, code] of shown) {
    assert.equal(code, read(file), file);
  }
});

test("each section installs what its files import, in a version that is tested", () => {
  const { dependencies } = JSON.parse(read("package.json"));
  const sections = documentation.split(/^## /m).slice(1);
  assert.ok(sections.length >= 5);
  for (const section of sections) {
    const name = section.slice(0, section.indexOf("\n"));
    const installed = [...section.matchAll(/^npm install (.*)$/gm)].flatMap(([, words]) => words.split(" ").filter((word) => !word.startsWith("-")));
    for (const word of installed) {
      assert.ok(dependencies[word], `${name} installs ${word}, which no test has`);
    }
    for (const [, file, code] of section.matchAll(FILE)) {
      for (const [, imported] of code.matchAll(/^import (?:.* from )?"([^"]+)";$/gm)) {
        const package_ = imported.split("/").slice(0, imported.startsWith("@") ? 2 : 1).join("/");
        assert.ok(imported.startsWith(".") || installed.includes(package_), `${file} imports ${imported}, which ${name} does not install`);
        assert.ok(!imported.startsWith("node:"), `${file} is for browsers too`);
      }
    }
  }
});
