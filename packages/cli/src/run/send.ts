/** What `pnet send` does. */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Progress from "@pnet/files/Progress"
import { SourceError } from "@pnet/files/TransferError"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { send } from "../commands/send.ts"
import { failureOf, Problem, Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { beside, progressText, transferOf } from "../node/files.ts"
import { awaitOne, findOne, gather, parseTarget } from "../node/find.ts"
import { open, type Opened } from "../node/open.ts"
import { failed, Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import type { Input } from "../spec.ts"

/** Those it is sent to: of a list, those that come in time, and whose names nobody has are an answer of their own. */
const namesOf = Effect.fnUntraced(function*(opened: Opened, text: string) {
  const { node } = opened
  const target = yield* parseTarget(text)
  if (target._tag === "One") return [(yield* awaitOne(opened, target.name)).name as string]
  if (target._tag === "Several") {
    yield* Effect.forEach(target.names, (name) => Effect.ignore(findOne(opened, name)), {
      concurrency: "unbounded"
    })
    return target.names
  }
  return (yield* gather(node)).map(({ name }) => name as string)
})

const empty: Omit<Shape<"transfer">, "peer" | "ms" | "failure"> = {
  direction: "sent",
  files: 0,
  bytes: 0,
  hadFiles: 0,
  hadBytes: 0,
  failed: 0,
  problems: []
}

/** Sends to one peer, and shows how far it is. */
const sendTo = (
  node: CommandNodeService,
  names: ReadonlyArray<string>,
  { links, note, paths, patience }: Input<typeof send>
) =>
  Effect.scoped(Effect.gen(function*() {
    const output = yield* Output
    const files = yield* beside(node)
    const shown = yield* output.progress("looking at what is to be sent")
    const began = yield* Clock.currentTimeMillis
    const known = (yield* Effect.forEach(names, (name) =>
      Effect.map(node.peers.get(name), (peer) => peer === undefined ? [] : [name]))).flat()
    const offering = yield* files.offer(known, paths, {
      links,
      patience,
      ...(Option.isSome(note) ? { note: note.value } : {})
    })
    yield* Effect.forkScoped(Stream.runForEach(offering.progress, (all) => {
      const [first] = all
      if (first === undefined) {
        return Effect.void
      }
      const done = all.reduce((sum, one) =>
        sum + Progress.fraction(one), 0) / all.length
      const going = all.filter(({ state }) =>
        state !== "Done"
      )
      return shown.update(going.length > 1 ? `to ${going.length} peers` : progressText(going[0] ?? first), done)
    }))
    const exits = yield* offering.outcome
    const ms = (yield* Clock.currentTimeMillis) - began
    return yield* Effect.forEach(names, (peer): Effect.Effect<Shape<"transfer">, unknown> => {
      const exit = exits[peer]
      if (exit === undefined) {
        return Effect.map(
          Effect.flip(node.peers.awaitPeer(peer, 0)),
          (error) => ({ ...empty, peer, ms, failure: failed(failureOf(error)) })
        )
      }
      if (Exit.isSuccess(exit)) return Effect.succeed(transferOf("sent", exit.value, ms))
      const error = Cause.squash(exit.cause)
      // One peer's failure is the command's.
      return names.length === 1
        ? Effect.fail(error)
        : Effect.succeed({ ...empty, peer, ms, failure: failed(failureOf(error)) })
    })
  }))

/** What is not there is said before anybody is looked for. */
const checkPaths = Effect.fnUntraced(function*(paths: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  for (const path of paths) {
    if (!(yield* Effect.orElseSucceed(fs.exists(path), () => true))) {
      return yield* new SourceError({ path, kind: "Missing", detail: "" })
    }
  }
})

export const run = Effect.fnUntraced(function*(input: Input<typeof send>) {
  const output = yield* Output
  yield* checkPaths(input.paths)
  const opened = yield* open()
  const names = yield* namesOf(opened, input.target)
  const results = yield* sendTo(opened.node, names, input)
  yield* output.rows("transfer", results)
  const codes = results.map((one) => one.failure?.code ?? (one.failed > 0 ? exits.failed.code : exits.ok.code))
  if (codes.every((code) => code === exits.ok.code)) {
    if (names.length > 0) return
    return yield* new Problem({
      exit: "notFound",
      what: "no peers were found; nothing was sent",
      hint: "run: pnet peers"
    })
  }
  const one = results.length === 1 ? results[0] : undefined
  if (one !== undefined && one.failure === undefined) {
    return yield* new Problem({
      exit: "failed",
      what: `${one.failed} of what was sent did not arrive at ${one.peer}`,
      // A link is refused however often it comes.
      hint: one.problems.some(({ kind }) => kind === "LinkRefused")
        ? "see why above; --links skip leaves links out, and --links follow sends what they lead to"
        : "see why above; sending the same again sends what is missing"
    })
  }
  return yield* new Told({ code: new Set(codes).size > 1 ? exits.partly.code : codes[0]! })
})
