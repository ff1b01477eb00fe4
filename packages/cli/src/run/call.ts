/** What `pnet call` does. */
import * as Command from "@pnet/core/Command"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { call } from "../commands/call.ts"
import { failureOf, Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { describe } from "../node/describe.ts"
import { awaitOne, gather, parseTarget } from "../node/find.ts"
import { open } from "../node/open.ts"
import { failed, Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import { checked, read, type Words } from "../schema/given.ts"
import { Settings } from "../settings/Settings.ts"
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

/** Calls one peer, with arguments that are what it says it takes. */
const callOne = Effect.fnUntraced(function*(calling: Calling, peer: string) {
  const { input, node, words } = calling
  const { args, kwargs } = yield* checked(words, {
    peer,
    name: input.function,
    described: yield* described(calling, peer)
  })
  const given = Object.keys(kwargs).length === 0 ? args : [...args, Command.kwargs(kwargs)]
  const timeout = Option.getOrUndefined(input.timeout)
  return yield* node.target(peer, timeout === undefined ? {} : { timeout })(input.function, ...given)
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
  const { values } = yield* Settings
  const target = yield* parseTarget(input.target)
  const words = yield* read(input.args, input.kwargs)
  const { node } = yield* open()
  const calling = { node, words, input }
  if (target._tag === "One") {
    yield* awaitOne(node, target.name)
    const value = yield* output.during(`waiting for ${input.function} of ${target.name}`, callOne(calling, target.name))
    return yield* output.value("answer", { peer: target.name, value })
  }
  const names = target._tag === "All" ? (yield* gather(node)).map(({ name }) => name as string) : target.names
  const answers = Stream.fromIterable(names).pipe(
    Stream.mapEffect((name) =>
      node.peers.awaitPeer(name, values.wait).pipe(
        Effect.andThen(callOne(calling, name)),
        Effect.result,
        Effect.map((result) => answerOf(name, result))
      ), { concurrency: "unbounded", unordered: output.json })
  )
  const code = codeOf(
    yield* output.during(`waiting for ${input.function} of ${names.length} peers`, output.each("answer", answers))
  )
  if (code !== exits.ok.code) return yield* new Told({ code })
})
