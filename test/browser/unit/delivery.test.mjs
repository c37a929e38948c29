// How what a view was reaches the server, once, whatever breaks between.

import assert from "node:assert/strict";
import { MINUTE, PAGE, both, near } from "./both.mjs";

both(
  "the socket is closed in pagehide, and the back-forward cache is a new view",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    tab.leave({ cached: true });
    browser.advance(1000);
    assert.equal(server.sockets.size, 0);
    tab.restore();
    browser.advance(3000);
    tab.close();
    browser.advance(1000);
    const [first, second, ...others] = server.table();
    assert.equal(others.length, 0);
    near(first.engagement, 2000);
    near(second.engagement, 3000);
    assert.equal(second.page.navigation, "bfcache");
  },
);

both(
  "Firefox closes the socket first: the last word is a note",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    tab.leave({ firefox: true });
    browser.advance(1000);
    assert.equal(server.notes.length, 1);
    assert.equal(server.notes[0].to, "https://site.test/_view/note");
    assert.equal(server.notes[0].messages.length, 1);
    near(server.table()[0].engagement, 2000);
    assert.equal(server.table()[0].reason, "closed");
  },
);

both("a page left before the hello is told by a note", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(7);
  tab.close();
  browser.advance(1000);
  near(server.table()[0].engagement, 7);
});

both("a socket that dies comes back with the same view", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(2000);
  server.stop();
  browser.advance(3000);
  server.start(true);
  browser.advance(60000);
  tab.close();
  browser.advance(1000);
  assert.equal(server.rows.size, 1);
  near(server.table()[0].engagement, 65000, 5);
  const resumed = server.heard.filter((message) => message.type === "view");
  assert.equal(resumed.length, 2);
  assert.ok(resumed[1].n > resumed[0].n);
});

both("reconnecting backs off, and only while visible", (browser, server) => {
  const tab = browser.open(PAGE);
  let tries = 0;
  const { connect } = server;
  server.connect = function (...rest) {
    tries++;
    return connect.apply(this, rest);
  };
  browser.advance(1000);
  server.stop();
  browser.advance(10 * MINUTE);
  assert.ok(tries >= 20 && tries < 120, `${tries} tries`);
  tab.show(false);
  browser.advance(100);
  const before = tries;
  browser.advance(10 * MINUTE);
  assert.equal(tries, before);
  tab.show(true);
  assert.equal(tries, before + 1);
});

both(
  "a socket that is open and dead is given up after two heartbeats",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(1000);
    server.silent = true;
    browser.advance(50000);
    server.silent = false;
    browser.advance(70000);
    tab.close();
    browser.advance(1000);
    assert.equal(server.rows.size, 1);
    near(server.table()[0].engagement, 121000, 5);
    assert.equal(server.table()[0].reason, "closed");
  },
);

both("a tab hidden for a minute lets go and comes back", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(2000);
  tab.show(false);
  browser.advance(62000);
  assert.equal(server.sockets.size, 0);
  browser.advance(5 * MINUTE);
  tab.show(true);
  browser.advance(2000);
  tab.close();
  browser.advance(1000);
  assert.equal(server.rows.size, 1);
  near(server.table()[0].engagement, 4000, 5);
});

both("half an hour hidden is a new view", (browser, server) => {
  const tab = browser.open(PAGE, { attributes: { name: "N" } });
  browser.advance(2000);
  tab.show(false);
  browser.advance(31 * MINUTE);
  tab.show(true);
  browser.advance(3000);
  tab.close();
  browser.advance(1000);
  const [first, second, ...others] = server.table();
  assert.equal(others.length, 0);
  near(first.engagement, 2000, 5);
  assert.equal(first.reason, "closed");
  near(second.engagement, 3000);
  assert.equal(second.page.navigation, "restore");
  assert.equal(second.page.name, "N");
});

