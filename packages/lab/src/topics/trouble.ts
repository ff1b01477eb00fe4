/**
 * Topics in trouble, by seeds, over real nodes: each publishes on some and subscribes to others in every mode; subscribers come, go, are slow, freeze and
 * crash, and some are cut off from others, in one direction or both. Then all is put right, and a model says what must have come of it.
 */
import { CommandNode, TofuTrust, Trust } from "@pnet/core"
import type { Topic } from "@pnet/core"
import { Crypto, type KeyPair } from "@pnet/core/Crypto"
import { openedOf } from "@pnet/core/internal/topics/opened"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Exit, Fiber, Layer, Logger, Scope, Stream, type SubscriptionRef } from "effect"
import { type Chance, chance } from "../harness/chance.ts"
import { makeCrypto } from "../swarm/cryptography.ts"
import { Account, type Ear, type Given, type Row, type Run, type Spoken } from "./account.ts"
import { patterns, type Subject, subject, type Value } from "./subjects.ts"

export interface Options {
  readonly seed: number
  readonly nodes: number
  readonly topics: number
  /** Seconds for which all is published, and something happens. */
  readonly seconds: number
  /** Whether anything happens to anybody. Default: it does. */
  readonly faults?: boolean
}

/** Milliseconds between two publications of a node on a topic. */
const every = 1_000
/** Subscriptions that a node has at first. */
const subscriptions = 8
const membersOfGroup = 3
/** What waits on some nodes at most, and what is retained: little, so that it is reached. */
const little = { topicMemory: 131_072 }

type Node = CommandNode.CommandNode["Service"]
type Process = SimNetwork.Process<CommandNode.CommandNode>

/** A host, and the run of a node on it. */
interface Place {
  readonly index: number
  readonly host: SimNetwork.Host
  readonly speaks: ReadonlyArray<Subject>
  readonly groups: ReadonlyArray<Subject>
  generation: number
  identity: KeyPair
  name: string
  run: Run
  process: Process
  node: Node
  /** Milliseconds that its programs take for each that they hear, at most. */
  pace: number
  tables: Array<{ readonly topic: string; readonly ref: SubscriptionRef.SubscriptionRef<Topic.Table<Value>> }>
  /** Closed with what its run does. */
  scope: Scope.Closeable
}

interface World {
  readonly options: Options
  readonly network: SimNetwork.SimNetwork["Service"]
  readonly crypto: Crypto["Service"]
  readonly random: Chance
  readonly account: Account
  readonly subjects: ReadonlyArray<Subject>
  readonly places: Array<Place>
  phase: "setup" | "faults" | "healed" | "over"
  ears: number
}

const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

const quiet = Logger.layer([])

// --- nodes -------------------------------------------------------------------------------------------------------------------

const launch = (world: World, place: Pick<Place, "host" | "index" | "identity" | "name">): Effect.Effect<Process> => {
  const layer = CommandNode.layer({
    name: place.name,
    networkId: "topics",
    bindIp: "0.0.0.0",
    broadcastInterval: "2 seconds",
    identity: place.identity,
    ...(isSmall(place.index) ? { limits: little } : {})
  })
  const parts = Layer.provideMerge(
    Layer.provide(Trust.open(TofuTrust.layer()), quiet),
    Layer.merge(Layer.succeed(Crypto, world.crypto), quiet)
  )
  return Effect.orDie(place.host.launch(Layer.provide(layer, parts) as never)) as Effect.Effect<Process>
}

/** Does something in the process, until that ends. */
const within = (place: Place, effect: Effect.Effect<unknown, unknown, never>): Effect.Effect<void> =>
  Effect.asVoid(Effect.forkIn(Effect.ignore(place.process.run(effect)), place.scope))

const begin = (world: World, place: Place): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { account } = world
    place.process = yield* launch(world, place)
    place.node = Context.get(place.process.context, CommandNode.CommandNode)
    place.tables = []
    place.scope = Scope.makeUnsafe()
    const { run } = place
    yield* within(
      place,
      Stream.runForEach(place.node.peers.changes, (event) =>
        Effect.sync(() => {
          if (event._tag !== "Lost" && event._tag !== "Left" && event._tag !== "Restarted") return
          account.count(`peer ${event._tag}`)
          run.lost.add(event.peer.name)
        }))
    )
  })

