/** A call of everyone, and whether what came back may come back: one exit from each who was known, in time, and true. */
import type { CommandNode, FunctionError } from "@pnet/core"
import { Cause, Clock, Effect, Exit } from "effect"
import type { World } from "./world.ts"

/** Errors of a call that may be met here, and whether what each says admits that it was run. */
const mayHaveRun: Record<
  string,
  ((error: { readonly mayHaveRun?: boolean; readonly code?: string }) => boolean) | undefined
> = {
  RemoteError: () => true,
  RemoteDefectError: () => true,
  DeadlineError: () => true,
  PeerLostError: (error) => error.mayHaveRun === true,
  PeerUnknownError: () => false,
  NameConflictError: () => false,
  DialError: () => false,
  ProtocolError: () => false,
  StreamResetError: (error) => error.code !== "refused"
}

/** Milliseconds that a call may take over its timeout. */
const leeway = 100

/** What one of them answered, or how it did not. */
const judge = (
  { runs, tally }: World,
  id: number,
  name: string,
  exit: Exit.Exit<unknown, CommandNode.CommandError>
): void => {
  if (Exit.isSuccess(exit)) {
    tally.exit("success")
    if (!runs.isAnswer(id, name, exit.value)) {
      tally.problem(`call ${id} of ${name}: ${JSON.stringify(exit.value)} is not its answer`)
    }
    return
  }
  const { reasons } = exit.cause
  const error = reasons.length === 1 && reasons[0]!._tag === "Fail" ? reasons[0]!.error : undefined
  const admits = error === undefined ? undefined : mayHaveRun[error._tag]
  if (error === undefined || admits === undefined) {
    return tally.problem(`call ${id} of ${name}: ${Cause.pretty(exit.cause)}`)
  }
  tally.exit(error._tag)
  if (runs.ran(id, name) && !admits(error as never)) {
    tally.problem(`call ${id} of ${name} ran, and its ${error._tag} says that it did not`)
  }
}

/** Calls everyone, and looks at each exit. */
export const callAll = (world: World, id: number): Effect.Effect<void, FunctionError.NodeClosedError> =>
  Effect.gen(function*() {
    const { node, random, tally } = world
    const timeout = random.pick([500, 2_000, 5_000])
    const begun = yield* Clock.currentTimeMillis
    // Who started again with another key is there twice for a while, under one name.
    const known = [...new Set((yield* node.peers.all).map(({ name }): string => name))].sort().join()
    const exits: Readonly<Record<string, Exit.Exit<unknown, CommandNode.CommandError>>> = yield* node
      .target("*", { timeout })("work", id)
    const took = (yield* Clock.currentTimeMillis) - begun
    tally.over = Math.max(tally.over, took - timeout)
    if (took > timeout + leeway) tally.problem(`call ${id} took ${took} ms of ${timeout}`)
    const got = Object.keys(exits).sort().join()
    if (got !== known) tally.problem(`call ${id} of ${known} gave exits for ${got}`)
    for (const [name, exit] of Object.entries(exits)) judge(world, id, name, exit)
  })
