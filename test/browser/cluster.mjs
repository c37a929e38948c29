// A private Postgres cluster with the extension preloaded, for one test file.
//
// Everything lies in one folder of its own, owned by user postgres when run as
// root.  PG_CONFIG names the installation (default: pg_config).

import { execFile, execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const bindir = execFileSync(process.env.PG_CONFIG ?? "pg_config", ["--bindir"])
  .toString()
  .trim();
const isRoot = process.getuid() === 0;

// The command line that runs a Postgres program as a user whom it accepts.
const as = (program, ...rest) =>
  isRoot
    ? ["runuser", "-u", "postgres", "--", join(bindir, program), ...rest]
    : [join(bindir, program), ...rest];

// A TCP port of 127.0.0.1 that nobody uses now.
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// Waits until `probe` gives something true, and returns that.
export async function until(what, probe, seconds = 60) {
  const deadline = Date.now() + 1000 * seconds;
  for (;;) {
    const result = await probe();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Cluster {
  // Makes and starts one; `settings` go into postgresql.conf.
  static async start(settings = {}) {
    const cluster = new Cluster();
    cluster.folder = mkdtempSync(join(tmpdir(), "pageviews-browser-"));
    if (isRoot) execFileSync("chown", ["postgres:", cluster.folder]);
    cluster.data = join(cluster.folder, "data");
    cluster.log = join(cluster.folder, "log");
    cluster.port = await freePort();
    try {
      await cluster.command(
        "initdb",
        ...["-D", cluster.data, "-A", "trust", "-U", "postgres"],
        ...["--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
      );
      cluster.configure({
        listen_addresses: "",
        unix_socket_directories: cluster.folder,
        fsync: "off",
        shared_preload_libraries: "pageviews",
        "pageviews.port": cluster.port,
        "pageviews.demo": "on",
        ...settings,
      });
      await cluster.up();
      await cluster.query("CREATE EXTENSION pageviews");
      await cluster.listening();
    } catch (error) {
      await cluster.remove();
      throw error;
    }
    return cluster;
  }

  async command(program, ...rest) {
    const [file, ...line] = as(program, ...rest);
    return (await run(file, line, { cwd: "/" })).stdout;
  }

  configure(settings) {
    for (const [name, value] of Object.entries(settings))
      appendFileSync(
        join(this.data, "postgresql.conf"),
        `${name} = '${value}'\n`,
      );
  }

  // pg_ctl's output must not keep our pipes open: the server inherits them.
  async control(...rest) {
    await this.command(
      "pg_ctl",
      "-D",
      this.data,
      "-l",
      this.log,
      "-s",
      ...rest,
    );
  }

  async up() {
    await this.control("-w", "start");
    this.running = true;
  }

  async down(mode = "fast") {
    this.running = false;
    await this.control("-w", "-m", mode, "stop");
  }

  async reload(settings) {
    this.configure(settings);
    await this.control("reload");
  }

  // The rows of a query, as objects.
  async query(text) {
    const rows = /^\s*select/i.test(text)
      ? `SELECT coalesce(json_agg(row_to_json(q)), '[]') FROM (${text}) q`
      : text;
    const output = await this.command(
      "psql",
      ...["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"],
      ...["-h", this.folder, "-U", "postgres", "-d", "postgres", "-c", rows],
    );
    return rows === text ? output : JSON.parse(output);
  }

  // Waits until the listener answers.
  listening() {
    return until("the listener listens", async () => {
      try {
        const response = await fetch(`${this.origin}/_view/healthz`);
        return response.ok;
      } catch {
        return false;
      }
    });
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  // Views that are over, oldest first.
  views(condition = "true") {
    return this.query(
      `SELECT * FROM pageviews.views WHERE ended_at IS NOT NULL AND ${condition} ORDER BY started_at, view_id`,
    );
  }

  // Waits until `count` views that fulfil the condition are over; fails on more.
  async ended(condition, count = 1, seconds = 60) {
    let rows = [];
    try {
      rows = await until(
        `${count} views where ${condition}`,
        async () => {
          rows = await this.views(condition);
          return rows.length >= count && rows;
        },
        seconds,
      );
    } catch (error) {
      error.message += `, only ${rows.length} are there`;
      throw error;
    }
    if (rows.length > count)
      throw new Error(`${rows.length} views instead of ${count}: ${condition}`);
    return rows;
  }

  tail() {
    return readFileSync(this.log, "utf8").split("\n").slice(-40).join("\n");
  }

  async remove() {
    if (this.running) await this.down("immediate").catch(() => {});
    rmSync(this.folder, { recursive: true, force: true });
  }
}
