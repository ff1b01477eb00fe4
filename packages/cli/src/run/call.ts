/** What `pnet call` does. */
import * as Command from "@pnet/core/Command"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { call } from "../commands/call.ts"
import { failureOfCause, Problem, Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { awaitOne, gather, parseTarget } from "../node/find.ts"
import { open } from "../node/open.ts"
import { failed, Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

const fromJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

/** A word as JSON, and otherwise the text that it is. */
const valueOf = (word: string): Schema.Json => Option.getOrElse(fromJson(word), () => word)

const stdinText = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  return yield* Effect.mapError(
    stdio.stdin.pipe(Stream.decodeText(), Stream.mkString),
    (error) => new Problem({ exit: "failed", what: `standard input could not be read: ${error.message}` })
  )
})

const readArgs = Effect.fnUntraced(function*(words: ReadonlyArray<string>) {
  if (words.filter((word) => word === "-").length > 1) {
    return yield* new Problem({
      exit: "usage",
      what: "standard input is one argument, and - stands there several times"
    })
  }
  return yield* Effect.forEach(words, (word) => word === "-" ? stdinText : Effect.succeed(valueOf(word)))
})

const readKwargs = (words: ReadonlyArray<string>): Effect.Effect<Record<string, Schema.Json>, Problem> =>
  Effect.map(
    Effect.forEach(words, (word) => {
      const at = word.indexOf("=")
      return at < 1
        ? Effect.fail(new Problem({ exit: "usage", what: `--arg ${JSON.stringify(word)} is not KEY=VALUE` }))
        : Effect.succeed([word.slice(0, at), valueOf(word.slice(at + 1))] as const)
    }),
    Object.fromEntries
  )

const answerOf = (peer: string, exit: Exit.Exit<Schema.Json, unknown>): Shape<"answer"> =>
  Exit.isSuccess(exit) ? { peer, value: exit.value } : { peer, failure: failed(failureOfCause(exit.cause)) }

/** Several peers: a row for each, and the exit code of what went wrong with some. */
const show = Effect.fnUntraced(function*(answers: ReadonlyArray<Shape<"answer">>) {
  const output = yield* Output
  yield* output.rows("answer", answers)
  const codes = new Set(answers.map(({ failure }) => failure?.code ?? exits.ok.code))
  if (answers.length === 0) return yield* new Told({ code: exits.notFound.code })
  const [only] = codes
  if (codes.size > 1) return yield* new Told({ code: exits.partly.code })
  if (only !== exits.ok.code) return yield* new Told({ code: only! })
})

export const run = Effect.fnUntraced(function*(input: Input<typeof call>) {
  const output = yield* Output
  const { values } = yield* Settings
  const target = yield* parseTarget(input.target)
  const kwargs = yield* readKwargs(input.kwargs)
  const args = yield* readArgs(input.args)
  const given = Object.keys(kwargs).length === 0 ? args : [...args, Command.kwargs(kwargs)]
  const timeout = Option.getOrUndefined(input.timeout)
  const options = timeout === undefined ? {} : { timeout }
  const { node } = yield* open()
  if (target._tag === "One") {
    yield* awaitOne(node, target.name)
    const answer = yield* output.during(
      `waiting for ${input.function} of ${target.name}`,
      node.target(target.name, options)(input.function, ...given)
    )
    return yield* output.value("answer", { peer: target.name, value: answer })
  }
  const names = target._tag === "All"
    ? (yield* gather(node)).map(({ name }) => name as string)
    : target.names
  const answers = yield* output.during(
    `waiting for ${input.function} of ${names.length} peers`,
    Effect.forEach(
      names,
      (name) =>
        node.peers.awaitPeer(name, values.wait).pipe(
          Effect.andThen(node.target(name, options)(input.function, ...given)),
          Effect.exit,
          Effect.flatMap((exit) =>
            Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
              ? Effect.failCause(exit.cause)
              : Effect.succeed(answerOf(name, exit))
          )
        ),
      { concurrency: "unbounded" }
    )
  )
  yield* show(answers)
})
