// urql that sends a mutation again until it gets a response, each time with the same idempotency key, so that it is
// executed once.

import { cacheExchange, Client, fetchExchange, makeOperation, mapExchange } from "@urql/core";
import { retryExchange } from "@urql/exchange-retry";

// After these codes the same may be sent again.
const AGAIN = new Set(["UNAVAILABLE", "TIMEOUT"]);

// Before retryExchange, so that all attempts have the same key.
const key = mapExchange({
  onOperation(operation) {
    if (operation.kind !== "mutation") {
      return operation;
    }
    const { fetchOptions } = operation.context;
    const options = typeof fetchOptions === "function" ? fetchOptions() : fetchOptions;
    const headers = { ...options?.headers, "idempotency-key": crypto.randomUUID() };
    return makeOperation(operation.kind, operation, { ...operation.context, fetchOptions: { ...options, headers } });
  },
});

const retry = retryExchange({
  initialDelayMs: 200,
  maxDelayMs: 10_000,
  randomDelay: true,
  maxNumberAttempts: 10,
  retryIf: ({ networkError, graphQLErrors }) =>
    Boolean(networkError) || graphQLErrors.some(({ extensions }) => AGAIN.has(extensions.code)),
});

export function urqlRetryClient(url) {
  return new Client({ url, preferGetMethod: false, exchanges: [cacheExchange, key, retry, fetchExchange] });
}
