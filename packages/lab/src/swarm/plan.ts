/**
 * What a swarm is to do: a topology, work and faults, drawn from a seed before anything runs. It is data. Each step has its own
 * numbers and a seed of its own, so that leaving one out changes no other.
 */

import { type Chance, chance } from "../harness/chance.ts"

/** How a node decides whom it trusts. */
export type Policy = "any" | "tofu" | "allow"

export interface NodeSpec {
  readonly name: string
  /** LANs that its host is on. */
  readonly lans: ReadonlyArray<number>
  /** Whether its host may send broadcasts. */
  readonly broadcasts: boolean
  /** Nodes that it is given the addresses of. */
  readonly listed: ReadonlyArray<number>
  readonly policy: Policy
  readonly framing: "binary" | "text"
  /** How much faster its clocks run. */
  readonly drift: number
  readonly limits: {
    readonly sessions?: number
    readonly streams?: number
    readonly calls?: number
    readonly callMemory?: number
    readonly credit?: number
    readonly pendingSends?: number
    readonly sessionAge?: `${number} millis`
    readonly sessionIdle?: `${number} millis`
    readonly sessionSilence?: `${number} millis`
  }
}

export interface LanSpec {
  /** Milliseconds, one way. */
  readonly latency: readonly [min: number, max: number]
  readonly loss: number
  readonly duplicate: number
  readonly reorder: number
  /** Bytes a second. */
  readonly bandwidth: number
}

/** What the function that is called does. */
export interface Order {
  /** Milliseconds that it takes. */
  readonly delay: number
  readonly way: "ok" | "fail" | "break"
  /** Bytes of ballast on the way there, and back. */
  readonly ballast: number
}

interface Call {
  readonly from: number
  readonly order: Order
  /** Milliseconds. */
  readonly timeout: number | undefined
  /** Milliseconds after which the caller loses interest. */
  readonly patience: number | undefined
}

export type Work =
  | Call & { readonly kind: "raw"; readonly to: number }
  | Call & { readonly kind: "raw all"; readonly to: ReadonlyArray<number> | "*" }
  | Call & { readonly kind: "command"; readonly to: number; readonly name: "work" | "typed" | "extra" }
  | Call & {
    readonly kind: "command all"
    readonly to: ReadonlyArray<number> | "*"
    readonly name: "work" | "typed"
    readonly concurrency: number | undefined
  }
  | Call & { readonly kind: "relay"; readonly to: number; readonly path: ReadonlyArray<number> }
  | Call & { readonly kind: "rpc"; readonly to: number }
  | Call & { readonly kind: "rpc all"; readonly to: ReadonlyArray<number> | "*" }
  | Call & {
    readonly kind: "rpc stream"
    readonly to: number
    readonly count: number
    readonly take: number | undefined
  }
  | Call & {
    readonly kind: "stream"
    readonly to: number
    readonly name: "echo" | "upload" | "download" | "ignore" | "hang" | "half"
    readonly key: number
    readonly size: number
    /** Milliseconds between the pieces that are sent, and that are read. */
    readonly slowSource: number
    readonly slowReader: number
  }

export type Fault =
  | {
    readonly kind: "restart"
    readonly node: number
    readonly how: "kill" | "crash" | "stop"
    readonly down: number
    /** Whether it comes back with another key, and whether the others are told that it is the right one. */
    readonly rekey: boolean
    readonly accept: boolean
  }
  | { readonly kind: "pause"; readonly node: number; readonly lasting: number }
  | {
    readonly kind: "partition"
    readonly side: ReadonlyArray<number>
    readonly other: ReadonlyArray<number>
    readonly oneWay: boolean
    readonly lasting: number
  }
  | {
    readonly kind: "delay"
    readonly node: number
    readonly other: number
    readonly by: number
    readonly lasting: number
  }
  | { readonly kind: "link"; readonly node: number; readonly lasting: number }
  | { readonly kind: "address"; readonly node: number }
  | { readonly kind: "clock"; readonly node: number; readonly skew: number; readonly lasting: number }
  | { readonly kind: "revoke"; readonly node: number; readonly judges: ReadonlyArray<number> | "*" }
  | { readonly kind: "register"; readonly node: number; readonly lasting: number }
  | { readonly kind: "rotate"; readonly pause: number }
  | {
    readonly kind: "stranger"
    /** The node whose name it takes. Otherwise it has one of its own. */
    readonly as: number | undefined
    readonly lan: number
    readonly hasKey: boolean
    readonly lasting: number
  }

