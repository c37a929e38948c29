// A page that Chromium prerenders is nobody's view until it is shown.  A browser
// with a debugger never prerenders, so this one drives itself.

import assert from "node:assert/strict";
import { Chromium } from "./chromium.mjs";
import { until } from "./cluster.mjs";
import { lab, sleep } from "./lab.mjs";

const it = lab({ browser: false, settings: { "pageviews.linger": "1s" } });

it.measured("a prerendered page says nothing until it is shown", async () => {
  const path = "/plain/prerendered";
  const visitor = await Chromium.start({
    address: it.site.origin + it.at("/speculating/page"),
    driven: false,
  });
  try {
    const events = () => it.site.truths.filter((truth) => truth.path === it.at(path));
    await until("the page is shown", () => events().some((e) => e.visible));
    await sleep(1000);
    const killed = visitor.kill("SIGKILL");
    const [row] = await it.compare("prerendered", path, { killed });
    assert.equal(row.navigation, "prerender");
    assert.equal(events()[0].visible, false, "it was prerendered");
    const [begun, shown] = events();
    assert.ok(Date.parse(row.started_at) > begun.at + 500);
    const late = Date.parse(row.started_at) - shown.at;
    it.precise(Math.abs(late) < 300, `begun ${late} ms after it was shown`);
  } finally {
    await visitor.stop();
  }
});
