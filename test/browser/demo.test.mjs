// The demo site, as a visitor walks through it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lab, sleep } from "./lab.mjs";

const it = lab();

test("each page and tab is a view under its own name and path, without a reload", async () => {
  const began = Date.now();
  const page = await it.chromium.open(it.cluster.origin + "/page_a");
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  await page.evaluate(() => (window.kept = true));
  const follow = async (name, path, title) => {
    await sleep(400);
    await page.getByRole("link", { name, exact: true }).click();
    await page.waitForURL("**" + path);
    await page.getByRole("heading", { name: title, exact: true }).waitFor();
    assert.equal(await page.title(), title);
  };
  await follow("Page C, Tab 1", "/page_c/tab_1", "Page C, Tab 1");
  await follow("Tab 2", "/page_c/tab_2", "Page C, Tab 2");
  await follow("Page B", "/page_b", "Page B");
  await sleep(400);
  await page.goBack({ waitUntil: "commit" });
  await page.getByRole("heading", { name: "Page C, Tab 2" }).waitFor();
  await sleep(400);
  assert.equal(await page.evaluate(() => window.kept), true);
  await page.close();
  // No view can have more than the whole walk took.
  const walked = Date.now() - began;
  const rows = await it.cluster.ended("true", 5);
  assert.deepEqual(
    rows.map(({ path, name, title }) => [path, name, title]),
    [
      ["/page_a", "Page A", "Page A"],
      ["/page_c/tab_1", "Page C, Tab 1", "Page C, Tab 1"],
      ["/page_c/tab_2", "Page C, Tab 2", "Page C, Tab 2"],
      ["/page_b", "Page B", "Page B"],
      ["/page_c/tab_2", "Page C, Tab 2", "Page C, Tab 2"],
    ],
  );
  for (const row of rows)
    assert.ok(
      row.engagement_ms > 300 && row.engagement_ms < walked,
      `${row.path}: ${row.engagement_ms} ms`,
    );
  assert.deepEqual(
    rows.map(({ end_reason }) => end_reason),
    ["navigated", "navigated", "navigated", "navigated", "closed"],
  );
  assert.deepEqual(errors, []);
});

test("every route is rendered by the server too", async () => {
  for (const [path, title] of [
    ["/page_a", "Page A"],
    ["/page_b", "Page B"],
    ["/page_c/tab_1", "Page C, Tab 1"],
    ["/page_c/tab_2", "Page C, Tab 2"],
  ]) {
    const text = await (await fetch(it.cluster.origin + path)).text();
    assert.match(text, new RegExp(`<title>${title}</title>`));
    assert.match(text, new RegExp(`<h1[^>]*>${title}</h1>`));
    assert.doesNotMatch(text, /\{\{/);
  }
});

test("Page C leads to one of its tabs, at random", async () => {
  const seen = new Set();
  for (let i = 0; i < 60 && seen.size < 2; i++) {
    const response = await fetch(it.cluster.origin + "/page_c");
    seen.add(new URL(response.url).pathname);
    await sleep(i % 7);
  }
  assert.deepEqual([...seen].sort(), ["/page_c/tab_1", "/page_c/tab_2"]);
});
