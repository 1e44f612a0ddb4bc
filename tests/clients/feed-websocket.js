// Follows the changes of articles over a WebSocket, across interruptions: each change once, in its order.

import { createClient } from "graphql-ws";

const CHANGES = `subscription ($after: String!) {
  articleChanges(after: $after) { cursor kind articleId article { id title slug version } }
}`;

// Calls `apply` with each change after `cursor`, until `signal` is aborted. Rejects with GraphQL's errors if the server
// rejects the subscription: after CURSOR_EXPIRED begin again with a list and the cursor that was read with it.
export async function followChanges(url, cursor, apply, signal) {
  while (!signal.aborted) {
    // graphql-ws would subscribe again with the first cursor, so this loop connects again instead.
    const client = createClient({ url: url.replace(/^http/, "ws"), retryAttempts: 0 });
    const leave = () => client.dispose();
    signal.addEventListener("abort", leave);
    try {
      for await (const { data, errors } of client.iterate({ query: CHANGES, variables: { after: cursor } })) {
        if (errors) throw errors;
        cursor = data.articleChanges.cursor;
        apply(data.articleChanges);
      }
    } catch (error) {
      // Otherwise the connection was lost or could not be opened.
      if (Array.isArray(error)) throw error;
    } finally {
      signal.removeEventListener("abort", leave);
      client.dispose();
    }
    if (!signal.aborted) await new Promise((done) => setTimeout(done, 1000));
  }
}
