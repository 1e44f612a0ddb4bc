// The change feed, followed as in feed-websocket.js and feed-event-source.js, while the server goes away and comes back.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { followChanges as followByEventSource } from "./feed-event-source.js";
import { followChanges as followByWebSocket } from "./feed-websocket.js";
import { withServer } from "./server.js";
import { freshSlug, within } from "./support.js";

const { BROADSHEET_BINARY: binary, BROADSHEET_DATABASE: database } = process.env;
const skip = binary && database ? false : "needs BROADSHEET_BINARY and BROADSHEET_DATABASE";

// A port that two servers can have, one after the other.
async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => probe.once("listening", done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return String(port);
}

async function ask(url, query, variables) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  return data;
}

// Both with one face: calls `apply` until the function that it answers is called; `refused` hears of errors.
const transports = {
  WebSocket: (url, cursor, apply, refused) => {
    const leave = new AbortController();
    followByWebSocket(url, cursor, apply, leave.signal).catch(refused);
    return () => leave.abort();
  },
  EventSource: followByEventSource,
};

for (const [name, follow] of Object.entries(transports)) {
  test(`a restart of the server loses no change and repeats none, over ${name}`, { skip, timeout: 60_000 }, async () => {
    const port = await freePort();
    const settings = { PORT: port };
    const slug = freshSlug();
    const heard = [];
    let heardAll;
    const all = new Promise((done) => (heardAll = done));
    const create = (url, number) =>
      ask(url, "mutation ($input: CreateArticleInput!) { createArticle(input: $input) { id } }", {
        input: { title: `${number}`, slug: `${slug}-${number}`, text: "" },
      });
    const apply = ({ kind, article }) => {
      if (article?.slug.startsWith(slug)) heard.push(`${kind} ${article.title}`);
      if (heard.length === 4) heardAll();
    };
    let leave;
    await withServer(binary, database, settings, async ({ url }) => {
      const { articleChangesCursor } = await ask(url, "{ articleChangesCursor }");
      await create(url, 1);
      leave = follow(url, articleChangesCursor, apply, (errors) => assert.fail(JSON.stringify(errors)));
      await create(url, 2);
      for (const begin = Date.now(); heard.length < 2 && Date.now() - begin < 20_000;) {
        await new Promise((done) => setTimeout(done, 20));
      }
    });
    await withServer(binary, database, settings, async ({ url }) => {
      await create(url, 3);
      await create(url, 4);
      await within(all);
      leave();
    });
    assert.deepEqual(heard, ["CREATED 1", "CREATED 2", "CREATED 3", "CREATED 4"]);
  });

  test(`a cursor of another database is refused, over ${name}`, { skip, timeout: 60_000 }, async () => {
    let foreign;
    await withServer(binary, "sqlite::memory:", {}, async ({ url }) => {
      foreign = (await ask(url, "{ articleChangesCursor }")).articleChangesCursor;
    });
    await withServer(binary, database, {}, async ({ url }) => {
      let leave;
      const errors = await within(new Promise((refused) => (leave = follow(url, foreign, assert.fail, refused))));
      leave();
      assert.equal(errors[0].extensions.code, "CURSOR_EXPIRED");
    });
  });
}
