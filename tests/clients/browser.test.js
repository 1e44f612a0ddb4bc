// GraphiQL in headless Chromium, served by nothing but the server: every other host is blocked, and counted.
//
// With SCREENSHOT=FILE.png it also takes the picture for the README, which looks best on a new database.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, skip } from "./chromium.js";
import { ask, freshSlug, url, within } from "./support.js";

const { host, origin } = new URL(url);
const foreign = [];
let browser;
let context;

before(async () => {
  if (skip) {
    return;
  }
  browser = await launch();
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(20_000);
  await context.route(
    (address) => address.host !== host,
    (route) => {
      foreign.push(route.request().url());
      return route.abort();
    },
  );
});
after(() => browser?.close());

// A page with GraphiQL on it; what it complains about ends up in `complaints`.
async function open(complaints, browserContext = context) {
  const page = await browserContext.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("websocket", (socket) => new URL(socket.url()).host === host || foreign.push(socket.url()));
  const introspected = page.waitForResponse((response) => response.request().postData()?.includes("__schema"));
  await page.goto(`${origin}/`);
  await page.locator(".graphiql-execute-button").waitFor();
  // GraphiQL reads the editors anew when the schema arrives.
  await introspected;
  return page;
}

// Goes to a tab. GraphiQL reads the operation's name a moment later, and until then it would send the last tab's: the
// timer is the page's own, so that it comes after GraphiQL's however busy the machine is.
async function tab(page, name) {
  await page.locator(".graphiql-tab").filter({ hasText: name }).first().locator(".graphiql-tab-button").click();
  await page.evaluate(() => new Promise((done) => setTimeout(done, 1000)));
}

const execute = (page) => page.locator(".graphiql-execute-button").click();
const result = (page) => page.locator(".result-window");

async function writeVariables(page, variables) {
  await page.locator(".graphiql-editor-tool .CodeMirror").first().click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.insertText(JSON.stringify(variables));
}

test("GraphiQL runs a query, creates an article, and shows it to a subscription in another page", { skip, timeout: 120_000 }, async () => {
  const complaints = [];
  for (const [title, text] of [
    ["A server in an afternoon", "One program, one file."],
    ["What a cursor promises", "Nothing lost, nothing twice."],
    ["Été à la plage", "Slugs are made from titles."],
  ]) {
    const mutation = "mutation ($input: CreateArticleInput!) { createArticle(input: $input) { id } }";
    await ask(mutation, { input: { title, text } });
  }

  const watching = await open(complaints);
  const subscribed = new Promise((resolve) => {
    watching.on("websocket", (socket) =>
      socket.on("framesent", ({ payload }) => payload.includes('"type":"subscribe"') && resolve()),
    );
  });
  await tab(watching, "LiveChanges");
  await execute(watching);
  await within(subscribed);
  // It begins with the next change, and nothing tells when it has begun.
  await watching.waitForTimeout(1000);

  const writing = await open(complaints);
  const title = `Seen live, ${freshSlug().slice(8, 16)}`;
  await tab(writing, "CreateArticle");
  await writeVariables(writing, { input: { title, text: "Written in a browser." } });
  await execute(writing);
  await result(writing).getByText(`"${title}"`).first().waitFor();

  await result(watching).getByText(`"${title}"`).waitFor();
  await result(watching).getByText('"CREATED"').waitFor();

  await tab(writing, "NewestArticles");
  await execute(writing);
  await result(writing).getByText(`"${title}"`).first().waitFor();

  assert.deepEqual(foreign, [], "no request to another host");
  assert.deepEqual(complaints, [], "no error on the page, none from the Content-Security-Policy either");
});

test("a token in the headers is not kept", { skip, timeout: 120_000 }, async () => {
  // GraphiQL adds to its history only what is not there yet, so the history has to be empty.
  const page = await open([], await browser.newContext({ viewport: { width: 1280, height: 800 } }));
  await page.getByRole("button", { name: "Headers" }).click();
  await page.locator(".graphiql-editor-tool .CodeMirror:visible").click();
  await page.keyboard.insertText('{ "authorization": "Bearer s3cret" }');
  const sent = page.waitForRequest((request) => request.headers().authorization === "Bearer s3cret");
  await execute(page);
  await sent;
  // The server does not know it, and says so.
  await result(page).getByText('"UNAUTHENTICATED"').waitFor();
  // GraphiQL writes half a second later.
  await page.waitForTimeout(1500);
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.match(stored, /graphiql:queries[^}]*NewestArticles/);
  assert.doesNotMatch(stored, /s3cret/);
  await page.reload();
  await page.locator(".graphiql-execute-button").waitFor();
  assert.doesNotMatch(await page.content(), /s3cret/);
});

test("on a narrow window the result stands below the editors, and both can be read", { skip, timeout: 120_000 }, async () => {
  const page = await open([]);
  await page.setViewportSize({ width: 390, height: 844 });
  await execute(page);
  await result(page).getByText('"articles"').waitFor();
  const box = (selector) => page.locator(selector).boundingBox();
  const [editors, response] = [await box(".graphiql-editors"), await box(".graphiql-response")];
  for (const { width, height } of [editors, response]) {
    assert.ok(width > 280 && height > 280, `${width} x ${height}`);
  }
  assert.ok(response.y >= editors.y + editors.height - 1);
  assert.ok(response.y + response.height <= 844, "nothing needs scrolling");
  await page.setViewportSize({ width: 1280, height: 800 });
  const [left, right] = [await box(".graphiql-editors"), await box(".graphiql-response")];
  assert.ok(right.x >= left.x + left.width - 1);
});

test("the page has an icon", { skip, timeout: 120_000 }, async () => {
  const page = await open([]);
  const icon = await page.locator("link[rel=icon]").evaluate((link) => link.href);
  const response = await page.request.get(icon);
  assert.equal(response.status(), 200);
  assert.equal(response.headers()["content-type"], "image/svg+xml");
});

test("the block on other hosts would be noticed", { skip }, async () => {
  const page = await context.newPage();
  await page.goto("http://elsewhere.example/").catch(() => {});
  assert.deepEqual(foreign.splice(0), ["http://elsewhere.example/"]);
});

test("a picture for the README", { skip: skip || (process.env.SCREENSHOT ? false : "SCREENSHOT is not set") }, async () => {
  const page = await open([]);
  await execute(page);
  await result(page).getByText('"articles"').waitFor();
  await page.locator(".graphiql-execute-button").hover();
  await page.mouse.move(640, 790);
  await page.screenshot({ path: process.env.SCREENSHOT });
});
