/** The two sides of each kind of subject, as a worker makes them: one that answers, and one that asks and can be measured. */
import * as BasicNode from "@pnet/core/BasicNode"
import { Crypto } from "@pnet/core/Crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { Server } from "node:net"
import * as Bulk from "./bulk.ts"
import type { Peer, Subject } from "./calls.ts"
import * as Commands from "./commands.ts"
import * as Echo from "./echo.ts"
import * as Files from "./files.ts"
import * as Nodes from "./nodes.ts"
import type { Samples } from "./samples.ts"
import * as Typed from "./typed.ts"

/** The name of every node that answers. */
export const peerName = "server"

/** The side that answers. Nodes find each other; whatever else listens has a port. */
export interface Answering {
  readonly port: number
  /** The name that the cryptography gives itself. */
  readonly crypto: string
}

/** The side that asks, and what can be measured of it. */
export interface Asking {
  readonly crypto: string
  readonly measure?: (
    options: { readonly message: Uint8Array; readonly atOnce: number; readonly seconds: number }
  ) => Effect.Effect<Samples, unknown>
  readonly call?: (message: Uint8Array) => Effect.Effect<unknown, unknown>
  readonly transfer?: (
    options: { readonly bytes: number; readonly streams: number }
  ) => Effect.Effect<void, unknown>
  /** Sends the files at a path, and gives how many there were. */
  readonly send?: { readonly [How in "transfer" | "call"]: (path: string) => Effect.Effect<number, unknown> }
}

type Services = Layer.Success<ReturnType<typeof Nodes.platform>>

/** What the machine gives nodes, made once for each cryptography, for as long as the worker runs. */
export const makePlatform = Effect.map(Effect.scope, (scope) => {
  const contexts = new Map<Nodes.Cryptography, Context.Context<Services>>()
  const contextOf = (cryptography: Nodes.Cryptography) =>
    Effect.gen(function*() {
      const context = contexts.get(cryptography) ?? (yield* Layer.buildWithScope(Nodes.platform(cryptography), scope))
      contexts.set(cryptography, context)
      return context
    })
  return {
    scope,
    contextOf,
    /** Starts something over it, and says with which cryptography. */
    start: <A, E>(cryptography: Nodes.Cryptography, start: Effect.Effect<A, E, Services | Scope.Scope>) =>
      Effect.gen(function*() {
        const context = yield* contextOf(cryptography)
        const node = yield* start.pipe(Effect.provideContext(context), Scope.provide(scope))
        return { node, crypto: Context.get(context, Crypto).name }
      }),
    /** The native cryptography with a key in hex. */
    keyOf: (secret: string) =>
      Effect.map(contextOf("native"), (context) => ({
        crypto: Context.get(context, Crypto),
        key: Redacted.make(new Uint8Array(Buffer.from(secret, "hex")))
      }))
  }
})

/** What `makePlatform` gives. */
export type Platform = Effect.Success<typeof makePlatform>

type Of<Tag extends Subject["_tag"]> = Extract<Subject, { readonly _tag: Tag }>

