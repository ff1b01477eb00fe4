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
  sendTimeout: "Then `DeadlineError`.",
  dialledIdleTimeout: "The next message makes a new one.",
  addressesPerPeer: "The last one is dropped of the host that says the most, and none that was proved.",
  probes: "Further ones wait for their turn."
}

/**
 * The test that fills each limit, and shows what happens at the bound: the file, in `packages/`, and what it is called there.
 */
const tests: { readonly [L in Limit]: readonly [file: string, title: string] } = {
  pendingConnections: [
    "core/test/connect/Connections.sim.test.ts",
    "pendingConnections: those that said nothing make room after their time"
  ],
  pendingPerAddress: [
    "testing/src/NodeSuite.ts",
    "connections that prove nothing are bounded, one address takes its share only, and the node goes on"
  ],
  rawConnections: [
    "core/test/connect/Connections.sim.test.ts",
    "rawConnections: one more is answered ERR_BUSY, which the asker tries again until there is room"
  ],
  refusals: [
    "core/test/connect/Connections.sim.test.ts",
    "refusals: so many are told ERR_BUSY at once, and those beyond are closed without a word"
  ],
  firstPacketTimeout: [
    "testing/src/NodeSuite.ts",
    "a packet that stalls, and a connection that says nothing, are given up after five seconds"
  ],
  rawIdleTimeout: [
    "core/test/nodes/Limits.sim.test.ts",
    "rawIdleTimeout: a stranger's idle connection is closed then, and gives its place to another"
  ],
  writeTimeout: [
    "core/test/connect/Connections.sim.test.ts",
    "writeTimeout: a peer that takes no bytes loses its connection, and who waited is told"
  ],
  replayEntries: [
    "core/test/nodes/Limits.sim.test.ts",
    "replayEntries: strangers share half of the table, one more is answered ERR_BUSY, and who is known is served"
  ],
  dialTimeout: [
    "testing/src/TransportSuite.ts",
    "a dial that nobody answers is DialError Timeout, after the time of the options"
  ],
  sendTimeout: [
    "core/test/nodes/Limits.sim.test.ts",
    "sendTimeout: who gets no answer is told so then, and messages to others do not wait"
  ],
  dialledConnections: [
    "core/test/connect/Connections.sim.test.ts",
    "dialledConnections: the longest idle one is closed for a new one"
  ],
  dialledIdleTimeout: [
    "core/test/connect/Connections.sim.test.ts",
    "are closed by whoever dialled after 45 s without use, and made again"
  ],
  pendingSends: [
    "core/test/connect/Connections.sim.test.ts",
    "pendingSends: further messages to that peer wait, and all are handled in order"
  ],
  provedPeers: ["core/test/peers/Peers.test.ts", "when the proved table is full, one more stays among the unproved"],
  unprovedPeers: [
    "core/test/peers/Peers.test.ts",
    "of the unproved the oldest is evicted, and those that proved themselves never"
  ],
  unprovedPerAddress: [
    "core/test/peers/Peers.test.ts",
    "of one address only so many unproved are entered, and the others are counted"
  ],
  unprovedPerOwnAddress: [
    "core/test/peers/Peers.test.ts",
    "of this machine, and of addresses that are listed, more are entered, and who is left out is named"
  ],
  addressesPerPeer: [
    "core/test/peers/Peers.test.ts",
    "of a peer only so many addresses are kept, the newest first while it is unproved"
  ],
  addressesPerName: [
    "core/test/discovery/HostNames.sim.test.ts",
    "addressesPerName: of a name with more addresses the first are asked, which the log says"
  ],
  peerEvents: [
    "core/test/peers/Peers.test.ts",
    "a slow reader of changes misses the oldest, and holds no more than it may"
  ],
  probes: ["core/test/peers/Peers.test.ts", "asks no more peers at once than the limit says"],
  doubts: [
    "core/test/peers/Crowd.sim.test.ts",
    "who names those that do not say that they are there makes each node ask at most limits.doubts of them a second"
  ],
  datagrams: [
    "core/test/nodes/Limits.sim.test.ts",
    "datagrams: of those that nobody had time to read the further ones are dropped, and calls go on"
  ],
  sightings: [
    "core/test/nodes/Limits.sim.test.ts",
    "sightings: of adverts that were read at once and not yet entered the oldest are dropped, and who is known stays"
  ],
  advertStamps: ["core/test/nodes/Limits.sim.test.ts", "advertStamps: with ${advertStamps} of them a recorded"],
  sessions: [
    "core/test/session/Session.wire.test.ts",
    "sessions are bounded: the longest idle one makes room, and where none is idle the answer is ERR_BUSY"
  ],
  sessionsPerPeer: [
    "core/test/session/Session.wire.test.ts",
    "sessionsPerPeer: one more takes the place of one of the same key, idle or silent, and no place of others"
  ],
  handshakesPerAddress: [
    "core/test/nodes/Limits.sim.test.ts",
    "handshakesPerAddress: one address begins so many in a second, one more is answered ERR_BUSY before any product, and others go on"
  ],
  handshakes: [
    "core/test/nodes/Limits.sim.test.ts",
    "handshakes: so many are begun in a second, one more is answered ERR_BUSY before any product, and sessions go on"
  ],
  sessionSilence: [
    "core/test/session/Sessions.sim.test.ts",
    "a peer that vanishes is dead after twice the silence, and its streams fail at once"
  ],
  sessionIdle: [
    "core/test/session/Sessions.sim.test.ts",
    "is closed by its opener when it was idle, and nothing of it is left"
  ],
  sessionAge: [
    "core/test/session/Sessions.sim.test.ts",
    "is renewed by its opener before it is too old, and open streams go on"
  ],
  shutdownDrain: [
    "core/test/nodes/Limits.sim.test.ts",
    "shutdownDrain: a session that ends for good resets what has not finished by then, and the next call makes another"
  ],
  renewDrain: ["core/test/session/Sessions.sim.test.ts", "that drains is given its time, and no more"],
  streams: [
    "core/test/session/Sessions.sim.test.ts",
    "openers beyond the streams there may be wait, and go on one after another"
  ],
  calls: ["core/test/call/CommandNode.sim.test.ts", "calls beyond the limits are refused, and neighbours go on"],
  callSize: ["core/test/call/CommandNode.sim.test.ts", "calls beyond the limits are refused, and neighbours go on"],
  callMemory: [
    "core/test/nodes/Limits.sim.test.ts",
    "callMemory: large calls of one peer have a quarter of it, one more is refused, and others are served"
  ],
  credit: [
    "core/test/session/Sessions.sim.test.ts",
    "openers beyond the credit of a session or of the node wait, for another peer's streams too"
  ],
  streamCredit: [
    "core/test/session/Mux.test.ts",
    "who is read as it comes is granted more, twice as much each time, as far as the window goes, and all is given back"
  ],
  offers: [
    "core/test/offers/Following.sim.test.ts",
    "offers: of more peers it is not known, until who was asked in vain gives way"
  ],
  offerMemory: [
    "core/test/offers/Following.sim.test.ts",
    "offerMemory: what one more offers is not known, which the log says, until there is room"
  ],
  topics: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.topics: a topic of which nothing is held gives way to another, and one of which something is does not"
  ],
  subscriptions: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.subscriptions: one more fails, and there is room again when one ends"
  ],
  topicMemory: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.topicMemory: what waits for one peer takes a quarter of it, and for nobody more than all of it"
  ],
  topicRetained: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.topicRetained: a value beyond it is not retained, here or in a table"
  ],
  topicDeliveries: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.topicDeliveries: of a group so many wait, and more is given up for it alone, as it is told"
  ],
  topicGroups: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.topicGroups: one peer's are a quarter, of a topic and of all, and there is room for others' when some have ended"
  ],
  topicGroupMemory: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.topicGroupMemory: what waits for a peer's groups takes a quarter of it, and nothing of anybody else's"
  ],
  topicPatience: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.topicPatience: a member that acknowledges nothing for so long has what it was handed go to another as well"
  ],
  topicRate: [
    "core/test/topics/Bounds.sim.test.ts",
    "limits.topicRate: of a peer so many records a second are read, and the rest when that is over"
  ],
  sharedKeys: [
    "core/test/nodes/Limits.sim.test.ts",
    "sharedKeys: a key that was dropped is computed again, and nobody notices"
  ]
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