both(
  "left while the server is down, stored at the next visit",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    server.stop();
    browser.advance(1500);
    tab.close();
    browser.advance(1000);
    server.start(false);
    browser.advance(MINUTE);
    const later = browser.open("https://site.test/b");
    browser.advance(1000);
    near(server.table()[0].engagement, 3500);
    assert.equal(server.table()[0].reason, "closed");
    later.close();
    browser.advance(1000);
    browser.open("https://site.test/c");
    browser.advance(1000);
    const left = Object.keys(browser.storage).filter((key) =>
      key.startsWith("pageviews:"),
    );
    assert.equal(left.length, 1);
  },
);

both(
  "a leftover is the same message again, not a newer one",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    tab.navigate("https://site.test/b");
    browser.advance(1000);
    const ends = server.heard.filter((message) => message.type === "end");
    assert.equal(ends.length, 2);
    assert.equal(ends[0].n, ends[1].n);
    assert.equal(ends[0].view, ends[1].view);
  },
);

both(
  "a killed page's credit is not taken back by its leftover",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(20000);
    tab.crash();
    browser.advance(5 * MINUTE);
    near(server.table()[0].engagement, 20000, 10);
    server.views.clear(); // all that is left is the row

    browser.open("https://site.test/b");
    browser.advance(1000);
    near(server.table()[0].engagement, 20000, 10);
  },
);

both(
  "a page killed while the server was away is told by the next one",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    server.stop();
    browser.advance(18000);
    tab.crash();
    server.start(true);
    browser.open("https://site.test/b");
    browser.advance(1000);
    assert.equal(server.table()[0].reason, "lost");
    browser.advance(5 * MINUTE);
    browser.open("https://site.test/c");
    browser.advance(1000);
    assert.equal(server.table()[0].reason, "closed");
    near(server.table()[0].engagement, 16000, 2000);
  },
);

both(
  "what a killed page said and nobody acknowledged is told by a later one",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(5000);
    server.silent = true; // the socket is there, and what it takes is lost
    tab.show(false);
    browser.advance(20000);
    tab.crash();
    browser.advance(1000);
    assert.equal(server.table()[0].reason, "lost");
    server.silent = false;
    browser.advance(31 * MINUTE);
    browser.open("https://site.test/b");
    browser.advance(1000);
    assert.equal(server.table()[0].reason, "closed");
    near(server.table()[0].engagement, 5000, 20);
  },
);

both(
  "two tabs never speak for each other's living views",
  (browser, server) => {
    const one = browser.open(PAGE);
    browser.advance(5000);
    const two = browser.open("https://site.test/b");
    browser.advance(2 * MINUTE);
    one.show(false);
    browser.advance(10 * MINUTE);
    two.navigate("https://site.test/c");
    browser.advance(2000);
    one.show(true);
    browser.advance(5000);
    one.close();
    two.close();
    browser.advance(1000);
    assert.equal(server.rows.size, 3);
    near(server.table()[0].engagement, 130000, 10);
    assert.equal(
      server.heard.filter((message) => message.type === "refused").length,
      0,
    );
  },
);

both(
  "a hidden tab that could not tell so is still nobody else's",
  (browser, server) => {
    const one = browser.open(PAGE);
    browser.advance(5000);
    server.stop();
    one.show(false);
    browser.advance(5 * MINUTE);
    server.start(false);
    browser.open("https://site.test/b");
    browser.advance(5 * MINUTE);
    one.show(true);
    browser.advance(5000);
    one.close();
    browser.advance(1000);
    const rows = server.table().filter((row) => row.page.url === PAGE);
    assert.equal(rows.length, 1);
    near(rows[0].engagement, 10000, 10);
  },
);

both("a hello that a busy page hears late moves no view", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(7);
  browser.sleep(4000);
  browser.advance(2000);
  tab.close();
  browser.advance(1000);
  near(server.table()[0].began, browser.wall, 10);
});

both("a browser's clock an hour off bends nothing", (browser, server) => {
  for (const error of [3600000, -3600000]) {
    const before = new Set(server.rows.keys());
    browser.storage = {};
    server.clockError = error;
    const tab = browser.open(PAGE);
    browser.advance(2000);
    tab.close();
    browser.advance(1000);
    const [row] = server.table().filter((each) => !before.has(each.id));
    near(row.began, server.now() - 3000, 30);
    near(row.engagement, 2000);
  }
});

