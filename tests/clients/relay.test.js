// Relay: what relay-compiler makes of relay/documents.js, in the environment of relay.js.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { before, test } from "node:test";
import relay from "relay-runtime";
import { compileRelay } from "./relay-compile.js";
import { relayEnvironment } from "./relay.js";
import { createArticle, freshSlug, updateArticle, url } from "./support.js";

const { createOperationDescriptor, fetchQuery, getRequest, getSingularSelector } = relay;

const require = createRequire(import.meta.url);
const compiled = {};
before(async () => {
  const directory = await compileRelay(url, { forNode: true });
  for (const name of ["documentsListQuery", "documentsNextPageQuery", "documentsArticleRefetchQuery", "documents_list", "documents_article"]) {
    compiled[name] = require(`${directory}/${name}.graphql.js`);
  }
});

// What a component with the fragment would be given.
function read(environment, fragment, reference) {
  return environment.lookup(getSingularSelector(fragment, reference)).data;
}

// Fetches an operation and keeps its data from the garbage collector, as a mounted component would.
async function load(environment, query, variables) {
  environment.retain(createOperationDescriptor(getRequest(query), variables));
  return fetchQuery(environment, query, variables).toPromise();
}

// The titles of the list as the store has it, and where the next page begins.
function list(environment, root) {
  const { articlesConnection } = read(environment, compiled.documents_list, root);
  return {
    titles: articlesConnection.edges.map(({ node }) => read(environment, compiled.documents_article, node).title),
    pageInfo: articlesConnection.pageInfo,
    edges: articlesConnection.edges,
  };
}

async function sevenArticles() {
  const prefix = freshSlug();
  const articles = [];
  for (let number = 1; number <= 7; number += 1) {
    articles.push(await createArticle({ title: `Number ${number}`, slug: `${prefix}-${number}` }));
  }
  return { articles, filter: { slug: { startsWith: prefix } } };
}

test("a list is paged forwards through the connection until nothing is left", async () => {
  const { filter } = await sevenArticles();
  const environment = relayEnvironment(url);
  const root = await load(environment, compiled.documentsListQuery, { count: 3, filter });
  let { titles, pageInfo } = list(environment, root);
  const pages = [titles];
  while (pageInfo.hasNextPage) {
    // What loadNext of usePaginationFragment does.
    await load(environment, compiled.documentsNextPageQuery, { count: 3, cursor: pageInfo.endCursor, filter });
    ({ titles, pageInfo } = list(environment, root));
    pages.push(titles);
  }
  const numbers = (last) => Array.from({ length: last }, (_, index) => `Number ${index + 1}`);
  assert.deepEqual(pages, [numbers(3), numbers(6), numbers(7)]);
});

test("an article is fetched again through `node`, and the list shows it", async () => {
  const { articles, filter } = await sevenArticles();
  const environment = relayEnvironment(url);
  const root = await load(environment, compiled.documentsListQuery, { count: 2, filter });
  const { id } = articles[1];
  await updateArticle(id, { title: "Number 2, once more" });
  assert.deepEqual(list(environment, root).titles, ["Number 1", "Number 2"]);

  await load(environment, compiled.documentsArticleRefetchQuery, { id });
  const { titles, edges } = list(environment, root);
  assert.deepEqual(titles, ["Number 1", "Number 2, once more"]);
  assert.deepEqual(read(environment, compiled.documents_article, edges[1].node), { id, title: "Number 2, once more", version: 2 });
});

test("an id of no article is null through `node`", async () => {
  const answer = await load(relayEnvironment(url), compiled.documentsArticleRefetchQuery, { id: "00000000-0000-7000-8000-000000000000" });
  assert.equal(answer.node, null);
});
