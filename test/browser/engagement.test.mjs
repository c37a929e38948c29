// Engagement, as Chromium's visitors make it: every way in which a page can be
// shown, hidden and left, held against what the page itself saw.

import assert from "node:assert/strict";
import { Chromium } from "./chromium.mjs";
import { until } from "./cluster.mjs";
import { lab, sleep } from "./lab.mjs";

const it = lab({ settings: { "pageviews.linger": "1s" } });

const open = (path) => it.chromium.open(it.site.origin + it.at(path));

it.measured("a tab in the background is not seen", async () => {
  const page = await open("/plain/switch");
  await sleep(1000);
  const other = await it.chromium.context.newPage();
  await sleep(1000);
  await page.bringToFront();
  await sleep(1000);
  await page.close();
  await it.compare("tab switch", "/plain/switch");
  await other.close();
});

it.measured("a minimised window is not seen", async () => {
  const page = await open("/plain/minimise");
  await sleep(1000);
  await it.chromium.minimise(page, true);
  await sleep(1000);
  await it.chromium.minimise(page, false);
  await sleep(1000);
  await page.close();
  await it.compare("minimise", "/plain/minimise");
});

it.measured("a tab that closes while hidden keeps its time", async () => {
  const page = await open("/plain/hidden-close");
  await sleep(1000);
  const other = await it.chromium.context.newPage();
  await sleep(1000);
  await page.close();
  await it.compare("closed while hidden", "/plain/hidden-close");
  await other.close();
});

it.measured("a page is seen before a slow network brings the script", async () => {
  const page = await open("/slow/script");
  await sleep(1000);
  await page.close();
  await it.compare("slow script", "/slow/script");
});

it.measured("a closed tab", async () => {
  const page = await open("/plain/close");
  await sleep(1500);
  await page.close();
  const [row] = await it.compare("close", "/plain/close");
  assert.equal(row.end_reason, "closed");
  assert.equal(row.navigation, "navigate");
});

it.measured("navigation away is heard at once, not when the back-forward cache expires", async () => {
  const page = await open("/plain/leave");
  await sleep(1500);
  await page.goto(it.site.origin + "/plain/left");
  const left = Date.now();
  const [row] = await it.compare("navigation away", "/plain/leave");
  // That cache expires after ten minutes.
  assert.ok(Date.now() - left < 60000);
  assert.equal(row.end_reason, "closed");
  await page.close();
});

it.measured("reload is a view of its own", async () => {
  const page = await open("/plain/reload");
  await sleep(1000);
  await page.reload();
  await sleep(1000);
  await page.close();
  const rows = await it.compare("reload", "/plain/reload", { count: 2 });
  assert.equal(rows[1].navigation, "reload");
});

it.measured("back through the back-forward cache is a view of its own", async () => {
  const page = await open("/plain/cache");
  await sleep(1000);
  await page.goto(it.site.origin + "/plain/between");
  await sleep(500);
  await page.goBack({ waitUntil: "commit" });
  await sleep(1000);
  await page.close();
  const rows = await it.compare("bfcache", "/plain/cache", { count: 2 });
  assert.equal(rows[1].navigation, "bfcache");
});

it.measured("pushState to another path is a view of its own", async () => {
  const page = await open("/plain/spa");
  await sleep(1000);
  await page.evaluate(
    (path) =>
      nextView(() => {
        history.pushState(null, "", path);
        document.title = "Second";
      }),
    it.at("/plain/spa-two"),
  );
  await sleep(1000);
  await page.evaluate(() => {
    addEventListener("popstate", () => nextView(() => {}), { once: true });
    history.back();
  });
  await sleep(1000);
  await page.close();
  const [second] = await it.compare("pushState", "/plain/spa-two");
  assert.equal(second.navigation, "spa");
  assert.equal(second.title, "Second");
  assert.equal(second.referrer, it.site.origin + it.at("/plain/spa"));
  const rows = await it.compare("pushState, back", "/plain/spa", { count: 2 });
  assert.equal(rows[0].end_reason, "navigated");
  assert.equal(rows[0].title, "Title of " + it.at("/plain/spa"));
});

