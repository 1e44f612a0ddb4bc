// Starts GraphiQL on this server. Queries and mutations go by POST, subscriptions by WebSocket
// (graphql-transport-ws) to the same address; GraphiQL's own bundle brings the client for both.
"use strict";

// What the headers editor holds goes out with each request and, for a subscription, as the
// payload of connection_init: a browser can set no headers on a WebSocket.
const fetcher = GraphiQL.createFetcher({
  url: endpoint,
  subscriptionUrl: socketEndpoint,
  // No @defer here, so a plain answer is asked for, and GraphQL's own media type first.
  enableIncrementalDelivery: false,
  headers: { accept: "application/graphql-response+json, application/json;q=0.9" },
});

const defaultTabs = examples.map(({ query, variables }) => ({ query, variables }));

// The history would keep the headers of each operation, and so a token.
const withoutHeaders = (history) =>
  JSON.stringify(JSON.parse(history), (name, value) => (name === "headers" ? undefined : value));

// What GraphiQL stores goes through here. Storage that is full or forbidden throws, which GraphiQL expects of setItem.
const storage = {
  getItem: (key) => localStorage.getItem(key),
  setItem(key, value) {
    const isHistory = key === "graphiql:queries" || key === "graphiql:favorites";
    localStorage.setItem(key, isHistory ? withoutHeaders(value) : value);
  },
  removeItem: (key) => localStorage.removeItem(key),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length;
  },
};

function isStorageAllowed() {
  try {
    return Boolean(localStorage);
  } catch {
    return false;
  }
}

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs,
    defaultQuery: "# A new operation: Ctrl-Space completes, Ctrl-Enter runs.\n",
    defaultEditorToolsVisibility: "variables",
    isHeadersEditorEnabled: true,
    storage: isStorageAllowed() ? storage : null,
  }),
);
