// A page with the tracker and without it, in turn, in Chromium: largest contentful
// paint and total blocking time of each, as a line of JSON.
//
//   node page.mjs PORT ROUNDS       PORT is the tracker's server

import { Chromium } from "../browser/chromium.mjs";
import { Site } from "../browser/site.mjs";

const [port, rounds] = process.argv.slice(2).map(Number);
const text = `<p>${"All work and no play. ".repeat(40)}</p>`.repeat(100);

// A long page of text with a picture, as plain as a page can be.
class Pages extends Site {
  page(url, response) {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    const tracker = url.pathname.startsWith("/with/")
      ? `<script async src="/_view/client.js"></script>`
      : "";
    response.end(`<!doctype html>
<html lang="en"><head><title>Page</title>${tracker}</head>
<body><h1>A page</h1>
<svg width="900" height="300"><rect width="900" height="300" fill="teal"/></svg>
${text}</body></html>`);
  }
}

// In the page: its figures, half a second after it has loaded.
async function figures() {
  const seen = { lcp: 0, tbt: 0 };
  const watch = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({
      type,
      buffered: true,
    });
  watch("largest-contentful-paint", (entry) => (seen.lcp = entry.startTime));
  watch("longtask", (entry) => (seen.tbt += Math.max(0, entry.duration - 50)));
  await new Promise((resolve) => setTimeout(resolve, 500));
  return seen;
}

const site = await Pages.start(port);
const chromium = await Chromium.start();
const result = { pages: 0 };
for (const kind of ["with", "without"]) result[kind] = { lcp: [], tbt: [] };
try {
  for (let round = 0; round <= rounds; round++)
    for (const kind of round % 2 ? ["with", "without"] : ["without", "with"]) {
      const page = await chromium.open(`${site.origin}/${kind}/${round}`);
      const { lcp, tbt } = await page.evaluate(figures);
      await page.close();
      if (kind === "with") result.pages++;
      if (lcp === 0) throw new Error("Chromium reported no paint");
      if (round === 0) continue; // it warms up
      result[kind].lcp.push(lcp);
      result[kind].tbt.push(tbt);
    }
  console.log(JSON.stringify(result));
} finally {
  await chromium.stop();
  site.stop();
}