export type Step = { readonly id: number; readonly at: number } & (Work | Fault)

export interface Plan {
  readonly seed: number
  readonly nodes: ReadonlyArray<NodeSpec>
  readonly lans: ReadonlyArray<LanSpec>
  readonly streams: { readonly chunking: "random" | "joined"; readonly window: number }
  /** Whether the network has a key. */
  readonly keyed: boolean
  /** Milliseconds in which steps begin. */
  readonly duration: number
  readonly steps: ReadonlyArray<Step>
}

export interface PlanOptions {
  readonly seed: number
  /** Default: 2 to 20, from the seed. */
  readonly nodes?: number | undefined
  /** Virtual seconds in which work begins and things fail. Default 180. */
  readonly seconds?: number | undefined
}

const isFault = new Set<string>(
  [
    "restart",
    "pause",
    "partition",
    "delay",
    "link",
    "address",
    "clock",
    "revoke",
    "register",
    "rotate",
    "stranger"
  ] satisfies ReadonlyArray<Fault["kind"]>
)

export const faultOf = (step: Step): (Step & Fault) | undefined =>
  isFault.has(step.kind) ? step as Step & Fault : undefined

const sizes = [0, 1, 100, 16_384, 70_000, 262_144, 400_000]

const makeLan = (random: Chance): LanSpec => {
  const clean = random.chance(0.4)
  return {
    latency: [1, 1 + random.below(random.pick([2, 5, 50]))],
    loss: clean ? 0 : random.pick([0, 0.01, 0.05]),
    duplicate: clean ? 0 : random.pick([0, 0.01]),
    reorder: clean ? 0 : random.pick([0, 0.02]),
    bandwidth: clean ? Infinity : random.pick([Infinity, Infinity, 2_000_000])
  }
}

const makeNodes = (random: Chance, count: number, lans: number): ReadonlyArray<NodeSpec> => {
  const silent = random.chance(0.2)
  const uniform = random.pick<Policy | undefined>(["any", "tofu", "tofu", "allow", undefined])
  const framing = random.pick<"binary" | "text" | undefined>(["binary", "binary", "text", undefined])
  const small = random.chance(0.25)
  const drifts = random.chance(0.2)
  // Where many sessions are, most of what travels asks whether the others are there.
  const patient = count > 6 && random.chance(0.7)
  const on = Array.from({ length: count }, (_, i) => {
    const first = i < lans ? i : random.below(lans)
    const second = random.below(lans)
    return random.chance(0.25) && second !== first ? [first, second] : [first]
  })
  return on.map((own, i): NodeSpec => {
    const near = on.flatMap((theirs, j) => j !== i && theirs.some((lan) => own.includes(lan)) ? [j] : [])
    // Whoever may not broadcast has to be given an address.
    const broadcasts = near.length === 0 || !(silent && random.chance(0.4))
    const listed = broadcasts && !random.chance(0.05) || near.length === 0
      ? []
      : [...new Set([random.pick(near), random.pick(near), random.pick(near)])]
    return {
      name: `node${i}`,
      lans: own,
      broadcasts,
      listed,
      policy: uniform ?? random.pick<Policy>(["any", "tofu", "allow"]),
      framing: framing ?? random.pick(["binary", "text"]),
      drift: drifts ? random.pick([-0.0002, 0, 0.0002]) : 0,
      limits: {
        ...(small && random.chance(0.3) ? { sessions: 2 + random.below(6) } : {}),
        ...(small && random.chance(0.3) ? { streams: 1 + random.below(6) } : {}),
        ...(small && random.chance(0.3) ? { calls: 4 + random.below(8) } : {}),
        ...(small && random.chance(0.3) ? { callMemory: 400_000 } : {}),
        ...(small && random.chance(0.3) ? { credit: 16 * 262_144 } : {}),
        ...(small && random.chance(0.3) ? { pendingSends: 1 + random.below(4) } : {}),
        ...(patient ? { sessionSilence: "10000 millis" as const } : {}),
        // Each of its sessions is made anew that often.
        ...(random.chance(0.1) ? { sessionAge: count <= 6 ? "7000 millis" as const : "45000 millis" as const } : {}),
        ...(random.chance(0.3) ? { sessionIdle: random.pick(["1000 millis", "10000 millis"] as const) } : {})
      }
    }
  })
}