both(
  "an id with a wrong clock is stamped again and keeps its random bits",
  (browser, server) => {
    server.up = false;
    browser.wall = Date.UTC(9999, 0, 1);
    server.clockError = Date.UTC(2026, 10, 23) - browser.wall;
    const tab = browser.open(PAGE);
    browser.advance(2000);
    tab.close();
    browser.advance(1000);
    const [key] = Object.keys(browser.storage).filter((each) =>
      each.startsWith("pageviews:"),
    );
    server.up = true;
    browser.open("https://site.test/b").attributes = {};
    browser.advance(1000);
    const [row] = server.table();
    assert.equal(row.id.slice(13), key.slice(-23));
    near(row.engagement, 2000);
    near(row.began, server.now() - 4000, 100);
    assert.equal(browser.storage[key], undefined);
  },
);

both(
  "a live view that is refused for its clock mends itself",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(12);
    const { judge } = server;
    let refused = 0;
    server.judge = function (message, ...rest) {
      if (!refused++) return "clock";
      return judge.call(this, message, ...rest);
    };
    browser.advance(2000);
    tab.close();
    browser.advance(1000);
    assert.equal(server.rows.size, 1);
    near(server.table()[0].engagement, 2012);
  },
);

both(
  "a server's clock that is set back under an open socket costs no view",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(20 * MINUTE);
    server.clockError -= 600000;
    // How old a view is that it has, the server knows by another clock.
    for (const view of server.views.values()) view.began -= 600000;
    tab.push("/b");
    browser.advance(3000);
    tab.close();
    browser.advance(1000);
    const [first, second, ...others] = server.table();
    assert.equal(others.length, 0);
    near(first.engagement, 20 * MINUTE);
    near(second.engagement, 3000);
    near(second.began, server.now() - 4000, 30);
    const told = server.heard.filter(
      ({ type, url }) => type === "view" && url.endsWith("/b"),
    );
    assert.equal(told.length, 2);
  },
);

both("a server that forgot a view is told again", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(2000);
  server.views.clear();
  tab.show(false);
  browser.advance(1000);
  server.views.clear();
  tab.show(true);
  browser.advance(1000);
  tab.close();
  browser.advance(1000);
  assert.equal(server.rows.size, 1);
  near(server.table()[0].engagement, 3000, 5);
});

both(
  "an end that the server forgot is told with everything",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    server.views.clear();
    tab.push("/b");
    browser.advance(1000);
    assert.equal(server.table()[0].page.url, PAGE);
    near(server.table()[0].engagement, 2000);
  },
);

both("a final refusal ends that view and nothing else", (browser, server) => {
  const tab = browser.open(PAGE);
  browser.advance(2000);
  server.refusals[[...server.views.keys()][0]] = "rejected";
  tab.show(false);
  browser.advance(1000);
  const heard = server.heard.length;
  tab.show(true);
  browser.advance(20000);
  assert.equal(server.heard.length, heard);
  tab.push("/b");
  browser.advance(1000);
  tab.close();
  browser.advance(1000);
  assert.equal(server.table().at(-1).page.url, "https://site.test/b");
});

both(
  "a view that another tab ended goes on as a new one",
  (browser, server) => {
    const tab = browser.open(PAGE);
    browser.advance(2000);
    [...server.views.values()][0].ended = true;
    tab.show(false);
    browser.advance(1000);
    tab.show(true);
    browser.advance(3000);
    tab.close();
    browser.advance(1000);
    const row = server.table().at(-1);
    assert.equal(row.page.navigation, "restore");
    near(row.engagement, 3000, 5);
  },
);

both("refusals without end are not answered without end", (browser, server) => {
  browser.open(PAGE);
  server.judge = () => "unknown_view";
  browser.advance(60000);
  assert.ok(server.heard.length < 20, `${server.heard.length} messages`);
});

