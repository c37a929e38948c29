// Custom events in real browsers: each is a row, once, whatever breaks between.

import assert from "node:assert/strict";
import { until } from "./cluster.mjs";
import { lab, sleep } from "./lab.mjs";

const it = lab({
  settings: { "pageviews.heartbeat": "1s", "pageviews.ping_interval": "1s" },
});

const open = (path) => it.chromium.open(it.site.origin + it.at(path));

const ready = (page) =>
  until("the tracker is there", () => page.evaluate("!!window.pageviews"));

const rows = (path) =>
  it.cluster.query(
    `SELECT e.name, e.props, e.path, v.path AS of, v.end_reason
     FROM pageviews.events AS e LEFT JOIN pageviews.views AS v USING (view_id)
     WHERE e.path = '${it.at(path)}' ORDER BY e.event_id`,
  );

const stored = (path, count) =>
  until(`${count} events of ${path}`, async () => {
    const all = await it.cluster.query(
      `SELECT 1 FROM pageviews.events WHERE path = '${it.at(path)}'`,
    );
    return all.length >= count;
  });

it.measured("an event is a row, with its view and its properties", async () => {
  const page = await open("/plain/event");
  await ready(page);
  await page.evaluate(`pageviews.event("signup", { plan: "pro", seats: 3 })`);
  await stored("/plain/event", 1);
  await page.evaluate(`pageviews.event("leaving")`);
  await page.close();
  await stored("/plain/event", 2);
  await until("the view is over", async () =>
    (await rows("/plain/event")).every(({ end_reason }) => end_reason),
  );
  const [first, last, ...others] = await rows("/plain/event");
  assert.equal(others.length, 0);
  assert.deepEqual(first.props, { plan: "pro", seats: 3 });
  assert.deepEqual([first.name, last.name], ["signup", "leaving"]);
  assert.equal(first.of, it.at("/plain/event"));
  assert.equal(last.of, first.of);
});

it.measured(
  "told while the server is down, stored when it is back",
  async () => {
    const page = await open("/plain/event-down");
    await ready(page);
    await sleep(500);
    await it.cluster.down("immediate");
    for (let i = 0; i < 5; i++)
      await page.evaluate(`pageviews.event("down ${i}", { i: ${i} })`);
    await it.cluster.up();
    await it.cluster.listening();
    await stored("/plain/event-down", 5);
    await page.close();
    const all = await rows("/plain/event-down");
    assert.deepEqual(
      all.map(({ props }) => props.i),
      [0, 1, 2, 3, 4],
    );
  },
);

it.measured(
  "told while the server is down, and left: the next visit says it",
  async () => {
    const page = await open("/plain/event-left");
    await ready(page);
    await sleep(500);
    await it.cluster.down();
    await page.evaluate(`pageviews.event("left")`);
    await page.close();
    await it.cluster.up();
    await it.cluster.listening();
    const next = await open("/plain/event-next");
    await stored("/plain/event-left", 1);
    await next.close();
    const all = await rows("/plain/event-left");
    assert.deepEqual(
      all.map(({ name }) => name),
      ["left"],
    );
  },
);
