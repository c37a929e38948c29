// Makes agents.list, which is committed and embedded in the listener, from the
// rules of the package uap-core: which browser, system and device a User-Agent is.
//
//   node agents.mjs           write it
//   node agents.mjs --check   fail unless the committed file is what the package gives
//
// To each rule it adds texts without which its expression cannot match, so that one
// pass over a header leaves a few rules of some thousand to be tried (agent_rules.c).

import { readFileSync, writeFileSync } from "node:fs";

const folder = new URL("node_modules/uap-core/", import.meta.url);
const target = new URL("agents.list", import.meta.url);
const { version } = JSON.parse(
  readFileSync(new URL("package.json", folder), "utf8"),
);
const source = readFileSync(new URL("regexes.yaml", folder), "utf8");

const SECTIONS = {
  user_agent_parsers: ["b", "family_replacement", "v1_replacement"],
  os_parsers: ["s", "os_replacement", "os_v1_replacement"],
  device_parsers: ["d", "device_replacement", ""],
};

const SHORTEST = 3; // characters of a text that is worth looking for
const EXACT_LIMIT = 32; // texts that a part of an expression is written out as
const SET_LIMIT = 400; // texts of which one must be there
const SETS = 3; // such sets of a rule

// What nearly every header has; a text that stands in it tells little.
const COMMON =
  "mozilla/5.0 (windows nt 10.0; win64; x64; linux; android 10; k) applewebkit/537.36 " +
  "(khtml, like gecko) chrome/131.0.0.0 mobile safari/537.36 (macintosh; intel mac os x 10_15_7) " +
  "version/17.0 gecko/20100101 firefox/133.0 (iphone; cpu iphone os 17_0 like mac os x) build/";

// --- the package's file, in the little YAML that it is written in --------------

