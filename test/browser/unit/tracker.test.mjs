// What a view is: its figures, its names, where one ends and the next begins.  Each
// test is named after the failure that it prevents.

import assert from "node:assert/strict";
import { PAGE, both, near } from "./both.mjs";

both("a view is announced and its end is stored once", (browser, server) => {
  const tab = browser.open(PAGE + "?utm_source=x&secret=1#frag", {
    title: "A page",
  });
  browser.advance(3000);
  tab.close();
  browser.advance(1000);
  const [row, ...others] = server.table();
  assert.equal(others.length, 0);
  near(row.engagement, 3000);
  near(row.focused, 3000);
  assert.equal(row.active, 0);
  assert.equal(row.reason, "closed");
  assert.equal(row.scroll, 25);
  assert.equal(row.page.url, PAGE + "?utm_source=x");
  assert.equal(row.page.title, "A page");
  assert.equal(row.page.navigation, "navigate");
  assert.equal(row.page.language, "de-CH");
  assert.equal(row.page.width, 1440);
  near(row.began, browser.wall, 20);
  const types = server.heard.map((message) => message.type);
  assert.deepEqual(types, ["view", "end"]);
  assert.equal(server.heard[1].url, undefined);
});

both(
  "hidden time never counts, and each change is told at once",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    tab.show(false);
    browser.advance(10);
    assert.equal(server.heard.at(-1).state, "hidden");
    browser.advance(7000);
    tab.show(true);
    browser.advance(10);
    assert.equal(server.heard.at(-1).state, "focused");
    browser.advance(1990);
    tab.close();
    browser.advance(1000);
    near(server.table()[0].engagement, 4010, 15);
  },
);

both(
  "a blur pauses focus and nothing else, and is not told by itself",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(1000);
    const before = server.heard.length;
    tab.focus(false);
    browser.advance(1000);
    tab.focus(true);
    browser.advance(1000);
    assert.equal(server.heard.length, before);
    tab.close();
    browser.advance(1000);
    near(server.table()[0].engagement, 3000);
    near(server.table()[0].focused, 2000);
  },
);

both("activity lasts 30 s from the last input", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(5000);
  tab.input();
  browser.advance(50000);
  tab.close();
  browser.advance(1000);
  near(server.table()[0].active, 30000, 1000);
  near(server.table()[0].focused, 55000);
});

both("a playing medium is activity, a muted one is not", (browser, server) => {
  const tab = browser.open(PAGE);
  tab.fire("timeupdate", { target: { muted: true } });
  browser.advance(3000);
  tab.fire("timeupdate");
  browser.advance(2000);
  tab.close();
  browser.advance(1000);
  near(server.table()[0].active, 2000, 1000);
});

both("a sleep that the clock counts is no engagement", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(5000);
  browser.sleep(3600000);
  browser.advance(5000);
  tab.close();
  browser.advance(1000);
  near(server.table()[0].engagement, 11000, 20);
  near(server.heard.at(-1).gap, 3599000, 2000);
});

both("heartbeats repeat the state while visible only", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(46000);
  assert.equal(server.heard.length, 4);
  tab.show(false);
  browser.advance(50000);
  assert.equal(server.heard.length, 5);
});

both(
  "pushState to a new path is a new view, anything else is not",
  (browser, server) => {
    for (const hasNavigation of [true, false]) {
      const start = server.rows.size;
      const tab = browser.open(PAGE, { hasNavigation });
      browser.advance(1000);
      tab.replace("/a");
      tab.push("/a?x=1");
      tab.push("/a#there");
      browser.advance(1000);
      tab.push("/b");
      browser.advance(500);
      tab.title = "Late";
      browser.advance(1500);
      tab.close();
      browser.advance(1000);
      const rows = server.table().slice(start);
      assert.equal(rows.length, 2);
      near(rows[0].engagement, 2000);
      near(rows[1].engagement, 2000);
      assert.equal(rows[0].reason, "navigated");
      assert.equal(rows[1].page.url, "https://site.test/b");
      assert.equal(rows[1].page.referrer, PAGE);
      assert.equal(rows[1].page.navigation, "spa");
      assert.equal(rows[1].page.title, "Late");
    }
  },
);

