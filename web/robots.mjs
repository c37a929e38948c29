// Makes robots.list, which is committed and embedded in the listener, from the
// patterns of the package crawler-user-agents.
//
//   node robots.mjs           write it
//   node robots.mjs --check   fail unless the committed file is what the package gives
//
// The patterns are nearly all plain text.  Those that stand for a few plain texts
// ("[wW]get", "a|b", "(^| )x") are written out as these, so that the listener needs
// no engine for regular expressions, but one pass over the header.  What stands for
// infinitely many texts is left out and named in the head of the list.

import { readFileSync, writeFileSync } from "node:fs";

const PRINTABLE = Array.from({ length: 95 }, (_, i) =>
  String.fromCharCode(32 + i),
);
const BEGIN = "\x02"; // "^" and "$", while texts are put together
const END = "\x03";

const folder = new URL("node_modules/crawler-user-agents/", import.meta.url);
const target = new URL("robots.list", import.meta.url);
const { version, license } = JSON.parse(
  readFileSync(new URL("package.json", folder), "utf8"),
);
const source = JSON.parse(
  readFileSync(new URL("crawler-user-agents.json", folder), "utf8"),
);

class Infinite extends Error {}

const each = (heads, tails) =>
  heads.flatMap((head) => tails.map((tail) => head + tail));

// All texts that a pattern stands for: alternatives of sequences of single
// characters, classes, groups and ends.
function textsOf(pattern) {
  let at = 0;

  function characterClass() {
    const not = pattern[at] === "^";
    const members = new Set();

    if (not) at++;
    for (; pattern[at] !== "]"; at++) {
      if (
        at >= pattern.length ||
        pattern[at] === "\\" ||
        pattern[at + 1] === "-"
      )
        throw new Infinite();
      members.add(pattern[at]);
    }
    at++;
    return not ? PRINTABLE.filter((c) => !members.has(c)) : [...members];
  }

  function item() {
    const c = pattern[at++];

    switch (c) {
      case "[":
        return characterClass();
      case "(": {
        const inside = alternatives();
        if (pattern[at++] !== ")") throw new Infinite();
        return inside;
      }
      case "^":
        return [BEGIN];
      case "$":
        return [END];
      case "\\":
        if (/[A-Za-z0-9]/.test(pattern[at] ?? "a")) throw new Infinite();
        return [pattern[at++]];
      case ".":
      case "?":
      case "*":
      case "+":
      case "{":
        throw new Infinite();
      default:
        return [c];
    }
  }

  function alternatives() {
    const found = [];
    let texts = [""];

    while (at < pattern.length && pattern[at] !== ")") {
      if (pattern[at] === "|") {
        found.push(...texts);
        texts = [""];
        at++;
      } else {
        texts = each(texts, item());
        if (/[?*+{]/.test(pattern[at] ?? "")) throw new Infinite();
      }
    }
    return [...found, ...texts];
  }

  const texts = alternatives();
  if (at !== pattern.length) throw new Infinite();
  return texts;
}

// A line of the list: where the text must stand, then the text.
function lineOf(text) {
  const begins = text.startsWith(BEGIN);
  const ends = text.endsWith(END);
  const plain = text.slice(begins ? 1 : 0, ends ? -1 : undefined);

  if (plain === "" || (begins && ends) || !/^[\x20-\x7e]+$/.test(plain))
    throw new Infinite();
  return (begins ? "^" : ends ? "$" : " ") + plain;
}

const lines = new Set();
const left = [];
for (const { pattern } of source) {
  try {
    for (const line of textsOf(pattern).map(lineOf)) lines.add(line);
  } catch (error) {
    if (!(error instanceof Infinite)) throw error;
    left.push(pattern);
  }
}

// How many of the package's own examples the lines recognise.
const words = [...lines].map((line) => [line[0], line.slice(1)]);
const recognised = (agent) =>
  words.some(([place, word]) =>
    place === "^"
      ? agent.startsWith(word)
      : place === "$"
        ? agent.endsWith(word)
        : agent.includes(word),
  );
const examples = source.flatMap(({ instances }) => instances ?? []);
const missed = examples.filter((agent) => !recognised(agent));

const text =
  [
    `# User agents of robots: made by robots.mjs from crawler-user-agents ${version} (${license}),`,
    "# copyright (c) 2017 Martin Monperrus.  A line is where the text stands (^ first, $ last,",
    "# a blank anywhere) and the text.",
    `# ${words.length} texts of ${source.length} patterns; left out:`,
    ...left.map((pattern) => `#   ${pattern}`),
    ...[...lines].sort(),
  ].join("\n") + "\n";

let problem = null;
if (left.length > 10) problem = `${left.length} patterns were left out`;
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text)
    problem =
      "robots.list is not what the package gives: npm run --prefix web robots";
} else writeFileSync(target, text);

if (problem !== null) console.error(problem);
console.log(
  `robots.list: ${words.length} texts, ${missed.length} of ${examples.length} examples missed`,
);
process.exitCode = problem === null ? 0 : 1;
