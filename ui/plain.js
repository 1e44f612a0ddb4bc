// The plain page: sends what is written, shows what comes back. Queries and mutations go by POST,
// subscriptions by WebSocket (graphql-transport-ws). Headers, which may hold a token, are not stored.
"use strict";

const element = (id) => document.getElementById(id);
const storageKey = "broadsheet.plain";

// What stops the operation under way; null when there is none.
let stopRunning = null;

// The operations of a document as { kind, name, start }, read off its top level, outside strings and comments.
function operationsOf(document) {
  const bare = document.replace(/"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n\r]*/g, (text) => " ".repeat(text.length));
  const operations = [];
  let depth = 0;
  let words = [];
  let start = null;
  for (const { 0: token, index } of bare.matchAll(/[_A-Za-z]\w*|[{}()]/g)) {
    start ??= index;
    if (token === "{" && depth === 0) {
      const [kind = "query", name = null] = words;
      if (kind !== "fragment") operations.push({ kind, name, start });
    }
    if ("{(".includes(token)) {
      depth += 1;
    } else if ("})".includes(token)) {
      depth -= 1;
      if (token === "}" && depth === 0) {
        words = [];
        start = null;
      }
    } else if (depth === 0) {
      words.push(token);
    }
  }
  return operations;
}

function jsonObject(id) {
  const text = element(id).value.trim();
  if (text === "") return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`The ${id} are not JSON: ${error.message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Error(`The ${id} must be a JSON object.`);
  }
  return value;
}

const pretty = (value) => JSON.stringify(value, null, 2);
const setStatus = (text) => { element("status").textContent = text; };

async function post(request, headers) {
  const abort = new AbortController();
  begin(() => abort.abort());
  const began = performance.now();
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: {
        accept: "application/graphql-response+json, application/json;q=0.9",
        "content-type": "application/json",
        ...headers,
      },
      body: JSON.stringify(request),
      signal: abort.signal,
    });
    const text = await response.text();
    const took = Math.round(performance.now() - began);
    try {
      element("answer").textContent = pretty(JSON.parse(text));
    } catch {
      element("answer").textContent = text;
    }
    end(`${response.status} ${response.statusText} · ${took} ms`);
  } catch (error) {
    end(abort.signal.aborted ? "Stopped" : `No answer: ${error.message}`);
  }
}

function subscribe(request, headers) {
  const socket = new WebSocket(socketEndpoint, "graphql-transport-ws");
  const send = (message) => socket.send(JSON.stringify(message));
  let received = 0;
  // The first outcome counts: after it the socket closes, which is not news.
  let over = false;
  const finish = (text) => {
    if (over) return;
    over = true;
    socket.close(1000);
    end(text);
  };
  begin(() => {
    if (socket.readyState === WebSocket.OPEN) send({ id: "1", type: "complete" });
    finish(`Stopped · ${received} received`);
  });
  setStatus("Connecting …");
  socket.onopen = () => send({ type: "connection_init", payload: headers });
  socket.onmessage = ({ data }) => {
    if (over) return;
    const message = JSON.parse(data);
    switch (message.type) {
      case "connection_ack":
        send({ id: "1", type: "subscribe", payload: request });
        setStatus("Listening …");
        break;
      case "ping":
        send({ type: "pong", payload: message.payload });
        break;
      case "next":
        received += 1;
        append(message.payload);
        setStatus(`Listening · ${received} received`);
        break;
      case "error":
        append({ errors: message.payload });
        finish("Refused");
        break;
      case "complete":
        finish(`Complete · ${received} received`);
        break;
    }
  };
  socket.onclose = ({ code, reason }) => finish(`Closed: ${code} ${reason}`.trim());
}

function append(payload) {
  const answer = element("answer");
  const atEnd = answer.scrollHeight - answer.scrollTop - answer.clientHeight < 8;
  answer.append(`${pretty(payload)}\n\n`);
  // An open subscription may run for days: keep the newest thousand.
  while (answer.childNodes.length > 1000) answer.firstChild.remove();
  if (atEnd) answer.scrollTop = answer.scrollHeight;
}

function begin(stop) {
  stopRunning = stop;
  element("stop").disabled = false;
  element("answer").replaceChildren();
  setStatus("Running …");
}

function end(text) {
  stopRunning = null;
  element("stop").disabled = true;
  setStatus(text);
}

function run() {
  stopRunning?.();
  try {
    const query = element("query").value;
    const request = { query, variables: jsonObject("variables") };
    const headers = jsonObject("headers");
    const operations = operationsOf(query);
    // Of several, the one that the caret is in, as GraphiQL does it.
    const chosen = operations.findLast(({ start }) => start <= element("query").selectionStart) ?? operations[0];
    if (operations.length > 1) request.operationName = chosen.name;
    remember();
    if (chosen?.kind === "subscription") subscribe(request, headers);
    else post(request, headers);
  } catch (error) {
    element("answer").replaceChildren();
    setStatus(error.message);
  }
}

function remember() {
  try {
    const kept = { query: element("query").value, variables: element("variables").value };
    localStorage.setItem(storageKey, JSON.stringify(kept));
  } catch {
    // Storage that is full or forbidden costs only the memory of the last operation.
  }
}

function recall() {
  try {
    return JSON.parse(localStorage.getItem(storageKey)) ?? examples[0];
  } catch {
    return examples[0];
  }
}

function show({ query, variables }) {
  element("query").value = query;
  element("variables").value = variables;
}

for (const { name, title } of examples) element("example").add(new Option(title, name));
show(recall());
element("example").value = examples.find(({ query }) => query === element("query").value)?.name ?? "";
element("example").onchange = ({ target }) => show(examples.find(({ name }) => name === target.value));
element("run").onclick = run;
element("stop").onclick = () => stopRunning?.();
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
