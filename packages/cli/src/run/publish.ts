/** What `pnet publish` does. */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Topic from "@pnet/core/Topic"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { publish } from "../commands/publish.ts"
import { Problem } from "../errors.ts"
import { gather } from "../node/find.ts"
import { guarded } from "../node/guarded.ts"
import { durableTopicsOf, servers } from "../node/kept.ts"
import { open } from "../node/open.ts"
import { checkName } from "../node/topicNames.ts"
import { Output } from "../output/Output.ts"
import { quoted } from "../output/quoted.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"
import { jsonOrText, stdin, whole } from "../words.ts"

type Values = Stream.Stream<Schema.Json | Uint8Array, Problem, Stdio.Stdio>

const usage = (what: string, hint?: string) =>
  new Problem({ exit: "usage", what, ...(hint === undefined ? {} : { hint }) })

// Of standard input that is to be one value no more is read than a value may have, and a little more, by which it is too large.
const most = 1_048_576

const wholeStdin: Values = Stream.fromEffect(whole(stdin, most))

const lines: Values = stdin.pipe(
  Stream.decodeText(),
  Stream.splitLines,
  Stream.filter((line) => line.trim() !== ""),
  Stream.map(jsonOrText)
)

const valuesOf = Effect.fnUntraced(function*(words: ReadonlyArray<string>, bytes: boolean) {
  const stdio = yield* Stdio.Stdio
  if (words.length === 0 && (yield* stdio.stdinIsTerminal)) {
    return yield* usage("there is nothing to publish", "give a value, or pipe lines in")
  }
  const all = words.length === 0 ? ["-"] : words
  if (all.filter((word) => word === "-").length > 1) {
    return yield* usage("standard input is read once, and - stands for several values")
  }
  const one = (word: string): Values => {
    if (word === "-") return bytes ? wholeStdin : lines
    return Stream.succeed(bytes ? new TextEncoder().encode(word) : jsonOrText(word))
  }
  return Stream.flatMap(Stream.fromIterable(all), one)
})

/** What says the key of a value. */
const keyOf = ({ key, keyOf: field }: Input<typeof publish>) => {
  if (Option.isNone(field)) return () => Effect.succeed(Option.getOrUndefined(key))
  const name = field.value
  return (value: Schema.Json | Uint8Array): Effect.Effect<string, Problem> => {
    const found = typeof value === "object" && value !== null && Object.hasOwn(value, name)
      ? (value as Record<string, unknown>)[name]
      : undefined
    return typeof found === "string" || typeof found === "number" || typeof found === "boolean"
      ? Effect.succeed(String(found))
      : Effect.fail(
        usage(`a value has no field ${JSON.stringify(name)} that could be its key: ${JSON.stringify(value)}`)
      )
  }
}

/** Waits for those who are to hear it. */
const awaitSubscribers = Effect.fnUntraced(
  function*(node: CommandNodeService, { subscribers, topic }: Input<typeof publish>) {
    const { values } = yield* Settings
    const output = yield* Output
    const there = subscribers <= 0 ? Effect.void : Effect.catchTag(
      node.awaitPeers({ subscribes: topic }, { atLeast: subscribers, within: values.wait }),
      "PeerUnknownError",
      ({ target }) =>
        Effect.flatMap(node.resolve({ subscribes: topic }), ({ length }) => {
          const [refused] = length === 0 ? target?.notGranted ?? [] : []
          return new Problem({
            exit: "notFound",
            what: refused !== undefined
              ? `nobody subscribes to ${JSON.stringify(topic)} who may; nothing was published`
              : length === 0
              ? `nobody subscribes to ${JSON.stringify(topic)}; nothing was published`
              : `${length} of ${subscribers} peers subscribe to ${JSON.stringify(topic)}; nothing was published`,
            hint: refused === undefined
              ? "wait longer for them with --wait, or say --subscribers 0, if nobody has to hear it"
              : `grant it to ${refused}: in the allow list with pnet trust allow ${quoted(refused)} FINGERPRINT ` +
                `--subscribes ${quoted(topic)}, or in its certificate; or say --open, if everybody may`
          })
        })
    )
    // Others may be there who are found a moment later.
    yield* output.during(
      `looking for who subscribes to ${topic}`,
      Effect.all([there, gather(node)], { concurrency: 2 })
    )
  }
)

/** Publishes what the server is to keep. */
const keep = Effect.fnUntraced(function*(input: Input<typeof publish>, values: Values) {
  const output = yield* Output
  const topics = yield* durableTopicsOf(yield* open())
  const bytes = Topic.bytes(input.topic, { key: () => Option.getOrElse(input.key, () => "") })
  const key = keyOf(input)
  let [count, seq] = [0, 0]
  yield* Stream.runForEach(values, (value) =>
    Effect.gen(function*() {
      const kept = yield* value instanceof Uint8Array
        ? topics.publish(bytes, value)
        : topics.publish(input.topic, value, { key: yield* key(value) })
      count++
      seq = kept.seq
    }))
  yield* output.value("published", { topic: input.topic, values: count, peers: [], ...(count === 0 ? {} : { seq }) })
})

export const run = Effect.fnUntraced(function*(input: Input<typeof publish>) {
  const output = yield* Output
  const { bytes, patience, retain, topic } = input
  yield* checkName(topic)
  if (Option.isSome(input.key) && Option.isSome(input.keyOf)) {
    return yield* usage("a value has one key, and not both that of --key and that of --key-of")
  }
  if (bytes && Option.isSome(input.keyOf)) return yield* usage("bytes have no field that --key-of could be")
  if (input.keep && retain) return yield* usage("what the server keeps no node retains: give --keep or --retain")
  if (input.keep) yield* servers("durable topics are")
  yield* guarded("what is published would go to everybody on the network who subscribes")
  const values = yield* valuesOf(input.values, bytes)
  if (input.keep) return yield* keep(input, values)
  const { node } = yield* open()
  if (!retain) yield* awaitSubscribers(node, input)

  const key = keyOf(input)
  let count = 0
  yield* Stream.runForEach(values, (value) =>
    Effect.gen(function*() {
      const options = { key: yield* key(value), retain, wait: { for: "*", within: patience } } as const
      yield* value instanceof Uint8Array
        ? node.streams.publish(topic, value, options)
        : node.publish(topic, value, options)
      count++
    }))
  const peers = (yield* node.resolve({ subscribes: topic })).map(({ name }) => name as string).sort()
  const left = yield* output.during("waiting until it has come to all", node.flush({ within: patience }))
  yield* output.value("published", { topic, values: count, peers })
  if (left > 0 && !retain) {
    return yield* new Problem({
      exit: "unreachable",
      what: `not all of it has come to ${left} of those who subscribe`,
      hint: "see whether they keep up, or wait longer with --patience"
    })
  }
  if (!retain) return
  yield* output.note("whoever subscribes later gets the last values, until Ctrl-C")
  return yield* Effect.never
})
