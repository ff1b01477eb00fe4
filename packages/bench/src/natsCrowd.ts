/**
 * What it costs a node to be one of many over NATS: a node in a process of its own, over a real server, where another process says what
 * thousands of others would say, as seldom as they do, and answers for them.
 */
import { connect } from "@nats-io/transport-node"
import * as Adverts from "@pnet/core/Adverts"
import { Crypto } from "@pnet/core/Crypto"
import * as DerivedHost from "@pnet/core/DerivedHost"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as NodeOptions from "@pnet/core/NodeOptions"
import { count, table } from "@pnet/lab/harness/table"
import * as Server from "@pnet/lab/nats/server"
import { child } from "@pnet/lab/processes/child"
import * as Subjects from "@pnet/nats/Subjects"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export interface Options {
  readonly nodes: number
  readonly seconds: number
  /** The folder for V8's profiles of the measured node. */
  readonly profile?: string | undefined
}

interface Other {
  readonly token: string
  readonly endpoint: { readonly host: string; readonly port: number }
  readonly adverts: Adverts.Adverts
}

/** Somebody else, who only says and answers. */
const other = (name: string, networkKey: NetworkKey.NetworkKey | undefined) =>
  Effect.gen(function*() {
    const config = Context.get(
      yield* Layer.build(Layer.fresh(NodeOptions.layer({
        name,
        networkId: "crowd",
        ...(networkKey === undefined ? {} : { networkKey }),
        identity: (yield* Crypto).generateKeyPair()
      }))),
      NodeOptions.NodeConfig
    )
    const { publicKey } = config.identity
    return {
      token: Subjects.ofKey(publicKey),
      endpoint: { host: DerivedHost.ofKey("nats", publicKey), port: 1 },
      adverts: yield* Effect.provideService(Adverts.make, NodeOptions.NodeConfig, config)
    } satisfies Other
  })

/** As protocol section 19 has it: adverts a second by all together, and how often a node asks another. */
const budget = 10
const interval = 2.5
const slowest = 12 * interval

const measure = (options: Options, encrypted: boolean) =>
  Effect.gen(function*() {
    const networkKey = encrypted ? yield* NetworkKey.generate : undefined
    const server = yield* Server.start()
    const others = yield* Effect.forEach(Array.from({ length: options.nodes }, (_, i) => `n${i}`), (name) =>
      other(name, networkKey))
    const byToken = new Map(others.map((one) => [one.token, one]))
    const client = yield* Effect.acquireRelease(
      Effect.promise(() =>
        connect({ servers: server.url })
      ),
      (client) => Effect.promise(() => client.close())
    )
    let asked = 0
    client.subscribe("pnet.crowd.*.*.ask", {
      callback: (_error, { reply, subject }) => {
        const [, , from, to] = subject.split(".")
        const one = byToken.get(to!)
        if (one === undefined || reply === undefined) return
        asked++
        client.publish(
          `pnet.crowd.${to}.${from}.${reply.split(".").slice(4).join(".")}`,
          one.adverts.packet(one.endpoint)
        )
      }
    })
    // Who is asked who is there knows all, once they know each other.
    let list: Uint8Array | undefined
    client.subscribe("pnet.crowd.*.all.any.list", {
      queue: "any",
      callback: (_error, { reply, subject }) => {
        if (list === undefined || reply === undefined) return
        const [from] = others
        client.publish(
          `pnet.crowd.${from!.token}.${subject.split(".")[2]}.${reply.split(".").slice(4).join(".")}`,
          list
        )
      }
    })
    const say = (one: Other) => client.publish(`pnet.crowd.${one.token}.all.say.adv`, one.adverts.packet(one.endpoint))
    const node = yield* child(fileURLToPath(new URL("natsCrowd/node.ts", import.meta.url)), {
      SERVER: server.url,
      NODES: String(options.nodes),
      ...(networkKey === undefined ? {} : { NETWORK_KEY: Redacted.value(networkKey) })
    })
    yield* node.ready
    // All are new to it, as where all are started at once.
    const begun = yield* node.ask({})
    for (let i = 0; i < others.length; i++) {
      say(others[i]!)
      if (i % 20 === 19) yield* Effect.sleep("10 millis")
    }
    yield* Effect.sleep("3 seconds")
    const met = yield* node.ask({})
    list = Buffer.concat(others.map(({ token }) => Buffer.from(token, "base64url")))
    // And then seldom, one after the other; each of the others asks one in an interval, so that this one is asked as often.
    const perSecond = Math.min(budget, options.nodes / slowest)
    const quiet = Effect.gen(function*() {
      for (let i = 0; i < perSecond * options.seconds; i++) {
        say(others[i % others.length]!)
        yield* Effect.sleep(1_000 / perSecond)
      }
    })
    // V8 collects what it can for a while after a process was busy.
    yield* Effect.sleep("20 seconds")
    const { profile } = options
    if (profile !== undefined) yield* node.ask({ profile: true })
    const before = yield* node.ask({})
    const askedBefore = asked
    yield* quiet
    const after = yield* node.ask({})
    if (profile !== undefined) {
      yield* node.ask({ profile: join(profile, `nats-crowd-${encrypted ? "key" : "clear"}.cpuprofile`) })
    }
    return {
      encrypted,
      perSecond,
      peers: Number(after["peers"]),
      meetingMicros: (Number(met["micros"]) - Number(begun["micros"])) / options.nodes,
      heapPerPeer: (Number(before["heap"]) - Number(begun["heap"])) / options.nodes,
      asks: (asked - askedBefore) / options.seconds,
      load: (Number(after["micros"]) - Number(before["micros"])) / 1e6 / options.seconds
    }
  }).pipe(Effect.scoped)

export const main = (options: Options) =>
  Effect.gen(function*() {
    const cells = [yield* measure(options, false), yield* measure(options, true)]
    yield* Console.log(`A node over NATS among ${count(options.nodes)} others, quiet for ${options.seconds} s\n`)
    yield* Console.log(table(
      ["", "peers", "adverts/s", "asks/s", "to meet one", "of a core when quiet"],
      cells.map(({ asks, encrypted, load, meetingMicros, peers, perSecond }) => [
        encrypted ? "network key" : "in clear",
        count(peers),
        perSecond.toFixed(1),
        asks.toFixed(2),
        `${meetingMicros.toFixed(0)} us`,
        `${(load * 100).toFixed(2)} %`
      ])
    ))
  }).pipe(Effect.provide(NodeCrypto.layer))
