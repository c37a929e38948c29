// What the page notices: nothing.

import assert from "node:assert/strict";
import { PAGE, both, near } from "./both.mjs";

both(
  "no storage, no socket, no note: the page notices nothing",
  (browser, server) => {
    const broken = () => {
      throw new Error("blocked");
    };
    for (const globals of [
      {},
      { WebSocket: undefined },
      { WebSocket: broken },
      { navigator: { sendBeacon: undefined } },
      { crypto: undefined },
      { Blob: undefined },
      { document: { currentScript: null } },
    ]) {
      const tab = browser.open(PAGE, { noStorage: true, globals });
      browser.advance(2000);
      tab.show(false);
      tab.show(true);
      tab.push("/b");
      browser.advance(1000);
      tab.close();
      browser.advance(1000);
    }
    assert.ok(server.rows.size >= 2);
  },
);

both(
  "history keeps working, and its result is returned, when the tracker cannot",
  (browser) => {
    const tab = browser.open(PAGE, {
      hasNavigation: false,
      globals: { WebSocket: undefined, crypto: undefined },
    });
    tab.push("/b");
    assert.equal(tab.url.pathname, "/b");
  },
);

both(
  "Global Privacy Control: nothing at all, if the server says so",
  (browser, server) => {
    const globals = { navigator: { globalPrivacyControl: true } };
    const tab = browser.open(PAGE, { globals });
    tab.window.pageviews.view({ name: "x" });
    tab.window.pageviews.consent();
    browser.advance(2000);
    tab.close();
    browser.advance(1000);
    assert.equal(server.heard.length + server.notes.length, 0);
    assert.equal(server.sockets.size, 0);
    assert.deepEqual(browser.storage, {});
    const other = browser.open(PAGE, {
      globals,
      settings: { keep: [], gpc: false },
    });
    browser.advance(2000);
    other.close();
    browser.advance(1000);
    assert.equal(server.rows.size, 1);
  },
);

both("a frame is no page of its own, unless it says so", (browser, server) => {
  browser.open(PAGE, { globals: { top: {} } });
  browser.advance(1000);
  assert.equal(server.heard.length, 0);
  browser.open(PAGE, {
    globals: { top: {} },
    attributes: { frames: "include" },
  });
  browser.advance(1000);
  assert.equal(server.heard.length, 1);
});

both("a prerendered page says nothing until it is shown", (browser, server) => {
  const tab = browser.open(PAGE, {
    hidden: true,
    globals: { document: { prerendering: true } },
  });
  tab.window.pageviews.view({ name: "Early" });
  browser.advance(5000);
  assert.equal(server.sockets.size, 0);
  tab.window.document.prerendering = false;
  tab.show(true);
  tab.fire("prerenderingchange");
  browser.advance(2000);
  tab.close();
  browser.advance(1000);
  const [row] = server.table();
  near(row.engagement, 2000);
  assert.equal(row.page.name, "Early");
});

both(
  "a long title, name and properties fit into one message",
  (browser, server) => {
    const tab = browser.open("https://site.test/" + "a".repeat(5000), {
      title: "\u{1f600}".repeat(300) + "\u0000\ud800\\ud800",
    });
    tab.window.pageviews.view({
      name: "\ud83d".repeat(500),
      props: Object.fromEntries(
        Array.from({ length: 40 }, (unused, i) => [
          "key" + i,
          "\u4e2d".repeat(500),
        ]),
      ),
    });
    browser.advance(1000);
    tab.title = "back\\ud800slash \u0000 \ud800";
    tab.push("/b");
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    const rows = server.table();
    assert.equal(rows.length, 2);
    assert.equal(rows[1].page.title, "back\\ud800slash \ufffd \ufffd");
  },
);

both(
  "a script that comes late counts from the first paint, if it was seen",
  (browser, server) => {
    const late = { late: 2000, paints: [{ startTime: 300 }] };
    const engagements = [late, { ...late, paints: [] }]
      .concat([
        { ...late, changes: [{}, {}] },
        { ...late, changes: [{}] },
        { ...late, hidden: true },
        { ...late, attributes: { manual: "" } },
      ])
      .map((options) => {
        browser.storage = {};
        server.rows.clear();
        const tab = browser.open(PAGE, options);
        if (options.attributes) tab.window.pageviews.view({ name: "x" });
        browser.advance(1000);
        tab.push("/b");
        browser.advance(1000);
        tab.close();
        browser.advance(1000);
        return server.table().map((row) => row.engagement);
      });
    assert.deepEqual(engagements, [
      [2700, 1000],
      [1000, 1000],
      [1000, 1000],
      [2700, 1000],
      [0, 0],
      [2000],
    ]);
  },
);

both(
  "nothing is done before the page is painted, and nothing is lost by that",
  (browser, server) => {
    const after = (run) => {
      browser.storage = {};
      server.rows.clear();
      const tab = browser.open(PAGE, { slow: true });
      browser.advance(300);
      assert.equal(server.sockets.size, 0);
      assert.deepEqual(browser.storage, {});
      run(tab);
      browser.advance(200);
      if (!tab.gone) tab.close();
      browser.advance(1000);
      return server.table().map((row) => row.engagement);
    };
    assert.deepEqual(
      [
        after((tab) => tab.paint()),
        after((tab) => tab.close()),
        after((tab) => tab.show(false)),
        after(() => browser.advance(900)), // painted never
      ],
      [[200], [0], [0], [400]],
    );
    const tab = browser.open(PAGE, { slow: true });
    tab.window.pageviews.view({ name: "early" });
    tab.push("/b");
    tab.paint();
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    const [row, ...others] = server.table().slice(1);
    assert.equal(others.length, 0);
    assert.equal(row.page.name, "early");
    assert.equal(row.engagement, 1000);
  },
);

both("the script twice is one tracker", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(1000);
  const { view } = tab.window.pageviews;
  const { load } = tab;
  assert.equal(typeof view, "function");
  assert.deepEqual(Object.keys(tab.window.pageviews), [
    "view",
    "event",
    "consent",
  ]);
  void load;
  assert.equal(server.heard.length, 1);
});

both("the server's address is that of the script", (browser, server) => {
  browser.open(PAGE, { script: "http://stats.test:8080/x/client.js?v=1" });
  assert.deepEqual(
    [...server.sockets].map((socket) => socket.to),
    ["ws://stats.test:8080/x/socket"],
  );
  browser.open(PAGE);
  assert.deepEqual(
    [...server.sockets].map((socket) => socket.to)[1],
    "wss://site.test/_view/socket",
  );
});