const isSmall = (index: number): boolean => index % 4 === 3

const runOf = (name: string, index: number, generation: number): Run => ({
  id: `${name}#${generation}`,
  name,
  isEarly: generation === 0,
  isSmall: isSmall(index),
  hasEnded: false,
  lost: new Set()
})

/** Starts a node again: the same, or another one. */
const again = (world: World, place: Place): Effect.Effect<void> =>
  Effect.gen(function*() {
    place.generation++
    if (world.random.chance(0.5)) {
      place.identity = world.crypto.generateKeyPair()
      place.name = `n${place.index}-${place.generation}`
    }
    place.run = runOf(place.name, place.index, place.generation)
    yield* begin(world, place)
    yield* settleIn(world, place)
    yield* speak(world, place)
  })

const end = (place: Place, how: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.suspend(() => {
    place.run.hasEnded = true
    return Effect.andThen(how, Scope.close(place.scope, Exit.void))
  })

// --- what a node hears -------------------------------------------------------------------------------------------------------

const think = (world: World, place: Place, pace: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (world.phase !== "faults" && world.phase !== "setup") return Effect.void
    const millis = world.options.faults === false ? 0 : pace + place.pace
    return millis === 0 ? Effect.void : Effect.sleep(millis)
  })

const hear = (
  world: World,
  place: Place,
  what: {
    readonly ear: Ear
    readonly options: Topic.SubscribeOptions
    readonly subject: Subject | undefined
    readonly pace: number
  }
) => {
  const { account } = world
  const { ear, options, pace, subject } = what
  account.listens(ear)
  const topic = (subject?.topic ?? ear.topic) as string
  if (ear.isWatch) {
    return Stream.runForEach(place.node.watch(topic, options), (event) => {
      if (event._tag === "Published") account.heard(ear, event.publication as unknown as Given)
      else if (event._tag === "Missed") account.event(ear, event.from.name, event.topic, "missed", event.count)
      else if (event._tag === "Removed") account.event(ear, event.from.name, event.topic, "removed", 1)
      else account.count("publisher gone")
      return think(world, place, pace)
    })
  }
  return Stream.runForEach(place.node.subscribe(topic, options), (publication) => {
    account.heard(ear, publication as unknown as Given)
    const thought = think(world, place, pace)
    return ear.group === undefined ? thought : Effect.andThen(
      thought,
      Effect.suspend(() => {
        account.done(publication as unknown as Given)
        return publication.acknowledge
      })
    )
  })
}

/** Subscribes to something in some way. */
const subscribe = (
  world: World,
  place: Place
): { readonly start: Effect.Effect<void>; readonly stop: Effect.Effect<void> } => {
  const { random, subjects } = world
  const plain = random.chance(0.2)
  const subject = plain ? undefined : random.pick(subjects.filter(({ kind }) => kind !== "group"))
  const mode = subject?.kind === "waited"
    ? random.pick(["lossless", "lossless", "buffer"] as const)
    : random.pick(["buffer", "latest", "lossless"] as const)
  const options: Topic.SubscribeOptions = {
    mode,
    ...(random.chance(0.5) ? { size: random.pick([1, 2, 4, 16]) } : {}),
    ...(mode === "buffer" && random.chance(0.5) ? { drop: "newest" as const } : {}),
    ...(random.chance(0.2) ? { retained: false } : {})
  }
  const ear: Ear = {
    id: `${place.run.id}/${++world.ears}`,
    of: place.run,
    topic: subject?.name ?? random.pick(patterns),
    mode,
    isWatch: random.chance(0.25),
    group: undefined,
    isEarly: world.phase === "setup",
    hasEnded: false
  }
  const scope = Scope.makeUnsafe()
  const pace = random.pick([0, 0, 20, 3 * every])
  const listening = Effect.forkIn(
    Effect.ignore(place.process.run(hear(world, place, { ear, options, subject, pace }))),
    scope
  )
  const stop = Effect.suspend(() => {
    ear.hasEnded = true
    return Scope.close(scope, Exit.void)
  })
  return { start: Effect.andThen(listening, Scope.addFinalizer(place.scope, stop)), stop }
}