const makeWork = (random: Chance, nodes: ReadonlyArray<NodeSpec>): Work => {
  const count = nodes.length
  const from = random.below(count)
  const to = (from + 1 + random.below(count - 1)) % count
  const near = nodes.flatMap(({ lans }, i) =>
    i !== from && lans.some((lan) => nodes[from]!.lans.includes(lan)) ? [i] : []
  )
  // Now and then somebody who cannot be reached.
  const peer = near.length > 0 && random.chance(0.97) ? random.pick(near) : to
  const call: Call = {
    from,
    order: {
      delay: random.chance(0.6) ? 0 : random.below(random.pick([20, 500, 5_000])),
      way: random.chance(0.9) ? "ok" : random.chance(0.8) ? "fail" : "break",
      ballast: random.chance(0.85) ? 0 : random.pick([100, 5_000, 70_000, 300_000])
    },
    timeout: random.chance(0.4) ? 1 + random.below(random.pick([50, 500, 6_000])) : undefined,
    patience: random.chance(0.08) ? random.below(random.pick([20, 2_000])) : undefined
  }
  const several = (): ReadonlyArray<number> | "*" =>
    random.chance(0.4) ? "*" : [...new Set(Array.from({ length: 1 + random.below(4) }, () => random.below(count)))]
      .filter((i) => i !== from)
  switch (
    random.pick([
      ...Array<"raw">(3).fill("raw"),
      "raw all",
      ...Array<"command">(5).fill("command"),
      "command all",
      "relay",
      "relay",
      ...Array<"rpc">(4).fill("rpc"),
      "rpc all",
      "rpc stream",
      "rpc stream",
      ...Array<"stream">(3).fill("stream")
    ])
  ) {
    case "raw":
      return { kind: "raw", ...call, order: { ...call.order, ballast: Math.min(call.order.ballast, 70_000) }, to: peer }
    case "raw all":
      return { kind: "raw all", ...call, order: { ...call.order, ballast: 0 }, to: several() }
    case "command":
      return { kind: "command", ...call, to: peer, name: random.pick(["work", "work", "typed", "extra"]) }
    case "command all":
      return {
        kind: "command all",
        ...call,
        to: several(),
        name: random.pick(["work", "typed"]),
        concurrency: random.chance(0.2) ? 1 + random.below(3) : undefined
      }
    case "relay":
      return {
        kind: "relay",
        ...call,
        to: peer,
        path: [random.below(count), random.below(count), random.below(count)]
          .slice(0, 1 + random.below(3))
          .filter((at, i, path) => path.indexOf(at) === i && at !== peer && at !== from)
      }
    case "rpc":
      return { kind: "rpc", ...call, to: peer }
    case "rpc all":
      return { kind: "rpc all", ...call, to: several() }
    case "rpc stream": {
      const length = random.below(random.pick([10, 100, 300]))
      return {
        kind: "rpc stream",
        ...call,
        order: { ...call.order, delay: Math.min(call.order.delay, 20), ballast: 0 },
        to: peer,
        count: length,
        take: random.chance(0.2) ? 1 + random.below(10) : undefined
      }
    }
    default: {
      const name = random.pick(["echo", "echo", "upload", "download", "ignore", "hang", "half"] as const)
      return {
        kind: "stream",
        ...call,
        to: peer,
        name,
        timeout: name === "hang" ? 1 + random.below(4_000) : call.timeout,
        key: random.below(256),
        size: random.pick([...sizes, random.below(100_000)]),
        slowSource: random.chance(0.2) ? 1 + random.below(50) : 0,
        slowReader: random.chance(0.2) ? 1 + random.below(200) : 0
      }
    }
  }
}

