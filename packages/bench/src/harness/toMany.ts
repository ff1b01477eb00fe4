/** pnet's ways from one to many, as a worker makes them: a node that publishes, and nodes that hear it. */
import * as CommandNode from "@pnet/core/CommandNode"
import * as Topic from "@pnet/core/Topic"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Spreading from "../../peers/programs/spreading.js"
import type { Handlers, ToMany } from "./calls.ts"
import * as Nodes from "./nodes.ts"
import type { Platform } from "./sides.ts"

type Of<Tag extends ToMany["_tag"]> = Extract<ToMany, { readonly _tag: Tag }>

/** A publisher's side: whether messages are texts, how many go at once, and what publishes one. */
interface Publishing {
  readonly text: boolean
  /** How many messages may be on their way. */
  readonly window: number
  readonly publish: (message: Spreading.Message) => Effect.Effect<unknown, unknown>
}

interface Kind<Tag extends ToMany["_tag"]> {
  readonly publisher: (platform: Platform, subject: Of<Tag>, subscribers: number) => Effect.Effect<Publishing, unknown>
  /** Starts a subscriber, which gives each message to `take`. */
  readonly subscriber: (
    platform: Platform,
    subject: Of<Tag>,
    name: string,
    take: (message: Spreading.Message) => void
  ) => Effect.Effect<void, unknown>
}

// One that is frozen answers no call: what is said to it is given up after this long.
const timeout = "5 seconds"

const topics: Record<Of<"Topic">["values"], Topic.Topic<any>> = {
  texts: Topic.make("values", { payload: Schema.String }),
  bytes: Topic.bytes("values")
}

const Kinds: { readonly [Tag in Exclude<ToMany["_tag"], "Peer">]: Kind<Tag> } = {
  Topic: {
    publisher: ({ start }, { network, values }) =>
      Effect.map(start("native", CommandNode.make(Nodes.options("publisher", network))), ({ node }) => ({
        text: values === "texts",
        window: Spreading.window,
        publish: (message) => node.publish(topics[values], message)
      })),
    subscriber: ({ scope, start }, { network, values }, name, take) =>
      Effect.gen(function*() {
        const { node } = yield* start("native", CommandNode.make(Nodes.options(name, network)))
        yield* node.subscribe(topics[values], { size: Spreading.window }).pipe(
          Stream.runForEach(({ value }) => Effect.sync(() => take(value))),
          Effect.forkIn(scope)
        )
      })
  },

  All: {
    publisher: ({ scope, start }, { network }, subscribers) =>
      Effect.map(start("native", CommandNode.make(Nodes.options("publisher", network))), ({ node }) => {
        const all = node.target<{ take(message: string): null }>("*", { timeout })
        // Not awaited: who publishes goes on while some are slow.
        return {
          text: true,
          // Each message is as many calls.
          window: Math.max(16, Math.ceil(Spreading.window / subscribers)),
          publish: (message) => Effect.forkIn(all.take(message as string), scope)
        }
      }),
    subscriber: ({ start }, { network }, name, take) =>
      start(
        "native",
        CommandNode.make({
          ...Nodes.options(name, network),
          functions: {
            take: (_call, message: string) =>
              Effect.sync(() => {
                take(message)
                return null
              })
          }
        })
      )
  }
}

const kindOf = (subject: ToMany): Kind<any> =>
  subject._tag === "Peer"
    ? { publisher: () => Effect.die("a peer has a program of its own"), subscriber: () => Effect.die("it has") }
    : Kinds[subject._tag]

const spread = (publish: Publishing["publish"], pace: Spreading.Pace): Effect.Effect<Spreading.Result, unknown> =>
  Effect.gen(function*() {
    do {
      for (let due = pace.due(); due > 0; due--) yield* publish(pace.next())
    } while (yield* Effect.promise(() => pace.wait()))
    return pace.result()
  })

/** The one that publishes. */
export const makePublisher = (platform: Platform): Handlers<"Publisher" | "Publish"> => {
  let publishing: (Publishing & Spreading.Publisher) | undefined
  return {
    Publisher: ({ bytes, processes, subject, subscribers }) =>
      Effect.gen(function*() {
        const side = yield* kindOf(subject).publisher(platform, subject, subscribers)
        const publisher = yield* Effect.acquireRelease(
          Effect.promise(() => Spreading.publishing({ bytes, processes, text: side.text, window: side.window })),
          ({ close }) => Effect.sync(close)
        ).pipe(Scope.provide(platform.scope))
        publishing = { ...side, ...publisher }
        return { port: publisher.port, window: side.window }
      }),

    Publish: (options) =>
      Effect.suspend(() =>
        publishing === undefined
          ? Effect.die("Publish came before Publisher")
          : spread(publishing.publish, publishing.pace(options))
      )
  }
}

/** Those that it publishes to. */
export const makeSubscribers = (platform: Platform): Handlers<"Subscribers" | "Received"> => {
  let subscribers: Spreading.Subscribers | undefined
  return {
    Subscribers: ({ count, first, port, process, subject, window }) =>
      Effect.gen(function*() {
        const { received, take } = Spreading.subscribing({ count, port, process, window })
        subscribers = { received, take }
        for (let i = 0; i < count; i++) {
          yield* kindOf(subject).subscriber(platform, subject, `subscriber${first + i}`, (message) => take(i, message))
        }
        return null
      }),

    Received: () =>
      Effect.suspend(() =>
        subscribers === undefined
          ? Effect.die("Received came before Subscribers")
          : Effect.succeed(subscribers.received())
      )
  }
}