const join = (world: World, place: Place, subject: Subject) => {
  const { random } = world
  const ear: Ear = {
    id: `${place.run.id}/${++world.ears}`,
    of: place.run,
    topic: subject.name,
    mode: "buffer",
    isWatch: false,
    group: "workers",
    isEarly: world.phase === "setup",
    hasEnded: false
  }
  const isManual = random.chance(0.3)
  const options: Topic.SubscribeOptions = {
    group: "workers",
    ...(isManual ? { acknowledge: "manual" as const } : {}),
    ...(random.chance(0.5) ? { size: random.pick([1, 2, 8]) } : {})
  }
  return within(place, hear(world, place, { ear, options, subject, pace: random.pick([0, 50, 700]) }))
}

/** All that it subscribes to, from its start. */
const settleIn = (world: World, place: Place): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { random, subjects } = world
    for (let i = 0; i < subscriptions; i++) yield* subscribe(world, place).start
    for (const subject of place.groups) yield* join(world, place, subject)
    const tables = subjects.filter(({ kind }) => kind === "table")
    for (let i = 0; i < 2; i++) {
      const { name, topic } = random.pick(tables)
      const ref = yield* Scope.provide(
        Effect.orDie(place.process.run(place.node.table(topic as Topic.Topic<Value>))),
        place.scope
      ) as Effect.Effect<SubscriptionRef.SubscriptionRef<Topic.Table<Value>>>
      place.tables.push({ topic: name, ref })
    }
  })

/** Subscriptions that come and go. */
const coming = (world: World, place: Place): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { random } = world
    while (world.phase === "faults") {
      yield* Effect.sleep(500 + random.below(4_000))
      if (place.run.hasEnded || world.phase !== "faults") continue
      const { start, stop } = subscribe(world, place)
      yield* start
      if (random.chance(0.3)) continue
      yield* Effect.sleep(random.below(5_000))
      yield* stop
    }
  })

// --- what a node says --------------------------------------------------------------------------------------------------------

const publish = (world: World, place: Place, spoken: Spoken): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { account } = world
    const { by, subject } = spoken
    const n = spoken.said + 1
    const key = subject.keyOf(n)
    const value: Value = { by: by.id, n, key }
    spoken.tried = n
    const before = yield* now
    const options = subject.isWaitedFor ? { wait: { for: "*", within: "3 seconds" } as const } : {}
    const exit = yield* Effect.exit(
      place.node.publish(subject.topic as never, value, options) as Effect.Effect<void, Topic.PublishError>
    )
    const took = (yield* now) - before
    if (exit._tag === "Failure") {
      const [reason] = exit.cause.reasons
      const tag = reason?._tag === "Fail" ? reason.error._tag : String(exit.cause)
      if (reason?._tag === "Interrupt" || tag === "NodeClosedError") return
      account.count(`not published: ${tag}`)
      if (tag !== "TopicFullError" || subject.kind !== "waited") {
        account.problem(`${n} of ${spoken} was not published: ${tag}`)
      }
      return
    }
    account.said(spoken, key, yield* now)
    // The first waits until it is known who subscribes.
    if (!subject.isWaitedFor && took > 0 && n > 1) account.problem(`${n} of ${spoken} took ${took} ms`)
    if (took > 2_100 && !subject.isWaitedFor) account.problem(`the first of ${spoken} took ${took} ms`)
    if (took > 0 && subject.isWaitedFor) account.count("waited for somebody")
    if (world.options.faults === false && subject.kind === "table") {
      yield* within(place, lookSoon(world, spoken, key, n))
    }
  })

/** Looks a second after a publication whether tables have it. */
const lookSoon = (world: World, spoken: Spoken, key: string, n: number): Effect.Effect<void> =>
  Effect.andThen(
    Effect.sleep("1 second"),
    Effect.sync(() => {
      for (const { run, tables } of world.places) {
        for (const { ref, topic } of tables) {
          if (topic === spoken.subject.name) world.account.row(`the table of ${run.id}`, spoken, key, n, rowsOf(ref))
        }
      }
    })
  )

const rowsOf = (ref: SubscriptionRef.SubscriptionRef<Topic.Table<Value>>): ReadonlyArray<Row> => ref.value.rows

