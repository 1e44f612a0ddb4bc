// Apollo Client: queries by GET as persisted queries, mutations by POST, subscriptions by WebSocket.

import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

export function apolloClient(url) {
  const http = ApolloLink.from([
    new PersistedQueryLink({
      sha256: (document) => createHash("sha256").update(document).digest("hex"),
      useGETForHashedQueries: true,
    }),
    new HttpLink({ uri: url }),
  ]);
  const socket = new GraphQLWsLink(
    // A browser has a WebSocket of its own: there, leave webSocketImpl out.
    createClient({ url: url.replace(/^http/, "ws"), webSocketImpl: WebSocket }),
  );
  return new ApolloClient({
    link: ApolloLink.split(({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION, socket, http),
    cache: new InMemoryCache({ possibleTypes: { Node: ["Article"] } }),
  });
}
