// A browser and a server small enough to own: time, tabs, storage, sockets.
//
// A Browser has one clock and one localStorage; a Tab runs the real tracker in a
// context of its own; a Server speaks the wire as the listener and the worker
// do, strictly: it throws on anything that they would call no message.  Nothing
// here waits for real time, and everything is deterministic.

import { readFileSync } from "node:fs";
import vm from "node:vm";
import { check } from "./wire.mjs";

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

export const LATENCY = 5; // ms, one way
export const COMMIT = 100; // ms from an end to its `stored`
const SLACK = 5000;

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
      setTimeout: (run, delay) => browser.at(delay, guarded(run), owner),
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

export class Server {
  clockError = 0; // how far the browser's wall clock is behind, ms
  heartbeat = 15000;
  up = true;
  silent = false; // takes everything, answers nothing, closes nothing
  views = new Map(); // in the worker's memory
  rows = new Map(); // committed
  events = new Map(); // committed, by id
  sockets = new Set();
  lives = 0; // how often it died
  heard = []; // every message, for tests that look at the wire
  notes = [];
  refusals = {}; // view id -> code, to be refused once
  newcomers = []; // codes: how the next newcomers on sockets are refused
  rejected = new Map(); // id -> address of those that can never be stored

  constructor(browser) {
    this.browser = browser;
  }

  now() {
    return this.browser.wall + this.browser.time + this.clockError;
  }

  connect(tab, owner, to) {
    const { browser } = this;
    const socket = { readyState: 0, to, tab, owner, sent: [] };
    const later = (run) => browser.at(LATENCY, run);
    this.sockets.add(socket);
    owner.sockets.push(socket);
    socket.send = (text) => {
      if (socket.readyState === 0) throw new Error("InvalidStateError");
      if (socket.readyState !== 1) return;
      socket.sent.push(text);
      const sent = browser.time;
      later(() => !socket.cut && this.receive(socket, text, sent));
    };
    socket.close = () => {
      socket.readyState = 3;
      later(() => this.closed(socket));
    };
    later(() => {
      if (socket.readyState) return;
      if (!this.up) this.drop(socket);
      else {
        socket.readyState = 1;
        socket.onopen?.({});
        this.answer(socket, {
          type: "hello",
          now: this.now(),
          heartbeat: this.heartbeat,
        });
      }
    });
    return socket;
  }

  // Ends a socket from this side, or from the network.
  drop(socket) {
    if (socket.readyState === 3) return;
    socket.readyState = 3;
    socket.cut = true;
    this.closed(socket);
    if (!socket.owner.frozen) socket.onclose?.({});
  }

  // The browser's side is gone without a word.
  abandon(socket) {
    if (socket.readyState === 3) return;
    socket.readyState = 3;
    socket.onmessage = socket.onclose = null;
    this.browser.at(LATENCY, () => this.closed(socket));
  }

  // The view that lived on a socket is credited until now, if it was visible.
  closed(socket) {
    this.sockets.delete(socket);
    for (const view of this.views.values())
      if (view.socket === socket) {
        view.socket = undefined;
        if (!view.ended) {
          view.credit =
            view.state === "hidden" ? 0 : this.browser.time - view.at;
          this.store(view, 2);
        }
      }
  }

  stop() {
    this.up = false;
    this.lives++;
    for (const socket of [...this.sockets]) this.drop(socket);
  }

  // Comes up again; what was only in memory is lost if `forget`.
  start(forget) {
    this.up = true;
    if (forget) this.views.clear();
  }

  answer(socket, message) {
    if (this.silent) socket.dead = true;
    if (socket.dead) return;
    this.browser.at(LATENCY, () => {
      if (socket.readyState !== 1 || socket.owner.frozen) return;
      if (message.code === "rejected")
        socket.owner.final[message.view] = this.browser.time;
      socket.onmessage?.({ data: JSON.stringify(message) });
    });
  }

  receive(socket, text, sent) {
    if (this.silent) socket.dead = true; // a connection never loses only some
    if (socket.dead || !this.up) return;
    if (Buffer.byteLength(text) > 4096) throw new Error("message too long");
    const message = JSON.parse(text);
    check(message);
    if (this.browser.time > socket.owner.final[message.view] + LATENCY)
      throw new Error(`refused for good, and said again: ${text}`);
    this.heard.push({ ...message, socket, sent });
    const about =
      message.type === "event"
        ? { event: message.event }
        : { view: message.view, n: message.n };
    const answer = (more) => this.answer(socket, { ...about, ...more });
    const code = this.judge(message, socket, answer);
    if (code)
      answer({
        type: "refused",
        code,
        message: "",
        now: code === "clock" ? this.now() : undefined,
      });
    else answer({ type: "ack" });
  }

