// Debian's Chromium, as a visitor has it: tabs that are really hidden, and a
// back-forward cache that works.  Playwright's own launch emulates focus and turns
// that cache off, so the browser is started here and only driven over its port.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { until } from "./cluster.mjs";

const FLAGS = [
  "--headless=new",
  "--no-sandbox", // it visits nothing but our own pages
  "--remote-debugging-port=0",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
  "--no-default-browser-check",
  "--window-size=1000,700",
];

export class Chromium {
  // `driven: false` leaves it alone with its first page, `address`.
  static async start({
    flags = [],
    address = "about:blank",
    driven = true,
  } = {}) {
    const visitor = new Chromium();
    visitor.folder = mkdtempSync(join(tmpdir(), "pageviews-chromium-"));
    visitor.process = spawn(
      process.env.CHROMIUM ?? "/usr/bin/chromium",
      [...FLAGS, ...flags, `--user-data-dir=${visitor.folder}`, address],
      { stdio: "ignore", detached: true },
    );
    if (!driven) return visitor;
    const port = join(visitor.folder, "DevToolsActivePort");
    await until(
      "Chromium's port",
      () => existsSync(port) && readFileSync(port, "utf8").includes("\n"),
      30,
    );
    visitor.browser = await chromium.connectOverCDP(
      `http://127.0.0.1:${readFileSync(port, "utf8").split("\n")[0]}`,
      { noDefaults: true },
    );
    [visitor.context] = visitor.browser.contexts();
    return visitor;
  }

  // A new tab in front of the others.
  async open(url) {
    const page = await this.context.newPage();
    await page.goto(url);
    return page;
  }

  async cdp(page) {
    return this.context.newCDPSession(page);
  }

  async minimise(page, minimised) {
    const session = await this.cdp(page);
    const { windowId } = await session.send("Browser.getWindowForTarget");
    await session.send("Browser.setWindowBounds", {
      windowId,
      bounds: { windowState: minimised ? "minimized" : "normal" },
    });
    await session.detach();
  }

  // Ends every process of it at once; when that was, ms since the epoch.
  kill(signal) {
    process.kill(-this.process.pid, signal);
    return Date.now();
  }

  async stop() {
    try {
      this.kill("SIGKILL");
    } catch {
      /* it is gone already */
    }
    if (this.process.exitCode === null && this.process.signalCode === null)
      await new Promise((resolve) => this.process.once("exit", resolve));
    await until("Chromium's folder is free", () => {
      try {
        rmSync(this.folder, { recursive: true, force: true });
        return true;
      } catch {
        return false;
      }
    });
  }
}
