/**
 * A network that is not there, behind the same words as a real one: as many peers as are wanted, as much of a change as is wanted, always the same for a seed. For what
 * the page looks like, and how it bears it.
 */
import * as Api from "@pnet/console/ConsoleApi"
import * as KeyWords from "@pnet/console/KeyWords"
import { signatureOf } from "@pnet/console/Signature"
import * as PublicKey from "@pnet/core/PublicKey"
import { Clock, Duration, Effect, Schema, Stream } from "effect"

/** Numbers between 0 and 1, always the same ones for a seed. */
export const random = (seed: number) => () => {
  seed = seed + 0x6d2b79f5 | 0
  let mixed = Math.imul(seed ^ seed >>> 15, seed | 1)
  mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61)
  return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
}

export interface Options {
  readonly peers: number
  /** Changes a second. */
  readonly changes: number
  readonly seed?: number
  readonly act?: boolean
  /** Names that come first. */
  readonly names?: ReadonlyArray<string>
  /** How the peers see each other: all see all, or groups that only a few see beyond. */
  readonly groups?: number
  readonly conflicts?: boolean
  /** What a text of a peer is made of, where it is to be something bad. */
  readonly description?: string
}

const json = (schema: Schema.Constraint) => {
  const { definitions, schema: of } = Schema.toJsonSchemaDocument(schema)
  return JSON.parse(JSON.stringify({ ...of, $defs: definitions })) as Schema.Json
}

const Address = Schema.Struct({
  street: Schema.String.check(Schema.isMinLength(1)),
  city: Schema.String,
  zip: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^\d{5}$/)))
})

const Order = Schema.Struct({
  article: Schema.Literals(["milk", "bread", "butter", "eggs"]).annotate({ description: "What is wanted" }),
  amount: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 99 })).annotate({
    default: 1,
    description: "How many of it"
  }),
  to: Address.annotate({ description: "Where it is brought" }),
  pay: Schema.Union([
    Schema.Struct({ _tag: Schema.Literal("Card"), number: Schema.String, holder: Schema.String }),
    Schema.Struct({ _tag: Schema.Literal("Invoice"), email: Schema.String }),
    Schema.Struct({ _tag: Schema.Literal("Cash") })
  ]),
  notes: Schema.Array(Schema.String),
  gift: Schema.optionalKey(Schema.Boolean),
  extra: Schema.optionalKey(Schema.Record(Schema.String, Schema.Int))
})

const described = (
  name: string,
  kind: Api.Function["kind"],
  of: Partial<Api.Function> = {}
): Api.Function => {
  const made = { name, kind, stream: false, ...of }
  return { ...made, signature: signatureOf(made) }
}

export const functions: ReadonlyArray<Api.Function> = [
  described("add", "command", {
    description: "Adds two numbers",
    args: json(Schema.Tuple([Schema.Finite.annotate({ title: "a" }), Schema.Finite.annotate({ title: "b" })])),
    kwargs: json(Schema.Struct({})),
    success: json(Schema.Finite)
  }),
  described("order", "rpc", {
    description: "Orders something from the shop.\nIt is brought within the day.",
    args: json(Schema.Tuple([Order])),
    kwargs: json(Order),
    success: json(Schema.Struct({ id: Schema.String, total: Schema.Finite }))
  }),
  described("count", "rpc", {
    description: "Counts up, one number at a time",
    stream: true,
    args: json(
      Schema.Tuple([Schema.Struct({ to: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })) })])
    ),
    kwargs: json(Schema.Struct({ to: Schema.Int })),
    success: json(Schema.Int)
  }),
  described("greet", "command", {
    description: "Greets somebody",
    args: json(Schema.Tuple([Schema.String.annotate({ title: "name" })])),
    kwargs: json(Schema.Struct({ loud: Schema.optionalKey(Schema.Boolean), times: Schema.optionalKey(Schema.Int) })),
    success: json(Schema.String)
  }),
  described("slow", "command", {
    description: "Never answers",
    args: json(Schema.Tuple([])),
    success: json(Schema.String)
  }),
  described("boom", "command", { description: "Fails", args: json(Schema.Tuple([])), success: json(Schema.Null) }),
  described("anything", "function", {})
]

