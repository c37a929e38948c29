// Custom events: each is stored once, with its view, whatever breaks between.

import assert from "node:assert/strict";
import { MINUTE, PAGE, both, near } from "./both.mjs";

const happened = (id) => parseInt(id.replace("-", "").slice(0, 12), 16);
const kept = (browser) =>
  Object.values(browser.storage).filter((text) => text.includes('"of"'));
const names = (server) => [...server.events.values()].map(({ name }) => name);
const told = (server) => server.heard.filter(({ type }) => type === "event");

both("an event is told at once, with its view", (browser, server) => {
  const tab = browser.open(`${PAGE}?utm_source=x&secret=y`);
  browser.advance(2000);
  tab.window.pageviews.event("signup", {
    plan: "pro",
    seats: 3,
    trial: true,
    nested: {},
  });
  browser.advance(10);
  const [event] = told(server);
  assert.equal(event.name, "signup");
  assert.equal(event.url, `${PAGE}?utm_source=x`);
  assert.deepEqual(event.props, { plan: "pro", seats: 3, trial: true });
  near(happened(event.event), browser.wall + 2000, 20);
  assert.equal(kept(browser).length, 1);
  browser.advance(1000);
  assert.equal(kept(browser).length, 0);
  tab.close();
  browser.advance(1000);
  assert.deepEqual(names(server), ["signup"]);
  const [view, ...others] = server.table();
  assert.equal(others.length, 0);
  assert.equal(event.view, view.id);
  near(view.engagement, 3010);
});

both("what is no name tells nothing, and breaks nothing", (browser, server) => {
  const tab = browser.open(PAGE);
  const { event } = tab.window.pageviews;

  browser.advance(1000);
  for (const name of [undefined, null, "", [], 0, false]) event(name);
  event({
    toString() {
      throw new Error("no name");
    },
  });
  browser.advance(1000);
  assert.deepEqual(kept(browser), []);
  assert.equal(server.sockets.size, 1);
});

both(
  "before the hello it waits, and belongs to its view",
  (browser, server) => {
    server.clockError = 90000;
    const tab = browser.open(PAGE);
    tab.window.pageviews.event("early");
    assert.equal(kept(browser).length, 1);
    browser.advance(1000);
    tab.close();
    browser.advance(1000);
    assert.deepEqual(names(server), ["early"]);
    assert.equal(told(server)[0].view, server.table()[0].id);
  },
);

both("prerendered, it belongs to the view that begins", (browser, server) => {
  const tab = browser.open(PAGE, {
    globals: { document: { prerendering: true } },
  });
  tab.window.pageviews.event("waits", { a: 1 });
  browser.advance(5000);
  assert.equal(server.sockets.size, 0);
  tab.window.document.prerendering = false;
  tab.fire("visibilitychange");
  browser.advance(1000);
  tab.close();
  browser.advance(1000);
  assert.deepEqual(names(server), ["waits"]);
  assert.equal(told(server)[0].view, server.table()[0].id);
});

for (const [how, end] of [
  ["killed", (tab) => tab.crash()],
  ["left", (tab) => tab.close()],
  ["left in Firefox", (tab) => tab.close({ firefox: true })],
])
  both(`offline and ${how}, it is told by a later page`, (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    server.stop();
    browser.advance(100);
    tab.window.pageviews.event("offline");
    browser.advance(1000);
    end(tab);
    browser.advance(1000);
    assert.equal(server.events.size, 0);
    server.start(true);
    browser.open(`${PAGE}/later`);
    browser.advance(1000);
    assert.deepEqual(names(server), ["offline"]);
    assert.equal(kept(browser).length, 0);
  });

both(
  "Firefox: what was just told is told again in the note",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    tab.window.pageviews.event("leaving");
    tab.leave({ firefox: true });
    browser.advance(1000);
    assert.deepEqual(server.notes[0].messages.map(({ type }) => type).sort(), [
      "end",
      "event",
    ]);
    assert.deepEqual(names(server), ["leaving"]);
  },
);