/** Publishes on its topics until all is over, each by itself. */
const speak = (world: World, place: Place): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { account, random } = world
    for (const subject of place.speaks) {
      const spoken = account.speaks(place.run, subject)
      yield* within(
        place,
        Effect.gen(function*() {
          yield* publish(world, place, spoken)
          while (world.phase !== "over" && world.phase !== "healed") {
            yield* Effect.sleep(every / 2 + random.below(every))
            // Now and then several at once.
            for (let i = random.chance(0.1) ? 10 : 1; i > 0; i--) yield* publish(world, place, spoken)
            if (subject.kind === "table" && random.chance(0.1)) {
              yield* retract(world, place, spoken, subject.keyOf(random.below(5)))
            }
          }
          // One more at the end, by which all is known that was missed.
          while (world.phase !== "over") {
            yield* Effect.sleep(every)
          }
          yield* Effect.sleep(random.below(2 * every))
          const said = spoken.said
          for (let tries = 0; tries < 5 && spoken.said === said; tries++) {
            yield* publish(world, place, spoken)
          }
        })
      )
    }
  })

const retract = (world: World, place: Place, spoken: Spoken, key: string): Effect.Effect<void> =>
  Effect.andThen(
    Effect.ignore(place.node.retract(spoken.subject.topic as never, key)),
    Effect.sync(() => world.account.retracted(spoken, key))
  )

// --- what happens ------------------------------------------------------------------------------------------------------------

const harm = (world: World, place: Place): Effect.Effect<void> => {
  const { account, random } = world
  const { process } = place
  const what = random.pick(["kill", "stop", "pause", "pause", "slow"])
  account.count(what)
  switch (what) {
    case "kill":
      return Effect.andThen(
        end(place, process.kill),
        Effect.andThen(Effect.sleep(random.below(3_000)), again(world, place))
      )
    case "stop":
      return Effect.andThen(
        end(place, process.stop),
        Effect.andThen(Effect.sleep(random.below(1_000)), again(world, place))
      )
    case "pause":
      return Effect.andThen(
        process.pause,
        Effect.andThen(Effect.sleep(500 + random.below(random.pick([3_000, 10_000]))), process.resume)
      )
    default:
      place.pace = 500
      return Effect.andThen(Effect.sleep("3 seconds"), Effect.sync(() => void (place.pace = 0)))
  }
}

/** One of those whose number is that modulo `of`; the first node is never harmed. */
const harming = (world: World, which: number, of: number, until: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    const own = world.places.filter(({ index }) => index > 0 && index % 3 !== 0 && index % of === which)
    if (own.length === 0) return
    while ((yield* now) < until) {
      yield* Effect.sleep(500 + world.random.below(3_000))
      yield* harm(world, world.random.pick(own))
    }
  })

/** Cuts some off from others for a while. */
const cutting = ({ account, network, places, random }: World, until: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    while ((yield* now) < until) {
      yield* Effect.sleep(1_000 + random.below(3_000))
      const side = places.filter(() => random.chance(0.2)).map(({ host }) => host)
      const others = places.map(({ host }) => host).filter((host) => !side.includes(host) && random.chance(0.5))
      const what = random.pick(["both ways", "there"])
      const lasting = 500 + random.below(random.pick([2_000, 12_000]))
      if (side.length === 0 || others.length === 0) continue
      account.count(`cut off ${what}`)
      yield* network.partition(side, others, { oneWay: what !== "both ways" })
      yield* Effect.sleep(lasting)
      yield* network.heal(side, others)
    }
  })

// --- the run -----------------------------------------------------------------------------------------------------------------

