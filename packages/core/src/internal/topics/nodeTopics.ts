/** Topics as a node's program uses them: values in, values out. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { NodeClosedError } from "../../FunctionError.ts"
import * as Topic from "../../Topic.ts"
import { quote } from "../base/quote.ts"
import type { Own } from "../offers/own.ts"
import * as Views from "../peers/views.ts"
import { isKey, isPattern, isTopicName } from "../values/topicNames.ts"
import { weigh } from "../wire/json.ts"
import type { Heard, Origin } from "./said.ts"
import * as Subscriptions from "./subscription.ts"
import { make, type PublishError, type Topics } from "./topics.ts"
import type { CodingOf, Given } from "./values.ts"
import * as Values from "./values.ts"

type PublishOptions = Topic.PublishOptions & {
  readonly key?: string | undefined
  readonly retain?: Topic.Retain | undefined
}

const wrongKey = (key: string): string | undefined => {
  const is = isKey(key)
  return is === true ? undefined : `its key is none: ${is}`
}

const never: Effect.Effect<void> = Effect.void

const partsOf = (
  { again, at, key, origin: { epoch, from, topic }, retained, seq }: Heard,
  value: unknown,
  missed: number,
  answer: ((how: "done" | "back") => void) | undefined
) => ({
  from,
  topic,
  epoch,
  key,
  value,
  at,
  seq,
  missed,
  retained,
  redelivered: again,
  acknowledge: answer === undefined ? never : Effect.sync(() => answer("done"))
})

export class NodeTopics {
  readonly #topics: Topics
  readonly #codingOf: CodingOf

  constructor(topics: Topics, codingOf: CodingOf) {
    this.#topics = topics
    this.#codingOf = codingOf
  }

  readonly publish = (
    topic: Given,
    value: unknown,
    options: PublishOptions = {}
  ): Effect.Effect<void, PublishError, any> =>
    Effect.suspend(() => {
      const coding = this.#codingOf(topic, options.retain)
      const name = isTopicName(coding.topic)
      if (name !== true) return Effect.fail(new Topic.InvalidPublicationError({ topic: coding.topic, issue: name }))
      const { retain } = coding
      if (typeof retain === "string") return Effect.fail(Values.invalid(coding.topic, retain))
      const found = options.key === undefined ? Values.keyOf(coding, value) : { key: options.key }
      const wrong = typeof found === "string"
        ? found
        : found.key === undefined
        ? undefined
        : wrongKey(found.key)
      if (wrong !== undefined || typeof found === "string") {
        return Effect.fail(new Topic.InvalidPublicationError({ topic: coding.topic, issue: wrong! }))
      }
      const encoded = coding.encode(value)
      const say = (body: Uint8Array) =>
        this.#topics.publish({
          topic: coding.topic,
          contract: coding.contract,
          key: found.key,
          body,
          payload: value,
          allow: options.allow,
          policy: options.policy,
          retain
        }, options.wait)
      return Exit.isExit(encoded) && Exit.isSuccess(encoded)
        ? say(encoded.value as Uint8Array)
        : Effect.flatMap(encoded, say)
    })

  readonly publisher = (topic: Given, options?: PublishOptions): Sink.Sink<void, unknown, never, PublishError, any> =>
    Sink.unwrap(Effect.as(
      this.#topics.publishing.used,
      Sink.forEach((value: unknown) => this.publish(topic, value, options))
    ))

  readonly retract = (topic: Given, key: string = ""): Effect.Effect<void, NodeClosedError> =>
    Effect.suspend(() => {
      const coding = this.#codingOf(topic)
      return this.#topics.retract(coding.topic, coding.contract, key)
    })

  #asked(coding: Values.Coding, { allow, drop, group, mode, retained, size }: Topic.SubscribeOptions) {
    return { topic: coding.topic, contract: coding.contract, allow, drop, group, mode, retained, size }
  }

  /** What a subscription is asked for by. A slip in it is the program's. */
  #checked(coding: Values.Coding): Effect.Effect<void> {
    const pattern = isPattern(coding.topic)
    return pattern === true
      ? Effect.void
      : Effect.die(new TypeError(`${quote(coding.topic)} is no topic to subscribe to: ${pattern}`))
  }

  readonly subscribe = (
    topic: Given,
    options: Topic.SubscribeOptions = {}
  ): Stream.Stream<Topic.Publication<any>, any, any> => {
    const coding = this.#codingOf(topic)
    const isManual = options.acknowledge === "manual"
    return Stream.suspend(() => {
      // What this run of the stream was handed and has not answered.
      let last: ((how: "done" | "back") => void) | undefined
      const handed = new Set<(how: "done" | "back") => void>()
      return Subscriptions.stream(
        Effect.andThen(this.#checked(coding), this.#topics.subscribe(this.#asked(coding, options), false)),
        {
          make: (read, subscription) => {
            if (read._tag !== "Heard") return Effect.succeed(undefined)
            const { heard, missed } = read
            const answer = heard.answer === undefined ? undefined : subscription.answering(heard)
            if (isManual && answer !== undefined) {
              const settled = (how: "done" | "back") => {
                handed.delete(settled)
                answer(how)
              }
              handed.add(settled)
              return this.#value(coding, heard, missed, settled)
            }
            last = answer
            return this.#value(coding, heard, missed, answer)
          },
          asked: () => {
            last?.("done")
            last = undefined
          },
          left: () => {
            last?.("back")
            for (const answer of handed) answer("back")
          }
        }
      )
    })
  }

  /** What was heard, as its topic has it; `undefined` where it is no value of it, which the log has. */
  #value(
    coding: Values.Coding,
    heard: Heard,
    missed: number,
    answer: ((how: "done" | "back") => void) | undefined
  ): Effect.Effect<Topic.Publication<unknown> | undefined, never, any> {
    const decoded = coding.decode(heard.body!)
    const made = (value: unknown) => new Topic.Publication(partsOf(heard, value, missed, answer))
    if (Exit.isExit(decoded) && Exit.isSuccess(decoded)) return Effect.succeed(made(decoded.value))
    return Effect.matchEffect(Effect.catchDefect(decoded, () => Effect.fail("its Schema throws at it")), {
      onFailure: (wrong) =>
        Effect.suspend(() => {
          // Whoever is handed it next could not read it either.
          answer?.("done")
          return Effect.as(this.#topics.hearing.leftOut(heard.origin, wrong), undefined)
        }),
      onSuccess: (value) => Effect.succeed(made(value))
    })
  }

  readonly watch = (topic: Given, options: Topic.WatchOptions = {}): Stream.Stream<Topic.Event<any>, any, any> => {
    const coding = this.#codingOf(topic)
    return Stream.suspend(() =>
      Subscriptions.stream(
        Effect.andThen(
          this.#checked(coding),
          this.#topics.subscribe({ ...this.#asked(coding, options), group: undefined }, true)
        ),
        {
          asked: () => {},
          left: () => {},
          make: (read): Effect.Effect<Topic.Event<unknown> | undefined, never, any> => {
            switch (read._tag) {
              case "Gone":
                return Effect.succeed({ _tag: "Gone", from: read.origin.from, topic: read.origin.topic })
              case "Missed":
                return Effect.succeed({
                  _tag: "Missed",
                  from: read.origin.from,
                  topic: read.origin.topic,
                  count: read.count
                })
              case "Heard": {
                const { heard } = read
                if (heard.body === undefined) {
                  const { from, topic } = heard.origin
                  return Effect.succeed({ _tag: "Removed", from, topic, key: heard.key ?? "" })
                }
                // What was missed before it is an event, too, and is said with it.
                return Effect.map(
                  this.#value(coding, heard, read.missed, undefined),
                  (publication) => publication === undefined ? undefined : { _tag: "Published", publication }
                )
              }
            }
          }
        }
      )
    )
  }

  readonly table = (topic: Given, options: Pick<Topic.SubscribeOptions, "allow"> = {}) =>
    Effect.gen({ self: this }, function*() {
      const coding = this.#codingOf(topic)
      yield* this.#checked(coding)
      const context = yield* Effect.context<any>()
      let table: Topic.Table<unknown> = Topic.Table.empty()
      const views = yield* Views.make(() => table)
      const changed = (next: Topic.Table<unknown>) => {
        table = next
        views.changed()
      }
      const { hearing } = this.#topics
      yield* this.#topics.table({ ...this.#asked(coding, options), mode: "latest", size: 65_536 }, {
        // What is nested without end is not parsed, and is no value.
        weigh: (body) => coding.contract === "bytes" ? 0 : finite(weigh(body)),
        put: (heard, key) => {
          const { at, origin: { from, topic } } = heard
          const exit = Effect.runSyncExitWith(context)(coding.decode(heard.body!))
          if (exit._tag === "Success") {
            changed(table.put({ from, topic, key, at, value: exit.value }))
            return true
          }
          hearing.leftOutUnsafe(heard.origin, "it is no value of the topic, or is not read at once")
          return false
        },
        remove: ({ from, topic }: Origin, key) => changed(table.remove(from.publicKey, topic, key)),
        full: (origin) => hearing.leftOutUnsafe(origin, "limits.topicRetained is reached")
      })
      return views.ref
    })
}

const finite = (weight: number): number => weight === Infinity ? 0 : weight

/** The topics of a node, until the scope closes. */
export const open = (own: Own) =>
  Effect.map(make(own), (topics) => ({
    topics,
    of: (codingOf: CodingOf) => new NodeTopics(topics, codingOf),
    flush: (within?: Duration.Input) => topics.flush(within)
  }))
