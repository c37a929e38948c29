// A browser and a server small enough to own: time, tabs, storage, sockets.
//
// A Browser has one clock and one localStorage; a Tab runs the real tracker in a
// context of its own; a Server speaks the wire as the listener and the worker
// do, strictly: it throws on anything that they would call no message.  Nothing
// here waits for real time, and everything is deterministic.

import { readFileSync } from "node:fs";
import vm from "node:vm";
import { Server } from "./fake_server.mjs";

export { COMMIT, LATENCY, Server } from "./fake_server.mjs";

const WEB = new URL("../../../web/", import.meta.url);
const SOURCES = {
  source: readFileSync(new URL("client.js", WEB), "utf8"),
  minified: readFileSync(new URL("client.min.js", WEB), "utf8"),
};
// FAKE_DEBUG=1 shows what the tracker swallows.
if (process.env.FAKE_DEBUG)
  SOURCES.source = SOURCES.source.replace(
    "/* the page comes first */",
    "console.log(error);",
  );
const scripts = new Map();

// The tracker as the listener serves it, as a function of the globals that it sees.
// (In a context of its own it would find each global through an interceptor, and
// spend half of its time there.)
function trackerScript(settings, form, names) {
  const key = [form, names, JSON.stringify(settings)].join();
  if (!scripts.has(key))
    scripts.set(
      key,
      vm.compileFunction(
        SOURCES[form].replace("PAGEVIEWS_SETTINGS", JSON.stringify(settings)),
        names,
        { filename: `client-${form}.js` },
      ),
    );
  return scripts.get(key);
}

export class Browser {
  time = 0; // ms since the machine started; what performance.now() counts
  wall = Date.UTC(2026, 10, 23, 9); // the browser's own idea of the time at 0
  storage = {};
  full = false; // storage takes nothing more
  tabs = [];
  timers = [];
  sequence = 0;
  errors = [];

  constructor({ form = "minified", random = Math.random } = {}) {
    this.form = form;
    this.random = random;
    this.server = new Server(this);
  }

  at(delay, run, owner, repeat) {
    const timer = {
      id: ++this.sequence,
      due: this.time + delay,
      run,
      owner,
      repeat,
    };
    this.timers.push(timer);
    return timer.id;
  }

  cancel(id) {
    this.timers = this.timers.filter((timer) => timer.id !== id);
  }

  // The earliest timer that is due at `until`; those of frozen tabs wait.
  next(until) {
    let first;
    for (const timer of this.timers)
      if (
        !timer.owner?.frozen &&
        timer.due <= until &&
        (!first ||
          timer.due < first.due ||
          (timer.due === first.due && timer.id < first.id))
      )
        first = timer;
    return first;
  }

  // Lets time pass, running what is due in order.
  advance(ms) {
    const until = this.time + ms;
    for (let timer; (timer = this.next(until));) {
      this.time = Math.max(this.time, timer.due);
      if (timer.repeat) timer.due = this.time + timer.repeat;
      else this.cancel(timer.id);
      timer.run();
    }
    this.time = until;
  }

  // Lets time pass with nothing running: a machine asleep whose clock ticks on.
  sleep(ms) {
    this.time += ms;
  }

  open(address, options) {
    const tab = new Tab(this, options);
    this.tabs.push(tab);
    tab.load(address, "navigate");
    return tab;
  }
}

export class Tab {
  hidden = false;
  focused = true;
  title = "Title";
  script = "https://site.test/_view/client.js";
  frozen = false; // in the back-forward cache
  late = 1; // how long after the page the script comes: never at once
  slow = false; // it is not painted before paint() says so
  document = 0; // number of the document; timers of an older one are gone

  constructor(browser, options = {}) {
    this.browser = browser;
    this.hasNavigation = true;
    this.settings = { keep: ["utm_", "ref="], gpc: true };
    this.attributes = {};
    this.globals = {};
    Object.assign(this, options);
  }

