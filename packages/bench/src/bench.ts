/**
 * The benchmarks of pnet: `pnpm bench raw`, `rpc`, `typed`, `commands`, `bulk`, `peers`, `goals`, `allocations`, `tail`, `idle`, `contact`, `start`, `crowd`, `nats-crowd`, `service`, `topics`, `files`, `web`, `nats`, `crypto`. Each prints a table
 * and, with `--json FILE`, writes the numbers. Sockets are bound to 127.0.0.1 and broadcasts go to 127.255.255.255 alone.
 */
import { count, counts, optional } from "@pnet/lab/harness/flags"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Allocations from "./allocations.ts"
import * as Bulk from "./bulk.ts"
import * as Commands from "./commands.ts"
import * as Contact from "./contact.ts"
import * as Crowd from "./crowd.ts"
import * as CryptoBench from "./crypto.ts"
import * as Files from "./files.ts"
import * as Goals from "./goals.ts"
import * as Flags from "./harness/flags.ts"
import * as Idle from "./idle.ts"
import * as Nats from "./nats.ts"
import * as NatsCrowd from "./natsCrowd.ts"
import * as Peers from "./peers.ts"
import * as Raw from "./raw.ts"
import * as Rpc from "./rpc.ts"
import * as Service from "./service.ts"
import * as Start from "./start.ts"
import * as Tail from "./tail.ts"
import * as Topics from "./topics.ts"
import * as Typed from "./typed.ts"

const { atOnce, conditions, json, pin, profile } = Flags

const raw = Command.make("raw", {
  seconds: Flags.seconds(2),
  atOnce,
  only: Flags.only(Raw.subjects, " besides the two raw echoes"),
  rounds: Flags.rounds(1),
  profile,
  pin,
  ...conditions,
  json
}, Raw.main).pipe(Command.withDescription("Messages a second and latency of BasicNode, against a raw node:net echo"))

const rpc = Command.make("rpc", {
  seconds: Flags.seconds(2),
  atOnce,
  only: Flags.only(Rpc.subjects, " besides the raw echoes"),
  rounds: Flags.rounds(1),
  profile,
  pin,
  ...conditions,
  json
}, Rpc.main).pipe(
  Command.withDescription(
    "Calls a second and latency of AdvancedNode, against raw node:net echoes with and without boxes"
  )
)

const typed = Command.make("typed", {
  seconds: Flags.seconds(2),
  atOnce,
  only: Flags.only(Typed.subjects, ", with what it is compared to"),
  mib: Flags.mib(256, "stream"),
  rounds: Flags.rounds(3),
  profile,
  pin,
  ...conditions,
  json
}, Typed.main).pipe(
  Command.withDescription("Calls a second and streams of an RPC group, against Effect's own RPC over plain TCP")
)

const commands = Command.make("commands", {
  seconds: Flags.seconds(2),
  atOnce,
  rounds: Flags.rounds(3),
  profile,
  pin,
  ...conditions,
  json
}, Commands.main).pipe(
  Command.withDescription(
    "Calls a second and latency of a CommandNode's function, against Effect's own RPC over plain TCP"
  )
)

const bulk = Command.make("bulk", {
  mib: Flags.mib(512, "transfer"),
  streams: counts("streams", [1, 8], "Streams at once that share it", 1_000),
  only: Flags.only(Bulk.subjects, " besides the two raw connections"),
  rounds: Flags.rounds(3),
  profile,
  pin,
  ...conditions,
  json
}, Bulk.main).pipe(
  Command.withDescription("Many bytes one way through AdvancedNode, against raw node:net with and without boxes")
)

const allocations = Command.make("allocations", {
  calls: count("calls", 20_000, "Calls that count in each measurement", 1_000_000),
  atOnce,
  only: Flags.only(Allocations.subjects, ""),
  top: Flag.Int("top").pipe(
    Flag.withDefault(0),
    Flag.withDescription("How many of the functions that allocate the most to name (default 0)")
  ),
  pin,
  ...conditions,
  json
}, Allocations.main).pipe(
  Command.withDescription("Bytes that a call allocates on each side, for each way to call")
)

