/**
 * What is written on the command line, or comes on standard input, as values.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Problem } from "./errors.ts"

const fromJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

/** A text as the JSON that it is, and otherwise as text. */
export const jsonOrText = (text: string): Schema.Json => Option.getOrElse(fromJson(text), () => text)

/** `KEY=VALUE`, as often as it was given. */
export const pairs = (
  flag: string,
  words: ReadonlyArray<string>
): Effect.Effect<Record<string, Schema.Json>, Problem> =>
  Effect.map(
    Effect.forEach(words, (word) => {
      const at = word.indexOf("=")
      return at < 1
        ? Effect.fail(new Problem({ exit: "usage", what: `${flag} ${JSON.stringify(word)} is not KEY=VALUE` }))
        : Effect.succeed([word.slice(0, at), jsonOrText(word.slice(at + 1))] as const)
    }),
    Object.fromEntries
  )

/** Standard input, as it comes. */
export const stdin: Stream.Stream<Uint8Array, Problem, Stdio.Stdio> = Stream.unwrap(
  Stdio.Stdio.useSync((stdio) =>
    Stream.mapError(
      stdio.stdin,
      (error) => new Problem({ exit: "failed", what: `standard input could not be read: ${error.message}` })
    )
  )
)

/** All of a stream as one, and no more than a little over `most` bytes, by which it is too large. */
export const whole = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  most: number
): Effect.Effect<Uint8Array, E, R> =>
  Effect.suspend(() => {
    let length = 0
    return stream.pipe(
      Stream.takeUntil((part) => (length += part.length) > most),
      Stream.runCollect,
      Effect.map((parts) => {
        const all = new Uint8Array(length)
        let at = 0
        for (const part of parts) {
          all.set(part, at)
          at += part.length
        }
        return all
      })
    )
  })