const live = (options: Options, crypto: Crypto["Service"]) =>
  Effect.gen(function*() {
    const { nodes, seed, topics } = options
    const network = yield* SimNetwork.make({ seed, traceCapacity: 0 })
    const account = new Account()
    const random = chance(seed, "topics")
    const subjects = Array.from({ length: topics }, (_, i) => subject(i))
    const world: World = { options, network, crypto, random, account, subjects, places: [], phase: "setup", ears: 0 }
    const draw = (some: number) => new Set(Array.from({ length: some }, () => random.below(nodes)))
    const speakers = subjects.map(() => draw(2))
    // One of each group is never harmed.
    const members = subjects.map(({ kind }) => kind === "group" ? draw(membersOfGroup).add(0) : new Set<number>())
    for (let index = 0; index < nodes; index++) {
      const name = `n${index}`
      const place = {
        index,
        host: yield* network.host(name),
        speaks: subjects.filter((_, i) => speakers[i]!.has(index)),
        groups: subjects.filter((_, i) => members[i]!.has(index)),
        generation: 0,
        identity: crypto.generateKeyPair(),
        name,
        run: runOf(name, index, 0),
        pace: 0
      } as unknown as Place
      world.places.push(place)
      yield* begin(world, place)
      yield* Effect.sleep("5 millis")
    }
    for (const { node } of world.places) {
      if (nodes > 1) yield* Effect.orDie(node.awaitPeers("*" as never, { atLeast: nodes - 1, within: "30 seconds" }))
    }
    for (const place of world.places) yield* settleIn(world, place)
    yield* Effect.sleep("3 seconds")
    const watching = yield* Effect.forkChild(looking(world))
    for (const place of world.places) yield* speak(world, place)
    yield* Effect.sleep("2500 millis")

    world.phase = "faults"
    const until = (yield* now) + options.seconds * 1_000
    if (options.faults === false) yield* Effect.sleep(options.seconds * 1_000)
    else {
      const of = Math.max(2, Math.floor(nodes / 8))
      yield* Effect.all([
        cutting(world, until),
        ...Array.from({ length: of }, (_, which) => harming(world, which, of, until)),
        ...world.places.filter((_, i) => i % 3 === 0).map((place) => coming(world, place)),
        Effect.andThen(Effect.sleep(options.seconds * 1_000), Effect.sync(() => void (world.phase = "healed")))
      ], { concurrency: "unbounded" })
    }
    yield* network.heal()
    world.phase = "healed"
    yield* Effect.sleep("15 seconds")
    const at = yield* now
    for (const { run, tables } of world.places) {
      for (const { ref, topic } of tables) account.table(`the table of ${run.id}`, topic, rowsOf(ref), at)
    }
    // What was handed to some who gave it back waits for so long.
    if (options.faults !== false) yield* Effect.sleep("20 seconds")
    world.phase = "over"
    yield* Effect.sleep("5 seconds")
    account.settle(new Map(subjects.filter(({ kind }) => kind === "group").map(({ name }) => [name, true])))
    yield* Fiber.interrupt(watching)
    yield* emptied(world)
    return { counts: account.counts, problems: account.problems }
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

// --- memory ------------------------------------------------------------------------------------------------------------------

const heldBy = ({ node }: Place) => openedOf.get(node.streams)!.topics!.held

/** What waits is never more than may. */
const looking = (world: World): Effect.Effect<never> =>
  Effect.forever(Effect.andThen(
    Effect.sleep("250 millis"),
    Effect.sync(() => {
      for (const place of world.places) {
        const { waiting } = heldBy(place)
        const most = isSmall(place.index) ? little.topicMemory : 67_108_864
        if (waiting > most) world.account.problem(`${waiting} bytes wait on ${place.run.id}, of at most ${most}`)
      }
    })
  ))

/** When all is read nothing waits, and when all is taken back nothing is retained. */
const emptied = (world: World): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { account, places } = world
    for (const place of places) {
      for (const subject of place.speaks) {
        if (subject.retain === undefined) continue
        for (let n = 1; n <= 5; n++) yield* Effect.ignore(place.node.retract(subject.topic as never, subject.keyOf(n)))
      }
    }
    yield* Effect.sleep("2 seconds")
    for (const place of places) {
      const { grouped, retained, rows, waiting } = heldBy(place)
      if (grouped !== 0) account.problem(`${grouped} bytes wait for groups on ${place.run.id}, where all is read`)
      if (waiting !== 0) account.problem(`${waiting} bytes wait on ${place.run.id}, where all is read`)
      if (retained !== 0) account.problem(`${retained} bytes are retained on ${place.run.id}, where all is taken back`)
      if (rows !== 0) account.problem(`${rows} bytes are in tables on ${place.run.id}, where all is taken back`)
    }
  })

/** What came of it, and whatever must not be. Time has to pass by a TestClock. */
export const trouble = (options: Options) =>
  Effect.scoped(Effect.flatMap(makeCrypto(options.seed), (crypto) => Effect.orDie(live(options, crypto))))
