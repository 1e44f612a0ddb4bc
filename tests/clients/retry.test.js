// Mutations that are sent again, set up as in apollo-retry.js and urql-retry.js: what was lost on the way is made up for,
// and nothing happens twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gql } from "@apollo/client";
import { apolloRetryClient } from "./apollo-retry.js";
import { ask, freshSlug, url, within } from "./support.js";
import { urqlRetryClient } from "./urql-retry.js";

const CREATE = gql`
  mutation Create($input: CreateArticleInput!) {
    createArticle(input: $input) {
      id
      slug
    }
  }
`;

const CLIENTS = {
  async Apollo(input) {
    const client = apolloRetryClient(url);
    try {
      const { data } = await client.mutate({ mutation: CREATE, variables: { input } });
      return data.createArticle;
    } finally {
      client.stop();
    }
  },
  async urql(input) {
    const { data, error } = await urqlRetryClient(url).mutation(CREATE, { input }).toPromise();
    if (error) {
      throw error;
    }
    return data.createArticle;
  },
};

// Calls `body` while `fail` stands between the client and the server; answers with the headers of all that was sent.
async function withFaults(fail, body) {
  const original = globalThis.fetch;
  const sent = [];
  globalThis.fetch = async (input, init = {}) => {
    sent.push(new Headers(init.headers));
    return fail(sent.length, () => original(input, init));
  };
  try {
    await body();
    return sent;
  } finally {
    globalThis.fetch = original;
  }
}

const json = (status, errors, data) =>
  new Response(JSON.stringify({ errors, data }), {
    status,
    headers: { "content-type": "application/graphql-response+json; charset=utf-8" },
  });
const unavailable = [{ message: "later", path: ["createArticle"], extensions: { code: "UNAVAILABLE" } }];

// What becomes of the first attempts.
const FAULTS = {
  "the answer is lost twice": async (count, send) => {
    const response = await send();
    if (count <= 2) {
      await response.text();
      throw new TypeError("fetch failed");
    }
    return response;
  },
  "nothing ran": (count, send) => (count <= 2 ? json(503, unavailable) : send()),
  "nobody knows whether it ran": async (count, send) => {
    const response = await send();
    return count <= 2 ? (await response.text(), json(200, unavailable, { createArticle: null })) : response;
  },
};

for (const [client, create] of Object.entries(CLIENTS)) {
  for (const [what, fault] of Object.entries(FAULTS)) {
    test(`${client} sends again with the same key where ${what}`, async () => {
      const title = freshSlug();
      let created;
      const sent = await within(withFaults(fault, async () => (created = await create({ title, text: "" }))));
      assert.equal(sent.length, 3);
      const keys = new Set(sent.map((headers) => headers.get("idempotency-key")));
      assert.equal(keys.size, 1);
      assert.match([...keys][0], /^[0-9a-f-]{36}$/);
      const { articles } = await ask("query ($title: String!) { articles(filter: { title: { eq: $title } }) { id } }", { title });
      assert.deepEqual(articles, [{ id: created.id }]);
    });
  }

  test(`${client} does not send again what was refused`, async () => {
    const slug = freshSlug();
    await create({ title: "First", slug, text: "" });
    const sent = await within(
      withFaults(
        (_, send) => send(),
        () => assert.rejects(create({ title: "Second", slug, text: "" }), /belongs to another article/),
      ),
    );
    assert.equal(sent.length, 1);
  });
}
