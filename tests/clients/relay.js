// Relay: an environment whose network is one POST, and its store.

import relay from "relay-runtime";

const { Environment, Network, RecordSource, Store } = relay;

export function relayEnvironment(url) {
  const network = Network.create(async ({ text, name }, variables) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
      body: JSON.stringify({ query: text, operationName: name, variables }),
    });
    return response.json();
  });
  return new Environment({ network, store: new Store(new RecordSource()) });
}
