// What a page does with each client: `run[NAME](url)` does it, and answers what came of it.

import { gql } from "@apollo/client";
import relay from "relay-runtime";
import { apolloClient } from "../apollo.js";
import { createAndFind } from "../codegen/example.js";
import { followChanges as followByEventSource } from "../feed-event-source.js";
import { followChanges as followByWebSocket } from "../feed-websocket.js";
import { query as listQuery } from "../relay/documents.js";
import { relayEnvironment } from "../relay.js";
import { urqlClient } from "../urql.js";

const CREATE = "mutation Create($input: CreateArticleInput!) { createArticle(input: $input) { id title } }";
const BY_SLUG = "query BySlug($slug: String!) { article(by: { slug: $slug }) { id title } }";
const CHANGES = "subscription Changes($after: String) { articleChanges(after: $after) { kind article { id title } } }";
const CURSOR = "query Cursor { articleChangesCursor }";

const fresh = () => `page-${crypto.randomUUID()}`;
const input = (slug) => ({ input: { title: "From a page", slug, text: "" } });

async function urql(url, subscriptions) {
  const client = urqlClient(url, { subscriptions });
  const slug = fresh();
  const { data: start } = await client.query(CURSOR, {});
  await client.mutation(CREATE, input(slug));
  const { data } = await client.query(BY_SLUG, { slug });
  const change = await new Promise((heard) => {
    const changes = client.subscription(CHANGES, { after: start.articleChangesCursor });
    changes.subscribe(({ data: told }) => told?.articleChanges.article?.id === data.article.id && heard(told.articleChanges));
  });
  return [data.article.title, change.kind];
}

async function ask(url, query, variables = {}) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return (await response.json()).data;
}

async function follow(url, followed) {
  const { articleChangesCursor } = await ask(url, CURSOR);
  const slug = fresh();
  const heard = new Promise((done) => followed(articleChangesCursor, (change) => change.article?.slug === slug && done(change)));
  await ask(url, CREATE, input(slug));
  const change = await heard;
  return [change.article.title, change.kind];
}

globalThis.run = {
  async apollo(url) {
    const client = apolloClient(url);
    const slug = fresh();
    const { data: start } = await client.query({ query: gql(CURSOR) });
    const { data: made } = await client.mutate({ mutation: gql(CREATE), variables: input(slug) });
    const { data } = await client.query({ query: gql(BY_SLUG), variables: { slug } });
    const changes = client.subscribe({ query: gql(CHANGES), variables: { after: start.articleChangesCursor } });
    const change = await new Promise((heard, failed) => {
      changes.subscribe({
        next: ({ data }) => data.articleChanges.article?.id === made.createArticle.id && heard(data.articleChanges),
        error: failed,
      });
    });
    return [data.article.title, change.kind];
  },
  "urql over WebSocket": (url) => urql(url, "ws"),
  "urql over SSE": (url) => urql(url, "sse"),
  async relay(url) {
    const environment = relayEnvironment(url);
    const { createArticle } = await ask(url, CREATE, input(fresh()));
    const filter = { id: { eq: createArticle.id } };
    await relay.fetchQuery(environment, listQuery, { count: 1, filter }).toPromise();
    const record = environment.getStore().getSource().get(createArticle.id);
    return [record.title, record.__typename];
  },
  async codegen(url) {
    const [found] = await createAndFind(url, fresh().slice(0, 40));
    return [found.title.slice(0, 5), found.version];
  },
  "feed over WebSocket": (url) => follow(url, (cursor, apply) => followByWebSocket(url, cursor, apply, new AbortController().signal)),
  "feed over EventSource": (url) => follow(url, (cursor, apply) => followByEventSource(url, cursor, apply, console.error)),
};
