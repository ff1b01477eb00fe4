/** What `pnet call` does. */
import { forEach } from "@pnet/console/Elements"
import * as Command from "@pnet/core/Command"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { call } from "../commands/call.ts"
import { failureOf, Problem, Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { Loose } from "../loose.ts"
import { describe, noFunction } from "../node/describe.ts"
import { awaitOne, findOne, gather, parseTarget } from "../node/find.ts"
import { open } from "../node/open.ts"
import { failed, Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import { checked, doubts, misplaced, read, type Words } from "../schema/given.ts"
import type { Input } from "../spec.ts"

/** What a call of one peer needs. */
interface Calling {
  readonly node: CommandNodeService
  readonly words: Words
  readonly input: Input<typeof call>
}

/** What the peer says of the function; a peer that does not, or does not let this node ask, is called all the same. */
const described = ({ input, node }: Calling, peer: string) =>
  input.check
    ? Effect.orElseSucceed(
      Effect.map(describe(node, peer, input.function), (all) => all.find(({ name }) => name === input.function)),
      () => undefined
    )
    : Effect.undefined

interface Given {
  readonly args: ReadonlyArray<Schema.Json>
  readonly kwargs: Record<string, Schema.Json>
}

const hasNamed = ({ kwargs }: Given): boolean => Object.keys(kwargs).length > 0

/** Arguments of a peer's function that are what it says it takes, and whether it gives a stream. */
const prepared = Effect.fnUntraced(function*(calling: Calling, peer: string) {
  const output = yield* Output
  const about = yield* described(calling, peer)
  const callee = { peer, name: calling.input.function, described: about }
  const given: Given = yield* checked(calling.words, callee)
  yield* Effect.forEach(doubts(calling.words, callee), output.note)
  return { given, stream: about?.kind === "rpc" && about.stream === true }
})

const callWith = ({ input, node }: Calling, peer: string, given: Given) => {
  const timeout = Option.getOrUndefined(input.timeout)
  return node.target(peer, timeout === undefined ? {} : { timeout })(
    input.function,
    ...given.args,
    ...(hasNamed(given) ? [Command.kwargs(given.kwargs)] : [])
  ).pipe(
    Effect.catchTag("UnknownFunctionError", () => Effect.flip(noFunction(node, peer, [input.function], "call")))
  )
}

/** Calls one peer of several. A stream is all of its elements then. */
const callOne = (calling: Calling, peer: string) =>
  Effect.flatMap(prepared(calling, peer), ({ given }) => callWith(calling, peer, given))

/** Prints the elements of a stream as they come: each is an answer. */
const printEach = Effect.fnUntraced(function*({ input, node }: Calling, peer: Peer, given: Given) {
  const output = yield* Output
  const payload = given.args[0] ?? (hasNamed(given) ? given.kwargs : undefined)
  const printing = forEach(
    node,
    peer,
    input.function,
    payload,
    (value) => output.value("answer", { peer: peer.name, value: value as Schema.Json })
  )
  if (Option.isNone(input.timeout)) return yield* printing
  yield* Effect.timeoutOrElse(printing, {
    duration: input.timeout.value,
    orElse: () =>
      Effect.fail(
        new Problem({
          exit: "timeout",
          what: `${JSON.stringify(input.function)} of ${JSON.stringify(peer.name)} went on when the time was up`,
          hint: "give it longer with --timeout, or leave that out"
        })
      )
  })
})

const answerOf = (peer: string, result: Result.Result<Schema.Json, unknown>): Shape<"answer"> =>
  Result.isSuccess(result) ? { peer, value: result.success } : { peer, failure: failed(failureOf(result.failure)) }

/** The exit code of what several peers came to. */
const codeOf = (answers: ReadonlyArray<Shape<"answer">>): number => {
  const codes = new Set(answers.map(({ failure }) => failure?.code ?? exits.ok.code))
  const [only = exits.notFound.code] = codes
  return codes.size > 1 ? exits.partly.code : only
}

export const run = Effect.fnUntraced(function*(input: Input<typeof call>) {
  const output = yield* Output
  const target = yield* parseTarget(input.target)
  const words = yield* read(input.args, input.kwargs, yield* Loose)
  const opened = yield* open()
  const { node } = opened
  const calling = { node, words, input }
  const place = misplaced(words)
  const doubted = place === undefined ? Effect.void : output.note(place)
  if (target._tag === "One") {
    const peer = yield* Effect.tapError(awaitOne(opened, target.name), () => doubted)
    const { given, stream } = yield* output.during(`asking ${target.name}`, prepared(calling, target.name))
    const waiting = `waiting for ${input.function} of ${target.name}`
    if (stream) return yield* output.during(waiting, printEach(calling, peer, given))
    const value = yield* output.during(waiting, callWith(calling, target.name, given))
    return yield* output.value("answer", { peer: target.name, value })
  }
  const names = target._tag === "All" ? (yield* gather(node)).map(({ name }) => name as string) : target.names
  // All were heard already.
  const found = (name: string) => target._tag === "All" ? node.peers.resolveOne(name) : findOne(opened, name)
  const answers = Stream.fromIterable(names).pipe(
    Stream.mapEffect((name) =>
      found(name).pipe(
        Effect.andThen(callOne(calling, name)),
        Effect.result,
        Effect.map((result) => answerOf(name, result))
      ), { concurrency: "unbounded", unordered: output.json })
  )
  const code = codeOf(
    yield* output.during(`waiting for ${input.function} of ${names.length} peers`, output.each("answer", answers))
  )
  if (code === exits.ok.code) return
  yield* doubted
  return yield* new Told({ code })
})