const packages = fileURLToPath(new URL("../../", import.meta.url))

const filledBy = table(
  ["`limits.`", "filled by", "in `packages/`"],
  names.flatMap((name) => {
    const [file, title] = tests[name]
    return [[`\`${name}\``, title.replace("${advertStamps}", "2, with 64"), `\`${file}\``]]
  })
)

const packet = Packet.maxStreamLength
const kibibyte = 1_024

/** What a node can be made to hold: which kind of node, the term with the names of limits, its value, and what it is. */
const memoryTerms: ReadonlyArray<
  readonly [node: string, term: string, value: (limits: NodeOptions.Limits) => number, what: string]
> = [
  ["every node", "`pendingConnections` × packet", (l) => l.pendingConnections * packet, "a packet that has begun"],
  [
    "every node",
    "`rawConnections` × (2 packets + 256 KiB)",
    (l) => l.rawConnections * (2 * packet + 256 * kibibyte),
    "a packet that has begun, and answers that the peer does not read"
  ],
  [
    "every node",
    "`datagrams` × 2 sockets × 64 KiB",
    (l) => l.datagrams * 2 * 64 * kibibyte,
    "datagrams that the node had no time to read; a socket more for each further interface"
  ],
  [
    "every node",
    "`sightings` × 2 KiB",
    (l) => l.sightings * 2 * kibibyte,
    "adverts that were read and wait to be entered"
  ],
  [
    "every node",
    "(`replayEntries` + `sharedKeys`) × 512 bytes",
    (l) => (l.replayEntries + l.sharedKeys) * 512,
    "entries of tables"
  ],
  [
    "every node",
    "(`unprovedPeers` + `provedPeers` + `advertStamps`) × 2 KiB",
    (l) => (l.unprovedPeers + l.provedPeers + l.advertStamps) * 2 * kibibyte,
    "peers with what adverts say of them, with the last advert of a source, and the adverts of a key that were accepted last"
  ],
  [
    "with sessions",
    "`sessions` × 112 KiB",
    (l) => l.sessions * 112 * kibibyte,
    "a session that is idle, with its socket"
  ],
  [
    "with sessions",
    "`sessions` × (2 packets + 1 MiB)",
    (l) => l.sessions * (2 * packet + 1_024 * kibibyte),
    "a message that has begun, frames of control that the peer does not read, and a message of them"
  ],
  [
    "with sessions",
    "`handshakes` × 122 × 160 bytes",
    (l) => l.handshakes * 122 * 160,
    "short-term keys of the last two minutes, on a network with a key"
  ],
  ["with sessions", "2 × `credit`", (l) => 2 * l.credit, "what streams have received and nobody has read"],
  [
    "with sessions",
    "5 × `offerMemory`",
    (l) => 5 * l.offerMemory,
    "what peers offer, as they say it and as it is known"
  ],
  ["with sessions", "`topicMemory`", (l) => l.topicMemory, "publications that wait for peers and for subscriptions"],
  ["with sessions", "`topicGroupMemory`", (l) => l.topicGroupMemory, "publications that groups have not acknowledged"],
  ["with sessions", "`topicGroups` × 8 KiB", (l) => l.topicGroups * 8 * kibibyte, "groups of topics"],
  [
    "with sessions",
    "2 × `topicRetained`",
    (l) => 2 * l.topicRetained,
    "values that the node retains, and those of peers in its tables"
  ],
  ["CommandNode", "`calls` × 68 KiB", (l) => l.calls * 68 * kibibyte, "calls of up to 64 KiB that are being handled"],
  ["CommandNode", "`callMemory`", (l) => l.callMemory, "calls over that"]
]