  note(tab, to, body) {
    if (!this.up || this.silent) return true;
    const messages = JSON.parse(body);
    if (messages.length > 16 || Buffer.byteLength(body) > 65536)
      throw new Error("note too long");
    this.notes.push({ to, messages });
    for (const message of messages) {
      check(message);
      this.judge(message, undefined, () => {});
    }
    return true;
  }

  // What the worker does with a message; the code of a refusal, or nothing.
  judge(message, socket, answer) {
    if (message.type === "event") return this.take(message, answer);
    const stored = () =>
      this.browser.at(COMMIT, () => {
        if (this.views.get(view.id) !== view) return; // died before it could
        this.store(view, 3);
        answer({ type: "stored", n: view.n });
      });
    const code = this.refusals[message.view];
    if (code) {
      delete this.refusals[message.view];
      return code;
    }
    if (this.rejected.has(message.view)) return "rejected";
    let view = this.views.get(message.view);
    if (!view) {
      if (!message.url) return "unknown_view";
      if (socket && this.newcomers[0] === "rejected")
        this.rejected.set(message.view, message.url);
      if (socket && this.newcomers.length) return this.newcomers.shift();
      const began = parseInt(message.view.replace("-", "").slice(0, 12), 16);
      if (began > this.now() + 3e5 || began < this.now() - 7 * 864e5)
        return "clock";
      const row = this.rows.get(message.view);
      if (row && row.revision >= 4 * message.n + 3) {
        answer({ type: "stored", n: row.revision >> 2 });
        return undefined;
      }
      view = { id: message.view, n: 0, began };
      this.views.set(message.view, view);
    } else if (message.n <= view.n) {
      if (view.ended) stored();
      else if (!view.socket) answer({ type: "stored", n: view.n });
      return undefined;
    } else if (view.ended && message.type !== "end") return "ended";
    view.n = message.n;
    view.at = this.browser.time;
    view.credit = 0;
    view.state = message.state;
    if (message.url) view.page = message;
    for (const figure of ["visible", "focused", "active", "elapsed", "gap"]) {
      if (view[figure] > message[figure])
        throw new Error(`${figure} shrank: ${JSON.stringify(message)}`);
      view[figure] = message[figure];
    }
    if (view.elapsed > this.now() - view.began + SLACK)
      throw new Error(`longer than possible: ${JSON.stringify(message)}`);
    view.scroll = message.scroll;
    if (message.type === "end") {
      view.ended = true;
      view.reason = message.reason;
      stored();
    } else view.socket = socket;
    return undefined;
  }

  // What the worker does with an event: there is one version, and one row.
  take(message, answer) {
    const { event } = message;
    const code = this.refusals[event];
    delete this.refusals[event];
    if (code) return code;
    if (!message.name) return "bad_name";
    const happened = parseInt(event.replace("-", "").slice(0, 12), 16);
    if (happened > this.now() + 3e5 || happened < this.now() - 7 * 864e5)
      return "clock";
    const life = this.lives;
    this.browser.at(COMMIT, () => {
      if (!this.up || this.lives !== life) return; // died before it could
      if (!this.events.has(event)) this.events.set(event, message);
      answer({ type: "stored" });
    });
    return undefined;
  }

  // The upsert: only a higher revision replaces.
  store(view, rank) {
    const revision = 4 * view.n + rank;
    if (!((this.rows.get(view.id)?.revision ?? -1) < revision)) return;
    this.rows.set(view.id, {
      id: view.id,
      revision,
      began: view.began,
      engagement: view.visible + (rank === 3 ? 0 : (view.credit ?? 0)),
      focused: view.focused,
      active: view.active,
      scroll: view.scroll,
      reason: rank === 3 ? view.reason : "lost",
      page: view.page,
    });
  }

  // Rows in the order in which their views began.
  table() {
    return [...this.rows.values()].sort(
      (a, b) => a.began - b.began || (a.id < b.id ? -1 : 1),
    );
  }
}
