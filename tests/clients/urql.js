// urql: queries as persisted queries, subscriptions by WebSocket (graphql-ws) or by server-sent events (graphql-sse).

import { cacheExchange, Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWsClient } from "graphql-ws";

export function urqlClient(url, { subscriptions = "ws" } = {}) {
  const transport =
    subscriptions === "ws"
      ? createWsClient({ url: url.replace(/^http/, "ws") })
      : createSseClient({ url });
  return new Client({
    url,
    // For queries that are not persisted; persistedExchange sends the others by GET.
    preferGetMethod: false,
    exchanges: [
      cacheExchange,
      persistedExchange({ preferGetForPersistedQueries: true }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({
            unsubscribe: transport.subscribe({ ...request, query: request.query ?? "" }, sink),
          }),
        }),
      }),
    ],
  });
}