const peers = Command.make("peers", {
  seconds: Flags.seconds(1),
  atOnce,
  only: Flags.only(Peers.subjects, ""),
  calls: Flag.Boolean("calls").pipe(
    Flag.withDefault(true),
    Flag.withDescription("Measure calls (default); --no-calls: all else")
  ),
  mib: Flag.Int("mib").pipe(
    Flag.filter((n) => n >= 0 && n <= 8_192, (n) => `--mib is 0 to 8192, not ${n}`),
    Flag.withDefault(256),
    Flag.withDescription("MiB of each transfer, 0 for none (default 256)")
  ),
  many: Flag.Boolean("many").pipe(
    Flag.withDefault(true),
    Flag.withDescription("Measure what goes from one to many (default); --no-many: what goes between two alone")
  ),
  subscribers: Flags.subscribers,
  pace: Flags.pace,
  processes: Flags.processes,
  rounds: Flags.rounds(3),
  into: Flags.into,
  write: Flag.Boolean("write").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Make docs/performance.md and its picture anew; what is not measured now stays as it was")
  ),
  profile,
  pin,
  ...conditions,
  json
}, Peers.main).pipe(
  Command.withDescription("pnet beside what would be used instead: js-libp2p, zeromq, NATS, gRPC, cote, moleculer")
)

const goals = Command.make("goals", {
  only: Flags.only(Goals.parts, ""),
  seconds: Flags.seconds(1),
  rounds: Flags.rounds(3),
  mib: Flags.mib(256, "transfer"),
  sessions: count("sessions", 1_000, "Idle sessions", 1_000),
  pin,
  ...conditions,
  json
}, Goals.main).pipe(
  Command.withDescription("What calls, streams and idle sessions are meant to cost, and whether they do")
)

const tail = Command.make("tail", {
  seconds: Flags.seconds(2),
  atOnce: counts("at-once", [128], "Messages on their way at once", 1_000),
  only: Flags.only(Tail.subjects, ""),
  rounds: count("rounds", 3, "How often to measure everything; each round is reported", 1_000),
  pin,
  ...conditions,
  json
}, Tail.main).pipe(
  Command.withDescription(
    "Why the slowest of many calls at once are slow: what the two processes stood still for meanwhile"
  )
)

const idle = Command.make("idle", {
  sessions: count("sessions", 1_000, "Idle sessions", 1_000),
  streams: count("streams", 10_000, "Streams that are opened and closed", 1_000_000),
  seconds: Flags.seconds(10),
  pin,
  ...conditions,
  json
}, Idle.main).pipe(Command.withDescription("What idle sessions hold, and what closed streams leave behind"))

const start = Command.make("start", {
  times: count("times", 20, "How often each is started", 1_000),
  pin,
  ...conditions,
  json
}, Start.main).pipe(
  Command.withDescription("How long the pnet command takes from its start to its end, beside a Node that does nothing")
)

const contact = Command.make("contact", {
  times: count("times", 20, "How many first contacts", 1_000),
  cryptography: Flag.Literals("crypto", ["native", "portable"]).pipe(
    Flag.withDefault("native"),
    Flag.withDescription("Which cryptography (default native)")
  ),
  networkKey: Flag.Boolean("key").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Whether the network has a key (default: it has none)")
  ),
  pin,
  json
}, Contact.main).pipe(Command.withDescription("How soon a node that starts and one that runs know each other"))

const natsCrowd = Command.make("nats-crowd", {
  nodes: count("nodes", 5_000, "how many others there are", 100_000),
  seconds: Flags.seconds(60),
  profile
}, NatsCrowd.main).pipe(Command.withDescription("What it costs a node to be one of thousands over a NATS server"))

const crowd = Command.make("crowd", {
  senders: count("senders", 1_000, "How many nodes are heard", 8_000),
  perSecond: count("per-second", 4_000, "Adverts a second when it is busy", 100_000),
  seconds: Flags.seconds(5),
  rounds: Flags.rounds(3),
  beside: optional(Flag.String("beside"), "A worker of other code, to be measured in turns with this one"),
  pin,
  json
}, Crowd.main).pipe(
  Command.withDescription(
    "What an advert that says nothing new costs a node that hears a thousand others, and what they hold"
  )
)

