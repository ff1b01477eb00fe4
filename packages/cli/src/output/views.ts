/**
 * What each shape looks like for people. Every text in a value is harmless already when it comes here.
 */
import type { Moments } from "./moments.ts"
import { quoted } from "./quoted.ts"
import type { Size } from "./screen.ts"
import type { Shape, ShapeName } from "./shapes.ts"
import type { Style } from "./style.ts"
import { type Column, cut, table } from "./table.ts"
import { sizeOf } from "./units.ts"

/** How the values of a shape are shown. */
export interface View<A> {
  /** Several of them: a table. Left out: a line each. */
  readonly columns?: ReadonlyArray<Column<A>>
  /** What is said where there are none. */
  readonly none?: string
  /** One of them. Left out: as a table of one. */
  readonly one?: (value: A, style: Style, moments: Moments) => string
  /** One of them on the whole screen of a terminal. */
  readonly screen?: (value: A, style: Style, size: Size, moments: Moments) => ReadonlyArray<string>
  /** How far the rest of a line is indented that is broken between words, where the terminal is narrower. Left out: lines are as they are. */
  readonly hang?: number
  /** Whether line ends in its texts stay. */
  readonly lines?: boolean
}

/** A value as people read it: texts as they are, everything else as JSON. */
export const shown = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? ""

/** The same in one line. */
const inLine = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value) ?? ""

const argumentLine =
  (style: Style, prefix: string) => ({ description, name, required, rest, type }: Argument): string =>
    `  ${style.green(`${prefix}${name}${rest ? "..." : ""}`)} ${type}${
      required || rest ? "" : style.dim(" (optional)")
    }${description === undefined ? "" : `  ${style.dim(description)}`}`

type Argument = NonNullable<Shape<"function">["arguments"]>[number]

/** A function with its arguments, and how it is called. */
const functionLines = (
  { arguments: args = [], description, keywords = [], name, peer, signature }: Shape<"function">,
  style: Style
): string => {
  const words = [
    ...args.map((one) =>
      one.rest ? `[${quoted(one.name)}...]` : one.required ? quoted(one.name) : `[${quoted(one.name)}]`
    ),
    ...keywords.map((one) => one.required ? `--${quoted(one.name)}=…` : `[${`--${quoted(one.name)}=…`}]`)
  ]
  return [
    style.bold(signature),
    ...(description === undefined ? [] : [`  ${description}`]),
    ...args.map(argumentLine(style, "")),
    ...keywords.map(argumentLine(style, "--")),
    style.cyan(`  pnet call ${[quoted(peer), quoted(name), ...words].join(" ")}`)
  ].join("\n")
}

const pongLine = ({ address, failure, ms, peer, seq }: Shape<"pong">, style: Style): string => {
  if (failure !== undefined) return style.red(`${peer}: ${failure.message}`)
  const at = address === undefined ? "" : ` (${address})`
  return seq === 0 ? style.dim(`${peer}${at}: connected in ${ms} ms`) : `${peer}${at}: ${ms} ms`
}

const looks: Record<string, keyof Style> = {
  started: "green",
  joined: "green",
  returned: "green",
  suspected: "yellow",
  restarted: "yellow",
  left: "dim",
  lost: "red",
  conflict: "red",
  called: "cyan",
  stopped: "dim"
}

const eventLine = ({ event, text, time }: Shape<"event">, style: Style, { at }: Moments): string =>
  `${style.dim(at(time))} ${style[looks[event] ?? "bold"](text)}`

const publicationLine = (
  { from, key, missed, retained, time, topic, value }: Shape<"publication">,
  style: Style,
  { at }: Moments
): string => {
  const moment = at(time)
  const about = `${style.dim(moment)} ${style.bold(from)} ${style.cyan(topic)}`
  return [
    ...(missed > 0 ? [style.yellow(`${moment} ${from} ${topic}: ${missed} missed`)] : []),
    `${about}${key === undefined ? "" : ` [${key}]`}${retained ? style.dim(" (retained)") : ""} ${
      typeof value === "string" ? value : JSON.stringify(value)
    }`
  ].join("\n")
}

