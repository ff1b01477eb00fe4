/** The way to peers beyond the LAN, where the settings have NATS servers: the LAN first, and the servers for whom it does not reach. */
import * as Reach from "@pnet/core/Reach"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Problem } from "../errors.ts"
import { Settings } from "../settings/Settings.ts"

/** How NATS servers are reached, where the settings have some. */
export const natsOptions = Effect.gen(function*() {
  const { sources, values: { nats, natsCreds } } = yield* Settings
  const [first, ...others] = nats
  if (first === undefined) return undefined
  const fs = yield* FileSystem.FileSystem
  const creds = natsCreds === undefined ? undefined : yield* Effect.mapError(
    fs.readFileString(natsCreds),
    (error) => new Problem({ exit: "usage", what: `${sources.natsCreds.where} cannot be read: ${error.message}` })
  )
  return { servers: [first, ...others] as const, ...(creds === undefined ? {} : { credentials: { creds } }) }
})

/** What a machine has, with the way over NATS beside its own, where that is asked for. */
export const beyond = Effect.fnUntraced(function*<A>(
  machine: Context.Context<A | Reach.Reach>
): Effect.fn.Return<Context.Context<A | Reach.Reach>, Problem, Settings | FileSystem.FileSystem | Scope.Scope> {
  const { sources } = yield* Settings
  const options = yield* natsOptions
  if (options === undefined) return machine
  // Loaded where it is used: most commands know no NATS.
  const NatsPnet = yield* Effect.promise(() => import("@pnet/nats/NatsPnet"))
  const way = Reach.merge(
    Layer.succeed(Reach.Reach, Context.get(machine, Reach.Reach)),
    NatsPnet.layer(options)
  )
  const built = yield* Effect.mapError(
    Layer.build(way),
    ({ message }) =>
      new Problem({ exit: "usage", what: `${sources.nats.where}: ${message.replaceAll(/\s*\n\s*/g, " ")}` })
  )
  return Context.merge(machine, built)
})
