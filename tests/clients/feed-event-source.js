// Follows the changes of articles by server-sent events, with the EventSource of browsers: each change once, in its order.

const CHANGES = `subscription ($after: String!) {
  articleChanges(after: $after) { cursor kind articleId article { id title slug version } }
}`;

// Calls `apply` with each change after `cursor`, and `rejected` with GraphQL's errors if the server rejects the
// subscription: after CURSOR_EXPIRED begin again with a list and the cursor that was read with it. Returns a function
// that ends it.
export function followChanges(url, cursor, apply, rejected) {
  let source;
  let timer;
  const open = () => {
    const parameters = new URLSearchParams({ query: CHANGES, variables: JSON.stringify({ after: cursor }) });
    source = new EventSource(`${url}?${parameters}`);
    // The events are called `next`, so `onmessage` would get none.
    source.addEventListener("next", (event) => {
      const { data, errors } = JSON.parse(event.data);
      if (errors) {
        source.close();
        rejected(errors);
      } else {
        cursor = data.articleChanges.cursor;
        apply(data.articleChanges);
      }
    });
    source.addEventListener("complete", () => source.close());
    // If the connection is lost, EventSource connects again and sends the last cursor in Last-Event-ID. A response that
    // is not a stream, such as 503, closes it.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, 2000);
    });
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