const letterLine = ({ bytes, from, id, text, time }: Shape<"letter">, style: Style, { dated }: Moments): string =>
  `${style.dim(dated(time))} ${style.bold(from)} ${style.dim(id)} ${text ?? `(${bytes})`}`

const consoleLine = ({ act, link, mcp, network, node }: Shape<"console">, style: Style): string =>
  [
    `${node} shows the network ${network} at`,
    `  ${style.bold(link)}`,
    `The link is good for one browser, once. The page ${act ? "acts" : "only shows and calls"}; Ctrl-C ends it.`,
    ...(mcp === undefined ? [] : [`Assistants: ${mcp.url}, with the header Authorization: Bearer ${mcp.key}`])
  ].join("\n")

const changed = ({ change, file, fingerprint, key, name }: Shape<"trustChange">, style: Style): string => {
  const who = name === undefined ? fingerprint : `${style.bold(name)}, ${fingerprint},`
  const what = {
    allowed: `${who} is trusted`,
    resolved: `the name is that of ${who} and of nobody else`,
    revoked: `${who} is refused`,
    forgotten: `${who} is forgotten`
  }[change]
  return `${what}\n${style.dim(`  key ${key}, in ${file}`)}`
}

const rightsText = (rights: Shape<"trusted">["rights"]): string =>
  rights === undefined ? "" : Object.entries(rights).map(([right, names]) => `${right}=${names.join(",")}`).join(" ")

const findingLooks = { ok: "green", info: "cyan", warning: "yellow", error: "red" } as const

const findingLines = ({ message, remedy, see, severity }: Shape<"finding">, style: Style): string =>
  [
    `${style[findingLooks[severity]](severity.padEnd(7))}  ${message}`,
    ...(remedy === undefined ? [] : [`${" ".repeat(7)}  > ${remedy}`]),
    ...(see === undefined ? [] : [style.dim(`${" ".repeat(7)}  more: ${see}`)])
  ].join("\n")

const rateText = ({ bytes, bytesPerSecond, ms }: Shape<"measured">["there"]): string =>
  `${bytesPerSecond === undefined ? "" : `${sizeOf(bytesPerSecond)}/s  `}(${sizeOf(bytes)} in ${Math.round(ms)} ms)`

const measuredLines = (
  { address, back, dialled, framing, maxMs, minMs, p50Ms, p99Ms, peer, roundTrips, there }: Shape<"measured">,
  style: Style
): string => {
  const way = [
    ...(address === undefined ? [] : [address]),
    ...(dialled === undefined ? [] : [dialled ? "dialled from here" : "dialled by the peer"]),
    ...(framing === "text" ? ["as text"] : [])
  ]
  return [
    `${style.bold(peer)}${way.length === 0 ? "" : ` ${style.dim(`(${way.join(", ")})`)}`}`,
    `  round trip  p50 ${p50Ms} ms, p99 ${p99Ms} ms, ${minMs} to ${maxMs} ms ${style.dim(`(${roundTrips} of them)`)}`,
    `  there       ${rateText(there)}`,
    `  back        ${rateText(back)}`
  ].join("\n")
}

const millis = (ms: number | undefined): string =>
  ms === undefined ? "" : ms < 10 ? ms.toFixed(2) : ms.toFixed(ms < 100 ? 1 : 0)

const since = (ms: number): string => {
  const seconds = Math.floor(ms / 1_000)
  return seconds < 60
    ? `${seconds}s`
    : seconds < 3_600
    ? `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, "0")}`
    : `${Math.floor(seconds / 3_600)}h${String(Math.floor(seconds / 60) % 60).padStart(2, "0")}`
}

type WatchedPeer = Shape<"snapshot">["peers"][number]

