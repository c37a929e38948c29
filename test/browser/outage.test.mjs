// Whatever breaks between the page and the table: one row, and complete.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "./cluster.mjs";
import { lab, SAID, sleep } from "./lab.mjs";

const it = lab({
  settings: { "pageviews.heartbeat": "1s", "pageviews.ping_interval": "1s" },
});

const open = (path) => it.chromium.open(it.site.origin + it.at(path));

const isLive = (path) =>
  until(`${path} is live`, async () => {
    const rows = await it.cluster.query(
      `SELECT 1 FROM pageviews.live_views WHERE path = '${it.at(path)}'`,
    );
    return rows.length === 1;
  });

// Our own cluster's listeners: grandchildren of its postmaster.
function listeners() {
  const children = (pid) => {
    try {
      return execFileSync("pgrep", ["-P", pid]).toString().trim().split("\n");
    } catch {
      return [];
    }
  };
  const [postmaster] = readFileSync(
    join(it.cluster.data, "postmaster.pid"),
    "utf8",
  ).split("\n");
  return children(postmaster)
    .flatMap(children)
    .filter((pid) =>
      readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("pageviews_liste"),
    );
}

it.measured("the listener dies of a segmentation fault in mid-view", async () => {
  const page = await open("/plain/segv");
  await isLive("/plain/segv");
  const [listener, ...others] = listeners();
  assert.deepEqual(others, []);
  process.kill(Number(listener), "SIGSEGV");
  await until("another listener", () => listeners()[0] !== listener);
  await sleep(2000);
  await page.close();
  const [row] = await it.compare("listener SEGV", "/plain/segv");
  assert.equal(row.end_reason, "closed");
});

for (const mode of ["fast", "immediate"])
  it.measured(`the server is restarted in mid-view (${mode})`, async () => {
    const path = `/plain/restart-${mode}`;
    const page = await open(path);
    await isLive(path);
    await it.cluster.down(mode);
    await sleep(500);
    await it.cluster.up();
    await it.cluster.listening();
    await isLive(path);
    await sleep(500);
    await page.close();
    const [row] = await it.compare(`restart, ${mode}`, path);
    assert.equal(row.end_reason, "closed");
  });

it.measured("left while the server is down, stored at the next visit", async () => {
  const page = await open("/plain/left-alone");
  await isLive("/plain/left-alone");
  await it.cluster.down();
  await sleep(1000);
  await page.close();
  await sleep(4000);
  await it.cluster.up();
  await it.cluster.listening();
  const next = await open("/plain/next-visit");
  const [row] = await it.compare("left while down", "/plain/left-alone");
  assert.equal(row.end_reason, "closed");
  await next.close();
});

it.measured("never announced, because the server was down, and stored at the next visit", async () => {
  it.site.cut(true);
  const tracker = await fetch(it.cluster.origin + "/_view/client.js");
  const text = await tracker.text();
  const page = await it.chromium.context.newPage();
  await page.route("**/_view/client.js", (route) =>
    route.fulfill({ contentType: "text/javascript", body: text }),
  );
  await page.goto(it.site.origin + it.at("/plain/unheard"));
  await sleep(1000);
  await page.close();
  it.site.refusing = false;
  const next = await open("/plain/heard");
  await it.compare("never announced", "/plain/unheard");
  await next.close();
});

it.measured("the network is cut for a while", async () => {
  const page = await open("/plain/cut");
  await isLive("/plain/cut");
  it.site.cut(true);
  await sleep(1500);
  it.site.refusing = false;
  await isLive("/plain/cut");
  await sleep(2000);
  await page.close();
  await it.compare("network cut", "/plain/cut");
});

it.measured("a connection that is open and dead is given up", async () => {
  const page = await open("/plain/stalled");
  await isLive("/plain/stalled");
  it.site.stall();
  const before = it.site.requests.length;
  await until("another socket", () => it.site.requests.length > before);
  await sleep(1000);
  await page.close();
  await it.compare("half open", "/plain/stalled");
});

it.measured("a long task is seen, a stopped machine is not", async () => {
  const busy = await open("/plain/busy");
  await isLive("/plain/busy");
  await busy.evaluate(() => {
    const stop = performance.now() + 4000;
    while (performance.now() < stop);
  });
  await sleep(300);
  await busy.close();
  await it.compare("long task of 4 s", "/plain/busy");

  const path = "/plain/stopped";
  const asleep = await open(path);
  await isLive(path);
  it.chromium.kill("SIGSTOP");
  await sleep(20000);
  it.chromium.kill("SIGCONT");
  await sleep(1000);
  await asleep.close();
  const [row] = await it.cluster.ended(
    `path = '${it.at(path)}' AND ${SAID}`,
  );
  const [{ visible }] = it.site.seen(it.at(path));
  const error = row.engagement_ms - (visible - 20000);
  it.errors.push({
    scenario: "stopped for 20 s",
    truth: visible - 20000,
    stored: row.engagement_ms,
    error,
  });
  it.precise(Math.abs(error) < 1300, `stopped for 20 s: ${error} ms`);
});

test("all of it is one row a view", async () => {
  const doubles = await it.cluster.query(
    "SELECT path FROM pageviews.views GROUP BY path HAVING count(*) > 1",
  );
  assert.deepEqual(doubles, []);
});
