// The web site that the tests visit: pages of many kinds, the tracker's server
// behind the same origin, and what the pages observed about themselves.
//
// It is also the network: it can refuse, cut, and stall what goes to the tracker's
// server, and it keeps a record of every byte that browsers send there.

import { readFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";

const TRUTH = readFileSync(new URL("truth.js", import.meta.url));

export class Site {
  truths = [];
  requests = []; // "METHOD /path" of what went to the tracker's server
  sent = ""; // what browsers said on sockets and in notes, as text
  sockets = new Set(); // of pairs [browser, server]
  refusing = false;

  // `target`: port of the tracker's server.
  static async start(target) {
    const site = new this();
    site.target = target;
    site.server = http.createServer((request, response) =>
      site.serve(request, response),
    );
    site.server.on("upgrade", (...rest) => site.upgrade(...rest));
    await new Promise((resolve) => site.server.listen(0, "127.0.0.1", resolve));
    site.port = site.server.address().port;
    return site;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  stop() {
    this.cut();
    this.server.closeAllConnections();
    this.server.close();
  }

  // Ends every connection to the tracker's server; `refuse` what comes then.
  cut(refuse = false) {
    this.refusing = refuse;
    for (const pair of this.sockets)
      for (const socket of pair) socket.destroy();
  }

  // From now on nothing passes on the connections that are there: half open.
  stall() {
    for (const [browser, server] of this.sockets) {
      browser.unpipe(server);
      server.unpipe(browser);
      browser.resume();
      server.resume();
    }
  }

  serve(request, response) {
    const url = new URL(request.url, this.origin);
    if (url.pathname.startsWith("/_view/")) this.forward(request, response);
    else if (url.pathname === "/truth") this.listen(request, response);
    else if (url.pathname === "/truth.js") {
      response.setHeader("Content-Type", "text/javascript");
      response.end(TRUTH);
    } else if (url.pathname === "/favicon.ico") response.writeHead(204).end();
    else this.page(url, response);
  }

  // A page whose first path segment says what kind it is.
  page(url, response) {
    const kind = url.pathname.split("/")[1];
    const script = { src: "/_view/client.js", attributes: "" };
    let extra = "";
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    if (kind === "strict")
      response.setHeader("Content-Security-Policy", "default-src 'self'");
    if (kind === "blocked")
      response.setHeader(
        "Content-Security-Policy",
        "default-src 'self'; connect-src 'none'",
      );
    if (kind === "slow") script.src += "?slow";
    if (kind === "cross") script.src = `${this.elsewhere}/_view/client.js`;
    if (kind === "hash") script.attributes = 'data-hash="include"';
    if (kind === "framed") extra = `<iframe src="/plain/inner"></iframe>`;
    if (kind === "away")
      extra = `<script src="/away.js" data-to="/plain/after"></script>`;
    if (kind === "speculating") {
      const next = url.pathname.replace(
        "/speculating/page",
        "/plain/prerendered",
      );
      extra = `<script type="speculationrules">
        {"prerender": [{"urls": ["${next}"], "eagerness": "immediate"}]}
      </script>
      <script src="/away.js" data-to="${next}"></script>`;
    }
    if (url.pathname === "/away.js") {
      response.setHeader("Content-Type", "text/javascript");
      response.end(
        `setTimeout((to) => {
          window.pageviews?.event("leaving", { to });
          location.assign(to);
        }, 2000, document.currentScript.dataset.to);`,
      );
      return;
    }
    const truth = url.pathname.includes("inner")
      ? ""
      : `<script src="/truth.js"></script>`;
    response.end(`<!doctype html>
<html lang="en"><head><title>Title of ${url.pathname}</title>
${truth}
<script async src="${script.src}" ${script.attributes}></script>
</head><body><h1>${kind}</h1>${extra}</body></html>`);
  }

  listen(request, response) {
    let body = "";
    request.on("data", (data) => (body += data));
    request.on("end", () => {
      this.truths.push(JSON.parse(body));
      response.writeHead(204).end();
    });
  }

  forward(request, response) {
    this.requests.push(`${request.method} ${request.url}`);
    if (this.refusing) {
      request.socket.destroy();
      return;
    }
    if (request.url.endsWith("?slow"))
      setTimeout(() => this.pass(request, response), 1000);
    else this.pass(request, response);
  }

  pass(request, response) {
    const { method, headers } = request;
    const onward = http.request(
      {
        host: "127.0.0.1",
        port: this.target,
        path: request.url,
        method,
        headers,
      },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", () => request.socket.destroy());
    request.on("data", (data) => (this.sent += data));
    request.pipe(onward);
  }

  upgrade(request, browser, head) {
    this.requests.push(`UPGRADE ${request.url}`);
    browser.on("error", () => {});
    if (this.refusing) {
      browser.destroy();
      return;
    }
    const server = net.connect(this.target, "127.0.0.1", () => {
      const lines = [`GET ${request.url} HTTP/1.1`];
      for (let i = 0; i < request.rawHeaders.length; i += 2)
        lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
      server.write(lines.join("\r\n") + "\r\n\r\n");
      server.write(head);
      browser.pipe(server);
      server.pipe(browser);
    });
    const pair = [browser, server];
    this.sockets.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        this.sockets.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    browser.on("data", (data) => (this.sent += unmask(data)));
  }

  // What the pages of this path saw, oldest first: [{ visible, began }], in ms.
  // `killed` is when a page that could say no last word was ended.
  seen(path, killed) {
    const pages = new Map();
    for (const truth of this.truths.filter((each) => each.path === path)) {
      if (!pages.has(truth.page)) pages.set(truth.page, []);
      pages.get(truth.page).push(truth);
    }
    return [...pages.values()]
      .map((events) => {
        events.sort((a, b) => a.number - b.number);
        let visible = 0;
        events.forEach((event, i) => {
          const next = events[i + 1]?.at ?? killed ?? event.at;
          if (event.visible && event.what !== "end") visible += next - event.at;
        });
        return { visible, began: events[0].at };
      })
      .sort((a, b) => a.began - b.began);
  }
}

// The text in a browser's websocket frames, as far as they are whole in `data`.
function unmask(data) {
  let text = "";
  for (let at = 0; at + 6 <= data.length;) {
    let length = data[at + 1] & 127;
    let start = at + 2;
    if (length === 126) {
      length = data.readUInt16BE(start);
      start += 2;
    }
    const mask = data.subarray(start, start + 4);
    const payload = data.subarray(start + 4, start + 4 + length);
    if ((data[at] & 15) === 1)
      text += Buffer.from(payload.map((byte, i) => byte ^ mask[i & 3])) + "\n";
    at = start + 4 + length;
  }
  return text;
}
