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

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs,
    defaultQuery: "# A new operation: Ctrl-Space completes, Ctrl-Enter runs.\n",
    defaultEditorToolsVisibility: "variables",
    isHeadersEditorEnabled: true,
  }),
);
