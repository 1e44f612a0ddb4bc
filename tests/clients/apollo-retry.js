// Apollo Client that sends a mutation again until it gets a response, each time with the same idempotency key, so that it
// is executed once.

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { RetryLink } from "@apollo/client/link/retry";
import { OperationTypeNode } from "graphql";
import { map } from "rxjs";

// After these codes the same may be sent again.
const AGAIN = new Set(["UNAVAILABLE", "TIMEOUT"]);
const isAgain = ({ extensions }) => AGAIN.has(extensions?.code);

// Before RetryLink, so that all attempts have the same key.
const key = new SetContextLink(({ headers }, { operationType }) =>
  operationType === OperationTypeNode.MUTATION ? { headers: { ...headers, "idempotency-key": crypto.randomUUID() } } : {},
);

const retry = new RetryLink({
  delay: { initial: 200, max: 10_000, jitter: true },
  // A network error, 429 and 5xx, or one of the codes above; not other errors of the request.
  attempts: {
    max: 10,
    retryIf: (error) =>
      CombinedGraphQLErrors.is(error) ? error.errors.some(isAgain) : !(error.statusCode < 500) || error.statusCode === 429,
  },
});

// RetryLink retries only what fails. This link makes a result with retryable errors fail.
const failing = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    map((result) => {
      if (result.errors?.some(isAgain)) {
        throw new CombinedGraphQLErrors(result);
      }
      return result;
    }),
  ),
);

export function apolloRetryClient(url) {
  return new ApolloClient({
    link: ApolloLink.from([key, retry, failing, new HttpLink({ uri: url })]),
    cache: new InMemoryCache(),
  });
}
