// What must not leave the browser, and pages that make it hard.

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./cluster.mjs";
import { lab, sleep } from "./lab.mjs";

const it = lab();

const live = async (path) => {
  const rows = await it.cluster.query(
    `SELECT * FROM pageviews.live_views WHERE path = '${path}'`,
  );
  return rows.length;
};

it.measured("query strings and fragments reach neither the wire nor the row", async () => {
  const { origin } = it.site;
  const page = await it.chromium.open(
    `${origin}${it.at("/plain/secrets")}?password=hunter2&utm_source=mail&utm_medium=x#fragment1`,
  );
  await sleep(300);
  await page.evaluate(() => {
    history.replaceState(null, "", "?password=hunter3#fragment2");
  });
  await sleep(300);
  const referred = it.at("/plain/referred");
  await page.evaluate((path) => {
    location.href = path + "?token=hunter4&utm_campaign=c";
  }, referred);
  await page.waitForURL(`**${referred}?*`);
  await sleep(500);
  await page.close();
  const [first] = await it.compare("query strings", "/plain/secrets");
  const [second] = await it.cluster.ended(`path = '${referred}'`);
  assert.equal(first.query, "utm_source=mail&utm_medium=x");
  assert.equal(second.query, "utm_campaign=c");
  assert.equal(second.referrer, origin + it.at("/plain/secrets"));
  assert.match(it.site.sent, /utm_source=mail/);
  assert.doesNotMatch(it.site.sent, /hunter|fragment|password|token/);
  assert.doesNotMatch(JSON.stringify([first, second]), /hunter|fragment/);
});

it.measured("a strict Content-Security-Policy and plain http are no hindrance", async () => {
  const page = await it.chromium.open(it.site.origin + it.at("/strict/page"));
  assert.equal(await page.evaluate(() => typeof crypto.randomUUID), "function");
  await sleep(700);
  await page.close();
  await it.compare("strict CSP", "/strict/page");
});

test("a page whose policy blocks every connection notices nothing", async () => {
  const page = await it.chromium.context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  await page.goto(it.site.origin + "/blocked/page");
  await page.evaluate(() => {
    history.pushState(null, "", "/blocked/two");
    window.pageviews.view({ name: "x" });
  });
  await sleep(1000);
  await page.close();
  assert.deepEqual(errors, []);
  assert.deepEqual(await it.cluster.views("path LIKE '/blocked/%'"), []);
});

test("Global Privacy Control is respected, until a setting says otherwise", async () => {
  const visit = async (path, views) => {
    const page = await it.chromium.context.newPage();
    await page.addInitScript(() =>
      Object.defineProperty(navigator, "globalPrivacyControl", { value: true }),
    );
    const sockets = [];
    page.on("websocket", (socket) => sockets.push(socket.url()));
    await page.goto(it.site.origin + path);
    await page.evaluate(() => window.pageviews.view({ name: "x" }));
    await sleep(700);
    await until(`${views} views`, async () => (await live(path)) === views);
    await page.close();
    return sockets.length;
  };
  assert.equal(await visit("/plain/gpc", 0), 0);
  await it.cluster.reload({
    "pageviews.respect_global_privacy_control": "off",
  });
  await until("the setting is taken up", async () => {
    const headers = { "Sec-GPC": "1" };
    const url = `${it.cluster.origin}/_view/client.js`;
    return (await fetch(url, { headers })).headers.has("set-cookie");
  });
  assert.equal(await visit("/plain/gpc-off", 1), 1);
  await it.cluster.reload({
    "pageviews.respect_global_privacy_control": "on",
  });
});

test("a script from another origin: not for strangers", async () => {
  it.site.elsewhere = it.cluster.origin;
  const page = await it.chromium.open(it.site.origin + "/cross/stranger");
  await sleep(700);
  await page.close();
  assert.deepEqual(await it.cluster.views("path = '/cross/stranger'"), []);
});

it.measured("a script from another origin: for those that are let in", async () => {
  it.site.elsewhere = it.cluster.origin;
  await it.cluster.reload({ "pageviews.allowed_origins": it.site.origin });
  await until("the origin is let in", async () => {
    const answer = await fetch(`${it.cluster.origin}/_view/note`, {
      method: "POST",
      headers: { Origin: it.site.origin, "Content-Type": "text/plain" },
      body: "[]",
    });
    return answer.status === 204;
  });
  const friend = await it.chromium.open(it.site.origin + it.at("/cross/friend"));
  await sleep(700);
  await friend.close();
  const [row] = await it.compare("another origin", "/cross/friend");
  assert.equal(row.site, `127.0.0.1:${it.site.port}`);
});

test("the cookie is no business of scripts", async () => {
  const cookies = await it.chromium.context.cookies(it.site.origin);
  const [cookie] = cookies.filter(({ name }) => name === "_pageviews_session");
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Lax");
  assert.equal(cookie.secure, false);
});