const makeFault = (random: Chance, plan: Omit<Plan, "steps">): Fault => {
  const { keyed, lans, nodes } = plan
  const node = random.below(nodes.length)
  const lasting = 200 + random.below(random.pick([1_000, 5_000, 15_000]))
  const some = () => nodes.flatMap((_, i) => random.chance(0.4) ? [i] : [])
  switch (
    random.pick([
      "restart",
      "restart",
      "restart",
      "pause",
      "pause",
      "partition",
      "partition",
      "delay",
      "link",
      "address",
      "clock",
      "revoke",
      "register",
      "register",
      "rotate",
      "stranger"
    ])
  ) {
    case "restart": {
      const rekey = random.chance(0.15)
      return {
        kind: "restart",
        node,
        how: random.pick(["kill", "crash", "stop", "stop"]),
        down: random.pick([0, 50, lasting]),
        rekey,
        accept: rekey && random.chance(0.5)
      }
    }
    case "pause":
      return { kind: "pause", node, lasting }
    case "partition": {
      const side = random.chance(0.5) ? [node] : some()
      const other = random.chance(0.5) ? nodes.flatMap((_, i) => side.includes(i) ? [] : [i]) : some()
      return {
        kind: "partition",
        side,
        other: other.filter((i) => !side.includes(i)),
        oneWay: random.chance(0.3),
        lasting
      }
    }
    case "delay":
      return { kind: "delay", node, other: random.below(nodes.length), by: random.below(1_500), lasting }
    case "link":
      return { kind: "link", node, lasting }
    case "address":
      // Others have the address of one that is listed.
      return nodes.some(({ listed }) => listed.includes(node))
        ? { kind: "pause", node, lasting }
        : { kind: "address", node }
    case "clock":
      // Messages and network keys need clocks within a minute of each other.
      return {
        kind: "clock",
        node,
        skew: random.chance(0.8) ? random.below(40_000) - 20_000 : random.pick([-7_200_000, 7_200_000]),
        lasting
      }
    case "revoke":
      return { kind: "revoke", node, judges: random.chance(0.3) ? "*" : some() }
    case "register":
      return { kind: "register", node, lasting: lasting * 2 }
    case "rotate":
      return keyed ? { kind: "rotate", pause: 300 + random.below(4_000) } : { kind: "register", node, lasting }
    default:
      return {
        kind: "stranger",
        as: random.chance(0.4) ? node : undefined,
        lan: random.below(lans.length),
        hasKey: random.chance(0.7),
        lasting: 3_000 + random.below(15_000)
      }
  }
}

/** The plan of a seed. */
export const makePlan = (options: PlanOptions): Plan => {
  const { seed } = options
  const random = chance(seed, "world")
  const count = options.nodes ?? random.pick([2, 2, 3, 3, 4, 5, 6, 8, 10, 13, 16, 20])
  const lanCount = count < 3 ? 1 : random.pick([1, 1, 1, 2, 3])
  const world = {
    seed,
    lans: Array.from({ length: lanCount }, () => makeLan(random)),
    nodes: makeNodes(random, count, lanCount),
    streams: {
      chunking: random.pick(["random", "joined"] as const),
      window: random.pick([262_144, 262_144, 20_000])
    },
    keyed: random.chance(0.5),
    duration: (options.seconds ?? 180) * 1_000
  }
  const calm = random.chance(0.1)
  // Work comes in bursts, with quiet in between.
  const bursts = Array.from({ length: 1 + random.below(4) }, () => ({
    at: random.below(world.duration),
    length: 1_000 + random.below(10_000)
  }))
  const moment = (random: Chance) => {
    if (random.chance(0.4)) return random.below(world.duration)
    const { at, length } = random.pick(bursts)
    return Math.min(world.duration - 1, at + random.below(length))
  }
  const work = 20 + random.below(20) + count * 8
  const faults = calm ? 0 : 1 + random.below(3) + Math.ceil(count * random.next())
  const steps = [
    ...Array.from({ length: work }, (_, i) => {
      const random = chance(seed, `work ${i}`)
      return { at: moment(random), ...makeWork(random, world.nodes) }
    }),
    ...Array.from({ length: faults }, (_, i) => {
      const random = chance(seed, `fault ${i}`)
      return { at: random.below(world.duration), ...makeFault(random, world) }
    })
  ]
  return {
    ...world,
    steps: steps.sort((a, b) => a.at - b.at).map((step, id): Step => ({ id, ...step }))
  }
}

/** A step in one line. */
export const format = (step: Step): string => {
  const { at, id, kind, ...rest } = step
  return `#${id} at ${(at / 1_000).toFixed(3)} s: ${kind} ${JSON.stringify(rest)}`
}
