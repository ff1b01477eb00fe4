/** `pnpm lab conformance`: looks from outside whether a peer keeps to the text. */
import * as Core from "@pnet/core"
import { Network } from "@pnet/core"
import { parseEndpoint } from "@pnet/core/Advert"
import * as NodeNetwork from "@pnet/node/NodeNetwork"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Flags from "../harness/flags.ts"
import * as Seeds from "../harness/seeds.ts"
import { levels, type Need } from "./check.ts"
import { all } from "./checks.ts"
import * as Orders from "./orders.ts"
import { kinds, lookHere } from "./own.ts"
import { placeOn } from "./place.ts"
import { deviations } from "./planted.ts"
import { isFound, lookAtPlanted } from "./planting.ts"
import { lines } from "./report.ts"
import { type Done, run } from "./run.ts"
import { unbase64 } from "./speech/bytes.ts"
import { sectionOf } from "./text.ts"

const endpoint = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.filter((text) => parseEndpoint(text) !== undefined, (text) => `--${name} is address:port, not ${text}`),
    Flag.map((text) => parseEndpoint(text)!),
    Flag.optional,
    Flag.withDescription(description)
  )

const bytes = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.filter((text) => unbase64(text)?.length === 32, () => `--${name} is 44 characters of base64url`),
    Flag.withDescription(description)
  )

const flags = {
  peer: endpoint("peer", "Where the peer listens"),
  key: bytes("key", "The peer's public key").pipe(Flag.optional),
  networkId: Flag.String("network-id").pipe(Flag.withDefault("lab"), Flag.withDescription("Its network (default lab)")),
  networkKey: bytes("network-key", "A network key, of which the first encrypts; may be repeated").pipe(Flag.atLeast(0)),
  level: Flag.Literals("level", levels).pipe(
    Flag.withDefault("commands"),
    Flag.withDescription("How much of the protocol it speaks; each has those before it (default commands)")
  ),
  lan: endpoint("lan", "Where adverts go, such as 127.255.255.255:3334; without it what is said by UDP is left out"),
  host: Flag.String("host").pipe(
    Flag.withDefault("127.0.0.1"),
    Flag.withDescription("The address of this machine that the peer sees (default 127.0.0.1)")
  ),
  orders: Flag.Boolean("orders").pipe(
    Flag.withDefault(false),
    Flag.withDescription("It has the function `order` (docs/implementing.md), by which it is made to dial the kit")
  ),
  topics: Flag.Boolean("topics").pipe(
    Flag.withDefault(false),
    Flag.withDescription(
      "It carries out the orders `publish`, `retract` and `subscribe`, too, and lets the kit do both"
    )
  ),
  pins: Flag.Boolean("pins").pipe(
    Flag.withDefault(false),
    Flag.withDescription("It pins a name to the first key that proves it")
  ),
  fresh: Flag.Boolean("fresh").pipe(
    Flag.withDefault(false),
    Flag.withDescription("It was started less than half a minute ago; what needs that is looked at first")
  ),
  listen: Flag.Int("listen").pipe(
    Flag.withDefault(0),
    Flag.withDescription("The port to listen on where the peer is to dial (default any)")
  ),
  patience: Flags.count("patience", 20, "Checks that wait longer than so many seconds are left out"),
  jobs: Flags.count("jobs", 4, "So many checks at a time", 8),
  only: Flag.String("only").pipe(
    Flag.atLeast(0),
    Flag.withDescription("Only rules whose name begins so; may be repeated")
  ),
  own: Flags.optional(
    Flag.Literals("own", kinds),
    "In the place of a peer, a node of ours on loopback, of this kind"
  ),
  planted: Flag.Boolean("planted").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Plants a deviation of each of many rules in nodes of ours, and says which of them are found")
  ),
  list: Flag.Boolean("list").pipe(Flag.withDefault(false), Flag.withDescription("Prints what there is to check"))
}

type Values = Command.Command.Config.Infer<typeof flags>

/** The needs that are met, by what was given. */
const met = ({ fresh, lan, networkKey, orders, pins, topics }: Values): ReadonlySet<Need> =>
  new Set<Need>([
    ...(orders ? ["orders" as const] : []),
    ...(topics ? ["topics" as const] : []),
    ...(pins ? ["pins" as const] : []),
    ...(fresh ? ["a fresh start" as const] : []),
    networkKey.length === 0 ? "no network key" : "a network key",
    ...(Option.isSome(lan) ? ["a LAN" as const] : [])
  ])

const lookAt = (values: Values): Effect.Effect<ReadonlyArray<Done>, Seeds.Found> =>
  Effect.gen(function*() {
    const { host, jobs, level, networkId, networkKey, only, patience } = values
    // One port is one check's at a time.
    const concurrency = values.listen === 0 ? jobs : 1
    if (values.own !== undefined) {
      return yield* lookHere({
        nodes: Core,
        kind: values.own,
        networkKey: networkKey[0],
        patience,
        only,
        concurrency
      })
    }
    if (Option.isNone(values.peer) || Option.isNone(values.key)) {
      yield* Console.error("whom to look at is said by --peer HOST:PORT and --key=KEY, or --own KIND")
      return yield* Effect.fail(new Seeds.Found("nobody to look at"))
    }
    const name = `-${yield* Random.nextIntBetween(0, 1_000_000)}`
    const base = yield* placeOn(yield* Network.Network, {
      host,
      bindIp: host,
      port: values.listen,
      lan: Option.getOrUndefined(values.lan)
    })
    const subject = {
      key: values.key.value,
      endpoint: values.peer.value,
      networkId,
      networkKeys: networkKey.map((key) => unbase64(key)!)
    }
    const place = values.orders ? { ...base, order: Orders.over(subject, base, `kit${name}-orders`) } : base
    return yield* run(all, subject, place, { level, has: met(values), patience, only, concurrency, run: name })
  }).pipe(Effect.scoped, Effect.provide(NodeNetwork.layer))

/** Looks at nodes with a deviation in each, by all checks. */
const findPlanted = (only: ReadonlyArray<string>): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    let well = true
    for (const deviation of deviations) {
      if (only.length > 0 && !only.some((text) => deviation.rule.startsWith(text))) continue
      const done = yield* lookAtPlanted(deviation)
      const found = isFound(deviation, done)
      well &&= found
      yield* Console.log(`${found ? "found" : "NOT FOUND"}: ${deviation.rule}: a node that ${deviation.does}`)
      for (const line of lines(done)) yield* Console.log(`  ${line}`)
    }
    return well
  })

/** The conformance kit. */
export const conformance = Command.make("conformance", flags, (values) =>
  Effect.gen(function*() {
    if (values.list) {
      for (const { level, needs, rule, title } of all) {
        const needed = needs.length === 0 ? "" : `, needs ${needs.join(" and ")}`
        yield* Console.log(`section ${sectionOf(rule)}, r-${rule}: ${title} (${level}${needed})`)
      }
      return
    }
    if (values.planted) return yield* Seeds.foundIf(!(yield* findPlanted(values.only)))
    const done = yield* lookAt(values)
    for (const line of lines(done)) yield* Console.log(line)
    yield* Seeds.foundIf(done.some(({ outcome }) => outcome._tag === "Failed"))
  })).pipe(
    Command.withDescription("Looks from outside whether a peer keeps to docs/protocol.md, rule by rule"),
    Command.withExamples([
      { command: "pnpm lab conformance --peer 127.0.0.1:4000 --key=KEY --level raw", description: "A peer of yours" },
      { command: "pnpm lab conformance --own CommandNode", description: "A node of ours, on loopback" }
    ])
  )