  // A new document in this tab.
  load(address, navigation, referrer = "") {
    const { browser } = this;
    const tab = this;
    const number = ++this.document;
    const origin = browser.time - this.late;
    const owner = (this.page = {
      tab,
      number,
      frozen: false,
      sockets: [],
      final: {}, // ids of views that were rejected, and when the page heard it
    });
    const listeners = {};
    this.watchers = []; // of the next frame
    const listen = (type, listener) =>
      (listeners[type] = listeners[type] ?? []).push(listener);
    this.url = new URL(address);
    this.listeners = listeners;

    const guarded = (run) => () => {
      if (tab.page !== owner) return;
      try {
        run();
      } catch (error) {
        browser.errors.push(error);
      }
    };
    const move = (replace) => (state, unused, to) => {
      const next = new URL(to, tab.url);
      tab.url = next;
      if (tab.hasNavigation)
        tab.fire("currententrychange", {
          navigationType: replace ? "replace" : "push",
        });
    };
    const window = {
      URL,
      Blob,
      Intl,
      console,
      screen: { width: 1440, height: 900 },
      scrollY: 0,
      innerHeight: 500,
      crypto: {
        getRandomValues: (bytes) => bytes.map(() => browser.random() * 256),
      },
      Math: Object.assign(Object.create(Math), { random: browser.random }),
      Date: { now: () => Math.round(browser.wall + browser.time) },
      performance: {
        now: () => browser.time - origin,
        getEntriesByType: (type) =>
          ({
            navigation: [{ type: navigation, activationStart: 0 }],
            paint: tab.paints ?? [],
            "visibility-state": tab.changes ?? [],
          })[type],
      },
      requestAnimationFrame: (run) => {
        if (tab.slow) tab.watchers.push(guarded(run));
        else if (!tab.hidden) guarded(run)();
      },
      setTimeout: (run, delay = 0) => browser.at(delay, guarded(run), owner),
      setInterval: (run, delay) =>
        browser.at(delay, guarded(run), owner, delay),
      clearTimeout: (id) => browser.cancel(id),
      clearInterval: (id) => browser.cancel(id),
      addEventListener: listen,
      history: { pushState: move(false), replaceState: move(true) },
      navigator: {
        language: "de-CH",
        sendBeacon: (to, body) => browser.server.note(tab, `${to}`, body),
      },
      document: {
        currentScript: { src: tab.script, dataset: tab.attributes },
        documentElement: { scrollHeight: 2000 },
        referrer,
        addEventListener: listen,
        hasFocus: () => tab.focused && !tab.hidden,
        get hidden() {
          return tab.hidden;
        },
        get title() {
          return tab.title;
        },
      },
      location: Object.defineProperties(
        {},
        Object.fromEntries(
          ["href", "pathname", "search", "hash", "protocol"].map((part) => [
            part,
            { get: () => tab.url[part] },
          ]),
        ),
      ),
      navigation: tab.hasNavigation ? { addEventListener: listen } : undefined,
      localStorage: tab.storage(),
      WebSocket: class {
        constructor(to, protocol) {
          if (protocol !== "pageviews.v1") throw new Error("subprotocol");
          return browser.server.connect(tab, owner, `${to}`);
        }
      },
    };
    window.window = window;
    window.top = window;
    for (const [name, value] of Object.entries(this.globals)) {
      if (name === "document") Object.assign(window.document, value);
      else if (name === "navigator") Object.assign(window.navigator, value);
      else window[name] = value;
    }
    this.window = window;
    const names = Object.keys(window);
    trackerScript(this.settings, browser.form, names).apply(
      window,
      names.map((name) => window[name]),
    );
    browser.advance(0); // the script's next task comes before whatever the test does
  }

  // What all tabs share; where it is denied everything throws, where it is full a write.
  storage() {
    const { browser } = this;
    const denied = () => {
      throw new Error("storage is denied");
    };
    return this.noStorage
      ? new Proxy(
          {},
          { get: denied, set: denied, deleteProperty: denied, ownKeys: denied },
        )
      : new Proxy(browser.storage, {
          set(target, key, value) {
            if (browser.full) throw new Error("QuotaExceededError");
            target[key] = value;
            return true;
          },
        });
  }

  fire(type, event = {}) {
    for (const listener of this.listeners[type] ?? []) {
      try {
        listener({ target: {}, ...event });
      } catch (error) {
        this.browser.errors.push(error);
      }
    }
  }

  show(visible) {
    if (this.hidden === !visible) return;
    this.hidden = !visible;
    this.fire("visibilitychange");
  }

  // A slow page is painted at last.
  paint() {
    this.paints = [{ startTime: this.window.performance.now() }];
    for (const run of this.watchers) run();
  }

  focus(focused) {
    this.focused = focused;
    this.fire(focused ? "focus" : "blur");
  }

  input() {
    this.fire("keydown");
  }

  push(path) {
    this.window.history.pushState(null, "", path);
  }

  replace(path) {
    this.window.history.replaceState(null, "", path);
  }

  // The document goes; `firefox` closes its sockets before it hears of it.
  leave({ firefox = false, cached = false } = {}) {
    const { page } = this;
    if (firefox)
      for (const socket of page.sockets) this.browser.server.drop(socket);
    this.fire("pagehide", { persisted: cached });
    const hidden = this.hidden;
    this.show(false);
    this.hidden = hidden;
    // A cached page's open socket stays open, and would for ten minutes.
    if (!cached)
      for (const socket of page.sockets) this.browser.server.abandon(socket);
    page.frozen = true;
    return page;
  }

  // The document comes back out of the back-forward cache.
  restore() {
    this.page.frozen = false;
    this.fire("visibilitychange");
    this.fire("pageshow", { persisted: true });
  }

  navigate(address, options) {
    this.leave(options);
    this.load(address, "navigate", this.url.href);
  }

  close(options) {
    this.leave(options);
    this.gone = true;
  }

  // Killed: no event at all.
  crash() {
    for (const socket of this.page.sockets) this.browser.server.abandon(socket);
    this.page.frozen = true;
    this.page = undefined;
    this.gone = true;
  }
}
