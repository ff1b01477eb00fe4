/**
 * Why something does not work: the sections of the page that messages of the library point to, which is a part of the published command.
 */
import { readFileSync } from "node:fs"

/** A section of the page. */
export interface Explanation {
  /** What messages call it. */
  readonly topic: string
  /** The question that it answers. */
  readonly title: string
  /** The answer, without the looks of the page: paragraphs with empty lines between them. */
  readonly text: string
}

// Beside the command where it is published, and in the folder for documents of the sources.
const places = ["../docs/why-cant-i.md", "../../../docs/why-cant-i.md"]

const page = (): string => {
  for (const place of places) {
    try {
      return readFileSync(new URL(place, import.meta.url), "utf8")
    } catch {
      // It is at the other one.
    }
  }
  return ""
}

/** What programs have, and what there is in its place at a command line, in the order in which it is looked for. Where a section is about a program alone it stays. */
export const spoken: ReadonlyArray<readonly [inPrograms: RegExp | string, here: string]> = [
  [
    "in the way that it takes, with `target` or `client` for values and `request` for bytes",
    "in the way that it takes: `pnet call` for values, `pnet pipe` for bytes"
  ],
  // Fields of errors: what they hold is in the message.
  [/ with `(?:target|self|sharedBy|conflict)`/g, ""],
  [
    "`known` has names that are, `obstacles` what was in the way",
    "The message has names that are, and what was in the way"
  ],
  [
    "`target` says who was left out: `notGranted` say that they offer it, and this node's trust policy does not grant it to them; `draining` take no more calls; `suspect` are silent. `asks` is `false` on a node without sessions.",
    "The message says who was left out: who says that it offers it, and is not granted it by this node's trust policy; who takes no more calls; who is silent."
  ],
  ["`issue` says what is wrong with it", "the message says what is wrong with it"],
  [". `issue` has which", ". The message has which"],
  [/`issue` has /g, "the message has "],
  ["`detail` says why", "The message says why"],
  [
    "`reason` says how, and `mayHaveRun` whether it may have been done",
    "the message says how, and whether it may have been done"
  ],
  ["when `mayHaveRun` is false, again once it is back", "where it says that it was not run, again once it is back"],
  [
    "unless `mayHaveRun` is false: then it could not even be sent, and the message says why. `waited` and the message say how long was waited, where that is known.",
    "unless the message says that it could not even be sent, and why. It says how long was waited, where that is known."
  ],
  ["`reason`: as many calls", "The reason: as many calls"],
  ["`peers`, `pending` and `waiting` of the error:", "what the message says of peers and calls:"],
  [
    "who is there, in `peers`, and what each offers. `notGranted` of the error names those that say that they serve it, and are not granted it by this node's trust policy.",
    "`pnet peers --offers`. The message names those that say that they serve it, and are not granted it by this node's trust policy."
  ],
  ["`waitedFor` are peers", "the message names peers"],
  [
    " as `limits.topicDeliveries` and `limits.topicGroupMemory` let wait. Only those are named that `wait` says to wait for.",
    " as may wait."
  ],
  [/unless `kind` is `Unsure`/g, "unless it is `Unsure`"],
  ["`cause` is the server's word", "The message has the server's word"],
  ["`way` says of which kind, and `cause` with what", "the message says of which kind, and with what"],
  [" With `of` they are not the node's: settings of a client of a service.", ""],
  [
    " With `origin` `local` it was found here; with `remote` the peer says it of what was sent.",
    " It was found here, or the peer says it of what was sent."
  ],
  [/ \(`(?:from|clean|retryable|NotFound|Unavailable)`\)/g, ""],
  // What is in the way is said in the message, and the kinds of findings in JSON alone.
  ["The obstacle `NotSent`: adverts", "Adverts"],
  [/^The obstacle `\w+`(?:\. |; |, )/gm, ""],
  [/; the obstacle `\w+`(?:, of a node at a URL that has another key than is behind the `#` of the URL)?/g, ""],
  [
    /`\w+`(?:, `\w+`)*(?: and `\w+`)? of `diagnose`(?: with `sameKey`)?(?:, which has the same kinds| lists those there are)?/g,
    "`pnet doctor`"
  ],
  [/; (?:the counter )?`[a-z_]+`(?: of `pnet_adverts_received`| with `ERR_NET_DECRYPTION_FAILED`)/g, ""],
  [" Adverts that are dropped are counted in `pnet_adverts_received`.", ""],
  // Functions and options.
  ["The variables, the limits.", "`pnet config` says which setting holds, and where it comes from."],
  ["`diagnose` on both machines; `peers.obstacles`;", "`pnet doctor` on both machines;"],
  [
    "`peer.offer` of `peers.all`, which is what counts; `offer.current` on the other node, which is what it says;",
    "`pnet peers --offers`, which is what counts;"
  ],
  [
    "(`[\"bob\", key, { roles: [\"worker\"], serves: [\"resize.*\"] }]`)",
    "(`pnet trust allow` with `--roles` and `--serves`)"
  ],
  [" A node that is to choose by offers is an AdvancedNode or a CommandNode.", ""],
  [/`peers\.awaitPeers?(?:\([^`]*\))?`(?:, `peers\.whileOnline`)?/g, "`--wait`"],
  ["; where you know that the address in the advert works, `checkAdvertSource: false`", ""],
  [
    "raise the limit that is named, where that many nodes are yours",
    "what the message says; a program can raise the limit"
  ],
  [/the event `KeyConflict`(?:; `peers\.conflicts`)?/g, "the event `conflict` of `pnet peers --watch`"],
  ["`peers.changes`", "`pnet peers --watch`"],
  [" (`NodePnet.layerKeys`)", ""],
  [
    "raise the capacity of `TofuTrust.layer`, pin the name yourself, or use an allow list",
    "use an allow list, with `--allow-list`"
  ],
  [
    "give the peer's `node.name` and `node.publicKey` as they are",
    "give the peer's name and key as `pnet key show` has them there"
  ],
  ["`publicKey` is its `node.publicKey`", "the public key is the node's own"],
  [" (`authority.issue`)", ""],
  [": a BasicNode has none, so it takes an AdvancedNode", ""],
  ["(`AuthorityTrust`'s `renew`, or the file that it follows)", "(the file of `--certificate`)"],
  [
    " Users of nodes see it as `PeerLostError`; programs over a `Transport` of their own see it as it is.",
    " Mostly it is seen as `PeerLostError`."
  ],
  [" of a message (`send`, `sendText`)", " of a message"],
  ["a longer `timeout`;", "a longer `--timeout`;"],
  [", `limits.callSize`, 8 MiB", ", 8 MiB"],
  [
    "the peer is a `BasicNode`, which takes messages and no calls, or an `AdvancedNode` without what was asked for",
    "the peer is a node that takes messages and no calls, or one without what was asked for"
  ],
  [
    "send it messages (`node.raw` of an AdvancedNode), or make it an `AdvancedNode` or a `CommandNode`",
    "make it one that takes calls, as `pnet up` is"
  ],
  ["(`timeout`), or of the work it is a part of (`Deadline.within`), was up", "(`--timeout`) was up"],
  ["(the option `timeout` of the call, or `Deadline.within`)", "(`--timeout`)"],
  [" for `limits.shutdownDrain`", " for a while"],
  [
    "wait longer (`wait`), publish without waiting for those that are slow, or let",
    "wait longer (`--patience`), or let"
  ],
  ["The node has as many as `limits.topics`, or `limits.subscriptions`, lets it.", "The node has as many as it may."],
  ["and not into names; or raise the limit", "and not into names"],
  ["give its key, `{ name, publicKey }`,", "give its key, with `--key`,"],
  [" (`waiting`, `bytes`)", ""],
  [" (`bytes`, `keptFor`)", ""],
  ["as `NetworkKey.generate` does", "as `pnet key network make` does"],
  [", and `wait: true` starts a node without a server", ""],
  [/`peers\.resolveConflict(?:\([^`]*\))?`/g, "`pnet trust resolve`"],
  ["`node.target(\"bob\")(\"get_funcs\")`", "`pnet functions bob`"],
  [
    "`node.target(\"bob\")(\"describe\", \"buy\")` gives the JSON Schemas of `buy`",
    "`pnet functions bob` shows what `buy` takes"
  ],
  ["The program says `Trust.open`", "It runs with `--open`"],
  [/`Trust\.open(?:\(…\))?`/g, "`--open`"],
  [/`AllowListTrust\.layer`/g, "`--allow-list`"],
  [/\bin `peers`/g, "in `--peers`"],
  [/`networkKey`/g, "network key"],
  [/`networkId`/g, "`--network`"],
  [/`advertisePort`/g, "`--advertise-port`"],
  [/`serverPort`/g, "`--port`"],
  ["has `bindIp`", "has the address of `--bind`"],
  [/`bindIp`/g, "`--bind`"],
  [/`diagnose`/g, "`pnet doctor`"]
]

/** What leads to another section says which, and what leads to another page is its words alone. */
const withoutLinks = (text: string): string =>
  text.replace(/\[([^\]]+)\]\(#([a-z-]+)\)/g, "$1 (pnet why $2)").replace(/\[([^\]]+)\]\([^)]*\)/g, "$1")

/** A text of the page as people read it in a terminal, without the looks of a page. */
const plain = (text: string): string =>
  spoken.reduce<string>((said, [inPrograms, here]) => said.replaceAll(inPrograms, () => here), withoutLinks(text))
    .replaceAll(/\*\*|`/g, "")
    // Tables have two columns, which are no columns any more: a line each, without what stands above them.
    .replaceAll(/^\|.*\|\n\|[ |-]+\|\n/gm, "")
    .replaceAll(/^\| (.*?) +\| (.*?) *\|$/gm, "- $1: $2")

/** The text of a section, as it is on the page, a line each paragraph, and what is said of it in a terminal. */
export const terminalText = (section: string): string => plain(unwrapped(section))

/** Lines that are one paragraph as one line. */
const unwrapped = (text: string): string =>
  text.split("\n").reduce<ReadonlyArray<string>>((lines, line) => {
    const last = lines.at(-1)
    const goesOn = line !== "" && !/^\s*(?:- |\d+\. |```|\|)/.test(line) && last !== undefined && last !== ""
    return goesOn ? [...lines.slice(0, -1), `${last} ${line.trim()}`] : [...lines, line]
  }, []).join("\n").trim()

const section = /<a id="([a-z-]+)"><\/a>\n\n### ([^\n]+)\n([^]*?)(?=\n<a id=|\n## |$)/g

/** All sections, in the order of the page. */
export const explanations = (): ReadonlyArray<Explanation> =>
  [...page().matchAll(section)].map(([, topic = "", title = "", text = ""]) => ({
    topic,
    title,
    text: terminalText(text)
  }))

/** The sections that words mean: the one of that topic, or else those that have all of the words in what they are called, or else anywhere. */
export const find = (all: ReadonlyArray<Explanation>, words: ReadonlyArray<string>): ReadonlyArray<Explanation> => {
  const one = all.filter(({ topic }) => topic === words.join("-").toLowerCase())
  if (one.length > 0) return one
  const having = (textOf: (one: Explanation) => string) =>
    all.filter((one) => words.every((word) => textOf(one).toLowerCase().includes(word.toLowerCase())))
  const called = having(({ title, topic }) => `${topic} ${title}`)
  return called.length > 0 ? called : having(({ text, title }) => `${title} ${text}`)
}
