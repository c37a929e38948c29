// Who a visitor is without a cookie, and with one after consent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./cluster.mjs";
import { lab } from "./lab.mjs";

const it = lab();

const under = async (identity) => {
  await it.chromium.context.clearCookies();
  await it.cluster.reload({ "pageviews.identity": identity });
  await until("the setting is heeded", async () => {
    const response = await fetch(it.cluster.origin + "/_view/client.js");
    return (
      response.headers.has("set-cookie") === (identity === "cookie") &&
      (await it.cluster.query("SHOW pageviews.identity"))
    );
  });
};

const cookie = async () => {
  const cookies = await it.chromium.context.cookies(it.site.origin);
  return cookies.find(({ name }) => name === "_pageviews_session");
};

// The live view of a path, once it is there.
const live = (path) =>
  until(`${path} is live`, async () => {
    const [row] = await it.cluster.query(
      `SELECT view_id, session_id FROM pageviews.live_views WHERE path = '${path}' AND state <> 'lost'`,
    );
    return row;
  });

// Opens a page, does something in it, closes it; the row that is left.
const visit = async (path, act = () => {}) => {
  const page = await it.chromium.open(it.site.origin + path);
  await live(path);
  await act(page);
  await page.close();
  const rows = await it.cluster.ended(`path = '${path}'`);
  assert.equal(rows.length, 1);
  return rows[0];
};

// Consents in a page, and waits until its socket is of the cookie's session.
const consent = async (page) => {
  await page.evaluate(() => window.pageviews.consent());
  await until("the cookie is there", cookie);
};

const named = async () => {
  const { value } = await cookie();
  const [{ session_id }] = await it.cluster.query(
    `SELECT pageviews.session_id('${value}') AS session_id`,
  );
  return session_id;
};

test("with no identity every view is its own, until there is consent", async () => {
  await under("none");
  const first = await visit("/plain/none-1");
  const second = await visit("/plain/none-2");
  assert.notEqual(first.session_id, second.session_id);
  assert.equal(await cookie(), undefined);

  const third = await visit("/plain/none-3", async (page) => {
    const before = await live("/plain/none-3");
    await consent(page);
    const after = await live("/plain/none-3");
    assert.equal(after.view_id, before.view_id);
    await page.evaluate(() => history.pushState(null, "", "/plain/none-4"));
    await live("/plain/none-4");
  });
  assert.equal(third.end_reason, "navigated");
  const [fourth] = await it.cluster.ended("path = '/plain/none-4'");
  const fifth = await visit("/plain/none-5");
  const session = await named();
  assert.ok(session);
  assert.equal(fourth.session_id, session);
  assert.equal(fifth.session_id, session);
});

test("a daily identity holds without a cookie, until there is consent", async () => {
  await under("daily");
  const first = await visit("/plain/daily-1");
  const second = await visit("/plain/daily-2");
  assert.equal(first.session_id, second.session_id);
  assert.match(first.session_id, /^.{8}-.{4}-8/);
  assert.equal(await cookie(), undefined);

  await visit("/plain/daily-3", consent);
  const fourth = await visit("/plain/daily-4");
  assert.equal(fourth.session_id, await named());
  assert.notEqual(fourth.session_id, first.session_id);

  await visit("/plain/daily-5", async (page) => {
    await page.evaluate(() => window.pageviews.consent(false));
    await until("the cookie is gone", async () => !(await cookie()));
  });
  const sixth = await visit("/plain/daily-6");
  assert.equal(sixth.session_id, first.session_id);
  assert.equal(await cookie(), undefined);
});

test("with a cookie a visitor is known at once", async () => {
  await under("cookie");
  const first = await visit("/plain/cookie-1");
  const second = await visit("/plain/cookie-2");
  assert.equal(first.session_id, second.session_id);
  assert.equal(first.session_id, await named());
});

// What the row of a view's session says of its browser.
const agent = async ({ session_id }) => {
  const [row] = await it.cluster.query(
    `SELECT browser, browser_version, system, device, country FROM pageviews.sessions WHERE session_id = '${session_id}'`,
  );
  return row;
};

test("a session says which browser it is, by its user agent and its hints", async () => {
  const { context } = it.chromium;
  const major = context.browser().version().split(".")[0];

  await under("cookie");
  assert.deepEqual(await agent(await visit("/plain/agent-1")), {
    browser: "HeadlessChrome",
    browser_version: major,
    system: "Linux",
    device: "bot",
    country: null,
  });

  // A socket carries no hints: these come with the script.
  await context.clearCookies();
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Emulation.setUserAgentOverride", {
    userAgent: `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`,
    userAgentMetadata: {
      brands: [
        { brand: "Chromium", version: major },
        { brand: "Brave", version: major },
      ],
      platform: "macOS",
      platformVersion: "15.0",
      architecture: "arm",
      model: "",
      mobile: false,
    },
  });
  await page.goto(it.site.origin + "/plain/agent-2");
  await live("/plain/agent-2");
  await page.close();
  const [row] = await it.cluster.ended("path = '/plain/agent-2'");
  assert.deepEqual(await agent(row), {
    browser: "Brave",
    browser_version: major,
    system: "Mac OS X",
    device: "desktop",
    country: null,
  });
});