const watched: ReadonlyArray<Column<WatchedPeer>> = [
  { title: "NAME", cell: ({ name }) => name, gives: true, look: (style, text) => style.bold(text) },
  {
    title: "STATUS",
    cell: ({ status }) => status,
    look: (style, text, { status }) => status === "online" ? style.green(text) : style.yellow(text)
  },
  {
    title: "MS",
    cell: ({ asked, ms }) => asked === 0 ? "…" : ms === undefined ? "-" : millis(ms),
    right: true,
    look: (style, text, { asked, ms }) => asked > 0 && ms === undefined ? style.red(text) : text
  },
  { title: "MEAN", cell: ({ meanMs }) => millis(meanMs), right: true },
  {
    title: "LOST",
    cell: ({ asked, lost }) => lost === 0 ? "" : `${lost}/${asked}`,
    right: true,
    look: (style, text) => style.red(text)
  },
  { title: "HERE", cell: ({ hereMs }) => since(hereMs), right: true },
  { title: "FUNCTIONS", cell: ({ functions }) => functions === undefined ? "" : String(functions), right: true },
  { title: "ROLES", cell: ({ roles = [] }) => roles.join(","), gives: true },
  { title: "TOPICS", cell: ({ topics = [] }) => topics.join(","), gives: true },
  { title: "ADDRESS", cell: ({ address }) => address ?? "", gives: true, look: (style, text) => style.dim(text) }
]

/** What stands above the peers of a snapshot: the node, and its own calls. */
const above = (
  { calls, network, node, peers, sealed, time }: Shape<"snapshot">,
  { clock }: Moments
): readonly [string, string] => [
  `${node} on ${network}${sealed ? "" : ", in clear"}: ${peers.length === 1 ? "1 peer" : `${peers.length} peers`}  ${
    clock(time)
  }`,
  `calls ${calls.out.toFixed(1)}/s out, ${calls.in.toFixed(1)}/s in, ${calls.failed} failed; ` +
  `${sizeOf(calls.bytesSent)}/s sent, ${sizeOf(calls.bytesReceived)}/s received`
]

const topScreen = (
  snapshot: Shape<"snapshot">,
  style: Style,
  { columns, rows }: Size,
  moments: Moments
): ReadonlyArray<string> => {
  const [node, calls] = above(snapshot, moments)
  // What is cleared behind a line would take its last cell off where there is no other.
  const width = columns - 1
  const lines = table(watched, snapshot.peers, style, width)
  const room = Math.max(1, rows - 5)
  const [titles, ...peers] = lines
  const hidden = peers.length - room
  return [
    style.bold(cut(node, width)),
    style.dim(cut(calls, width)),
    "",
    ...(snapshot.peers.length === 0 ? ["no peers are there yet"] : [titles ?? ""]),
    ...(hidden > 0
      ? [...peers.slice(0, room - 1), style.dim(`… and ${hidden + 1} more`)]
      : [...peers, ...Array.from({ length: -hidden }, () => "")]),
    style.dim("q: quit")
  ]
}

const count = (number: number, one: string, more: string): string => `${number} ${number === 1 ? one : more}`

const offerLine = ({ bytes, files, fingerprint, folders, names, note, peer }: Shape<"offer">, style: Style): string => {
  const what = [
    count(files, "file", "files"),
    ...(folders === 0 ? [] : [count(folders, "folder", "folders")]),
    sizeOf(bytes)
  ].join(", ")
  const shown = names.slice(0, 5).join(", ") + (names.length > 5 ? ", …" : "")
  return `${style.bold(peer)} (${fingerprint}) offers ${style.cyan(shown)}: ${what}${
    note === undefined ? "" : `\n  ${note}`
  }`
}

const transferLine = (transfer: Shape<"transfer">, style: Style): string => {
  const { bytes, direction, failed, failure, files, hadBytes, hadFiles, ms, peer, problems } = transfer
  if (failure !== undefined) return style.red(`${peer}: ${failure.message}`)
  const moved = bytes - hadBytes
  const rate = ms > 0 && moved > 0 ? `, ${sizeOf(moved * 1_000 / ms)}/s` : ""
  const had = hadFiles === 0 ? "" : `, of which ${count(hadFiles, "was", "were")} there`
  const way = direction === "sent" ? `sent to ${style.bold(peer)}` : `from ${style.bold(peer)}`
  return [
    `${way}: ${count(files, "file", "files")}, ${sizeOf(bytes)}${had}${rate}`,
    ...problems.map(({ detail, kind, path }) => style.red(`  ${path}: ${kind}, ${detail}`)),
    ...(failed > problems.length ? [style.red(`  ${failed - problems.length} more did not arrive`)] : [])
  ].join("\n")
}

