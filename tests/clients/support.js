// What the tests of all clients need: the server's address, a record of what was sent, and articles.

import { EventSource } from "eventsource";
import WebSocket from "ws";

// What the clients take from a browser, and Node 20 does not have.
globalThis.WebSocket ??= WebSocket;
globalThis.EventSource ??= EventSource;

export const url = process.env.BROADSHEET_URL ?? "http://127.0.0.1:8000/graphql";

// A slug that no other test has, on a database that all tests share.
export const freshSlug = () => `clients-${crypto.randomUUID()}`;

// Calls `body` while every request of `fetch` is written down, with what was answered.
export async function recorded(body) {
  const original = globalThis.fetch;
  const requests = [];
  globalThis.fetch = async (input, init = {}) => {
    const response = await original(input, init);
    const address = new URL(input);
    requests.push({
      method: init.method ?? "GET",
      parameters: Object.fromEntries(address.searchParams),
      body: init.body ? JSON.parse(init.body) : null,
      status: response.status,
      answer: await response.clone().text(),
    });
    return response;
  };
  try {
    return [await body(), requests];
  } finally {
    globalThis.fetch = original;
  }
}

// Without any client: what the server answers to `query`, where that has no errors.
export async function ask(query, variables = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) {
    throw new Error(JSON.stringify(errors));
  }
  return data;
}

export async function createArticle(input = {}) {
  const { createArticle } = await ask(
    "mutation ($input: CreateArticleInput!) { createArticle(input: $input) { id title slug text version } }",
    { input: { title: "Made for a client", slug: freshSlug(), text: "Some text.", ...input } },
  );
  return createArticle;
}

export async function updateArticle(id, input) {
  await ask("mutation ($id: ID!, $input: UpdateArticleInput!) { updateArticle(id: $id, input: $input) { version } }", { id, input });
}

export async function deleteArticle(id) {
  await ask("mutation ($id: ID!) { deleteArticle(id: $id) { id } }", { id });
}

// Rejects after `milliseconds`, so that a change which never comes fails the test instead of holding it up.
export function within(promise, milliseconds = 20_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
