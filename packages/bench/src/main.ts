/**
 * The benchmarks of pnet: `pnpm bench raw`, `rpc`, `bulk`, `idle`, `contact`, `crypto`. Each prints a table and, with
 * `--json FILE`, writes the numbers. Sockets are bound to 127.0.0.1 and broadcasts go to 127.255.255.255 alone.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Bulk from "./bulk.ts"
import * as Commands from "./commands.ts"
import * as Contact from "./contact.ts"
import * as CryptoBench from "./crypto.ts"
import * as Idle from "./idle.ts"
import * as Raw from "./raw.ts"
import * as Rpc from "./rpc.ts"
import * as Typed from "./typed.ts"

const Seconds = Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(60))
const Count = Schema.Int.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1_000))

const seconds = (value: number) =>
  Flag.Finite("seconds").pipe(
    Flag.withSchema(Seconds),
    Flag.withDefault(value),
    Flag.withDescription(`Seconds of each measurement (default ${value})`)
  )

const json = Flag.String("json").pipe(
  Flag.optional,
  Flag.map(Option.getOrUndefined),
  Flag.withDescription("A file to write the numbers to")
)

const pin = Flag.Boolean("pin").pipe(
  Flag.withDefault(true),
  Flag.withDescription("Pin the two processes to different cores, where taskset can (default)")
)

const atOnce = Flag.Int("at-once").pipe(
  Flag.withSchema(Count),
  Flag.atLeast(0),
  Flag.map((counts) => counts.length === 0 ? [1, 16, 128] : counts),
  Flag.withDescription("Messages on their way at once; may be repeated (default 1, 16 and 128)")
)

const rounds = (value: number) =>
  Flag.Int("rounds").pipe(
    Flag.withSchema(Count),
    Flag.withDefault(value),
    Flag.withDescription(`How often to measure everything; the fastest is reported (default ${value})`)
  )

const profile = Flag.String("profile").pipe(
  Flag.optional,
  Flag.map(Option.getOrUndefined),
  Flag.withDescription("A folder for a CPU profile of each process in each measurement")
)

const raw = Command.make("raw", {
  seconds: seconds(2),
  atOnce,
  only: Flag.Literals("only", Raw.subjects).pipe(
    Flag.atLeast(0),
    Flag.withDescription("What to measure besides the two raw echoes; may be repeated (default: everything)")
  ),
  rounds: rounds(1),
  profile,
  pin,
  json
}, Raw.main).pipe(Command.withDescription("Messages a second and latency of BasicNode, against a raw node:net echo"))

const rpc = Command.make("rpc", {
  seconds: seconds(2),
  atOnce,
  only: Flag.Literals("only", Rpc.subjects).pipe(
    Flag.atLeast(0),
    Flag.withDescription("What to measure besides the raw echoes; may be repeated (default: everything)")
  ),
  rounds: rounds(1),
  profile,
  pin,
  json
}, Rpc.main).pipe(
  Command.withDescription(
    "Calls a second and latency of AdvancedNode, against raw node:net echoes with and without boxes"
  )
)

const typed = Command.make("typed", {
  seconds: seconds(2),
  atOnce,
  only: Flag.Literals("only", Typed.subjects).pipe(
    Flag.atLeast(0),
    Flag.withDescription("What to measure, with what it is compared to; may be repeated (default: everything)")
  ),
  mib: Flag.Int("mib").pipe(
    Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(8_192))),
    Flag.withDefault(256),
    Flag.withDescription("MiB of each stream (default 256)")
  ),
  rounds: rounds(3),
  profile,
  pin,
  json
}, Typed.main).pipe(
  Command.withDescription("Calls a second and streams of an RPC group, against Effect's own RPC over plain TCP")
)

const bulk = Command.make("bulk", {
  mib: Flag.Int("mib").pipe(
    Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(8_192))),
    Flag.withDefault(512),
    Flag.withDescription("MiB of each transfer (default 512)")
  ),
  streams: Flag.Int("streams").pipe(
    Flag.withSchema(Count),
    Flag.atLeast(0),
    Flag.map((counts) => counts.length === 0 ? [1, 8] : counts),
    Flag.withDescription("Streams at once that share it; may be repeated (default 1 and 8)")
  ),
  only: Flag.Literals("only", Bulk.subjects).pipe(
    Flag.atLeast(0),
    Flag.withDescription("What to measure besides the two raw connections; may be repeated (default: everything)")
  ),
  rounds: rounds(3),
  profile,
  pin,
  json
}, Bulk.main).pipe(
  Command.withDescription("Many bytes one way through AdvancedNode, against raw node:net with and without boxes")
)

const idle = Command.make("idle", {
  sessions: Flag.Int("sessions").pipe(
    Flag.withSchema(Count),
    Flag.withDefault(1_000),
    Flag.withDescription("Idle sessions (default 1000)")
  ),
  streams: Flag.Int("streams").pipe(
    Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1_000_000))),
    Flag.withDefault(10_000),
    Flag.withDescription("Streams that are opened and closed (default 10000)")
  ),
  seconds: seconds(10),
  pin,
  json
}, Idle.main).pipe(Command.withDescription("What idle sessions hold, and what closed streams leave behind"))

const commands = Command.make("commands", {
  seconds: seconds(2),
  atOnce,
  rounds: rounds(3),
  profile,
  pin,
  json
}, Commands.main).pipe(
  Command.withDescription(
    "Calls a second and latency of a CommandNode's function, against Effect's own RPC over plain TCP"
  )
)

const contact = Command.make("contact", {
  times: Flag.Int("times").pipe(
    Flag.withSchema(Count),
    Flag.withDefault(20),
    Flag.withDescription("How many first contacts (default 20)")
  ),
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

const crypto = Command.make("crypto", { seconds: seconds(0.3), json }, CryptoBench.main).pipe(
  Command.withDescription("Boxes and Fernet tokens, native against portable")
)

Command.make("bench").pipe(
  Command.withDescription("The benchmarks of pnet"),
  Command.withSubcommands([raw, rpc, typed, bulk, idle, commands, contact, crypto]),
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
