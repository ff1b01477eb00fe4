/**
 * Nodes in processes of the operating system, on 127.0.0.1 and on a network of their own, and what happens to processes: they are
 * started, killed, frozen, resumed and started again, and flooded by another that means them ill. All of them end with the scope,
 * whatever state they are in, and with the process that made them.
 */
import { Effect, Scope } from "effect"
import { randomBytes, randomUUID } from "node:crypto"
import { freeAdvertisePort } from "../harness/ports.ts"
import type { Flooded, Kind, Network, Order as Harm } from "./attacker.ts"
import { type Child, child } from "./child.ts"
import type { Orders, Start } from "./orders.ts"
import * as Programs from "./programs.ts"

type Order<Name extends keyof Orders> = Parameters<Orders[Name]>[0]

/** A node in a process. */
export interface NodeProcess {
  readonly name: string
  readonly pid: number
  readonly port: number
  readonly publicKey: string
  /** Its secret key, hex. */
  readonly secret: string
  /** Gives an order, and waits for what came of it. */
  readonly ask: <Name extends keyof Orders>(name: Name, order: Order<Name>) => Effect.Effect<ReturnType<Orders[Name]>>
}

export interface Harness {
  readonly networkId: string
  /** Starts a node, with a key of its own or a given one, and waits until it listens. */
  readonly start: (name: string, options?: { readonly secret?: string }) => Effect.Effect<NodeProcess>
  /** Kills it as the system does, without a word to anybody, and waits until it is gone. */
  readonly kill: (node: NodeProcess) => Effect.Effect<void>
  /** Stops it where it is. */
  readonly freeze: (node: NodeProcess) => Effect.Effect<void>
  /** Lets it go on. */
  readonly resume: (node: NodeProcess) => Effect.Effect<void>
  /** Kills it, and starts another of its name, with the same key or another. */
  readonly restart: (node: NodeProcess, options: { readonly key: "same" | "another" }) => Effect.Effect<NodeProcess>
  /** Floods nodes while an effect runs. What it did is told at the end. */
  readonly flood: <A, E, R>(
    kind: Kind,
    nodes: ReadonlyArray<NodeProcess>,
    during: Effect.Effect<A, E, R>
  ) => Effect.Effect<readonly [A, Flooded], E, R>
}

const commandNode = new URL("commandNode.ts", import.meta.url)
const attacking = new URL("attacker.ts", import.meta.url)

/** A network of processes. */
export const make = (
  options: { readonly networkKey?: string } = {}
): Effect.Effect<Harness, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const networkId = `harness-${randomUUID()}`
    const advertisePort = yield* freeAdvertisePort
    const { networkKey } = options
    const children = new WeakMap<NodeProcess, Child>()
    const childOf = (node: NodeProcess) => children.get(node)!

    const start: Harness["start"] = (name, options) =>
      Effect.gen(function*() {
        const secret = options?.secret ?? randomBytes(32).toString("hex")
        const started: Start = { name, networkId, advertisePort, secret, networkKey }
        const process = yield* child(Programs.file(commandNode), { HARNESS: JSON.stringify(started) })
        const { pid, port, publicKey } = (yield* process.ready) as {
          readonly pid: number
          readonly port: number
          readonly publicKey: string
        }
        const node: NodeProcess = {
          name,
          pid,
          port,
          publicKey,
          secret,
          ask: (name, order) => process.ask({ ...order, do: name }) as Effect.Effect<any>
        }
        children.set(node, process)
        return node
      }).pipe(Scope.provide(scope))

    const kill: Harness["kill"] = (node) => Effect.andThen(childOf(node).signal("SIGKILL"), childOf(node).exited)

    // One for all floods, once it is needed.
    const attacker = yield* Effect.cached(
      Effect.gen(function*() {
        const network: Network = { networkId, advertisePort, networkKey }
        const process = yield* child(Programs.file(attacking), { FLOOD: JSON.stringify(network) })
        yield* process.ready
        return process
      }).pipe(Scope.provide(scope))
    )

    return {
      networkId,
      start,
      kill,
      freeze: (node) => childOf(node).signal("SIGSTOP"),
      resume: (node) => childOf(node).signal("SIGCONT"),
      restart: (node, { key }) =>
        Effect.andThen(kill(node), start(node.name, key === "same" ? { secret: node.secret } : {})),
      flood: (kind, nodes, during) =>
        Effect.gen(function*() {
          const process = yield* attacker
          const order: Harm = {
            kind,
            targets: nodes.map(({ name, port, publicKey }) => ({ name, port, publicKey }))
          }
          yield* process.ask({ ...order })
          const result = yield* during
          return [result, (yield* process.ask({})) as unknown as Flooded] as const
        })
    }
  })