both(
  "an error makes the tracker forget what nobody understands",
  (browser, server) => {
    browser.storage["pageviews:broken"] = JSON.stringify({
      at: browser.wall,
      reason: "closed",
    });
    browser.storage["pageviews:worse"] = "{";
    browser.storage["pageviews:null"] = "null";
    const { receive } = server;
    server.receive = function (socket, text) {
      try {
        receive.call(this, socket, text);
      } catch {
        this.answer(socket, {
          type: "error",
          code: "bad_message",
          message: "",
        });
        browser.at(20, () => this.drop(socket));
      }
    };
    const tab = browser.open(PAGE);
    browser.advance(5000);
    tab.close();
    browser.advance(1000);
    assert.equal(browser.storage["pageviews:broken"], undefined);
    near(server.table()[0].engagement, 5000);
  },
);

both("storage holds twenty views and a week, not more", (browser, server) => {
  server.up = false;
  for (let i = 0; i < 30; i++) {
    browser.open(PAGE + i).close();
    browser.advance(1000);
  }
  const keys = () =>
    Object.keys(browser.storage).filter((key) => key.startsWith("pageviews:"));
  assert.equal(keys().length, 20);
  server.up = true;
  browser.wall += 8 * 864e5;
  browser.open(PAGE);
  browser.advance(1000);
  assert.equal(keys().length, 1);
  assert.equal(server.rows.size, 0);
});

both(
  "what a busy server turns away waits until it is not",
  (browser, server) => {
    server.up = false;
    browser.open(PAGE).close();
    browser.advance(1000);
    server.up = true;
    const [key] = Object.keys(browser.storage).filter((each) =>
      each.startsWith("pageviews:"),
    );
    server.refusals[key.slice("pageviews:".length)] = "busy";
    const tab = browser.open("https://site.test/b");
    browser.advance(1000);
    tab.navigate("https://site.test/c");
    browser.advance(2000);
    assert.equal(
      server.table().filter((row) => row.page.url === PAGE).length,
      1,
    );
  },
);

both("two tabs do not stamp one leftover twice", (browser, server) => {
  server.up = false;
  browser.open(PAGE).close();
  browser.advance(1000);
  server.clockError = -3600000;
  server.up = true;
  browser.open("https://site.test/b");
  browser.advance(3);
  browser.open("https://site.test/c");
  browser.advance(4); // between the two hellos: the second one is 1 ms quicker
  server.clockError++;
  browser.advance(5000);
  assert.equal(
    server.table().filter((row) => row.page.url === PAGE).length,
    1,
    JSON.stringify(server.table().map((r) => [r.id, r.page.url])),
  );
});

both(
  "one bad leftover does not take the good ones along",
  (browser, server) => {
    server.up = false;
    browser.open(PAGE).close();
    browser.advance(1000);
    server.up = true;
    browser.storage["pageviews:broken"] = JSON.stringify({
      at: browser.wall + browser.time,
      reason: "closed",
    });
    const { receive } = server;
    server.receive = function (socket, text) {
      try {
        receive.call(this, socket, text);
      } catch {
        this.answer(socket, {
          type: "error",
          code: "bad_message",
          message: "",
        });
        socket.dead = true;
        browser.at(20, () => this.drop(socket));
      }
    };
    const tab = browser.open("https://site.test/b");
    browser.advance(5000);
    tab.navigate("https://site.test/c");
    browser.advance(5000);
    assert.equal(
      server.table().filter((row) => row.page.url === PAGE).length,
      1,
    );
  },
);

both(
  "a page's own last word is in its note, however much is left over",
  (browser, server) => {
    server.up = false;
    for (let i = 0; i < 18; i++) {
      browser.open(PAGE + i).close();
      browser.advance(1000);
    }
    const tab = browser.open(PAGE);
    browser.advance(2000);
    server.up = true;
    tab.close();
    browser.advance(1000);
    assert.equal(
      server.table().filter((row) => row.page.url === PAGE).length,
      1,
    );
  },
);

// More at once is a flood to the listener, which would close the socket each time.
both("twenty views wait where storage is denied, too", (browser, server) => {
  server.up = false;
  const tab = browser.open(PAGE, { noStorage: true });
  for (let i = 0; i < 150; i++) {
    browser.advance(1000);
    tab.push(`/${i}`);
  }
  server.up = true;
  browser.advance(60000);
  assert.equal(server.rows.size, 20);
});