const mebibytes = (bytes: number) => `${grouped(Math.round(bytes / 1_048_576 * 10) / 10)} MiB`

const memory = Effect.map(NodeOptions.make({ name: "n" }), ({ limits }) => {
  let sum = 0
  const rows = memoryTerms.map(([node, term, value, what]) => {
    sum += value(limits)
    return [node, term, mebibytes(value(limits)), mebibytes(sum), what]
  })
  return table(["which nodes", "at most", "by default", "up to here", "what it is"], rows)
})

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
  [
    "Answers to who asks for an advert by a datagram",
    "32 a second in all, 5 a second to one socket; to who asks all, as to any newcomer",
    "The question is not answered: it is asked again, or by a connection."
  ],
  [
    "On a LAN of many: answers of all nodes together to who asks all",
    "500 a second to one address, after 1,000 or two of each node; 10,000 a second in all",
    "Each answers by chance, so that no more do."
  ],
  [
    "On a LAN of many: questions to all for which a node looks how many are asked, by some of its peers",
    "64 a second, by 64 peers",
    "They count as asking all of their slice, so that fewer answer."
  ],
  [
    "Addresses that are counted for that",
    "1,024",
    "The one that asked the longest time ago begins anew; the bound for all addresses still holds."
  ],
  [
    "On a LAN of many: peers that others named and that wait to be asked; hosts that named them",
    "32 of one host; 64",
    "It is asked when it is named again; the oldest host's are."
  ],
  [
    "Silent peers that adverts alone place at one host and that are asked there at once; questions to it in a second",
    "128 divided by the peers that are known, 2 to 8; 16",
    "They wait for their turn, and are lost by their silence where it does not come."
  ],
  [
    "On a LAN of few: questions by a datagram to peers that are not heard, at one host but the loopback",
    "16 a second",
    "It is asked as soon as there is room, and is a suspect in its time, asked or not."
  ],
  [
    "On a LAN of many: peers at one host that are asked since others named them",
    "a quarter of `doubts` a second",
    "They wait."
  ],
  [
    "Sockets at which a peer can be asked by a datagram",
    "4",
    "The newest but the last is forgotten, of the host that has most."
  ],
  [
    "On a LAN of many: keys of one `ask`; in doubt and not yet named; named and remembered",
    "16; 64; 256, for 3 s",
    "Another `ask`; the oldest is not named; the oldest is named again."
  ],
  [
    "Rounds in which a newcomer asks all; newcomers that ask all before it waits for a round",
    "12; 20 a second",
    "It hears of the others by their adverts; it goes on after three waits."
  ],
  [
    "Answers that are being given at once",
    "64",
    "Further newcomers are not answered: they hear the next advert."
  ],
  [
    "Sources whose last advert is remembered, to know it again",
    "`provedPeers` and `unprovedPeers` together",
    "The oldest is forgotten: its next advert is read like a first one."
  ],
  ["Sources of adverts that are counted for that", "1,024", "All start anew; the bound for all sources still holds."],
  [
    "What keeps nodes from being found, as `peers.obstacles` has it",
    "64, for a minute; each is said once an hour, ten a minute of a kind",
    "The oldest is forgotten; the next line says how many were left out."
  ],
  [
    "A key conflict that is told",
    "once a minute for a name, ten a minute of a kind",
    "It is not told again; the next line says how many were left out."
  ],
  [
    "Levels of arrays and objects in a peer's JSON",
    "512",
    "A command is answered `invalid_arguments`, a typed call is RESET `internal`, an answer is a `ContractError`, and the typed error of a RESET is left out."
  ],
  [
    "Headers of a typed call",
    "64 KiB",
    "`CallTooLargeError`; one that sends more all the same is RESET `internal`."
  ],
  [
    "A contract of a typed call",
    "256 KiB",
    "It is sent as an empty one, and the caller does not say where the two differ."
  ],
  [
    "A line of a typed call as JSON, besides its value and its headers",
    "1 KiB",
    "RESET `too_large`; of an answer, `CallTooLargeError`. It is not waited for."
  ],
  ["A grant of a stream as JSON", "256 bytes, 2^32-1 chunks", "RESET `internal`, and the handler is interrupted."],
  [
    "Headers of a call over bytes, as JSON",
    "4,096 bytes",
    "Here nothing is sent: `CallTooLargeError`. A peer's are reset with `too_large`, and nothing is run."
  ],
  [
    "A certificate, a list of revocations, what a policy shows",
    "2,048 bytes; 4,096 serials and keys; 4,096 bytes",
    "`AuthorityError`; from a peer, it is none."
  ],
  [
    "Keys whose certificates are kept",
    "16,384 (`capacity` of `AuthorityTrust`)",
    "The one that was of use the longest time ago is forgotten, until it shows it again."
  ],
  [
    "Peers that are asked for a list of revocations, and shown something new, at once",
    "4; 16",
    "Further ones wait. Each has 10 s."
  ],
  [
    "Streams by which one session shows and asks for these",
    "10 in 10 s",
    "RESET `refused`."
  ],
  ["Deciding whether a peer may call a function (`allow`)", "10 s", "It may not; the log says so."],
  [
    "Functions of peers of which a client remembers how they are called",
    "4,096",
    "All are forgotten, and found out again."
  ],
  ["Arguments of a command", "10,000", "It is answered `invalid_arguments`, and not run."],
  [
    "Typed errors of one failure of a typed call",
    "64",
    "Further ones are not sent, and not read; in bytes, `ContractError`."
  ],
  [
    "Time for which a peer's function is called by JSON, where it did not take bytes",
    "2 minutes",
    "It is called in bytes again, and by JSON if it does not take them still."
  ],
  [
    "Bytes of an integer in the bytes of a typed call",
    "16,384, or as many of shorter ones as take that time",
    "It cannot be decoded: `ContractError`."
  ],
  [
    "What the arrays, objects and fields of an answer by JSON hold besides its bytes",
    "8 times `callSize`",
    "It is not parsed; `CallTooLargeError`."
  ],
  ["The description in a refusal", "1,024 characters", "The rest is left out."],
  ["Series of the metrics of calls", "2,048", "Calls of further peers and functions are counted under `other`."],
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
    "Sessions that a node which only dials is making unasked, at once",
    "a quarter of `sessions`",
    "The next peers have their turn when one of these is made or has failed, or they are called."
  ],
  [
    "Head start of an address over a peer's next one",
    "250 ms",
    "The next one is tried as well; the first at which the key proves itself wins."
  ],
  [
    "Names that a key has which proved none: one for each host that says one",
    "4",
    "The one that was said the longest ago is dropped; where the key proves one, all others."
  ],
  [
    "Adverts in datagrams that are told from recorded ones, of each key and host, on a network with a key",
    "16",
    "Those of the oldest second are forgotten, and no advert of that second is accepted any more."
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
  [
    "What a node tells of itself",
    "16 roles of 64 bytes, 512 bytes of `meta`, 256 subscriptions, 1,024 functions of 255 bytes, 64 KiB in all",
    "`OptionsError`; further subscriptions and functions are not told of, which the log says. A peer that says more says nothing."
  ],
  [
    "Lines in which a node tells that, to one peer",
    "4 a second",
    "The newest is told then. Of a peer's, further ones are not looked at; over 512 KiB a second it is given up for 5 minutes."
  ],
  [
    "Calls that wait in a client of a service, and those that are out to one of its peers",
    "1,024 each (`settings`)",
    "`OverloadedError`, or the place of the caller that has the most; others are called, or it waits."
  ],
  [
    "Retries of a client of a service, and second attempts",
    "a fifth of its calls and 10 a second; a twentieth of its calls",
    "A call that failed is not sent to another peer; the first attempt is waited for."
  ],
  [
    "Calls that a function with `concurrency` runs, and has wait",
    "64 and 256 unless it says others",
    "RESET `refused`, as not run."
  ],
  [
    "Targets of one of several peers whose state a node keeps though nothing calls them",
    "64, for a minute",
    "The one that was not used the longest is forgotten, and begins anew."
  ],
  ["Capacity that a peer says it has", "1,024 count of it (`settings.pending`)", "More is taken as that."],
  ["Peers that are asked what they offer at once", "16", "Further ones wait for their turn."],
  ["An identity file", "4,096 bytes", "It is refused."],
  [
    "Of a message link: what came and was not read, with what it lies in; messages between two ends",
    "512 KiB (`window` of `MessageLink`), three times that; those before the credit was said, and the channel's",
    "Who sends more is cut off; who has more to write waits."
  ],
  [
    "Of a connection before its WebSocket is taken: until a request has come; how many; an answer that nobody takes",
    "the server's: Node's 60 s for headers, 300 s in all, looked at every 30 s; any number; for ever",
    "Give the server [bounds of yours](browser.md#the-server)."
  ],
  [
    "Of a WebSocket: a message; its pieces; what the system holds of what was sent, before nothing more is",
    "65,536 bytes; 256; 1 MiB, of which 512 bytes for each message",
    "The connection ends; who has more to write waits. What a server holds is known on Node; on another platform the window of the other end bounds it."
  ],
  [
    "A browser's storage: until it opens, and until a value is read or written",
    "10 seconds",
    "`KeyValueStoreError`."
  ],
  ["Tabs of one page that are nodes", "64", "The next is a `WebIdentityError`."],
  [
    "Of a message link: silence; answers that are owed; bytes of a reason",
    "15 to 20 s (`silence`, `pingInterval`); one; 200",
    "The connection ends, and is not clean; what is more is not looked at."
  ],
  [
    "On Node: a connection that was closed, and whose peer takes nothing more",
    "3 to 6 s; 30 s in all; 64 MiB and 1,024 of the process",
    "It is cut; of many the oldest."
  ],
  [
    "On Node: what is held where V8 keeps a heap small that receives a stream, as after a rest",
    "24 MiB; 48 and 96 where that does not help; of the process",
    "V8 marks more often, and the stream is slower. Nothing is held where less than four times as much is left of the heap."
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
    const sections = { options: yield* options, tests: filledBy, fixed, memory: yield* memory }
    const generated = Object.entries(sections).reduce(
      (document, [name, content]) => replaceSection(document, name, content),
      written
    )
    if (process.env.UPDATE_DOCS === "1") return writeFileSync(file, generated)
    assert.strictEqual(written, generated, "run this test with UPDATE_DOCS=1")
  }))

it("the tests that docs/limits.md names are there", () => {
  for (const name of names) {
    const [file, title] = tests[name]
    assert.include(readFileSync(packages + file, "utf8"), title, `limits.${name}: ${file}`)
  }
})
