// Block lists match words in addresses.  The default addresses, and the files of
// the demo site, hold none of those that the common lists block everywhere.  (The
// registry of npm has engines for such lists, and none of the lists themselves.)

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const WORDS =
  /pageview|track|beacon|analytics|stats|collect|ping|event|log|pixel|telemetry|metric|hit|count/i;
const WEB = new URL("../../../web/", import.meta.url);

test("no address of ours holds a word that block lists block", () => {
  for (const name of ["client.js", "socket", "note", "healthz", "consent/true"])
    assert.doesNotMatch(`/_view/${name}`, WORDS);
  for (const page of ["demo/page.html", "demo/demo.js"]) {
    const text = readFileSync(new URL(page, WEB), "utf8");
    for (const [, address] of text.matchAll(
      /(?:src|href|location)[= ]"?([^\s">]+)/g,
    ))
      assert.doesNotMatch(address, WORDS);
  }
});

test("the tracker asks for no other address", () => {
  const text = readFileSync(new URL("client.js", WEB), "utf8");
  const asked = [...text.matchAll(/(?:new URL\(|endpoint = )"([^"]+)"/g)].map(
    ([, name]) => name,
  );
  assert.deepEqual([...new Set(asked)].sort(), ["consent/", "note", "socket"]);
});
