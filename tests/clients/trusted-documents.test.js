// Trusted documents: servers that run nothing else than what is in a manifest, as the clients' own tools write it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { generatePersistedQueryIdsFromManifest } from "@apollo/persisted-query-lists";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";
import relay from "relay-runtime";
import WebSocket from "ws";
import { withServer } from "./server.js";
import { freshSlug, recorded, within } from "./support.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const schema = join(here, "../../schema.graphql");
const require = createRequire(import.meta.url);

// Named as Relay wants it: after the file that each is in, and its kind.
const CREATE = `mutation createMutation($input: CreateArticleInput!) { createArticle(input: $input) { id slug } }`;
const TITLE = `query titleQuery($slug: String!) { article(by: { slug: $slug }) { id title } }`;
const CHANGES = `subscription changesSubscription($after: String!, $ids: [ID!]) {
  articleChanges(after: $after, articleIds: $ids) { kind article { id title } }
}`;
const CURSOR = `query cursorQuery { articleChangesCursor }`;
const VERSION = `query versionQuery($slug: String!) { article(by: { slug: $slug }) { id version } }`;

// Each writes its manifest from documents, and tells what stands in it: the names of operations and their ids.
const tools = {
  "graphql-codegen": {
    manifest: "gql/persisted-documents.json",
    write(directory, documents) {
      writeFiles(directory, documents, "graphql", (document) => document);
      const generates = { "./gql/": { preset: "client", presetConfig: { persistedDocuments: true } } };
      const config = { schema, documents: ["*.graphql"], generates };
      writeFileSync(join(directory, "codegen.json"), JSON.stringify(config));
      run(directory, "graphql-codegen", ["--config", "codegen.json"]);
    },
    ids: (manifest) => Object.entries(manifest).map(([id, text]) => [nameOf(text), id]),
  },
  "relay-compiler": {
    manifest: "persisted.json",
    write(directory, documents) {
      writeFiles(directory, documents, "js", (document) => `graphql\`${document}\`;`);
      copySchema(directory);
      const persistConfig = { file: "persisted.json", algorithm: "MD5" };
      const config = { src: ".", schema: "schema.graphql", language: "javascript", eagerEsModules: false, persistConfig };
      writeFileSync(join(directory, "relay.config.json"), JSON.stringify(config));
      writeFileSync(join(directory, "package.json"), '{ "type": "commonjs" }');
      // It must be there, and what stands in it stays.
      if (!existsSync(join(directory, "persisted.json"))) {
        writeFileSync(join(directory, "persisted.json"), "{}");
      }
      run(directory, "relay-compiler", ["relay.config.json"]);
    },
    ids: (manifest) => Object.entries(manifest).map(([id, text]) => [nameOf(text), id]),
  },
  "@apollo/generate-persisted-query-manifest": {
    manifest: "manifest.json",
    write(directory, documents) {
      writeFiles(directory, documents, "graphql", (document) => document);
      const config = { documents: ["*.graphql"], output: "manifest.json" };
      writeFileSync(join(directory, "config.json"), JSON.stringify(config));
      run(directory, "generate-persisted-query-manifest", ["--config", "config.json"]);
    },
    ids: ({ operations }) => operations.map(({ name, id }) => [name, id]),
  },
};

const nameOf = (text) => /(?:query|mutation|subscription) (\w+)/.exec(text)[1];

function writeFiles(directory, documents, extension, written) {
  for (const document of documents) {
    const module = nameOf(document).replace(/(Query|Mutation|Subscription)$/, "");
    writeFileSync(join(directory, `${module}.${extension}`), `${written(document)}\n`);
  }
}

// relay-compiler looks at nothing above its configuration.
const copySchema = (directory) => writeFileSync(join(directory, "schema.graphql"), readFileSync(schema));