it.measured("replaceState with the same address, a query and a hash are no new view", async () => {
  const page = await open("/plain/same");
  await sleep(500);
  await page.evaluate(() => {
    history.replaceState({ a: 1 }, "", location.href);
    history.pushState(null, "", "?a=1");
    location.hash = "there";
  });
  await sleep(500);
  await page.close();
  await it.compare("replaceState, query, hash", "/plain/same");
});

it.measured("a hash is a new view where the script says so", async () => {
  const page = await open("/hash/routes");
  await sleep(700);
  await page.evaluate(() => nextView(() => (location.hash = "#/two")));
  await sleep(700);
  await page.close();
  const rows = await it.compare("data-hash", "/hash/routes", { count: 2 });
  assert.equal(rows[1].navigation, "spa");
});

it.measured("a title that comes late is the title", async () => {
  const page = await open("/plain/late-title");
  await sleep(700);
  await page.evaluate(() => (document.title = "Loaded"));
  await sleep(200);
  await page.close();
  const [row] = await it.compare("late title", "/plain/late-title");
  assert.equal(row.title, "Loaded");
});

it.measured("an application names its view, also one that was announced", async () => {
  const page = await open("/plain/named");
  await sleep(400);
  await page.evaluate(() =>
    window.pageviews.view({ name: "Named", props: { plan: "pro", seats: 3 } }),
  );
  await sleep(300);
  await page.close();
  const [row] = await it.compare("named", "/plain/named");
  assert.equal(row.name, "Named");
  assert.deepEqual(row.props, { plan: "pro", seats: 3 });
});

it.measured("two tabs of one session are two views", async () => {
  const one = await open("/plain/tab-one");
  await sleep(1000);
  const two = await open("/plain/tab-two");
  await sleep(1000);
  await one.close();
  await two.close();
  const [first] = await it.compare("two tabs, first", "/plain/tab-one");
  const [second] = await it.compare("two tabs, second", "/plain/tab-two");
  assert.equal(first.session_id, second.session_id);
});

it.measured("a frame is no view of its own, and its focus is the page's", async () => {
  const page = await open("/framed/outer");
  await sleep(500);
  await page.frames()[1].locator("h1").click();
  await sleep(1000);
  await page.close();
  const [row] = await it.compare("frame", "/framed/outer");
  it.precise(
    row.engagement_ms - row.focused_ms < 150,
    `${row.focused_ms} ms of ${row.engagement_ms} ms focused`,
  );
  assert.deepEqual(await it.cluster.views("path = '/plain/inner'"), []);
});

// Until Chrome 149 an open socket kept a page out of the cache.
it.measured("the back-forward cache of older Chromes", async () => {
  const visitor = await Chromium.start({
    flags: ["--disable-features=DisconnectWebSocketOnBFCache"],
  });
  try {
    const page = await visitor.open(it.site.origin + it.at("/plain/old-cache"));
    await sleep(700);
    await page.goto(it.site.origin + "/plain/old-between");
    await sleep(300);
    await page.goBack({ waitUntil: "commit" });
    await sleep(700);
    await page.close();
    const path = "/plain/old-cache";
    const rows = await it.compare("bfcache, older", path, { count: 2 });
    assert.equal(rows[1].navigation, "bfcache");
  } finally {
    await visitor.stop();
  }
});

it.measured("a crashed page is seen until it crashed", async () => {
  const page = await open("/plain/crash");
  await sleep(1500);
  const session = await it.chromium.cdp(page);
  const killed = Date.now();
  session.send("Page.crash").catch(() => {});
  const [row] = await it.compare("page crash", "/plain/crash", { killed });
  assert.equal(row.end_reason, "lost");
  await page.close();
});

for (const signal of ["SIGKILL", "SIGTERM"])
  it.measured(`a browser that gets ${signal} is seen until then`, async () => {
    const path = `/plain/${signal}`;
    const visitor = await Chromium.start();
    try {
      await visitor.open(it.site.origin + it.at(path));
      await sleep(1500);
      await until("the view is open", async () => {
        const [{ n }] = await it.cluster.query(
          `SELECT count(*) AS n FROM pageviews.live_views WHERE path = '${it.at(path)}'`,
        );
        return n === 1;
      });
      const killed = visitor.kill(signal);
      await it.compare(signal, path, { killed });
    } finally {
      await visitor.stop();
    }
  });