interface Kind<Tag extends Subject["_tag"]> {
  readonly serve: (platform: Platform, subject: Of<Tag>) => Effect.Effect<Answering, unknown>
  readonly connect: (platform: Platform, subject: Of<Tag>, port: number) => Effect.Effect<Asking, unknown>
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

const nameOf = (sealing: { readonly crypto: Crypto["Service"] } | undefined) => sealing?.crypto.name ?? "none"

const echoSealing = ({ keyOf }: Platform, { sealing }: Of<"Echo">) =>
  Effect.gen(function*() {
    return sealing === null ? undefined : { kind: sealing.kind, ...yield* keyOf(sealing.secret) }
  })

const bulkSealing = ({ keyOf }: Platform, { secret }: Of<"Bulk">) => secret === null ? Effect.undefined : keyOf(secret)

const Kinds: { readonly [Tag in Subject["_tag"]]: Kind<Tag> } = {
  Echo: {
    serve: (platform, subject) =>
      Effect.gen(function*() {
        const sealing = yield* echoSealing(platform, subject)
        const server = yield* Effect.promise(() => Echo.serve({ batched: subject.batched, sealing, tls: subject.tls }))
        return { port: portOf(server), crypto: nameOf(sealing) }
      }),
    connect: (platform, subject, port) =>
      Effect.gen(function*() {
        const sealing = yield* echoSealing(platform, subject)
        const client = yield* Effect.promise(() =>
          Echo.connect(port, { batched: subject.batched, sealing, tls: subject.tls })
        )
        return { crypto: nameOf(sealing), measure: (options) => Effect.promise(() => client.measure(options)) }
      })
  },

  Bulk: {
    serve: (platform, subject) =>
      Effect.gen(function*() {
        const sealing = yield* bulkSealing(platform, subject)
        const server = yield* Effect.promise(() => Bulk.serve(sealing, subject.tls))
        return { port: portOf(server), crypto: nameOf(sealing) }
      }),
    connect: (platform, subject, port) =>
      Effect.map(bulkSealing(platform, subject), (sealing) => ({
        crypto: nameOf(sealing),
        transfer: ({ bytes }) => Effect.promise(() => Bulk.transfer(port, bytes, sealing, subject.tls))
      }))
  },

  Node: {
    serve: ({ start }, { cryptography, network }) =>
      Effect.map(start(cryptography, Nodes.echo(peerName, network)), ({ crypto }) => ({ port: 0, crypto })),
    connect: ({ start }, { cryptography, network }) =>
      Effect.gen(function*() {
        const { crypto, node } = yield* start(cryptography, BasicNode.make(Nodes.options("client", network)))
        yield* node.peers.awaitPeer(peerName)
        const call = (message: Uint8Array) => node.send(peerName, message)
        return { crypto, call, measure: (options) => Nodes.measure(call, options) }
      })
  },

  Advanced: {
    serve: ({ start }, { cryptography, framing, network }) =>
      Effect.map(
        start(cryptography, Nodes.over(network, Nodes.advanced(peerName, network, framing))),
        ({ crypto }) => ({
          port: 0,
          crypto
        })
      ),
    connect: ({ start }, { command, cryptography, framing, network }) =>
      Effect.gen(function*() {
        const { crypto, node } = yield* start(
          cryptography,
          Nodes.over(network, Nodes.advanced("client", network, framing))
        )
        yield* node.peers.awaitPeer(peerName)
        const call = (message: Uint8Array) => node.request(peerName, command, message)
        return {
          crypto,
          call,
          measure: (options) => Nodes.measure(call, options),
          transfer: (options) => Nodes.transfer(node, peerName, options)
        }
      })
  },

  Typed: {
    serve: ({ scope, start }, { cryptography, network, tracing }) =>
      network === null
        ? Typed.serveTcp.pipe(
          Effect.withTracerEnabled(tracing),
          Scope.provide(scope),
          Effect.map((port) => ({ port, crypto: "none" }))
        )
        : Effect.map(
          start(
            cryptography,
            Nodes.over(network, Effect.withTracerEnabled(Typed.servePeer(peerName, network), tracing))
          ),
          ({ crypto }) => ({ port: 0, crypto })
        ),
    connect: ({ scope, start }, { cryptography, network, tracing }, port) =>
      Effect.gen(function*() {
        const { crypto, node: client } = network === null
          ? { crypto: "none", node: yield* Scope.provide(Typed.connectTcp(port), scope) }
          : yield* start(cryptography, Nodes.over(network, Typed.connectPeer("client", network, peerName)))
        const ask = Typed.ask(client)
        return {
          crypto,
          call: (message) => Effect.withTracerEnabled(ask(message), tracing),
          measure: (options) => Effect.withTracerEnabled(Nodes.measure(ask, options), tracing),
          transfer: (options) => Effect.withTracerEnabled(Typed.receive(client, options), tracing)
        }
      })
  },

  Command: {
    serve: ({ start }, { cryptography, network, tracing }) =>
      Effect.map(
        start(cryptography, Nodes.over(network, Effect.withTracerEnabled(Commands.serve(peerName, network), tracing))),
        ({ crypto }) => ({ port: 0, crypto })
      ),
    connect: ({ start }, { cryptography, network, tracing }) =>
      Effect.map(
        start(cryptography, Nodes.over(network, Commands.connect("client", network, peerName))),
        ({ crypto, node: ask }) => ({
          crypto,
          call: (message) => Effect.withTracerEnabled(ask(message), tracing),
          measure: (options) => Effect.withTracerEnabled(Nodes.measure(ask, options), tracing)
        })
      )
  },

  Files: {
    serve: ({ start }, { cryptography, folder, network }) =>
      Effect.map(start(cryptography, Files.receiver(peerName, network, folder)), ({ crypto }) => ({ port: 0, crypto })),
    connect: ({ start }, { cryptography, network }) =>
      Effect.map(
        start(cryptography, Files.sender("client", network, peerName)),
        ({ crypto, node: { files, node } }) => ({
          crypto,
          transfer: (options) => Nodes.transfer(node, peerName, options),
          send: {
            transfer: (path) => Files.send(files, peerName, path),
            call: (path) => Files.putAll(node, peerName, path)
          }
        })
      )
  }
}

const kindOf = (subject: Subject | Peer): Kind<any> =>
  subject._tag === "Peer"
    ? { serve: () => Effect.die("a peer has a program of its own"), connect: () => Effect.die("it has") }
    : Kinds[subject._tag]

/** Starts the side of a subject that answers. */
export const serve = (platform: Platform, subject: Subject | Peer): Effect.Effect<Answering, unknown> =>
  kindOf(subject).serve(platform, subject as any)

/** Starts the side that asks. */
export const connect = (platform: Platform, subject: Subject | Peer, port: number): Effect.Effect<Asking, unknown> =>
  kindOf(subject).connect(platform, subject as any, port)
