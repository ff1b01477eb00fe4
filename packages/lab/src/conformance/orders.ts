/**
 * What makes a peer come to the kit: an order, which its function `order` of streams carries out. The question is JSON, an `Order`; the
 * answer is `{"answered": base64url}` with what the call came to, or `{"failed": what, "code"?: code}`.
 */
import * as Core from "@pnet/core"
import { Cause, Effect, Exit, Stream } from "effect"
import { Kit } from "./kit.ts"
import { Typed } from "./served.ts"
import { parseJson } from "./session.ts"
import { base64, textOf, unbase64, utf8 } from "./speech/bytes.ts"
import type { Called, Order, Place, Subject } from "./subject.ts"

const calledOf = (call: Effect.Effect<Uint8Array, unknown>): Effect.Effect<Called> =>
  Effect.map(Effect.exit(call), (exit): Called => {
    if (Exit.isSuccess(exit)) return { _tag: "Answered", bytes: exit.value }
    const error = Cause.squash(exit.cause) as { readonly _tag?: string; readonly code?: string }
    return { _tag: "Failed", error: error._tag ?? String(error), code: error.code }
  })

/** Of topics whose names begin so the last value of each key is retained; a key is what stands before `=` in a value. */
const isKept = (topic: string) => topic.startsWith("kept.")
const keyOf = (value: string) => value.slice(0, value.indexOf("="))

/** On topics whose names begin so the kit may neither publish nor subscribe. */
const allowOf = (topic: string) => topic.startsWith("closed.") ? { allow: Core.Allow.names("nobody") } : {}

/** Publishes bytes. */
const publish = (node: Core.AdvancedNode.AdvancedNode["Service"], topic: string, value: string) =>
  node.publish(topic, value, { ...(isKept(topic) ? { key: keyOf(value), retain: true } : {}), ...allowOf(topic) })

/** Subscribes as the question says, and gives what came: until it is as much as that says, or for so long. */
const subscribe = (
  node: Core.AdvancedNode.AdvancedNode["Service"],
  topic: string,
  { count, ...options }: Core.Topic.SubscribeOptions & { readonly count: number },
  millis: number
) =>
  Effect.gen(function*() {
    const came: Array<unknown> = []
    const isGroup = options.group !== undefined
    yield* node.subscribe(topic, {
      ...options,
      ...(isGroup ? { acknowledge: "manual" } as const : {}),
      ...allowOf(topic)
    }).pipe(
      Stream.tap(({ acknowledge }) => acknowledge),
      Stream.runForEachWhile(({ epoch, key, missed, redelivered, retained, seq, value }) =>
        Effect.sync(() => came.push({ seq, epoch, key, value: textOf(value), missed, retained, redelivered }) < count)
      ),
      Effect.timeoutOption(millis)
    )
    return utf8(JSON.stringify(came))
  })

/** Makes a node of ours carry out orders. */
export const carryOut = (
  raw: Core.BasicNode.BasicNode["Service"],
  advanced?: Core.AdvancedNode.AdvancedNode["Service"],
  command?: Core.CommandNode.CommandNode["Service"]
) =>
(order: Order): Effect.Effect<Called> => {
  const payload = utf8(order.payload ?? "")
  const timeout = order.timeoutMillis === undefined ? {} : { timeout: order.timeoutMillis }
  const known = <A, E>(call: Effect.Effect<A, E>) =>
    Effect.andThen(Effect.ignore(raw.peers.awaitPeer(order.peer)), call)
  switch (order.how) {
    case "message":
      return calledOf(known(raw.send(order.peer, payload, timeout)))
    case "function":
      return calledOf(
        known(advanced?.request(order.peer, order.name ?? "", payload, timeout) ?? Effect.die("no streams"))
      )
    case "call":
      return calledOf(known(Effect.map(
        command?.target(order.peer, timeout)(order.name ?? "", order.payload) ?? Effect.die("no commands"),
        (value) => utf8(JSON.stringify(value))
      )))
    case "publish":
      return calledOf(known(Effect.as(
        advanced === undefined ? Effect.die("no topics") : publish(advanced, order.name ?? "", order.payload ?? ""),
        new Uint8Array(0)
      )))
    case "retract":
      return calledOf(Effect.as(
        command?.retract(Core.Topic.bytes(order.name ?? "", { retain: true }), order.payload) ??
          Effect.die("no commands"),
        new Uint8Array(0)
      ))
    case "subscribe":
      return calledOf(
        advanced === undefined
          ? Effect.die("no topics")
          : subscribe(advanced, order.name ?? "", JSON.parse(order.payload ?? "{}"), order.timeoutMillis ?? 10_000)
      )
    case "twice":
      return calledOf(known(Effect.scoped(Effect.gen(function*() {
        const client = yield* command?.client(Typed, order.peer) ?? Effect.die("no typed calls")
        return utf8(JSON.stringify(yield* client["typed.twice"]({ n: Number(order.payload) })))
      }))))
  }
}

/** The function `order` of such a node. */
export const serving =
  (order: (order: Order) => Effect.Effect<Called>) =>
  ({ text }: Pick<Core.AdvancedNode.Call, "text">): Effect.Effect<string, Core.Sessions.StreamError> =>
    Effect.flatMap(text, (question) =>
      Effect.map(order(JSON.parse(question) as Order), (called) =>
        JSON.stringify(
          called._tag === "Answered"
            ? { answered: base64(called.bytes) }
            : { failed: called.error, code: called.code }
        )))

/** Gives orders over a session, to the function `order` of the peer. */
export const over = (subject: Subject, place: Place, name: string): (order: Order) => Effect.Effect<Called> => {
  let given = 0
  return (order) =>
    Effect.gen(function*() {
      const kit = new Kit(subject, place, `${name}-${++given}`)
      const session = yield* kit.session()
      yield* session.call(1, "order", JSON.stringify(order))
      const ended = yield* session.answer(1, 30_000)
      const answer = ended._tag === "End" ? parseJson(ended.bytes) : undefined
      const bytes = typeof answer?.answered === "string" ? unbase64(answer.answered) : undefined
      if (bytes !== undefined) return { _tag: "Answered", bytes } as const
      return typeof answer?.failed === "string"
        ? {
          _tag: "Failed",
          error: answer.failed,
          code: typeof answer.code === "string" ? answer.code : undefined
        } as const
        : yield* kit.mismatch("what became of the order", ended._tag === "End" ? "no such JSON" : `RESET ${ended.code}`)
    }).pipe(
      Effect.scoped,
      Effect.catchTag("Mismatch", (error) => Effect.die(error))
    )
}
