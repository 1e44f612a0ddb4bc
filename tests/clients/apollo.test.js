// Apollo Client, set up as in apollo.js.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CombinedGraphQLErrors, gql } from "@apollo/client";
import { firstValueFrom, lastValueFrom } from "rxjs";
import { apolloClient } from "./apollo.js";
import { createArticle, freshSlug, recorded, updateArticle, url, within } from "./support.js";

const ARTICLE = gql`
  query ArticleBySlug($slug: String!) {
    article(by: { slug: $slug }) {
      id
      title
      version
    }
  }
`;
const UPDATE = gql`
  mutation Rename($id: ID!, $title: String!) {
    updateArticle(id: $id, input: { title: $title }) {
      id
      title
      version
    }
  }
`;
const CHANGES = gql`
  subscription Changes($after: String, $ids: [ID!]) {
    articleChanges(after: $after, articleIds: $ids) {
      kind
      article {
        id
        title
        version
      }
    }
  }
`;

const clients = [];
function makeClient() {
  const client = apolloClient(url);
  clients.push(client);
  return client;
}
after(() => clients.forEach((client) => client.stop()));

test("a query answers, and the cache answers when it is asked again", async () => {
  const client = makeClient();
  const { id, slug } = await createArticle({ title: "From Apollo" });
  const expected = { article: { __typename: "Article", id, title: "From Apollo", version: 1 } };
  const { data } = await client.query({ query: ARTICLE, variables: { slug } });
  assert.deepEqual(data, expected);

  const [again, requests] = await recorded(() => client.query({ query: ARTICLE, variables: { slug } }));
  assert.deepEqual(again.data, expected);
  assert.deepEqual(requests, []);
});

test("a mutation updates the article in the cache by its id, and with it a query that is watched", async () => {
  const client = makeClient();
  const { id, slug } = await createArticle({ title: "Before" });
  const titles = [];
  const renamed = new Promise((resolve) => {
    client.watchQuery({ query: ARTICLE, variables: { slug } }).subscribe(({ data, loading }) => {
      if (!loading) {
        titles.push(`${data.article.title} ${data.article.version}`);
        if (titles.length === 1) {
          client.mutate({ mutation: UPDATE, variables: { id, title: "After" } });
        } else {
          resolve();
        }
      }
    });
  });
  const [, requests] = await recorded(() => within(renamed));
  assert.deepEqual(titles, ["Before 1", "After 2"]);
  assert.deepEqual(
    requests.filter(({ answer }) => !answer.includes("PersistedQueryNotFound")).map(({ answer }) => Object.keys(JSON.parse(answer).data)),
    [["article"], ["updateArticle"]],
    "the query is not sent again",
  );
  assert.deepEqual(client.cache.extract()[`Article:${id}`], { __typename: "Article", id, title: "After", version: 2 });
});

test("a query sends its text once, by POST, and then its hash alone, by GET", async () => {
  const { slug } = await createArticle();
  // A document that the server has not seen, whoever ran this test before.
  const alias = `a${freshSlug().replaceAll("-", "")}`;
  const query = gql(`query Persisted($slug: String!) { ${alias}: article(by: { slug: $slug }) { id slug } }`);
  const send = () => makeClient().query({ query, variables: { slug } });

  const [first, firstRequests] = await recorded(send);
  assert.equal(first.data[alias].slug, slug);
  assert.deepEqual(
    firstRequests.map(({ method, parameters, body, status }) => [method, "query" in parameters, body !== null && "query" in body, status]),
    [["GET", false, false, 400], ["POST", false, true, 200]],
  );
  assert.equal(JSON.parse(firstRequests[0].answer).errors[0].extensions.code, "PERSISTED_QUERY_NOT_FOUND");

  const [second, secondRequests] = await recorded(send);
  assert.deepEqual(second.data, first.data);
  assert.deepEqual(
    secondRequests.map(({ method, parameters, status }) => [method, Object.keys(parameters).sort(), status]),
    [["GET", ["extensions", "operationName", "variables"], 200]],
  );
});

test("a mutation goes by POST", async () => {
  const client = makeClient();
  const { id } = await createArticle();
  const [, requests] = await recorded(() => client.mutate({ mutation: UPDATE, variables: { id, title: "By POST" } }));
  assert.ok(requests.length > 0);
  assert.deepEqual(new Set(requests.map(({ method }) => method)), new Set(["POST"]));
});

test("a subscription brings changes by WebSocket, and they update the cache", async () => {
  const client = makeClient();
  const { id, slug } = await createArticle({ title: "Watched" });
  await client.query({ query: ARTICLE, variables: { slug } });
  const { data: { articleChangesCursor } } = await client.query({ query: gql`{ articleChangesCursor }`, fetchPolicy: "no-cache" });

  const changes = client.subscribe({ query: CHANGES, variables: { after: articleChangesCursor, ids: [id] } });
  const change = firstValueFrom(changes);
  await updateArticle(id, { title: "Changed elsewhere" });

  const article = { __typename: "Article", id, title: "Changed elsewhere", version: 2 };
  assert.deepEqual((await within(change)).data, { articleChanges: { __typename: "ArticleChange", kind: "UPDATED", article } });
  assert.deepEqual(client.readQuery({ query: ARTICLE, variables: { slug } }), { article });
});

test("an error has its code", async () => {
  const client = makeClient();
  const failed = (promise) =>
    promise.then(
      () => assert.fail("it did not fail"),
      (error) => {
        assert.ok(CombinedGraphQLErrors.is(error), error);
        return error.errors.map(({ path, extensions }) => ({ path, extensions }));
      },
    );
  assert.deepEqual(await failed(client.query({ query: gql`query TooMany { articles(limit: 1000) { id } }` })), [
    { path: ["articles"], extensions: { code: "BAD_USER_INPUT", field: "limit" } },
  ]);
  const { slug } = await createArticle();
  const input = { title: "Again", slug, text: "" };
  const mutation = gql`mutation Create($input: CreateArticleInput!) { createArticle(input: $input) { id } }`;
  assert.deepEqual(await failed(client.mutate({ mutation, variables: { input } })), [
    { path: ["createArticle"], extensions: { code: "SLUG_TAKEN", field: "input.slug" } },
  ]);
  assert.equal(
    (await failed(client.query({ query: gql`query Unknown { nothing }` })))[0].extensions.code,
    "GRAPHQL_VALIDATION_FAILED",
  );
  // To its end: graphql-ws keeps its socket where a subscription that is left in its only result is completed at once.
  const { error } = await within(lastValueFrom(client.subscribe({ query: CHANGES, variables: { after: "no cursor" } })));
  assert.deepEqual(error.errors[0].extensions, { code: "BAD_USER_INPUT", field: "after" });
});