both(
  "query and hash are views of their own by attribute, and never leave",
  (browser, server) => {
    const tab = browser.open(PAGE, {
      attributes: { query: "include", hash: "include" },
    });
    browser.advance(1000);
    tab.push("/a?id=1");
    browser.advance(1000);
    tab.push("/a?id=1#two");
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    assert.deepEqual(
      server.table().map((row) => row.page.url),
      [PAGE, PAGE, PAGE],
    );
  },
);

both(
  "a redirect before anybody heard of the view is the same view",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(1);
    tab.replace("/home");
    browser.advance(1000);
    tab.push("/section");
    browser.advance(20);
    tab.replace("/section/first");
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    assert.deepEqual(
      server.table().map((row) => row.page.url),
      ["https://site.test/home", "https://site.test/section/first"],
    );
  },
);

both(
  "a title set before pushState is not given to the page before",
  (browser, server) => {
    const tab = browser.open(PAGE, { title: "A" });
    browser.advance(5300);
    tab.title = "B";
    tab.push("/b");
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    assert.deepEqual(
      server.table().map((row) => row.page.title),
      ["A", "B"],
    );
  },
);

both(
  "view() names the view that has just begun, and later begins another",
  (browser, server) => {
    const tab = browser.open(PAGE);
    tab.window.pageviews.view({
      name: "First",
      props: { plan: "pro", n: 1, yes: true, no: { deep: 1 }, big: 1n },
    });
    browser.advance(2000);
    tab.window.pageviews.view({ name: "Second" });
    browser.advance(50);
    tab.window.pageviews.view({ name: "Third" });
    browser.advance(1000);
    tab.push("/b");
    browser.advance(5);
    tab.window.pageviews.view({ name: "Fourth" });
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    const rows = server.table();
    assert.deepEqual(
      rows.map((row) => row.page.name),
      ["First", "Second", "Third", "Fourth"],
    );
    assert.deepEqual(rows[0].page.props, { plan: "pro", n: 1, yes: true });
    assert.deepEqual(
      rows.map((row) => row.page.navigation),
      ["navigate", "spa", "spa", "spa"],
    );
  },
);

both(
  "a view that was announced before it is named is still one view",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(300);
    tab.window.pageviews.view({ name: "Named" });
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    const rows = server.table();
    assert.equal(rows.length, 1);
    assert.equal(rows[0].page.name, "Named");
  },
);

both("data-name and data-props describe the first view", (browser, server) => {
  const tab = browser.open(PAGE, {
    attributes: { name: "Start", props: '{"a":1}' },
  });
  browser.advance(1000);
  tab.push("/b");
  browser.advance(1000);
  tab.close();
  browser.advance(1000);
  const [first, second] = server.table();
  assert.equal(first.page.name, "Start");
  assert.deepEqual(first.page.props, { a: 1 });
  assert.equal(second.page.name, undefined);
});

both(
  "data-manual: nothing until the application says so",
  (browser, server) => {
    const tab = browser.open(PAGE, { attributes: { manual: "" } });
    browser.advance(3000);
    tab.push("/b");
    browser.advance(1000);
    assert.equal(server.sockets.size, 0);
    tab.window.pageviews.view({ name: "Now" });
    browser.advance(1000);
    tab.push("/c");
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    const rows = server.table();
    assert.equal(rows.length, 1);
    near(rows[0].engagement, 2000);
    assert.equal(rows[0].page.navigation, "navigate");
  },
);

both("arguments without sense harm nobody", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(1500);
  for (const sense of [
    undefined,
    null,
    1,
    "x",
    { name: 5 },
    { props: null },
    { props: "text" },
    { name: Symbol("x") },
  ])
    tab.window.pageviews.view(sense);
  browser.advance(1000);
  tab.close();
  browser.advance(1000);
  assert.ok(server.table().length >= 1);
});

both(
  "a bare end is enough while the page is known; a late title is told",
  (browser, server) => {
    const tab = browser.open(PAGE, { title: "Loading" });
    browser.advance(800);
    tab.title = "Loaded";
    tab.close();
    browser.advance(1000);
    assert.equal(server.table()[0].page.title, "Loaded");
    assert.equal(server.rows.size, 1);
  },
);
