/*
 * client.js
 *   The tracker: tells a pageviews server which page is being viewed, and for
 *   how many milliseconds the visitor really could see it.
 *
 *     <script async src="/_view/client.js"></script>
 *
 *   data-name="..."        the first view's own name
 *   data-props='{"a":1}'   the first view's properties, a flat JSON object
 *   data-query="include"   a new query string is a new view
 *   data-hash="include"    a new fragment is a new view
 *   data-manual            no view by itself: the application calls pageviews.view()
 *   data-frames="include"  count the page also when it is inside a frame
 *
 *   window.pageviews.view({ name, props }) begins a view by name, or names the one that
 *   has just begun by itself; .event(name, props) tells what happened in the view that began
 *   last; .consent() asks for a cookie, .consent(false) takes it back.
 * A view is one plain object, cumulative, which travels as it stands:
 *     (prerendered) --> live (sockets come and go) --> ended, pending --> stored: forgotten
 * `view` is the live one and belongs to this document alone.  `pending` holds those that
 * ended, and events, that are not known to be stored; each also lies in localStorage, so
 * that a later page can say it again.  A record of another tab is touched only once it has
 * ended or its lease (`until`) is over.  Where there are too many, events go first.
 * Every function that browser or page calls is guarded: nothing is thrown into the
 * page.  No unload handler; the socket closes in pagehide: the back-forward cache works.
 * The server replaces the one name in capitals that nothing here defines by an
 * object: `keep` lists how query parameters that may leave the browser begin
 * ("utm_", or "ref=" for that one alone), `gpc` tells to respect Global Privacy Control.
 */
{
  // Whatever is thrown inside stays inside.
  const guard =
    (inner) =>
    (...all) => {
      try {
        return inner(...all);
      } catch {
        /* the page comes first */
      }
    };

  guard(() => {
    const KEY = "pageviews:"; // and the id: a record in localStorage; 10 long
    const RECORDS = 20;
    const WEEK = 7 * 864e5;
    const MINUTE = 6e4;
    const AWAY = 30 * MINUTE; // hidden for longer: a new view
    const GAP = 15e3; // a clock that jumps further was asleep
    const IDLE = 30e3; // input keeps a focused view active so long
    const PATIENCE = 1e3; // how soon a view by itself must be named
    const SETTLE = 100; // ms until an application has set its title
    const MESSAGE_LIMIT = 4e3; // bytes
    const settings = PAGEVIEWS_SETTINGS;
    const { src, dataset: attributes } = document.currentScript;
    const manual = "manual" in attributes;
    const now = () => performance.now();
    const timed = (type) => performance.getEntriesByType(type);
    let view; // the live view, or nothing
    let shown; // the view that began last
    let address; // what makes a view of its own, as of the last look
    let state; // 0 hidden, 1 visible, 2 focused: what held since `clock`
    let told; // state of the last report
    let clock; // when the figures were last brought up to date
    let reported; // when the live view was last reported
    let touched = -IDLE; // last input
    let seen; // when the page was last visible
    let ticking; // interval while there is something to count
    let settling; // timer while a title may still change
    let waiting; // what to call the first view, until it may begin
    let automatic; // the live view was not asked for by the application
    let endpoint = "socket";
    let socket;
    let greeted; // the server said hello on this socket
    let spoken; // the live view is known on this socket
    let unanswered; // when the first message without any answer went out
    let failures = 0; // sockets in a row without an acknowledgement
    let heartbeat = 15e3; // until a hello says otherwise
    let offset = 0; // the server's clock minus ours, ms
    const premature = []; // events before the first view
    let backwards; // in which order the pending ones are sent
    const pending = {};

    // The window hears its document's events too; none of those in use holds up scrolling.
    const on = (types, listener) =>
      types
        .split(" ")
        .forEach((type) => addEventListener(type, guard(listener), true));

    // Origin, path and kept parameters of a web address; nothing for another.
    const clean = guard((text) => {
      const url = new URL(text);
      url.search = url.search
        .slice(1)
        .split("&")
        .filter((parameter) =>
          settings.keep.some((start) => `${parameter}=`.startsWith(start)),
        )
        .join("&");
      if (text.startsWith("http"))
        return (url.origin + url.pathname + url.search).slice(0, 1400);
    });

    // Names a page; of its properties strings, numbers and booleans count.
    const describe = (page, options) => {
      const { name, props } = options || {};
      page.name = name ? `${name}`.slice(0, 128) : undefined;
      page.props = {};
      let room = 16;
      for (const key in props)
        if (/r|boo/.test(typeof props[key]) && room-- > 0)
          page.props[key.slice(0, 64)] = props[key];
    };

    // The JSON of something to send; texts that JSON allows and UTF-8 does not are mended.
    const encode = (value) =>
      JSON.stringify(value).replace(
        /\\(?:\\|u(d[89a-f]..|0000))/g,
        (all, bad) => (bad ? "\ufffd" : all),
      );

    // One message about a view or an event; `full` when it has to describe the page too.
    const message = (about, full) => {
      const { of } = about;
      const result = {
        ...(full && about.page),
        type: of ? "event" : about.reason ? "end" : full ? "view" : "state",
        event: of && about.id,
        view: (of || about).id,
        n: about.n,
        state: ["hidden", "visible", "focused"][about.state],
        reason: about.reason,
      };
      for (const figure in about.figures)
        result[figure] = Math.round(about.figures[figure]);
      if (full && new Blob([encode(result)]).size > MESSAGE_LIMIT)
        result.props = result.title = undefined;
      return result;
    };

    // Gives it its UUID version 7: its start by the server's clock, and its seed.
    const stamp = (about) => {
      const { elapsed } = about.figures;
      const age = Date.now() - about.at;
      about.id =
        Math.round(
          Date.now() + offset - (age > elapsed && age < WEEK ? age : elapsed),
        )
          .toString(16)
          .padStart(12, 0)
          .replace(/.{8}/, "$&-") + about.seed;
      return about;
    };

    // A view, or an event (`of` a view, whose id may still change), which is over at once.
    const make = (page, early, of) =>
      stamp({
        seed: "-7xxx-8xxx-xxxxxxxxxxxx".replace(/[8x]/g, (digit) => {
          const random = crypto.getRandomValues(new Uint8Array(1)); // counts as its one byte
          return ((random & (digit % 5 || 15)) | digit).toString(16); // 8 .. b, or any
        }),
        n: 1, // one below the first message leaves room for adopt()
        at: Date.now() - early,
        state,
        page,
        of,
        reason: of && 1,
        figures: {
          visible: early,
          focused: 0,
          active: 0,
          elapsed: early,
          gap: 0,
          scroll: 0,
        },
      });

    // Brings the figures up to date under the state that held, then reads the new one.
    const tick = () => {
      const before = clock;
      const held = state;
      clock = now();
      state = document.hidden ? 0 : 1 + document.hasFocus();
      const passed = clock - before;
      if (view) {
        const { figures } = view;
        view.state = state;
        figures.elapsed += passed;
        if (held) {
          seen = Date.now();
          const counted = passed > GAP ? 1e3 : passed;
          figures.gap += passed - counted;
          figures.visible += counted;
          if (held > 1) {
            figures.focused += counted;
            figures.active += Math.min(
              counted,
              Math.max(0, touched + IDLE - before),
            );
          }
          figures.scroll = Math.min(
            100,
            Math.max(
              figures.scroll,
              (100 * (scrollY + innerHeight)) /
                document.documentElement.scrollHeight || 0,
            ),
          );
        }
      }
    };

    // Writes a record; its lease tells other tabs when they may speak for it.
    const save = guard((about) => {
      about.until = Date.now() + (about.state ? MINUTE + heartbeat : AWAY);
      localStorage[KEY + about.id] = JSON.stringify(about);
      about.saved = 1;
    });

    const forget = guard((about) => {
      delete pending[about.id];
      delete localStorage[KEY + about.id];
    });

    const keep = (about) => {
      pending[about.id] = about;
      delete pending[Object.keys(pending).reverse()[RECORDS]];
      save(about);
    };

    // Drops what is too old or too much, and adopts what nobody speaks for.
    const adopt = guard(() => {
      const records = [];
      Object.keys(localStorage).forEach(
        guard((key) => {
          if (key.startsWith(KEY))
            records.push({
              ...JSON.parse(localStorage[key]),
              id: key.slice(10),
              saved: 1,
            });
        }),
      );
      records
        .sort((a, b) => !b.of - !a.of || b.at - a.at)
        .forEach((record, index) => {
          const age = Date.now() - record.at;
          if (index >= RECORDS || !(Math.abs(age) < WEEK)) forget(record);
          else if (
            !pending[record.id] &&
            (record.reason || record.until < Date.now())
          ) {
            // Cut off in mid-view: counts only where the server lost what it acknowledged.
            if (!record.reason) {
              if (record.acknowledged) record.n--;
              record.reason = "closed";
            }
            pending[record.id] = record;
          }
        });
    });

    const ready = () => greeted && socket.readyState === 1;

    const send = (what) => {
      socket.send(encode(what));
      unanswered = unanswered || now();
    };

    // Lets the socket go; what comes from it later is not heard.
    const disconnect = () => {
      const old = socket;
      socket = greeted = spoken = unanswered = 0;
      if (old) {
        old.onmessage = old.onclose = 0;
        old.close();
      }
    };

    // After a socket died: another one, later each time, only while visible.
    const reconnect = () => {
      disconnect();
      if (state)
        setTimeout(
          () => state && connect(),
          Math.random() * Math.min(30e3, 500 * 2 ** failures++),
        );
    };

    // Makes sure that a view has a socket, and a clock that ticks.
    const connect = guard(() => {
      ticking = ticking || setInterval(guard(beat), 1e3);
      if (view && !socket) {
        socket = new WebSocket(
          new URL(endpoint, src).href.replace("http", "ws"),
          "pageviews.v1",
        );
        unanswered = now();
        socket.onmessage = guard(receive);
        socket.onclose = guard(reconnect);
      }
    });

    // Says what is over, and keeps it until it is known to be stored.
    const tell = (about, full) => {
      keep(about);
      if (ready()) send(message(about, full));
    };

    const receive = (event) => {
      const answer = JSON.parse(event.data);
      const { type, n } = answer;
      const mine = view && answer.view === view.id;
      const about = mine ? view : pending[answer.view || answer.event];
      // What a busy page hears late says nothing about so small a difference.
      if (answer.now) {
        offset = answer.now - Date.now();
        offset *= Math.abs(offset) > (unanswered && now() - unanswered);
      }
      unanswered = 0;
      if (type === "hello") {
        greeted = 1;
        heartbeat = answer.heartbeat;
        if (view && !settling) report();
        adopt();
        const all = Object.values(pending);
        (backwards ? all.reverse() : all).forEach((other) =>
          send(message(other, 1)),
        );
      } else if (answer.code === "bad_message") {
        if (backwards) Object.values(pending).forEach(forget);
        backwards = !backwards;
      } else if (about) {
        if (type === "refused") refused(about, mine, answer.code);
        else {
          failures = 0;
          if (mine) {
            about.mended = 0;
            if (n >= about.n && !about.acknowledged) {
              about.acknowledged = 1;
              save(about);
            }
          } else if (type === "stored" && !(n < about.n)) forget(about);
        }
      }
    };

    // Final for that view, but for want of room, a wrong clock and a forgetful server.
    const refused = (about, mine, code) => {
      if (code === "busy") return mine && reconnect();
      const taken = !mine && about.saved && !localStorage[KEY + about.id];
      forget(about);
      if (
        !taken &&
        /clock|unk/.test(code) &&
        (about.mended = -~about.mended) < 4
      ) {
        if (code === "clock") stamp(about);
        if (mine) {
          spoken = 0;
          report();
        } else tell(about, 1);
      } else if (mine) {
        view = 0;
        // Another tab took this one for dead, and it is not.
        if (code === "ended") begin("restore", shown.page);
      }
    };

    // Tells how the live view stands, and keeps it in case nobody hears.
    const report = () => {
      tick();
      titled();
      told = state;
      reported = clock;
      if (!view.announced) {
        forget(view);
        stamp(view);
        view.announced = ready() && encode(view.page);
      }
      view.n++;
      view.acknowledged = 0;
      if (ready()) {
        send(message(view, !spoken));
        spoken = 1;
      }
      save(view);
    };

    const titled = () => (view.page.title = document.title.slice(0, 200));

    // What happens a second apart while the page is visible, or was a minute ago.
    const beat = () => {
      look();
      if (!state) {
        if (Date.now() - seen > MINUTE) {
          ticking = clearInterval(ticking);
          disconnect();
        }
      } else if (view) {
        if (unanswered && clock - unanswered > 2 * heartbeat) reconnect();
        titled();
        if (clock - reported > heartbeat - 500 && !settling) report();
      }
    };

    // Looks at the page again; tells at once when it was hidden or shown.
    const look = () => {
      start();
      tick();
      if (view && !told !== !state) {
        if (state && Date.now() - seen > AWAY) {
          finish(1);
          begin("restore", shown.page);
        } else {
          report();
          if (state) connect();
        }
      }
    };

    // The path, and what else makes a view of its own here.
    const locate = () =>
      location.pathname +
      [attributes.query && location.search, attributes.hash && location.hash];

    // Starts the live view; what was live before has been finished.
    const begin = (navigation, options) => {
      tick();
      address = locate();
      told = state;
      spoken = 0;
      seen = Date.now();
      const [entry = {}] = timed("navigation");
      const [paint] = timed("paint");
      // Whoever sees the page now does so since it was painted, if not hidden meanwhile.
      const early =
        state && paint && waiting && !timed("visibility-state")[1]
          ? clock - paint.startTime
          : 0;
      waiting = 0;
      const page = {
        url: clean(location.href),
        referrer: clean(
          navigation === "spa" ? shown.page.url : document.referrer,
        ),
        navigation:
          navigation ||
          (document.wasDiscarded
            ? "restore"
            : entry.activationStart
              ? "prerender"
              : entry.type),
        language: navigator.language,
        time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        width: screen.width,
        height: screen.height,
      };
      describe(page, options);
      automatic = !page.name;
      shown = view = make(page, early);
      titled();
      connect();
      settling = setTimeout(
        guard(() => {
          settling = 0;
          if (view && !spoken) report();
        }),
        SETTLE,
      );
      premature.splice(0).forEach((all) => happened(...all));
    };

    // An event of the view that began last, which has to have an id before.
    const happened = (name, props) => {
      if (!shown) return premature.push([name, props]);
      if (view && !spoken) {
        settling = clearTimeout(settling);
        report();
      }
      const event = make({ ...shown.page }, 0, shown);
      describe(event.page, { name, props });
      tell(event, 1);
    };

    // Ends the live view; the last word of one that was closed goes as a note if need be.
    const finish = (closed) => {
      if (!view) return;
      tick();
      const about = view;
      const known = spoken && about.announced === encode(about.page);
      view = settling = clearTimeout(settling);
      about.n++;
      about.reason = closed ? "closed" : "navigated";
      tell(about, !known);
      adopt();
      if (closed && !ready())
        navigator.sendBeacon(
          new URL("note", src),
          encode(
            Object.values({ [about.id]: about, ...pending })
              .slice(0, 16)
              .map((other) => message(other, 1)),
          ),
        );
    };

    // The address changed: a new view, unless nobody heard of this one and it was replaced.
    const moved = (how) => {
      if (address === (address = locate()) || !shown || manual) return;
      if (view && /^rep/.test(how) && !view.announced)
        view.page.url = clean(location.href);
      else {
        finish();
        begin("spa");
      }
    };
    const named = (options) => {
      tick();
      if (waiting || document.prerendering) waiting = options || {};
      else if (
        view &&
        automatic &&
        address === locate() &&
        view.figures.elapsed < PATIENCE
      ) {
        automatic = 0;
        describe(view.page, options);
        if (spoken) {
          spoken = 0;
          report();
        }
      } else {
        finish();
        begin(shown && "spa", options);
      }
    };
    if (window.pageviews) return;
    waiting = {
      name: attributes.name,
      props: guard(() => JSON.parse(attributes.props))(),
    };
    window.pageviews = {
      view: guard(named),
      event: guard(happened),
      // The answer to the next socket sets the cookie or takes it away.
      consent: guard((given = true) => {
        endpoint = "consent/" + given;
        reconnect();
      }),
    };
    if (
      (settings.gpc && navigator.globalPrivacyControl) ||
      (window !== top && !attributes.frames) ||
      !clean(location.href)
    )
      return;

    waiting = !manual && waiting;
    // The first view begins when the page has been painted, which is not to wait for us;
    // or was hidden, is shown, left, or a second old.
    const start = () => {
      if (waiting && !document.prerendering) begin("", waiting);
    };
    setTimeout(guard(start), !document.hidden * 1e3);
    on("visibilitychange resume focus blur", look);
    on("pointerdown pointermove keydown scroll timeupdate", (event) => {
      if (!event.target.muted) touched = now();
    });
    on("pagehide", () => {
      start();
      if (view) titled();
      finish(1);
      disconnect();
    });
    on("pageshow", (event) => {
      if (event.persisted && shown) begin("bfcache", shown.page);
    });
    if (window.navigation)
      navigation.addEventListener(
        "currententrychange",
        guard((event) => moved(event.navigationType)),
      );
    else {
      ["pushState", "replaceState"].forEach((how) => {
        const original = history[how];
        history[how] = (...all) => {
          original.apply(history, all);
          guard(moved)(how);
        };
      });
      on("popstate hashchange", moved);
    }

    requestAnimationFrame(() => setTimeout(guard(start)));
  })();
}