const service = Command.make("service", {
  calls: count("calls", 2_000, "Calls in a turn", 1_000_000),
  atOnce: count("at-once", 32, "Calls at once", 1_024),
  rounds: Flags.rounds(99),
  pin,
  json
}, Service.main).pipe(
  Command.withDescription("What a call costs that goes to whoever serves a group, beside one that goes to a name")
)

const topics = Command.make("topics", {
  subscribers: Flags.subscribers,
  seconds: Flags.seconds(1),
  pace: Flags.pace,
  processes: Flags.processes,
  only: Flags.only(Topics.subjects, ""),
  rounds: Flags.rounds(3),
  into: Flags.into,
  profile,
  pin,
  ...conditions,
  json
}, Topics.main).pipe(
  Command.withDescription(
    "Messages from one to many, beside zeromq, NATS and moleculer, and one subscriber that is frozen"
  )
)

const amount = (name: string, value: number, what: string, most: number) =>
  Flag.Int(name).pipe(
    Flag.filter((n) => n >= 0 && n <= most, (n) => `--${name} is 0 to ${most}, not ${n}`),
    Flag.withDefault(value),
    Flag.withDescription(`${what}, 0 for none (default ${value})`)
  )

const files = Command.make("files", {
  mib: amount("mib", 256, "MiB of the large file", 65_536),
  files: amount("files", 2_000, "Small files", 1_000_000),
  calls: amount("calls", 500, "How many of them are sent by a call each, too", 1_000_000),
  rounds: Flags.rounds(3),
  beside: Flag.Boolean("beside").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Measure rsync and scp, too, where they can be had (default: not)")
  ),
  folder: optional(
    Flag.String("folder"),
    "Where files are made and arrive (default: the system's for what is temporary)"
  ),
  into: Flags.into,
  profile,
  pin: Flag.Boolean("pin").pipe(
    Flag.withDefault(false),
    Flag.withDescription(
      "Pin the two processes to different cores (default: not, since files are read and written on others)"
    )
  ),
  ...conditions,
  json
}, Files.main).pipe(
  Command.withDescription("A large file beside a stream of as many bytes, and small ones beside a call for each")
)

const nats = Command.make("nats", {
  seconds: Flags.seconds(1),
  atOnce,
  only: Flags.only(Nats.subjects, " besides NATS itself"),
  mib: amount("mib", 256, "MiB of each transfer", 8_192),
  rounds: Flags.rounds(3),
  into: Flags.into,
  profile,
  pin,
  ...conditions,
  json
}, Nats.main).pipe(
  Command.withDescription("Calls and streams over a NATS server, encrypted, against NATS's own client in clear")
)

const crypto = Command.make("crypto", { seconds: Flags.seconds(0.3), json }, CryptoBench.main).pipe(
  Command.withDescription("Boxes and Fernet tokens, native against portable")
)

const web = Command.make("web", {
  times: count("times", 9, "First answers, each in a page of its own", 1_000),
  calls: count("calls", 4_000, "Calls that count in each measurement", 1_000_000),
  mib: Flags.mib(100, "stream")
}, (options) =>
  // What drives browsers is large, and only loaded where there is one to drive.
  Effect.flatMap(Effect.promise(() => import("./web.ts")), (web) => web.main(options))).pipe(
    Command.withDescription("A node in a real browser against one in another process, over a WebSocket")
  )

/** `pnpm bench`. */
export const bench = Command.make("bench").pipe(
  Command.withDescription("The benchmarks of pnet"),
  Command.withSubcommands([
    raw,
    rpc,
    typed,
    commands,
    bulk,
    peers,
    goals,
    allocations,
    tail,
    idle,
    contact,
    start,
    crowd,
    natsCrowd,
    service,
    topics,
    files,
    nats,
    web,
    crypto
  ])
)