function run(directory, program, parameters) {
  try {
    execFileSync(join(here, "node_modules/.bin", program), parameters, { cwd: directory, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    assert.fail(`${program} ${parameters.join(" ")}\n${error.stdout}${error.stderr}`);
  }
}

// Calls `body` with a server that trusts all documents but one, as the tool lists them, and with what adds that one.
async function withManifest(name, body) {
  const { BROADSHEET_BINARY: binary, BROADSHEET_DATABASE: database } = process.env;
  // In here, because the tools look for their packages in the directories above.
  const directory = mkdtempSync(join(here, "trusted-"));
  const tool = tools[name];
  const manifest = join(directory, tool.manifest);
  const readIds = () => Object.fromEntries(tool.ids(JSON.parse(readFileSync(manifest, "utf8"))));
  try {
    const documents = [CREATE, TITLE, CHANGES, CURSOR];
    tool.write(directory, documents);
    const settings = { TRUSTED_DOCUMENTS: manifest, TRUSTED_DOCUMENTS_MODE: "only" };
    await withServer(binary, database, settings, ({ url, signal, logged }) => {
      const addVersion = async () => {
        tool.write(directory, [...documents, VERSION]);
        signal("SIGHUP");
        await logged(/read the trusted documents again/);
        return readIds();
      };
      return body({ url, ids: readIds(), addVersion, directory, manifest });
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const accept = "application/graphql-response+json";

async function post(url, body) {
  const headers = { "content-type": "application/json", accept };
  return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

async function get(url, parameters) {
  return (await fetch(`${url}?${new URLSearchParams(parameters)}`, { headers: { accept } })).json();
}

// The two forms of naming a document.
const forms = {
  documentId: (id) => ({ documentId: id }),
  "extensions.persistedQuery": (id) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: id } } }),
};

async function createArticle(url, ids, title) {
  const variables = { input: { title, slug: freshSlug(), text: "Trusted." } };
  const { data } = await post(url, { documentId: ids.createMutation, variables });
  return data.createArticle;
}

const code = ({ errors }) => errors[0].extensions.code;

for (const name of Object.keys(tools)) {
  test(`the documents of ${name} run by their ids over HTTP, and no others do`, () =>
    withManifest(name, async ({ url, ids }) => {
      const { slug } = await createArticle(url, ids, "By its id");
      for (const form of Object.values(forms)) {
        const { extensions, ...named } = form(ids.titleQuery);
        const parameters = extensions ? { extensions: JSON.stringify(extensions) } : named;
        for (const { data, errors } of [
          await post(url, { ...form(ids.titleQuery), variables: { slug } }),
          await get(url, { ...parameters, variables: JSON.stringify({ slug }) }),
        ]) {
          assert.deepEqual([errors, data?.article.title], [undefined, "By its id"]);
        }
      }
      const free = { query: "{ articleChangesCursor }" };
      const registered = { ...free, ...forms["extensions.persistedQuery"]("0".repeat(64)) };
      for (const answer of [
        await post(url, free),
        await get(url, free),
        await post(url, registered),
        await post(url, { documentId: "unknown" }),
      ]) {
        assert.deepEqual([code(answer), "data" in answer], ["DOCUMENT_NOT_TRUSTED", false]);
      }
    }));

  test(`the documents of ${name} run by their ids over graphql-ws and graphql-sse, and no others do`, () =>
    withManifest(name, async ({ url, ids }) => {
      const socket = createWsClient({ url: url.replace(/^http/, "ws"), webSocketImpl: WebSocket });
      const { id } = await createArticle(url, ids, "Before");
      const { data } = await post(url, { documentId: ids.cursorQuery });
      const after = data.articleChangesCursor;
      for (const [transport, client] of Object.entries({ ws: socket, sse: createSseClient({ url }) })) {
        for (const form of Object.values(forms)) {
          // `query` is a part of every request of these clients; who names a document leaves it empty.
          const request = { query: "", ...form(ids.titleQuery), variables: { slug: "there is none" } };
          assert.deepEqual((await answer(client, request)).data, { article: null }, transport);
        }
        const created = await createArticle(url, ids, `Heard over ${transport}`);
        const variables = { after, ids: [id, created.id] };
        const request = { query: "", documentId: ids.changesSubscription, variables };
        const { articleChanges } = (await answer(client, request)).data;
        assert.deepEqual([articleChanges.kind, articleChanges.article.title], ["CREATED", `Heard over ${transport}`]);

        const free = await answer(client, { query: "subscription { articleChanges { kind } }" });
        assert.deepEqual([code(free), "data" in free], ["DOCUMENT_NOT_TRUSTED", false], transport);
      }
      await socket.dispose();
    }));

  test(`a document that is new in the manifest of ${name} runs after a SIGHUP`, () =>
    withManifest(name, async ({ url, ids, addVersion }) => {
      const { slug } = await createArticle(url, ids, "Later");
      assert.equal(code(await post(url, { query: VERSION, variables: { slug } })), "DOCUMENT_NOT_TRUSTED");
      const { versionQuery, ...others } = await addVersion();
      assert.deepEqual(others, ids);
      const { data } = await post(url, { documentId: versionQuery, variables: { slug } });
      assert.equal(data.article.version, 1);
    }));
}

// The first result of an operation, which is then left. graphql-ws rejects with the list of errors.
function answer(client, request) {
  const first = async () => {
    for await (const result of client.iterate(request)) {
      return result;
    }
    return assert.fail("it ended without a result");
  };
  return within(first().catch((errors) => (Array.isArray(errors) ? { errors } : Promise.reject(errors))));
}

test("Relay's network sends the ids that its compiler wrote into the artifacts", () =>
  withManifest("relay-compiler", async ({ url, ids, directory }) => {
    const { Environment, fetchQuery, Network, RecordSource, Store } = relay;
    const network = Network.create(({ id, text }, variables) => {
      assert.equal(text, null);
      return post(url, { documentId: id, variables });
    });
    const environment = new Environment({ network, store: new Store(new RecordSource()) });
    const { slug } = await createArticle(url, ids, "By Relay");
    const query = require(join(directory, "__generated__/titleQuery.graphql.js"));
    const { article } = await fetchQuery(environment, query, { slug }).toPromise();
    assert.equal(article.title, "By Relay");
  }));

test("Apollo Client sends the ids of its manifest, and never a text", () =>
  withManifest("@apollo/generate-persisted-query-manifest", async ({ url, ids, manifest }) => {
    const loadManifest = () => JSON.parse(readFileSync(manifest, "utf8"));
    const persisted = new PersistedQueryLink(generatePersistedQueryIdsFromManifest({ loadManifest }));
    const link = ApolloLink.from([persisted, new HttpLink({ uri: url })]);
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    const { slug } = await createArticle(url, ids, "By Apollo");
    const [{ data }, requests] = await recorded(() => client.query({ query: gql(TITLE), variables: { slug } }));
    assert.equal(data.article.title, "By Apollo");
    assert.deepEqual(requests.map(({ body }) => ["query" in body, body.extensions.persistedQuery.sha256Hash]), [
      [false, ids.titleQuery],
    ]);
  }));