/** What a peer offers of a kind: `-` where it is nothing, and `?` where it is not known, unless nobody asked. */
const offeredText = (all: ReadonlyArray<string> | undefined, unsaid: Shape<"peer">["unsaid"]): string =>
  all !== undefined ? all.join(",") || "-" : unsaid === "notAsked" ? "" : "?"

/** The views by shape. */
export const views: { readonly [Name in ShapeName]: View<Shape<Name>> } = {
  peer: {
    columns: [
      { title: "NAME", cell: ({ name }) => name, gives: true, look: (style, text) => style.bold(text) },
      {
        title: "STATUS",
        cell: ({ status }) => status,
        look: (style, text, { status }) => status === "online" ? style.green(text) : style.yellow(text)
      },
      { title: "ADDRESS", cell: ({ addresses }) => addresses[0] ?? "", gives: true },
      {
        title: "FINGERPRINT",
        cell: ({ fingerprint }) => fingerprint,
        look: (style, text) => style.dim(text)
      },
      { title: "ROLES", cell: ({ roles, unsaid }) => offeredText(roles, unsaid), gives: true },
      { title: "FUNCTIONS", cell: ({ functions, unsaid }) => offeredText(functions, unsaid), gives: true }
    ],
    none: "no peers were found; start one with pnet up, or find out what is in the way with pnet doctor"
  },
  event: { one: eventLine, hang: 9 },
  function: {
    columns: [
      { title: "FUNCTION", cell: ({ signature }) => signature, gives: true, look: (style, text) => style.bold(text) },
      {
        title: "DESCRIPTION",
        cell: ({ description }) => description ?? "",
        gives: true,
        look: (style, text) => style.dim(text)
      }
    ],
    none: "it serves no functions",
    one: functionLines
  },
  snapshot: {
    one: (snapshot, style, moments) =>
      [...above(snapshot, moments).map(style.dim), ...table(watched, snapshot.peers, style, undefined), ""].join("\n"),
    screen: topScreen
  },
  pong: { one: pongLine },
  pings: {
    hang: 2,
    one: ({ answered, maxMs, meanMs, medianMs, minMs, peer, sent }, style) =>
      style.bold(`${peer}: ${answered} of ${sent} answered`) +
      (minMs === undefined ? "" : `, ${minMs} ms to ${maxMs} ms, median ${medianMs} ms, mean ${meanMs} ms`)
  },
  setting: {
    columns: [
      { title: "SETTING", cell: ({ name }) => name, look: (style, text) => style.bold(text) },
      { title: "VALUE", cell: ({ value }) => value ?? "", gives: true },
      {
        title: "FROM",
        cell: ({ where }) => where,
        gives: true,
        look: (style, text, { from }) => from === "default" || from === "none" ? style.dim(text) : text
      }
    ]
  },
  posted: { one: ({ duplicate, id, to }) => `${duplicate ? "was posted before" : "posted"} to ${to}: ${id}` },
  letter: { one: letterLine, none: "there are none" },
  published: {
    one: ({ peers, seq, topic, values }) =>
      `published ${values} ${values === 1 ? "value" : "values"} on ${topic}, ${
        seq === undefined ? `to ${peers.join(", ") || "nobody"}` : `kept up to number ${seq}`
      }`
  },
  offer: { one: offerLine, hang: 2 },
  transfer: { one: transferLine, hang: 4, none: "no peers were found" },
  publication: { one: publicationLine },
  identity: {
    columns: [
      { title: "NAME", cell: ({ name }) => name, look: (style, text) => style.bold(text) },
      { title: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint },
      { title: "KEY", cell: ({ key }) => key },
      { title: "FILE", cell: ({ file }) => file, gives: true, look: (style, text) => style.dim(text) }
    ],
    none: "there are no keys yet; a node makes its own when it starts first",
    one: ({ file, fingerprint, key, name }, style) =>
      [
        style.bold(name),
        `  fingerprint  ${fingerprint}`,
        `  key          ${key}`,
        style.dim(`  file         ${file}`)
      ].join("\n")
  },
  fingerprint: { one: ({ fingerprint }) => fingerprint },
  networkKey: {
    columns: [
      { title: "NUMBER", cell: ({ number }) => String(number), right: true },
      { title: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint },
      {
        title: "USE",
        cell: ({ use }) => use,
        look: (style, text, { use }) => use === "encrypts" ? style.green(text) : text
      },
      { title: "NETWORK", cell: ({ network }) => network, gives: true },
      { title: "FILE", cell: ({ file }) => file, gives: true, look: (style, text) => style.dim(text) }
    ],
    none: "the network has no key: it is in clear"
  },
  networkSecret: { one: ({ key }) => key },
  trusted: {
    columns: [
      { title: "NAME", cell: ({ name }) => name ?? "", gives: true, look: (style, text) => style.bold(text) },
      { title: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint },
      {
        title: "STATUS",
        cell: ({ status }) => status,
        look: (style, text, { status }) =>
          style[({ known: "green", listed: "green", connected: "yellow", revoked: "red" } as const)[status]](text)
      },
      { title: "FROM", cell: ({ from }) => from ?? "" },
      { title: "RIGHTS", cell: ({ rights }) => rightsText(rights), gives: true },
      { title: "KEY", cell: ({ key }) => key, gives: true, look: (style, text) => style.dim(text) }
    ],
    none: "nobody is known yet"
  },
  trustChange: { one: changed, hang: 2 },
  // A link that is broken is none.
  console: { one: consoleLine },
  claim: {
    columns: [
      { title: "NAME", cell: ({ name }) => name, look: (style, text) => style.bold(text) },
      { title: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint },
      { title: "ADDRESS", cell: ({ address }) => address ?? "" },
      {
        title: "IS",
        cell: ({ refused }) => refused ? "refused" : "let in",
        look: (style, text, { refused }) => refused ? style.red(text) : style.green(text)
      },
      { title: "KEY", cell: ({ key }) => key, gives: true, look: (style, text) => style.dim(text) }
    ]
  },
  finding: { one: findingLines, hang: 9 },
  measured: { one: measuredLines, hang: 14 },
  answer: {
    lines: true,
    columns: [
      { title: "PEER", cell: ({ peer }) => peer, look: (style, text) => style.bold(text) },
      {
        title: "ANSWER",
        cell: ({ failure, value }) => failure === undefined ? inLine(value) : failure.message,
        gives: true,
        look: (style, text, { failure }) => failure === undefined ? text : style.red(text)
      }
    ],
    none: "no peers were found",
    one: ({ failure, value }) => failure === undefined ? shown(value) : failure.message
  },
  topic: {
    columns: [
      { title: "TOPIC", cell: ({ topic }) => topic, look: (style, text) => style.bold(text) },
      { title: "QUESTION", cell: ({ title }) => title, gives: true }
    ]
  },
  explanation: { lines: true, one: ({ text, title }, style) => `${style.bold(title)}\n\n${text}` },
  error: {
    one: ({ detail, hint, message, mistakes, see }, style) =>
      [
        `${style.red("pnet:")} ${message}`,
        ...(mistakes ?? []).map(({ expected, found, where }) =>
          `  ${style.bold(where)}: expected ${expected}${found === undefined ? "" : `, found ${found}`}`
        ),
        ...(detail === undefined ? [] : [style.dim(`  ${JSON.stringify(detail)}`)]),
        ...(hint === undefined ? [] : [`  ${hint}`]),
        ...(see === undefined ? [] : [style.dim(`  more: ${see}`)])
      ].join("\n")
  }
}
