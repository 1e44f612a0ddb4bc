// The feed of changes: a list that stays as the server's, and subscriptions that go on where they stopped.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import WebSocket from "ws";
import { ask, createArticle, deleteArticle, freshSlug, updateArticle, url, within } from "./support.js";

const CHANGES = `
  subscription ($after: String, $ids: [ID!]) {
    articleChanges(after: $after, articleIds: $ids) { cursor kind articleId article { id title slug version } }
  }
`;

const overWebSocket = createWsClient({ url: url.replace(/^http/, "ws"), webSocketImpl: WebSocket });
const overSse = createSseClient({ url });
after(() => overWebSocket.dispose());

// The first `count` changes; then the subscription is left.
async function take(client, count, variables) {
  const changes = [];
  const subscription = client.iterate({ query: CHANGES, variables });
  const collected = (async () => {
    for await (const { data, errors } of subscription) {
      assert.equal(errors, undefined);
      if (changes.push(data.articleChanges) === count) {
        return changes;
      }
    }
    return assert.fail(`it ended after ${changes.length} of ${count} changes`);
  })();
  return within(collected);
}

const cursorNow = async () => (await ask("{ articleChangesCursor }")).articleChangesCursor;
const summary = ({ kind, article }) => `${kind} ${article?.title ?? ""} ${article?.version ?? ""}`.trim();

// Six changes of one article, and what the feed tells of them.
async function sixChanges() {
  const start = await cursorNow();
  const { id } = await createArticle({ title: "Title 1" });
  for (const number of [2, 3, 4, 5]) {
    await updateArticle(id, { title: `Title ${number}` });
  }
  await deleteArticle(id);
  const expected = ["CREATED Title 1 1", ...[2, 3, 4, 5].map((number) => `UPDATED Title ${number} ${number}`), "DELETED"];
  return { start, id, expected };
}

for (const [name, client] of [["WebSocket", overWebSocket], ["server-sent events", overSse]]) {
  test(`a subscriber that left goes on behind the last cursor it has, over ${name}`, async () => {
    const { start, id, expected } = await sixChanges();
    const told = [];
    let cursor = start;
    for (const count of [1, 3, 2]) {
      const changes = await take(client, count, { after: cursor, ids: [id] });
      told.push(...changes.map(summary));
      cursor = changes.at(-1).cursor;
    }
    assert.deepEqual(told, expected);
  });

  test(`a list, and the changes from the cursor that was read with it, give the later list, over ${name}`, async () => {
    const slug = freshSlug();
    const list = async () => {
      const query = "query ($start: String!) { articleChangesCursor articles(filter: { slug: { startsWith: $start } }) { id title slug version } }";
      const { articleChangesCursor, articles } = await ask(query, { start: slug });
      return { cursor: articleChangesCursor, articles: new Map(articles.map((article) => [article.id, article])) };
    };
    const create = (number) => createArticle({ slug: `${slug}-${number}`, title: `Title ${number}` });
    const first = await create(1);
    const second = await create(2);

    // The writers work while the list is read and the changes are applied to it.
    const writing = (async () => {
      for (let number = 3; number <= 12; number += 1) {
        const { id } = await create(number);
        await updateArticle(first.id, { title: `First, after ${number}` });
        if (number % 3 === 0) {
          await deleteArticle(id);
        }
      }
      await deleteArticle(second.id);
      await create("last");
    })();
    const { cursor, articles } = await list();
    const applied = (async () => {
      for await (const { data } of client.iterate({ query: CHANGES, variables: { after: cursor } })) {
        const { kind, articleId, article } = data.articleChanges;
        if (kind === "DELETED") {
          articles.delete(articleId);
        } else if (article.slug.startsWith(slug)) {
          articles.set(articleId, article);
        }
        if (article?.slug === `${slug}-last`) {
          return;
        }
      }
      assert.fail("the subscription ended");
    })();
    await Promise.all([writing, within(applied)]);
    const sorted = (map) => [...map.values()].sort((one, other) => one.slug.localeCompare(other.slug));
    const later = sorted((await list()).articles);
    assert.equal(later.length, 8);
    assert.deepEqual(sorted(articles), later);
  });
}

// The events of a response of server-sent events as { event, id, data }, without what keeps it alive: comments, and ids
// without data.
async function* events(response) {
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const fields = part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trimStart()]);
      const event = Object.fromEntries(fields.filter(([field]) => field !== ""));
      if ("data" in event) {
        yield event;
      }
    }
  }
}

// As EventSource does: by GET, and with the id of the last event when it connects again.
async function takeEvents(count, variables, lastEventId) {
  const leave = new AbortController();
  const address = `${url}?${new URLSearchParams({ query: CHANGES, variables: JSON.stringify(variables) })}`;
  const headers = { accept: "text/event-stream", ...(lastEventId && { "last-event-id": lastEventId }) };
  const response = await fetch(address, { headers, signal: leave.signal });
  assert.equal(response.status, 200);
  const taken = [];
  const collected = (async () => {
    for await (const event of events(response)) {
      if (taken.push(event) === count) {
        return taken;
      }
    }
    return assert.fail(`it ended after ${taken.length} of ${count} events`);
  })();
  try {
    return await within(collected);
  } finally {
    leave.abort();
  }
}

test("each event bears its change's cursor as its id, and Last-Event-ID goes on behind it", async () => {
  const { start, id, expected } = await sixChanges();
  const variables = { after: start, ids: [id] };
  const first = await takeEvents(2, variables);
  // The variables are the same, since EventSource has one address: the header wins over `after`.
  const second = await takeEvents(4, variables, first.at(-1).id);
  const changes = [...first, ...second].map(({ event, id: eventId, data }) => {
    assert.equal(event, "next");
    const { articleChanges } = JSON.parse(data).data;
    assert.equal(eventId, articleChanges.cursor);
    return summary(articleChanges);
  });
  assert.deepEqual(changes, expected);
});

test("who polls is told the same", async () => {
  const { start, id, expected } = await sixChanges();
  const query = `query ($after: String!, $ids: [ID!]) {
    articleChanges(after: $after, first: 4, articleIds: $ids) { changes { kind article { title version } } endCursor hasMore }
  }`;
  const told = [];
  let cursor = start;
  for (let more = true; more;) {
    const { articleChanges: page } = await ask(query, { after: cursor, ids: [id] });
    told.push(...page.changes.map(summary));
    cursor = page.endCursor;
    more = page.hasMore;
  }
  assert.deepEqual(told, expected);
});