const names = (
  "ada bea cleo dora emil finn gwen hugo iris jana karl lena milo nora otto pia quin rosa sven tara udo vera will xenia yara zeno " +
  "attic cellar kitchen garage printer camera router gateway build-1 build-2 db-primary db-replica cache worker"
).split(" ")
const roles = ["worker", "sensor", "gateway", "printer"]

/** The network. */
export class Fake {
  readonly #random: () => number
  readonly #options: Options
  readonly peers = new Map<number, Api.Peer>()
  readonly sees = new Map<number, Set<number>>()
  readonly gone: Array<number> = []
  #last = 0
  seq = 0
  readonly begun: number

  constructor(options: Options, now: number) {
    this.#options = options
    this.#random = random(options.seed ?? 1)
    this.begun = now
    this.#add(now, "console")
    for (let i = 0; i < options.peers; i++) this.#add(now - Math.floor(this.#random() * 86_400_000 ** this.#random()))
    for (const peer of this.peers.values()) if (peer.id !== 0) this.#see(peer.id)
  }

  #pick<A>(list: ReadonlyArray<A>): A {
    return list[Math.floor(this.#random() * list.length)]!
  }

  key(): string {
    return Buffer.from(Array.from({ length: 32 }, () => Math.floor(this.#random() * 256))).toString("base64url") + "="
  }

  words(key: string): ReadonlyArray<string> {
    return KeyWords.of(key as PublicKey.PublicKey)
  }

  #group(id: number): number {
    return id % (this.#options.groups ?? 1)
  }

  #see(id: number): ReadonlyArray<number> {
    const to = [...this.peers.keys()].filter((other) =>
      other !== id && other !== 0 && (this.#group(other) === this.#group(id) || (id % 17 === 0 && other % 5 === 0))
    )
    this.sees.set(id, new Set(to))
    return to
  }

  #add(now: number, given?: string): Api.Peer {
    const id = this.#last++
    const key = this.key()
    const chance = this.#random()
    const name = given ?? this.#options.names?.[id - 1] ??
      (id <= names.length ? names[id - 1]! : `${this.#pick(names)}-${id}`)
    const way = chance < 0.7 ? "lan" : chance < 0.9 ? "nats" : "web"
    const peer: Api.Peer = {
      id,
      name,
      key,
      fingerprint: PublicKey.fingerprint(key as PublicKey.PublicKey),
      status: this.#random() < 0.04 ? "suspect" : "online",
      proved: this.#random() > 0.05,
      addresses: [
        `10.0.${id >> 8}.${id & 255}:${4_000 + id}`,
        ...(this.#random() < 0.3 ? [`[fd00::${id.toString(16)}]:${4_000 + id}`] : [])
      ],
      ways: [way],
      ...(this.#random() < 0.4
        ? {
          session: {
            by: this.#random() < 0.6 ? "dialled" : "accepted",
            streams: Math.floor(this.#random() * 4),
            draining: false
          } as const
        }
        : {}),
      roles: this.#random() < 0.4 ? [this.#pick(roles)] : [],
      functions: functions.map((one) => one.name),
      functionCount: functions.length,
      topics: ["weather"],
      topicCount: 1,
      draining: this.#random() < 0.02,
      offered: true,
      heeded: true,
      trust: this.#pick(["connected", "connected", "pinned", "listed", "unknown"] as const),
      since: now
    }
    this.peers.set(id, peer)
    return peer
  }

  named(name: string): Api.Peer | undefined {
    return [...this.peers.values()].find((peer) => peer.name === name)
  }

  conflicts(): ReadonlyArray<Api.Conflict> {
    if (this.#options.conflicts !== true) return []
    const peer = [...this.peers.values()][3]!
    const other = Buffer.from(peer.key, "base64url").reverse().toString("base64url") + "="
    const claim = (key: string, address: string) => ({
      key,
      fingerprint: PublicKey.fingerprint(key as PublicKey.PublicKey),
      words: this.words(key),
      address
    })
    return [{
      name: peer.name,
      expected: { key: peer.key, fingerprint: peer.fingerprint },
      claims: [claim(peer.key, peer.addresses[0]!), claim(other, "10.0.9.9:4999")]
    }]
  }

  whole(at: number): Api.Patch {
    return {
      seq: 0,
      at,
      peers: [...this.peers.values()],
      gone: [],
      links: [...this.sees].map(([from, to]) => ({ from, to: [...to], gone: [], others: 0, at })),
      conflicts: this.conflicts(),
      count: this.peers.size - 1,
      findings: 1
    }
  }

  /** As many changes as there are in so many milliseconds: most are of streams and answers, one in ten is somebody who comes or goes. */
  change(at: number, seq: number, ms: number): Api.Patch {
    const changed = new Map<number, Api.Peer>()
    const gone: Array<number> = []
    const links: Array<Api.Links> = []
    for (let i = 0; i < this.#options.changes * ms / 1_000; i++) {
      const peer = this.#pick([...this.peers.values()])
      if (peer.id === 0) continue
      const chance = this.#random()
      if (chance < 0.05 && this.peers.size > 3) {
        this.peers.delete(peer.id)
        this.sees.delete(peer.id)
        for (const to of this.sees.values()) to.delete(peer.id)
        changed.delete(peer.id)
        gone.push(peer.id)
        const come = this.#add(at)
        changed.set(come.id, come)
        links.push({ from: come.id, to: [...this.#see(come.id)], gone: [], others: 0, at })
        for (const id of this.sees.get(come.id)!) {
          this.sees.get(id)?.add(come.id)
          links.push({ from: id, to: [come.id], gone: [], others: 0, at })
        }
        continue
      }
      const next: Api.Peer = chance < 0.3
        ? { ...peer, status: peer.status === "online" ? "suspect" : "online" }
        : { ...peer, session: { by: "dialled", streams: Math.floor(this.#random() * 9), draining: false } }
      this.peers.set(peer.id, next)
      changed.set(peer.id, next)
    }
    return {
      seq,
      at,
      peers: [...changed.values()].filter(({ id }) => this.peers.has(id)),
      gone,
      links: links.filter(({ from }) => this.peers.has(from)).map((one) => ({
        ...one,
        to: one.to.filter((id) => this.peers.has(id))
      })),
      count: this.peers.size - 1
    }
  }

  // --- what happens ---

  readonly buckets = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000]

  rates(at: number): Api.Rates {
    const rate = (calls: number): Api.Rate => {
      const latency = this.buckets.map((_, i) =>
        Math.round(calls * Math.exp(-((i - 3.5) ** 2) / 4) / 3.5 * (0.6 + this.#random()))
      )
      const failed = this.#random() < 0.3 ? Math.ceil(calls * 0.03 * this.#random()) : 0
      return {
        calls,
        failures: failed === 0
          ? []
          : [{ tag: this.#pick(["DeadlineError", "PeerLostError", "CommandFailedError"]), count: failed }],
        sent: Math.round(calls * 420 * (0.7 + 0.6 * this.#random())),
        received: Math.round(calls * 1_100 * (0.7 + 0.6 * this.#random())),
        latency
      }
    }
    const wave = 60 + 30 * Math.sin(at / 9_000) + 20 * this.#random()
    const list = [...this.peers.values()].slice(1, 9)
    return {
      at,
      span: 1_000,
      out: rate(Math.round(wave)),
      in: rate(Math.round(wave / 3)),
      series: list.flatMap((peer, i) =>
        functions.slice(0, 3).map((one, j) => ({
          peer: peer.name,
          function: one.name,
          direction: j === 2 ? "in" as const : "out" as const,
          kind: one.kind,
          ...rate(Math.round(wave / (2 + i + 3 * j)))
        }))
      ),
      seriesCount: list.length * 3
    }
  }

  event(at: number, id: number): Api.Event {
    const peer = this.#pick([...this.peers.values()].filter((one) => one.id !== 0))
    const kind = this.#pick(
      ["joined", "left", "lost", "suspected", "returned", "updated", "restarted", "acted", "conflict"] as const
    )
    const text = {
      joined: "came",
      left: "left",
      lost: "was not heard of any more",
      suspected: "does not answer",
      returned: "answers again",
      updated: "has other addresses",
      restarted: "was started anew",
      acted: "allowed: the name belongs to this key",
      conflict: "another key claims this name"
    }[kind]
    return { id, at, kind, peer, text: `${peer.name} ${text}` }
  }

  spans(at: number, n: number): ReadonlyArray<Api.Span> {
    const list = [...this.peers.values()]
    return Array.from({ length: n }, (): ReadonlyArray<Api.Span> => {
      const peer = list[1 + Math.floor(this.#random() * (list.length - 1))]!
      const one = this.#pick(functions)
      const trace = Buffer.from(Array.from({ length: 16 }, () => Math.floor(this.#random() * 256))).toString("hex")
      const ms = 1 + 30 * this.#random() ** 3
      const failed = this.#random() < 0.1
      return [{
        trace,
        span: `${trace.slice(0, 15)}1`,
        name: `pnet.call ${one.name}`,
        kind: "client",
        peer: peer.name,
        function: one.name,
        start: at - ms,
        ms,
        status: failed ? "failed" : "ok",
        ...(failed ? { tag: "DeadlineError" } : {}),
        at: "console"
      }]
    }).flat()
  }

  trace(trace: string, at: number): Api.Trace {
    const span = (
      id: number,
      parent: number | undefined,
      name: string,
      kind: Api.Span["kind"],
      start: number,
      ms: number,
      where: string,
      status: Api.Span["status"] = "ok"
    ): Api.Span => ({
      trace,
      span: `${trace.slice(0, 15)}${id}`,
      ...(parent === undefined ? {} : { parent: `${trace.slice(0, 15)}${parent}` }),
      name,
      function: name,
      kind,
      start: at - 100 + start,
      ms,
      status,
      at: where
    })
    return {
      spans: [
        span(1, undefined, "order", "client", 0, 48, "console"),
        span(2, 1, "order", "server", 3, 42, "shop"),
        span(3, 2, "price", "client", 5, 12, "shop"),
        span(4, 3, "price", "server", 7, 8, "prices"),
        span(5, 2, "reserve", "client", 19, 18, "shop", "failed"),
        span(6, 5, "reserve", "server", 300, 14, "stock", "failed"),
        span(7, 2, "write", "internal", 38, 5, "shop")
      ],
      without: [{ peer: "prices-2", why: "it serves no agent" }]
    }
  }
}

const findings: ReadonlyArray<Api.Finding> = [
  { tag: "MulticastOk", severity: "ok", message: "Multicast arrives on eth0.", remedy: "" },
  {
    tag: "ManyInterfaces",
    severity: "info",
    message: "There are 3 interfaces: eth0, docker0 and wg0. Advertisements go out on each of them.",
    remedy: ""
  },
  {
    tag: "FirewallLikely",
    severity: "warning",
    message: "What is sent to this machine's own address on port 7946 does not come back, which a firewall does.",
    remedy: "Let UDP to port 7946 in, or name peers by their addresses.",
    see: "docs/why-cant-i.md#firewall"
  }
]

/** The words of the console, spoken by a network that is not there. */
export const layer = (options: Options) =>
  Api.ConsoleApi.toLayer(Effect.gen(function*() {
    const fake = new Fake(options, yield* Clock.currentTimeMillis)
    const self = fake.peers.get(0)!
    const wordy = options.description
    const served = wordy === undefined
      ? functions
      : functions.map((one) => ({ ...one, description: wordy.slice(0, 200) }))
    const instance = `${Math.floor(1e9 * random(options.seed ?? 1)())}`
    let trust = new Map<string, Api.Trust>()
    let refused = options.act !== true
    const acting = (action: string, done: () => void) =>
      refused ? Effect.fail(new Api.NotActingError({ action, hint: "Start it with --act." })) : Effect.sync(done)
    const one = (peer: string, input: Api.CallInput): Stream.Stream<Api.CallEvent> => {
      const after = (ms: number) => <A extends Api.CallEvent>(event: A) =>
        Stream.fromEffect(Effect.delay(Effect.succeed<Api.CallEvent>(event), Duration.millis(ms)))
      const started = Stream.succeed<Api.CallEvent>({ _tag: "Started", peer })
      const value = (value: Schema.Json) =>
        after(20)({ _tag: "Value" as const, peer, value, bytes: JSON.stringify(value).length, ms: 21.4 })
      const [first, second] = input.args
      switch (input.function) {
        case "add":
          return Stream.concat(started, value(Number(first) + Number(second)))
        case "greet":
          return Stream.concat(started, value(`Hello ${String(first)}${input.kwargs?.["loud"] === true ? "!" : "."}`))
        case "order":
          return Stream.concat(started, value({ id: "order-17", total: 12.5, items: [first ?? null] }))
        case "count": {
          const to = Number((first as { to?: number } | undefined)?.to ?? 3)
          return Stream.concat(
            started,
            Stream.concat(
              Stream.tick("30 millis").pipe(
                Stream.take(to),
                Stream.zipWithIndex,
                Stream.map(([, index]): Api.CallEvent => ({ _tag: "Element", peer, index, value: index + 1, bytes: 2 }))
              ),
              after(1)({ _tag: "Done" as const, peer, count: to, cut: false, ms: 30 * to })
            )
          )
        }
        case "boom":
          return Stream.concat(
            started,
            after(30)({
              _tag: "Failed" as const,
              peer,
              tag: "CommandFailedError",
              message: `"boom" at "${peer}" failed: the shelf is empty`,
              hint: "Ask it again when there is something.",
              error: { _tag: "Empty", shelf: 3 },
              ms: 31
            })
          )
        case "slow":
          return Stream.concat(started, Stream.never)
        default:
          return Stream.concat(started, value([...input.args]))
      }
    }
    const peerOf = (key: string) => [...fake.peers.values()].find((one) => one.key === key)
    return {
      hello: () =>
        Effect.succeed({
          node: { name: self.name, key: self.key, fingerprint: self.fingerprint },
          words: fake.words(self.key),
          network: "home",
          sealed: true,
          act: !refused,
          version: "0.1.0",
          instance,
          since: fake.begun,
          buckets: fake.buckets,
          traced: true
        }),
      watch: () =>
        Stream.concat(
          Stream.fromEffect(Effect.map(Clock.currentTimeMillis, (at) => fake.whole(at))),
          options.changes === 0 ? Stream.never : Stream.tick("200 millis").pipe(
            Stream.drop(1),
            Stream.zipWithIndex,
            Stream.mapEffect(([, i]) => Effect.map(Clock.currentTimeMillis, (at) => fake.change(at, i + 1, 200)))
          )
        ),
      events: () =>
        Stream.concat(
          Stream.fromEffect(Effect.map(Clock.currentTimeMillis, (at) =>
            Array.from({ length: 40 }, (_, i) => fake.event(at - 400_000 + 10_000 * i, i)))).pipe(
              Stream.flatMap(Stream.fromIterable)
            ),
          options.changes === 0 ? Stream.never : Stream.tick("1 second").pipe(
            Stream.zipWithIndex,
            Stream.mapEffect(([, i]) =>
              Effect.map(Clock.currentTimeMillis, (at) => fake.event(at, 40 + i))
            )
          )
        ),
      rates: () =>
        Stream.concat(
          Stream.fromEffect(Effect.map(Clock.currentTimeMillis, (at) =>
            Array.from({ length: 60 }, (_, i) =>
              fake.rates(at - 60_000 + 1_000 * i)))).pipe(Stream.flatMap(Stream.fromIterable)),
          options.changes === 0
            ? Stream.never
            : Stream.tick("1 second").pipe(Stream.mapEffect(() =>
              Effect.map(Clock.currentTimeMillis, (at) =>
                fake.rates(at))
            ))
        ),
      traces: () =>
        Stream.concat(
          Stream.fromEffect(Effect.map(Clock.currentTimeMillis, (at) => fake.spans(at, 30))),
          options.changes === 0
            ? Stream.never
            : Stream.tick("500 millis").pipe(Stream.mapEffect(() =>
              Effect.map(Clock.currentTimeMillis, (at) => fake.spans(at, 3))
            ))
        ),
      trace: ({ trace }) => Effect.map(Clock.currentTimeMillis, (at) => fake.trace(trace, at)),
      describe: ({ key }) =>
        peerOf(key) === undefined
          ? Effect.fail(new Api.FailedError({ error: "PeerNotFoundError", message: "there is no such peer" }))
          : Effect.succeed(served),
      call: (input) =>
        Stream.mergeAll(
          (input.target === "*" ? [...fake.peers.values()].slice(1).map(({ name }) => name) : input.target).map((
            peer
          ) => one(peer, input)),
          { concurrency: "unbounded" }
        ),
      peer: ({ key }) => {
        const peer = peerOf(key)
        return peer === undefined
          ? Effect.fail(new Api.FailedError({ error: "PeerNotFoundError", message: "there is no such peer" }))
          : Effect.succeed({
            peer: { ...peer, trust: trust.get(key) ?? peer.trust },
            words: fake.words(key),
            addresses: peer.addresses.map((address) => ({ address, way: peer.ways[0]! })),
            sessions: peer.session === undefined ? [] : [peer.session],
            functions: served.map(({ name }) => ({ name, contract: "" })),
            topics: [{ topic: "weather", mode: "latest" }, { topic: "orders", mode: "shared", group: "kitchen" }],
            meta: { version: "1.4.2", cores: 8, battery: false },
            can: ["allow", "forget", "revoke", "resolveConflict"] as const
          })
      },
      diagnose: () => Effect.succeed(findings),
      topics: () =>
        Effect.succeed(["weather", "orders", "sensors/kitchen/temperature", "sensors/*"].map((topic, i) => {
          const list = [...fake.peers.values()].slice(1, 2 + 4 * i)
          return {
            topic,
            pattern: topic.includes("*"),
            subscribers: list.slice(0, 64).map(({ name }) => ({ peer: name, mode: "latest" })),
            subscriberCount: list.length
          }
        })),
      table: ({ topic }) =>
        Stream.mapEffect(Stream.tick("500 millis"), () =>
          Effect.map(Clock.currentTimeMillis, (at) => ({
            rows: [...fake.peers.values()].slice(1, 9).map((peer, i) => ({
              from: peer,
              topic,
              key: i % 2 === 0 ? "" : "outside",
              value: { temperature: Math.round(180 + 40 * Math.sin(at / 20_000 + i)) / 10, humidity: 40 + i },
              at
            })),
            gone: [],
            count: 8,
            published: 8,
            missed: 0
          }))),
      allow: ({ key }) => acting("change whom the node trusts", () => void (trust = new Map(trust).set(key, "pinned"))),
      revoke: ({ key }) =>
        acting("change whom the node trusts", () => void (trust = new Map(trust).set(key, "revoked"))),
      forget: () => acting("change whom the node trusts", () => {}),
      resolveConflict: () => acting("resolve conflicts", () => {})
    }
  }))