function rules() {
  const found = [];
  let section = null;

  source.split("\n").forEach((line, i) => {
    const text = line.trimEnd();
    const head = /^([a-z_]+):$/.exec(text);
    const field = /^ {2}(- | {2})([a-z0-9_]+): '(.*)'$/.exec(text);

    if (/^\s*(#.*)?$/.test(text)) return;
    if (head !== null && head[1] in SECTIONS) section = head[1];
    else if (field !== null && section !== null) {
      if (field[1] === "- ") found.push({ section });
      found.at(-1)[field[2]] = field[3].replaceAll("''", "'");
    } else throw new Error(`regexes.yaml, line ${i + 1}: ${line}`);
  });
  return found;
}

// --- what a match must contain ---------------------------------------------------
//
// A part of an expression is { exact, needs }: `exact` the texts that it stands for,
// in lower case, or null if these are too many to write out; `needs` sets of texts,
// of each of which one is in every match.

const product = (heads, tails) => [
  ...new Set(heads.flatMap((head) => tails.map((tail) => head + tail))),
];

const tells = (set) =>
  set.length > 0 &&
  set.length <= SET_LIMIT &&
  set.every((text) => text.length >= SHORTEST && !/[|&\t]/.test(text));

// How much a set tells: what its least telling text does.
const worth = (set) =>
  Math.min(
    ...set.map((text) =>
      COMMON.includes(text) ? text.length / 100 : text.length,
    ),
  ) -
  set.length / 1000;

const best = (sets) =>
  sets.filter(tells).sort((a, b) => worth(b) - worth(a))[0] ?? null;

const needsOf = (part) =>
  part.exact !== null ? [part.exact, ...part.needs] : part.needs;

// One part behind the other.
function sequence(parts) {
  const needs = [];
  let exact = [""]; // what the parts since the last unknown one stand for
  let whole = true;

  for (const part of parts) {
    needs.push(...part.needs);
    const joined =
      part.exact !== null && part.exact.length * exact.length <= EXACT_LIMIT
        ? product(exact, part.exact)
        : null;

    if (joined !== null) exact = joined;
    else {
      needs.push(exact);
      exact = part.exact ?? [""];
      whole = false;
    }
  }
  return whole
    ? { exact, needs: needs.filter(tells) }
    : { exact: null, needs: [...needs, exact].filter(tells) };
}

// One of the parts.
function either(parts) {
  if (parts.length === 1) return parts[0];
  const texts = parts.every((part) => part.exact !== null)
    ? [...new Set(parts.flatMap((part) => part.exact))]
    : null;
  const sets = parts.map((part) => best(needsOf(part)));
  const needs = sets.includes(null) ? [] : [[...new Set(sets.flat())]];

  return texts !== null && texts.length <= EXACT_LIMIT
    ? { exact: texts, needs: [] }
    : { exact: null, needs: needs.filter(tells) };
}

const UNKNOWN = { exact: null, needs: [] };
const NOTHING = { exact: [""], needs: [] };

function partOf(expression) {
  let at = 0;

  function characterClass() {
    const members = [];
    let few = expression[at] !== "^";

    for (let first = true; first || expression[at] !== "]"; first = false) {
      if (at >= expression.length) throw new Error("a class has no end");
      if (expression[at] === "\\") {
        at++;
        if (/[A-Za-z0-9]/.test(expression[at])) few = false;
      } else if (expression[at] === "-" && !first && expression[at + 1] !== "]")
        few = false;
      members.push(expression[at++].toLowerCase());
    }
    at++;
    const texts = [...new Set(members)];
    return few && texts.length <= 4 ? { exact: texts, needs: [] } : UNKNOWN;
  }

  function group() {
    if (expression[at] === "?") {
      if (expression[at + 1] !== ":")
        throw new Error("a group of another kind");
      at += 2;
    }
    const inside = alternatives();
    if (expression[at++] !== ")") throw new Error("a group has no end");
    return inside;
  }

  function item() {
    const c = expression[at++];

    switch (c) {
      case "[":
        return characterClass();
      case "(":
        return group();
      case "^":
      case "$":
        return NOTHING;
      case ".":
        return UNKNOWN;
      case "\\": {
        const escaped = expression[at++];
        if (escaped === "b") return NOTHING;
        if (/[dswDSW]/.test(escaped)) return UNKNOWN;
        if (/[A-Za-z0-9]/.test(escaped)) throw new Error(`\\${escaped}`);
        return { exact: [escaped], needs: [] };
      }
      default:
        return { exact: [c.toLowerCase()], needs: [] };
    }
  }

  function repeated() {
    const part = item();
    const times = /^(?:([*+?])|\{(\d*)(?:,(\d*))?\})\??/.exec(
      expression.slice(at),
    );

    if (times === null) return part;
    at += times[0].length;
    if (times[1] === "?")
      return part.exact !== null
        ? { exact: ["", ...part.exact], needs: [] }
        : UNKNOWN;
    if (times[1] === "*" || times[2] === "0" || times[2] === "") return UNKNOWN;
    return { exact: null, needs: needsOf(part).filter(tells) };
  }

  function alternatives() {
    const parts = [];
    let run = [];

    while (at < expression.length && expression[at] !== ")") {
      if (expression[at] === "|") {
        parts.push(sequence(run));
        run = [];
        at++;
      } else run.push(repeated());
    }
    return either([...parts, sequence(run)]);
  }

  const part = alternatives();
  if (at !== expression.length) throw new Error("a group has no beginning");
  return part;
}

// The sets that tell most, as the list has them.
function neededBy(expression) {
  const sets = needsOf(partOf(expression))
    .filter(tells)
    .map((set) =>
      // A text that contains another need not be looked for.
      set.filter((a) => !set.some((b) => b !== a && a.includes(b))).sort(),
    )
    .sort((a, b) => worth(b) - worth(a));
  const kept = [];

  for (const set of sets) {
    const telling = kept.length === 0 || worth(set) > 1;
    if (kept.length < SETS && telling && !kept.some((k) => `${k}` === `${set}`))
      kept.push(set);
  }
  return kept;
}

// --- the list ------------------------------------------------------------------------

const all = rules();
const needed = all.map(({ regex }) => neededBy(regex));
const lines = all.map((rule, i) => {
  const [kind, name, major] = SECTIONS[rule.section];
  const fields = [
    kind + (rule.regex_flag ?? ""),
    needed[i].map((set) => set.join("|")).join("&"),
    rule.regex,
    rule[name] ?? "",
    rule[major] ?? "",
  ];

  if (/[^\x20-\x7e]/.test(rule.regex) || /\p{Cc}/u.test(fields.join("")))
    throw new Error(`a rule with an unprintable character: ${rule.regex}`);
  return fields.join("\t").trimEnd();
});
const always = needed.filter((sets) => sets.length === 0).length;

const text =
  [
    `# Rules for user agents: made by agents.mjs from uap-core ${version} (Apache-2.0),`,
    "# copyright 2009 Google Inc.; https://www.apache.org/licenses/LICENSE-2.0",
    "# Changed: one line a rule, only the fields that are used, and texts to look for first.",
    "# Fields, between tabs: b browser, s system, d device (i: whatever the case); sets of texts,",
    "# of each of which one must be there (& between sets, | between texts, in lower case); the",
    "# expression; the name, if not $1; the major version, if not $2.",
    `# ${all.length} rules, ${always} of them without a text.`,
    ...lines,
  ].join("\n") + "\n";

let problem = null;
if (always > all.length / 20) problem = `${always} rules are always tried`;
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text)
    problem =
      "agents.list is not what the package gives: npm run --prefix web agents";
} else writeFileSync(target, text);

if (problem !== null) console.error(problem);
console.log(
  `agents.list: ${all.length} rules, ${always} without a text to look for`,
);
process.exitCode = problem === null ? 0 : 1;
