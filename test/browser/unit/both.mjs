// One test, both forms of the tracker: the source, and what is served.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "./fake.mjs";

export const PAGE = "https://site.test/a";
export const MINUTE = 60000;

export function near(actual, expected, tolerance = 2) {
  assert.ok(
    Math.abs(actual - expected) <= tolerance,
    `${actual} is not ${expected}`,
  );
}

// Nothing may be thrown into the page, whatever the test does.
export function both(name, run) {
  for (const form of ["source", "minified"])
    test(`${name} (${form})`, () => {
      const browser = new Browser({ form });
      run(browser, browser.server);
      assert.deepEqual(browser.errors, []);
    });
}
