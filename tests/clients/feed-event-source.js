// Follows the changes of articles by server-sent events, with the EventSource of browsers: each change once, in its order.

const CHANGES = `subscription ($after: String!) {
  articleChanges(after: $after) { cursor kind articleId article { id title slug version } }
}`;

// Calls `apply` with each change behind `cursor`, and `refused` with GraphQL's errors where the server refuses: after
// CURSOR_EXPIRED begin anew, with a list and the cursor that was read with it. Answers a function that ends it.
export function followChanges(url, cursor, apply, refused) {
  let source;
  let timer;
  const open = () => {
    const parameters = new URLSearchParams({ query: CHANGES, variables: JSON.stringify({ after: cursor }) });
    source = new EventSource(`${url}?${parameters}`);
    // The events are called `next`, so that `onmessage` would hear of none.
    source.addEventListener("next", (event) => {
      const { data, errors } = JSON.parse(event.data);
      if (errors) {
        source.close();
        refused(errors);
      } else {
        cursor = data.articleChanges.cursor;
        apply(data.articleChanges);
      }
    });
    source.addEventListener("complete", () => source.close());
    // Where the connection is lost, EventSource connects again and names the last cursor in Last-Event-ID. An answer
    // that is no stream, such as 503, ends it.
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
