// The tracker under random operations, against a slow and obvious model: the
// model adds up, operation by operation, how long each page was visible and
// focused; at the end every view must be in the table once, with those figures.
//
//   SEED=7 ROUNDS=1 node --test model.test.mjs   plays one round again

import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./fake.mjs";

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
const ROUNDS = Number(process.env.ROUNDS ?? 300);
const OPERATIONS = 40;
const MINUTE = 60000;
const AWAY = 30 * MINUTE;
const HEARTBEAT = 15000;
const VIEWS = 18; // fewer than storage holds, so that an outage loses none

// A small seeded generator (mulberry32).
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Model {
  views = [];
  pages = 0;
  log = [];

  constructor(seed) {
    this.random = generator(seed);
    this.browser = new Browser({
      form: this.random() < 0.5 ? "source" : "minified",
      random: generator(seed + 1e9),
    });
    this.server = this.browser.server;
  }

  below(limit) {
    return Math.floor(this.random() * limit);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  path() {
    return `https://site.test/p${++this.pages}`;
  }

  begin(tab, url) {
    tab.view = { url, visible: 0, focused: 0, elapsed: 0, slack: 3 };
    tab.away = 0;
    this.views.push(tab.view);
  }

  // The obvious part: who was visible while this time passed?
  pass(ms, asleep) {
    for (const tab of this.alive()) {
      const { view } = tab;
      view.elapsed += ms;
      if (tab.hidden) tab.away += ms;
      else {
        view.visible += asleep ? 1000 : ms;
        if (tab.focused) view.focused += asleep ? 1000 : ms;
        if (asleep) view.slack += 1200;
      }
    }
    if (asleep) this.browser.sleep(ms);
    else this.browser.advance(ms);
  }

  alive() {
    return this.browser.tabs.filter((tab) => !tab.gone);
  }

  open() {
    const url = this.path();
    const tab = this.browser.open(url, {
      hasNavigation: this.random() < 0.5,
      hidden: this.random() < 0.2,
    });
    this.begin(tab, url);
  }

  operate() {
    const { server } = this;
    const tabs = this.alive();
    const tab = this.pick(tabs);
    const full = this.views.length >= VIEWS;
    const operations = {
      wait: () => this.pass(1 + this.below(6000)),
      waitLonger: () => this.pass(1 + this.below(3 * MINUTE)),
      waitHours: () =>
        tabs.every((each) => each.hidden) && this.pass(this.below(2 * AWAY)),
      sleep: () => {
        if (tabs.length !== 1) return;
        this.pass(50); // the server, which does not sleep, has heard of everything
        this.pass(20000 + this.below(MINUTE), true);
      },
      open: () => tabs.length < 3 && !full && this.open(),
      outage: () => (server.up ? server.stop() : server.start(false)),
      restart: () => {
        server.stop();
        server.start(this.random() < 0.5);
      },
      silence: () => (server.silent = !server.silent),
      cut: () => {
        const socket = this.pick([...server.sockets]);
        if (socket) server.drop(socket);
      },
      forget: () => {
        const id = this.pick([...server.views.keys()]);
        if (id) server.views.delete(id);
      },
    };
    if (tab) {
      Object.assign(operations, {
        hide: () => tab.show(false),
        show: () => {
          if (tab.hidden && tab.away > AWAY && !full)
            this.begin(tab, tab.view.url);
          else if (tab.hidden && tab.away > AWAY) return;
          tab.away = 0;
          tab.show(true);
        },
        focus: () => tab.focus(!tab.focused),
        input: () => tab.input(),
        same: () => tab.replace(tab.url.pathname),
        query: () => tab.push(`${tab.url.pathname}?q=${this.below(9)}`),
        push: () => {
          if (full) return;
          const url = this.path();
          tab.push(url);
          this.begin(tab, url);
        },
        name: () => {
          if (full || tab.view.elapsed < 1500) return;
          tab.window.pageviews.view({ name: "x" });
          this.begin(tab, tab.view.url);
        },
        navigate: () => {
          if (full) return;
          const url = this.path();
          tab.navigate(url, { firefox: this.random() < 0.5 });
          this.begin(tab, url);
        },
        cache: () => {
          if (full) return;
          const { hidden } = tab;
          tab.leave({ cached: true });
          tab.gone = true;
          this.pass(this.below(5000));
          tab.gone = false;
          tab.hidden = hidden;
          tab.restore();
          this.begin(tab, tab.view.url);
        },
        close: () => tab.close({ firefox: this.random() < 0.5 }),
        crash: () => {
          tab.view.crashed = true;
          tab.crash();
        },
      });
    }
    const name = this.pick(Object.keys(operations));
    this.log.push(`${this.browser.time} ${name} ${tabs.indexOf(tab)}`);
    operations[name]();
  }

  // Everything ends, everything works again, and two later visits bring the rest.
  settle() {
    this.alive().forEach((tab) => tab.close());
    this.server.silent = false;
    this.server.start(false);
    for (const wait of [AWAY + MINUTE, 5 * MINUTE]) {
      const tab = this.browser.open("https://site.test/last");
      this.browser.advance(wait);
      tab.close();
      this.browser.advance(1000);
    }
  }

  compare() {
    assert.deepEqual(this.browser.errors, []);
    const rows = this.server.table();
    for (const url of new Set(this.views.map((view) => view.url))) {
      const expected = this.views.filter((view) => view.url === url);
      const found = rows.filter((row) => row.page.url === url);
      // Killed before anybody could hear of it: the only view that may be missing.
      if (
        found.length < expected.length &&
        expected.at(-1).crashed &&
        expected.at(-1).elapsed < HEARTBEAT + 2000
      )
        expected.pop();
      assert.equal(found.length, expected.length, `views of ${url}`);
      expected.forEach((view, i) => {
        const row = found[i];
        for (const [figure, actual] of [
          ["visible", row.engagement],
          ["focused", row.focused],
        ]) {
          const what = `${figure} of ${url}: ${actual} for ${view[figure]}`;
          const late = view.crashed ? HEARTBEAT + 2000 : 0;
          assert.ok(actual <= view[figure] + view.slack + (late && 20), what);
          assert.ok(actual >= view[figure] - view.slack - late, what);
        }
        if (!view.crashed) assert.notEqual(row.reason, "lost", url);
      });
    }
    const urls = new Set(this.views.map((view) => view.url));
    const strange = rows.filter(
      (row) => !urls.has(row.page.url) && !row.page.url.endsWith("/last"),
    );
    assert.deepEqual(strange, []);
    assert.equal(
      Object.keys(this.browser.storage).filter((key) =>
        key.startsWith("pageviews:"),
      ).length,
      1,
      "everything but the last visit is forgotten",
    );
  }
}

test(`${ROUNDS} random visits from seed ${SEED}`, () => {
  for (let round = 0; round < ROUNDS; round++) {
    const model = new Model(SEED + round);
    try {
      model.open();
      for (let i = 0; i < OPERATIONS; i++) {
        model.operate();
        model.pass(model.below(50));
      }
      model.settle();
      model.compare();
    } catch (error) {
      error.message =
        `SEED=${SEED + round} ROUNDS=1: ${error.message}\n` +
        model.log.join("\n");
      throw error;
    }
  }
});