both(
  "a server that dies before the commit hears it again",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    tab.window.pageviews.event("unlucky");
    browser.advance(20);
    server.stop();
    browser.advance(1000);
    assert.equal(server.events.size, 0);
    server.start(true);
    browser.advance(MINUTE);
    assert.deepEqual(names(server), ["unlucky"]);
    assert.ok(told(server).length > 1);
    assert.equal(new Set(told(server).map(({ event }) => event)).size, 1);
  },
);

both("a wrong clock is mended, and the event is one", (browser, server) => {
  browser.wall -= 30 * 864e5;
  const tab = browser.open(PAGE);
  server.clockError = 30 * 864e5;
  tab.window.pageviews.event("then");
  browser.advance(5000);
  tab.close();
  browser.advance(1000);
  assert.deepEqual(names(server), ["then"]);
  near(happened([...server.events.keys()][0]), server.now() - 6000, 50);
});

both("a refusal for good is the end of it", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(1000);
  server.take = () => "rejected";
  tab.window.pageviews.event("never");
  browser.advance(MINUTE);
  assert.equal(told(server).length, 1);
  assert.equal(kept(browser).length, 0);
  assert.equal(server.sockets.size, 1);
});

both("busy: it waits for the next socket", (browser, server) => {
  const tab = browser.open(PAGE);
  const { take } = server;
  browser.advance(1000);
  server.take = () => "busy";
  tab.window.pageviews.event("patient");
  browser.advance(1000);
  assert.equal(kept(browser).length, 1);
  server.take = take;
  for (const socket of [...server.sockets]) server.drop(socket);
  browser.advance(10000);
  assert.deepEqual(names(server), ["patient"]);
  tab.close();
});

both("twenty are kept, and views go before events", (browser, server) => {
  server.up = false;
  for (let i = 0; i < 3; i++) {
    browser.open(`${PAGE}${i}`).close();
    browser.advance(1000);
  }
  const tab = browser.open(PAGE);
  for (let i = 0; i < 40; i++) tab.window.pageviews.event(`event ${i}`);
  tab.close();
  browser.advance(1000);
  browser.open(PAGE).close();
  browser.advance(1000);
  assert.equal(Object.keys(browser.storage).length, 20);
  assert.ok(kept(browser).length >= 15);
  server.up = true;
  browser.open(`${PAGE}/later`);
  browser.advance(1000);
  assert.equal(server.rows.size, 5);
  assert.equal(server.events.size, 15);
});

both("without storage it is told all the same", (browser, server) => {
  const tab = browser.open(PAGE, { noStorage: true });
  tab.window.pageviews.event("stored nowhere else");
  browser.advance(1000);
  tab.close();
  browser.advance(1000);
  assert.deepEqual(names(server), ["stored nowhere else"]);
});

both("the longest is cut to what a message holds", (browser, server) => {
  const tab = browser.open(`${PAGE}${"x".repeat(1300)}`, {
    title: "\u4e2d".repeat(300),
  });
  const props = {};
  for (let i = 0; i < 30; i++)
    props[`${i}${"k".repeat(100)}`] = "v".repeat(900);
  browser.advance(1000);
  tab.window.pageviews.event("\u4e2d".repeat(200), props);
  tab.window.pageviews.event(
    "many",
    Object.fromEntries(Object.keys(props).map((key, i) => [i, i])),
  );
  browser.advance(1000);
  const [long, many] = told(server);
  assert.equal(long.name.length, 128);
  assert.equal(long.props, undefined);
  assert.equal(Object.keys(many.props).length, 16);
  tab.close();
});

both(
  "where Global Privacy Control is on, nothing is told",
  (browser, server) => {
    const tab = browser.open(PAGE, {
      globals: { navigator: { globalPrivacyControl: true } },
    });
    tab.window.pageviews.event("private");
    browser.advance(MINUTE);
    assert.equal(server.sockets.size, 0);
    assert.deepEqual(browser.storage, {});
  },
);
