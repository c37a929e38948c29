// Minifies client.js into client.min.js, which is committed so that building and
// installing the extension needs no Node.
//
//   node build.mjs           write it
//   node build.mjs --check   fail unless the committed file is what the source gives

import { readFileSync, writeFileSync } from "node:fs";
import { parse } from "acorn";
import { gzip } from "pako";
import { minify } from "terser";

const LIMIT = 3000; // bytes, gzipped
const SWAPS = 40000; // of names that are tried

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
  figures: "s",
};
const SETTINGS = /PAGEVIEWS_SETTINGS/g; // what the listener replaces when serving

const source = new URL("client.js", import.meta.url);
const target = new URL("client.min.js", import.meta.url);

// As the listener serves it with one parameter more than by default, and compresses: Node's own zlib is a fork that
// finds other matches.
const compressed = (code) =>
  gzip(code.replace(SETTINGS, '{"keep":["utm_","ref="],"gpc":false}'), {
    level: 9,
    memLevel: 9,
  }).length;

// Every place of a variable's name in the code, by name.
function variables(code) {
  const places = new Map();
  const visit = (node, parent, key) => {
    if (Array.isArray(node)) node.forEach((one) => visit(one, parent, key));
    else if (node?.type === "Identifier") {
      const isName =
        (key === "property" || key === "key") &&
        !parent.computed &&
        (parent.type === "MemberExpression" || parent.type === "Property");
      if (parent.shorthand) throw new Error(`shorthand ${node.name}`);
      if (!isName)
        places.set(node.name, [...(places.get(node.name) ?? []), node.start]);
    } else if (node?.type)
      for (const [name, child] of Object.entries(node))
        visit(child, node, name);
  };
  visit(parse(code, { ecmaVersion: 2019 }), {}, "");
  return places;
}

// Which variable has which name does not matter to the code, but to gzip: two names
// are exchanged wherever they stand, again and again, as long as it helps.
function rename(code) {
  const names = [];
  const pieces = [];
  const at = [];
  const places = variables(code);
  for (const [name, starts] of places)
    if (name.length < 3)
      for (const start of starts)
        at.push([start, names.indexOf(name) + 1 || names.push(name)]);
  at.sort((a, b) => a[0] - b[0]);
  let end = 0;
  for (const [start, number] of at) {
    pieces.push(code.slice(end, start), number - 1);
    end = start + names[number - 1].length;
  }
  pieces.push(code.slice(end));
  const spell = () =>
    pieces.map((piece, i) => (i % 2 ? names[piece] : piece)).join("");
  if (spell() !== code) throw new Error("the code was taken apart wrongly");

  let best = compressed(code);
  let random = 1;
  const draw = () => (random = (random * 48271) % 2147483647) % names.length;
  for (let i = 0; i < SWAPS; i++) {
    const a = draw();
    const b = draw();
    [names[a], names[b]] = [names[b], names[a]];
    const size = compressed(spell());
    if (size > best) [names[a], names[b]] = [names[b], names[a]];
    else best = size;
  }
  return spell();
}

const { code: minified } = await minify(readFileSync(source, "utf8"), {
  ecma: 2019,
  toplevel: true,
  compress: { passes: 3 },
  mangle: {
    properties: { regex: new RegExp(`^(${Object.keys(RECORD).join("|")})$`) },
  },
  nameCache: {
    props: {
      props: Object.fromEntries(
        Object.entries(RECORD).map(([name, short]) => [`$${name}`, short]),
      ),
    },
  },
  format: { ascii_only: true, ecma: 5 },
});
// Nothing is assigned to that is a const, so all may be spelled alike.
const code = rename(minified.replace(/\bconst\b/g, "let"));
const size = compressed(code);
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
