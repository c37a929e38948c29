// What a test file needs: a server, a site, a browser, and the comparison of what
// was stored with what the pages saw.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chromium } from "./chromium.mjs";
import { Cluster } from "./cluster.mjs";
import { Site } from "./site.mjs";

export const TOLERANCE = 150; // ms

// Ended by the browser's own word; a row that the server ended may still change.
export const SAID = "end_reason IN ('closed', 'navigated')";

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A figure that is off: the product's fault, or that of a busy machine.
class Imprecise extends assert.AssertionError {}

const TRIES = 3;

// Sets up a file's lab before its tests, and takes it down after them.
export function lab({ settings = {}, browser = true } = {}) {
  const it = { errors: [], tries: 1 };
  before(async () => {
    it.cluster = await Cluster.start(settings);
    it.site = await Site.start(it.cluster.port);
    if (browser) it.chromium = await Chromium.start();
  });
  after(async () => {
    if (it.errors.length) console.log(table(it.errors));
    await it.chromium?.stop();
    it.site?.stop();
    await it.cluster?.remove();
  });

  // A test that measures.  A busy machine only adds to an error, so the best of
  // three tries counts; each has paths of its own, by it.at().
  it.measured = (name, body) =>
    test(name, async () => {
      for (it.tries = 1; ; it.tries++) {
        try {
          return await body();
        } catch (error) {
          if (!(error instanceof Imprecise) || it.tries === TRIES) throw error;
          console.log(`try ${it.tries} of "${name}": ${error.message}`);
        }
      }
    });

  it.at = (path) => (it.tries === 1 ? path : `${path}-${it.tries}`);

  it.precise = (condition, message) => {
    if (!condition) throw new Imprecise({ message });
  };

  // Waits for the views of a path, and holds their engagement against the truth.
  it.compare = async (scenario, where, { killed, count = 1 } = {}) => {
    const path = it.at(where);
    const rows = await it.cluster.ended(
      `path = '${path}' AND (${killed ? "true" : SAID})`,
      count,
    );
    const seen = it.site.seen(path, killed);
    assert.equal(seen.length, count, `the page saw ${seen.length} views`);
    rows.forEach((row, i) => {
      const error = row.engagement_ms - seen[i].visible;
      it.errors.push({
        scenario: count > 1 ? `${scenario}, view ${i + 1}` : scenario,
        truth: seen[i].visible,
        stored: row.engagement_ms,
        error,
      });
      it.precise(
        Math.abs(error) <= TOLERANCE,
        `${scenario}: ${row.engagement_ms} ms stored, ${seen[i].visible} ms seen`,
      );
    });
    return rows;
  };
  return it;
}

function table(errors) {
  const width = Math.max(...errors.map(({ scenario }) => scenario.length));
  const line = (scenario, ...figures) =>
    scenario.padEnd(width) +
    figures.map((figure) => String(figure).padStart(9)).join("");
  return [
    line("engagement, ms", "truth", "stored", "error"),
    ...errors.map(({ scenario, truth, stored, error }) =>
      line(scenario, Math.round(truth), stored, Math.round(error)),
    ),
  ].join("\n");
}
