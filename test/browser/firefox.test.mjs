// Firefox closes its sockets before a page hears that it is left, so the page's
// last word is a note.  Debian's Firefox ESR; the page drives itself.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./cluster.mjs";
import { lab } from "./lab.mjs";

const it = lab({ browser: false });

const PREFERENCES = {
  "app.update.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

it.measured("Firefox's last word arrives", async () => {
  const profile = mkdtempSync(join(tmpdir(), "pageviews-firefox-"));
  writeFileSync(
    join(profile, "user.js"),
    Object.entries(PREFERENCES)
      .map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`)
      .join("\n"),
  );
  const firefox = spawn(
    process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    [
      ...["--headless", "--no-remote", "--profile", profile],
      it.site.origin + it.at("/away/page"),
    ],
    {
      stdio: "ignore",
      detached: true,
      env: { ...process.env, HOME: profile },
    },
  );
  try {
    await until(
      "the second page",
      () => it.site.seen("/plain/after").length === it.tries,
      60,
    );
    const [row] = await it.compare("Firefox, navigation", "/away/page");
    assert.equal(row.end_reason, "closed");
    assert.ok(it.site.requests.includes("POST /_view/note"));
    // What the page told of as it left went with the note, or on the socket, or both.
    await until("the event", async () => {
      const events = await it.cluster.query(
        `SELECT name, props FROM pageviews.events WHERE view_id = '${row.view_id}'`,
      );
      if (events.length === 0) return false;
      assert.deepEqual(events, [
        { name: "leaving", props: { to: "/plain/after" } },
      ]);
      return true;
    });
    const [agent] = await it.cluster.query(
      `SELECT browser, system, device FROM pageviews.sessions WHERE session_id = '${row.session_id}'`,
    );
    assert.deepEqual(agent, {
      browser: "Firefox",
      system: "Linux",
      device: "desktop",
    });
  } finally {
    process.kill(-firefox.pid, "SIGKILL");
    await new Promise((resolve) => firefox.once("exit", resolve));
    await until("the profile is free", () => {
      try {
        rmSync(profile, { recursive: true, force: true });
        return true;
      } catch {
        return false;
      }
    });
  }
});
