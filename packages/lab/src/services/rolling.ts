/**
 * A service of several processes under load: all of them restarted one after the other, each by draining, and then one killed without a word. What calls
 * came to is counted.
 */
import { CommandNode, TofuTrust, Trust } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { Effect, Fiber, Layer, Logger, type Scope } from "effect"
import { randomBytes, randomUUID } from "node:crypto"
import { freeAdvertisePort } from "../harness/ports.ts"
import { type Child, child } from "../processes/child.ts"
import * as Programs from "../processes/programs.ts"
import { Work } from "./contract.ts"
import type { Start } from "./server.ts"

/** How a call ended that failed. */
export interface Failure {
  readonly kind: "work" | "look"
  readonly tag: string
  readonly mayHaveRun: boolean | undefined
  readonly message: string
}

/** What calls came to. */
export interface Told {
  readonly calls: number
  /** Calls that each server answered, by its name. */
  readonly by: Readonly<Record<string, number>>
  readonly failures: ReadonlyArray<Failure>
}

export interface Options {
  readonly servers: number
  /** Calls a second. */
  readonly rate: number
  /** Milliseconds that a call takes. */
  readonly millis: number
}

let program: string | undefined

const serverProgram = () => program ??= Programs.file(new URL("server.ts", import.meta.url))

/** Calls at a rate until it is stopped, half of them of each kind, and waits for the last of them. */
const load = (node: CommandNode.CommandNode["Service"], rate: number) =>
  Effect.gen(function*() {
    const client = yield* node.client(Work)
    const by: Record<string, number> = {}
    const failures: Array<Failure> = []
    const running = new Set<Fiber.Fiber<void>>()
    let calls = 0
    let isStopped = false
    const one = (id: number) => {
      const kind = id % 2 === 0 ? "work" as const : "look" as const
      return Effect.match(client[kind]({ id }), {
        onSuccess: (name) => {
          by[name] = (by[name] ?? 0) + 1
        },
        onFailure: (error) => {
          failures.push({
            kind,
            tag: error._tag,
            mayHaveRun: "mayHaveRun" in error ? error.mayHaveRun : undefined,
            message: error.message
          })
        }
      })
    }
    const calling = Effect.whileLoop({
      while: () => !isStopped,
      body: () =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(one(calls++))
          running.add(fiber)
          fiber.addObserver(() => running.delete(fiber))
          yield* Effect.sleep(1_000 / rate)
        }),
      step: () => {}
    })
    const fiber = yield* Effect.forkScoped(
      Effect.andThen(calling, Effect.suspend(() => Fiber.joinAll([...running])))
    )
    return {
      stop: Effect.suspend(() => {
        isStopped = true
        return Effect.map(Fiber.join(fiber), (): Told => ({ calls, by, failures }))
      })
    }
  })

/** The servers, and a node here that calls them. */
const world = ({ millis, servers }: Options) =>
  Effect.gen(function*() {
    const networkId = `services-${randomUUID()}`
    const advertisePort = yield* freeAdvertisePort
    const launch = (name: string, secret: string): Effect.Effect<Child, never, Scope.Scope> =>
      Effect.gen(function*() {
        const started: Start = { name, networkId, advertisePort, secret, millis }
        const process = yield* child(serverProgram(), { SERVICE: JSON.stringify(started) })
        yield* process.ready
        return process
      })
    const built = yield* Layer.build(
      CommandNode.layer({ name: "caller", networkId, advertisePort, bindIp: "127.0.0.1" }).pipe(
        Layer.provide(Trust.open(TofuTrust.layer())),
        Layer.provide([NodePnet.layer, Logger.layer([])])
      )
    )
    const node = yield* Effect.provideContext(CommandNode.CommandNode, built)
    const secrets = Array.from({ length: servers }, () => randomBytes(32).toString("hex"))
    const processes = yield* Effect.forEach(secrets, (secret, i) => launch(`server-${i + 1}`, secret), {
      concurrency: 2
    })
    const all = node.awaitPeers({ serves: Work }, { atLeast: servers, within: "30 seconds" })
    yield* all
    return { node, processes, launch, secrets, all }
  })

/** Restarts all servers one after the other, and then kills one. */
export const rolling = (
  options: Options
): Effect.Effect<{ readonly restarted: Told; readonly killed: Told }, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const { all, launch, node, processes, secrets } = yield* world(options)
    const whileRestarted = yield* load(node, options.rate)
    const now = [...processes]
    for (const [i, secret] of secrets.entries()) {
      yield* now[i]!.signal("SIGTERM")
      yield* now[i]!.exited
      now[i] = yield* launch(`server-${i + 1}`, secret)
      yield* all
    }
    const restarted = yield* whileRestarted.stop

    const whileKilled = yield* load(node, options.rate)
    yield* Effect.sleep("500 millis")
    yield* now[0]!.signal("SIGKILL")
    yield* now[0]!.exited
    yield* Effect.sleep("1 second")
    return { restarted, killed: yield* whileKilled.stop }
  })
