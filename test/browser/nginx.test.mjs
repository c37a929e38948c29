// Behind nginx with TLS, by the very snippet that the documentation gives.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Chromium } from "./chromium.mjs";
import { freePort, until } from "./cluster.mjs";
import { lab, sleep } from "./lab.mjs";

const README = new URL("../../README.md", import.meta.url);
const it = lab({ browser: false });
let folder, nginx, port, visitor;

async function serve() {
  folder = mkdtempSync(join(tmpdir(), "pageviews-nginx-"));
  port = await freePort();
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
      ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
      ...["-keyout", join(folder, "key"), "-out", join(folder, "certificate")],
    ],
    { stdio: "ignore" },
  );
  const snippet = readFileSync(README, "utf8")
    .match(/```nginx\n(.*?)```/s)[1]
    .replace("127.0.0.1:8077", `127.0.0.1:${it.cluster.port}`);
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${folder}/certificate;
    ssl_certificate_key ${folder}/key;
    ${snippet}
    location / {
      proxy_pass ${it.site.origin};
    }
  }
}
`,
  );
  nginx = spawn(
    process.env.NGINX ?? "/usr/sbin/nginx",
    ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")],
    { stdio: "ignore" },
  );
  visitor = await Chromium.start({ flags: ["--ignore-certificate-errors"] });
}

after(async () => {
  await visitor?.stop();
  if (nginx && nginx.exitCode === null) {
    nginx.kill("SIGTERM");
    await new Promise((resolve) => nginx.once("exit", resolve));
  }
  if (folder) rmSync(folder, { recursive: true, force: true });
});

it.measured("wss through nginx, and a Secure cookie", async () => {
  await serve();
  const page = await visitor.context.newPage();
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await until("nginx serves", () =>
    page.goto(`https://127.0.0.1:${port}${it.at("/plain/tls")}`).catch(() => false),
  );
  await sleep(1000);
  const cookies = await visitor.context.cookies();
  await page.close();
  const [row] = await it.compare("behind nginx, TLS", "/plain/tls");
  assert.equal(row.end_reason, "closed");
  assert.equal(row.site, `127.0.0.1:${port}`);
  assert.deepEqual(sockets, [`wss://127.0.0.1:${port}/_view/socket`]);
  const [cookie] = cookies.filter(({ name }) => name === "_pageviews_session");
  assert.equal(cookie.secure, true);
  assert.equal(cookie.httpOnly, true);
});
