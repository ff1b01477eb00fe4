/**
 * Keeps `docs/limits.md` true: its tables are generated from the Schema of the limits and from the protocol's constants.
 * `UPDATE_DOCS=1` rewrites the file.
 */
import { assert, it } from "@effect/vitest"
import { NodeOptions, Packet, Raw } from "@pnet/core"
import { Duration, Effect, SchemaAST } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const file = fileURLToPath(new URL("../../../docs/limits.md", import.meta.url))

type Limit = keyof NodeOptions.Limits

/**
 * What a description leaves out: what happens at the bound. Those of the others say it themselves, in their second sentence.
 */
const consequences: { readonly [L in Limit]?: string } = {
  firstPacketTimeout: "The connection is answered `ERR_PACKET_INCOMPLETE` and closed.",
  rawIdleTimeout: "The next message makes a new one.",
  writeTimeout: "Those who wait for an answer over it get a `PeerLostError`.",
  replayEntries: "When full, a sender that is not in it is answered `ERR_BUSY`, until entries are over 60 s old.",
  dialTimeout: "Then `DialError` with kind `Timeout`, unless another address answers.",
  sendTimeout: "Then `SendTimeoutError`.",
  dialledIdleTimeout: "The next message makes a new one.",
  addressesPerPeer: "The last one is dropped.",
  probes: "Further ones wait for their turn."
}

const names = Object.keys(NodeOptions.Limits.fields) as ReadonlyArray<Limit>

const upperFirst = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1)

/** What is bounded, and what happens at the bound. */
const describeLimit = (name: Limit): readonly [string, string] => {
  const description = SchemaAST.resolveDescription(NodeOptions.Limits.fields[name].ast)
  if (description === undefined) throw new Error(`limits.${name} has no description`)
  const [, first, then] = /^(.*?[.;])(?:\s+(.*))?$/.exec(description) ?? []
  if (first === undefined) throw new Error(`the description of limits.${name} is no sentence`)
  const consequence = [then === undefined ? undefined : upperFirst(then), consequences[name]]
    .filter((part) => part !== undefined).join(" ")
  if (consequence === "") throw new Error(`what happens when limits.${name} is reached is said nowhere`)
  return [first.replace(/;$/, "."), consequence.replaceAll(/(?<!`)ERR_[A-Z_]+/g, "`$&`")]
}

const grouped = (value: number) => value.toLocaleString("en-US")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) => {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)))
  const line = (row: ReadonlyArray<string>) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n")
}

const options = Effect.map(NodeOptions.make({ name: "n" }), ({ limits }) =>
  table(
    ["`limits.`", "default", "what is bounded", "at the bound"],
    names.map((name) => {
      const value = limits[name]
      return [
        `\`${name}\``,
        Duration.isDuration(value) ? Duration.format(value) : grouped(value),
        ...describeLimit(name)
      ]
    })
  ))

const largest = (encrypted: boolean) =>
  Raw.maxPayload({ networkId: "n" as Packet.NetworkId, name: "n" as Packet.NodeName, encrypted })

const fixed = table(["what is bounded", "bound", "at the bound"], [
  ["A packet in a datagram", `${grouped(Packet.maxDatagramLength)} bytes`, "It is dropped and counted."],
  [
    "A packet on a stream",
    `${grouped(Packet.maxStreamLength)} bytes`,
    "`ERR_PACKET_TOO_LARGE`, and the connection is closed."
  ],
  [
    "A message or an answer of RAW",
    `${grouped(largest(false))} bytes`,
    "`MessageTooLargeError` before anything is sent; for an answer `ERR_INTERNAL`, and a line in the log."
  ],
  [
    "The same on a network with a key",
    `${grouped(largest(true))} bytes`,
    "As above. A few bytes less without a key where the network id and the name are long."
  ],
  ["A network id, a name", "64 bytes of UTF-8 each", "`OptionsError`; in a packet, the code of its section."],
  [
    "Clocks, from each other",
    "60 s",
    "`ERR_REPLAY` for a message; on a network with a key, `ERR_NET_DECRYPTION_FAILED` for every packet."
  ],
  ["Network keys that a node holds", "16", "`NetworkKeysError` with the kind `Full`."],
  [
    "Time for a peer to make its session anew when the network key of the old one is removed",
    "an interval, `dialTimeout` and `firstPacketTimeout` together",
    "The streams that are left are reset with `going_away`, and the session ends."
  ],
  [
    "Names pinned by trust on first use, by default",
    "4,096; half of them for those who connect, a quarter from one address",
    "`UntrustedPeerError` with the kind `Full`. No pin is taken away to make room."
  ],
  [
    "A file of known peers, an allow list",
    "1 MiB",
    "`TrustFileError`; a later one is not read, and the last good one holds."
  ],
  ["After an `err` was sent: reading on", "1 s, 1 MiB", "The connection is closed."],
  [
    "Answers to adverts",
    "10 a second in all, 5 a second to one source",
    "The newcomers are told by two further broadcasts within a second."
  ],
  ["Sources of adverts that are counted for that", "1,024", "All start anew; the bound for all sources still holds."],
  ["A key conflict that is told", "once a minute for a name", "It is not told again."],
  [
    "Bytes that wait to be written to a connection",
    "256 KiB, and the packet that went over it",
    "Nothing more is handled, or sent, until some have left."
  ],
  [
    "Connections in a row that a peer ends before an answer, with nothing sent",
    "3 retries",
    "`PeerLostError`, with `mayHaveRun` false."
  ],
  ["The wait after `ERR_BUSY`", "100 to 300 ms", "The message is sent again, until its time is over."],
  [
    "Head start of an address over a peer's next one",
    "250 ms",
    "The next one is tried as well; the first that answers wins."
  ],
  [
    "Silence of a peer, in its broadcast intervals",
    "3, then 6",
    "After 3 it is `Suspect` and is asked; it is `Lost` when it does not answer, or after 6."
  ],
  [
    "\"Leaving\" when a node closes",
    "4 datagrams an interface",
    "Peers that miss all of them find out as for a crash."
  ],
  ["An identity file", "4,096 bytes", "It is refused."],
  [
    "On Node: a connection that was closed, and whose peer takes nothing more",
    "3 to 6 s",
    "It is cut."
  ]
])

const replaceSection = (document: string, name: string, content: string): string => {
  const begin = `<!-- generated: ${name} -->\n`
  const from = document.indexOf(begin)
  const to = document.indexOf("<!-- end -->", from)
  if (from < 0 || to < 0) throw new Error(`docs/limits.md has no section ${name}`)
  return `${document.slice(0, from)}${begin}\n${content}\n\n${document.slice(to)}`
}

it.effect("docs/limits.md has the limits as they are", () =>
  Effect.gen(function*() {
    const written = readFileSync(file, "utf8")
    const generated = replaceSection(replaceSection(written, "options", yield* options), "fixed", fixed)
    if (process.env.UPDATE_DOCS === "1") return writeFileSync(file, generated)
    assert.strictEqual(written, generated, "run this test with UPDATE_DOCS=1")
  }))
