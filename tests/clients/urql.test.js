// urql, set up as in urql.js.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, fetchExchange, gql } from "@urql/core";
import { createArticle, deleteArticle, freshSlug, recorded, updateArticle, url, within } from "./support.js";
import { urqlClient } from "./urql.js";

const CHANGES = gql`
  subscription Changes($after: String!, $ids: [ID!]) {
    articleChanges(after: $after, articleIds: $ids) {
      kind
      article {
        title
        version
      }
    }
  }
`;

async function cursorNow(client) {
  const { data, error } = await client.query(gql`{ articleChangesCursor }`, {}, { requestPolicy: "network-only" });
  assert.equal(error, undefined);
  return data.articleChangesCursor;
}

// The first `count` answers of a subscription, which is then left.
function take(client, count, variables) {
  return within(
    new Promise((resolve, reject) => {
      const answers = [];
      const { unsubscribe } = client.subscription(CHANGES, variables).subscribe(({ data, error }) => {
        if (error) {
          reject(error);
        } else if (answers.push(data.articleChanges) === count) {
          unsubscribe();
          resolve(answers);
        }
      });
    }),
  );
}

test("a query sends its text once, and then its hash alone, by GET", async () => {
  const { slug } = await createArticle({ title: "From urql" });
  // A document that the server has not seen, whoever ran this test before.
  const alias = `a${freshSlug().replaceAll("-", "")}`;
  const query = gql(`query Persisted($slug: String!) { ${alias}: article(by: { slug: $slug }) { title } }`);
  const send = () => urqlClient(url).query(query, { slug }).toPromise();
  const expected = { [alias]: { __typename: "Article", title: "From urql" } };

  const [first, firstRequests] = await recorded(send);
  assert.deepEqual([first.error, first.data], [undefined, expected]);
  assert.equal(firstRequests.length, 2);
  assert.deepEqual([firstRequests[0].method, "query" in firstRequests[0].parameters], ["GET", false]);
  assert.equal(JSON.parse(firstRequests[0].answer).errors[0].extensions.code, "PERSISTED_QUERY_NOT_FOUND");
  assert.deepEqual(["query" in firstRequests[1].parameters || "query" in (firstRequests[1].body ?? {})], [true]);

  const [second, secondRequests] = await recorded(send);
  assert.deepEqual([second.error, second.data], [undefined, expected]);
  assert.deepEqual(
    secondRequests.map(({ method, parameters, status }) => [method, Object.keys(parameters).sort(), status]),
    [["GET", ["extensions", "operationName", "variables"], 200]],
  );
});

test("a mutation makes the cache ask again for what it has of that type", async () => {
  const client = urqlClient(url);
  const { id, slug } = await createArticle({ title: "Before" });
  const titles = [];
  await within(
    new Promise((resolve, reject) => {
      const query = gql`query ($slug: String!) { article(by: { slug: $slug }) { id title } }`;
      client.query(query, { slug }).subscribe(({ data, error, stale }) => {
        if (error) {
          reject(error);
        } else if (!stale && titles.push(data.article.title) === 2) {
          resolve();
        } else if (titles.length === 1 && !stale) {
          const rename = gql`mutation ($id: ID!) { updateArticle(id: $id, input: { title: "After" }) { id title } }`;
          client.mutation(rename, { id }).toPromise();
        }
      });
    }),
  );
  assert.deepEqual(titles, ["Before", "After"]);
});

for (const subscriptions of ["ws", "sse"]) {
  test(`a subscription brings every change, by graphql-${subscriptions}`, async () => {
    const client = urqlClient(url, { subscriptions });
    const { id } = await createArticle({ title: "One" });
    const after = await cursorNow(client);
    const changes = take(client, 3, { after, ids: [id] });
    await updateArticle(id, { title: "Two" });
    await updateArticle(id, { title: "Three" });
    await deleteArticle(id);
    const article = (title, version) => ({ title, version });
    assert.deepEqual(await changes, [
      { kind: "UPDATED", article: article("Two", 2) },
      { kind: "UPDATED", article: article("Three", 3) },
      { kind: "DELETED", article: null },
    ]);
  });

  test(`a subscription that is wrong ends with its code, by graphql-${subscriptions}`, async () => {
    const client = urqlClient(url, { subscriptions });
    await assert.rejects(take(client, 1, { after: "no cursor" }), ({ graphQLErrors }) => {
      assert.deepEqual(graphQLErrors[0].extensions, { code: "BAD_USER_INPUT", field: "after" });
      return true;
    });
  });
}

test("the fetch exchange's own subscriptions, which need no other package, are answered with server-sent events", async () => {
  const client = new Client({ url, fetchSubscriptions: true, preferGetMethod: false, exchanges: [fetchExchange] });
  await assert.rejects(take(client, 1, { after: "no cursor" }), ({ graphQLErrors, response }) => {
    assert.equal(response.headers.get("content-type").split(";")[0], "text/event-stream");
    assert.deepEqual(graphQLErrors[0].extensions, { code: "BAD_USER_INPUT", field: "after" });
    return true;
  });
});

test("an error has its code", async () => {
  const { error } = await urqlClient(url).query(gql`query TooMany { articles(limit: 1000) { id } }`, {}).toPromise();
  assert.deepEqual(error.graphQLErrors.map(({ path, extensions }) => ({ path, extensions })), [
    { path: ["articles"], extensions: { code: "BAD_USER_INPUT", field: "limit" } },
  ]);
});
