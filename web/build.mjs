// Minifies client.js into client.min.js, which is committed so that building and
// installing the extension needs no Node.
//
//   node build.mjs           write it
//   node build.mjs --check   fail unless the committed file is what the source gives

import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { transformSync } from "esbuild";

const LIMIT = 3000; // bytes, gzipped

// Names that a view's record has for itself, in memory and in localStorage.  Their
// short forms are fixed, so that a newer script reads what an older one kept.
const RECORD = {
  announced: "a",
  acknowledged: "c",
  mended: "d",
  page: "e",
  saved: "f",
  seed: "i",
  until: "l",
  manual: "m",
  figures: "s",
};
const SETTINGS = /PAGEVIEWS_SETTINGS/g; // what the listener replaces when serving

const source = new URL("client.js", import.meta.url);
const target = new URL("client.min.js", import.meta.url);

const { code } = transformSync(readFileSync(source, "utf8"), {
  minify: true,
  target: "es2019",
  charset: "ascii",
  mangleProps: new RegExp(`^(${Object.keys(RECORD).join("|")})$`),
  mangleCache: RECORD,
});
const size = gzipSync(code, { level: 9 }).length;
const problems = [];

if (size > LIMIT)
  problems.push(`client.min.js is ${size} bytes gzipped, more than ${LIMIT}`);
if ((code.match(SETTINGS) ?? []).length !== 1)
  problems.push("client.min.js must name PAGEVIEWS_SETTINGS exactly once");
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== code)
    problems.push(
      "client.min.js is not what client.js gives: npm run --prefix web build",
    );
} else writeFileSync(target, code);

for (const problem of problems) console.error(problem);
console.log(`client.min.js: ${code.length} bytes, ${size} gzipped`);
process.exitCode = problems.length ? 1 : 0;
