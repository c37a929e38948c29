// Block lists match words in addresses.  The default addresses, and the files of
// the demo site, pass EasyPrivacy in a blocker's own engine (npm has the list only as
// it was in 2019), and hold none of the words that such lists block everywhere.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { FiltersEngine, Request } from "@ghostery/adblocker";

const WORDS =
  /pageview|track|beacon|analytics|stats|collect|ping|event|log|pixel|telemetry|metric|hit|count/i;
const WEB = new URL("../../../web/", import.meta.url);
const LIST = createRequire(import.meta.url).resolve(
  "ad-block/test/data/easyprivacy.txt",
);
const ADDRESSES = {
  "client.js": "script",
  socket: "websocket",
  note: "ping",
  healthz: "xhr",
  "consent/true": "websocket",
  "consent/false": "websocket",
};

// The addresses in the pages and scripts of the demo site.
function demoAddresses() {
  return ["demo/page.html", "demo/demo.js"].flatMap((page) => {
    const text = readFileSync(new URL(page, WEB), "utf8");
    const found = text.matchAll(/(?:src|href|location)[= ]"?([^\s">]+)/g);
    return [...found].map(([, address]) => address);
  });
}

test("a blocker with EasyPrivacy lets every address of ours through", () => {
  const blocker = FiltersEngine.parse(readFileSync(LIST, "utf8"));
  const blocked = (url, type, page) =>
    blocker.match(Request.fromRawDetails({ url, type, sourceUrl: page })).match;
  const site = "https://shop.test";

  assert.ok(blocked(`${site}/pageviews/client.js`, "script", site));
  assert.ok(blocked(`${site}/js/tracker.js`, "script", site));
  for (const page of [`${site}/a`, "https://elsewhere.test/b"]) {
    for (const [name, type] of Object.entries(ADDRESSES)) {
      const scheme = type === "websocket" ? "wss" : "https";
      const address = `${scheme}://shop.test/_view/${name}`;
      assert.ok(!blocked(address, type, page), address);
    }
    for (const address of demoAddresses())
      assert.ok(!blocked(new URL(address, site).href, "script", page), address);
  }
});

test("no address of ours holds a word that block lists block", () => {
  for (const name of Object.keys(ADDRESSES))
    assert.doesNotMatch(`/_view/${name}`, WORDS);
  for (const address of demoAddresses()) assert.doesNotMatch(address, WORDS);
});

test("the tracker asks for no other address", () => {
  const text = readFileSync(new URL("client.js", WEB), "utf8");
  const asked = [...text.matchAll(/(?:new URL\(|endpoint = )"([^"]+)"/g)].map(
    ([, name]) => name,
  );
  assert.deepEqual([...new Set(asked)].sort(), ["consent/", "note", "socket"]);
});
