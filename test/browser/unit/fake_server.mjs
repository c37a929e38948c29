// The server of the browser that tests own (fake.mjs): it speaks the wire as the
// listener and the worker do, strictly, and keeps what they would store.

import { check } from "./wire.mjs";

export const LATENCY = 5; // ms, one way
export const COMMIT = 100; // ms from an end to its `stored`
const SLACK = 5000;

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
        socket.owner.final[message.view] = {
          at: this.browser.time,
          n: message.n,
        };
      socket.onmessage?.({ data: JSON.stringify(message) });
    });
  }

  receive(socket, text, sent) {
    if (this.silent) socket.dead = true; // a connection never loses only some
    if (socket.dead || !this.up) return;
    if (Buffer.byteLength(text) > 4096) throw new Error("message too long");
    const message = JSON.parse(text);
    check(message);
    // Unless another tab, which had not heard of it, left a newer record behind.
    const final = socket.owner.final[message.view];
    if (
      this.browser.time > final?.at + LATENCY &&
      !(message.type === "end" && message.n > final.n)
    )
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
