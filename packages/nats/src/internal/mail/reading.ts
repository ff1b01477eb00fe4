/**
 * Reading letters: one after the other, each acknowledged when its handler has succeeded and that is written down. One that fails is handled
 * again later, others meanwhile, and is put with the dead ones after so many times.
 */
import { AckPolicy, type Consumer, type JetStreamClient, type JsMsg } from "@nats-io/jetstream"
import type { KV } from "@nats-io/kv"
import * as Why from "@pnet/core/Why"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { MailboxError } from "../../MailError.ts"
import * as Subjects from "../../Subjects.ts"
import type { Back } from "../back.ts"
import * as Dropped from "../dropped.ts"
import { ahead, type Fault, type Letter } from "./letter.ts"

export interface Parts {
  readonly js: JetStreamClient
  /** The ids of letters that were handled. */
  readonly handled: KV
  readonly stream: string
  readonly network: string
  readonly token: string
  readonly attempts: number
  readonly retryAfter: number
  readonly back: Back
  /** Makes the stream and the bucket, where they are gone. */
  readonly reopen: Effect.Effect<void, MailboxError>
  readonly open: (bytes: Uint8Array) => Result.Result<Letter, Fault>
  /** The same, whenever it was posted. */
  readonly openAnyTime: (bytes: Uint8Array) => Result.Result<Letter, Fault>
  readonly now: () => number
  /** What the server tells by that a letter of this place was put with the dead ones before: nobody else can make it up, and so keep it away. */
  readonly deadId: (sequence: number) => string
  readonly trusted: (letter: Letter) => Effect.Effect<boolean>
}

// In milliseconds. The server gives a letter again that was not acknowledged by then; who still handles it says so.
const ackWait = 30_000
const workingEvery = 10_000
const askedFor = 5_000
const longestWait = 3_600_000

const failed = (cause: unknown) => new MailboxError({ cause })
const step = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: failed })

const nanos = (millis: number) => millis * 1_000_000

const consumerOf = ({ js, network, stream, token }: Parts): Effect.Effect<Consumer, MailboxError> =>
  step(() =>
    js.jetstreamManager().then((manager) =>
      manager.consumers.info(stream, token).catch(() =>
        manager.consumers.add(stream, {
          durable_name: token,
          ack_policy: AckPolicy.Explicit,
          ack_wait: nanos(ackWait),
          // Those that are put off do not keep others waiting. There are no more than the stream has.
          max_ack_pending: -1,
          filter_subject: `pnet.${network}.*.mail.${token}`
        })
      )
    ).then(() => js.consumers.get(stream, token))
  )

/** The token of the sender, of a subject that the server has checked. */
const senderOf = (subject: string): string => subject.split(".")[2] ?? ""

/** Puts a letter with the dead ones, as it came. Where they are too many it stays where it is, and is tried again. */
const bury = ({ deadId, js, network, token }: Parts, message: JsMsg) =>
  step(() => js.publish(Subjects.make(network, token, "dead", token), message.data, { msgID: deadId(message.seq) }))
    .pipe(
      Effect.andThen(Effect.sync(() => message.term())),
      Effect.catchTag("MailboxError", () => Effect.sync(() => message.nak(longestWait)))
    )

// Of so many letters it is known that they came and were not handled. Of more the oldest count as handled.
const mostUntried = 4_096

/** How often letters came here and were no handler's, as the server counts each time that it gives one: they were of the future, or it was gone. */
class Untried {
  readonly #times = new Map<number, number>()

  add({ seq }: JsMsg): void {
    const times = this.of(seq)
    this.#times.delete(seq)
    this.#times.set(seq, times + 1)
    if (this.#times.size > mostUntried) this.#times.delete(this.#times.keys().next().value!)
  }

  of(seq: number): number {
    return this.#times.get(seq) ?? 0
  }
}

type Handler<E, R> = (letter: Letter, attempt: number) => Effect.Effect<void, E, R>

/** What becomes of one that cannot be handled, now or at all. */
const refused = (parts: Parts, message: JsMsg, from: string, fault: Fault | "Forged", dropped: Dropped.Dropped) =>
  Effect.gen(function*() {
    if (fault === "FromTheFuture") {
      yield* dropped(fault, `a letter from the node ${from} is of the future, and waits for it; compare the clocks`)
      const opened = parts.openAnyTime(message.data)
      const wait = Result.isSuccess(opened) ? opened.success.postedAt - parts.now() - ahead : longestWait
      return message.nak(Math.min(Math.max(wait, 1), longestWait))
    }
    // One of the clocks may be wrong. Its owner sees it.
    if (fault === "TooOld") {
      yield* dropped(
        fault,
        `a letter from the node ${from} is too old, and was put with the dead ones; compare the clocks`
      )
      return yield* bury(parts, message)
    }
    yield* dropped(fault, `a letter from the node ${from} was dropped: ${fault}`)
    return message.term()
  })

/** Has a letter handled, and says what came of it. What was handled is written down, also where the scope closes meanwhile. */
const worked = <E, R>(
  parts: Parts,
  message: JsMsg,
  letter: Letter,
  attempt: number,
  key: string,
  handler: Handler<E, R>
) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const working = Effect.sync(() => message.working()).pipe(Effect.schedule(Schedule.spaced(workingEvery)))
      const exit = yield* Effect.exit(handler(letter, attempt)).pipe(
        Effect.raceFirst(Effect.andThen(Effect.sleep(workingEvery), Effect.andThen(working, Effect.never))),
        restore,
        // The node ends: another process, or the next one, has it at once.
        Effect.onInterrupt(() => Effect.sync(() => message.nak()))
      )
      if (Exit.isSuccess(exit)) {
        yield* step(() => parts.handled.put(key, new Uint8Array(0)))
        return message.ack()
      }
      yield* Effect.logWarning(
        `handling the letter ${letter.id} of ${Why.quote(letter.from.name)} failed`,
        exit.cause
      )
      if (attempt >= parts.attempts) return yield* bury(parts, message)
      message.nak(Math.min(longestWait, parts.retryAfter * 4 ** (attempt - 1)))
    })
  )

/** What becomes of one letter. */
const one = <E, R>(
  parts: Parts,
  message: JsMsg,
  handler: Handler<E, R>,
  dropped: Dropped.Dropped,
  untried: Untried
) =>
  Effect.gen(function*() {
    const { attempts, handled, open, token, trusted } = parts
    const from = senderOf(message.subject)
    const opened = open(message.data)
    const isForged = Result.isSuccess(opened) && Subjects.ofKey(opened.success.from.publicKey) !== from
    if (Result.isFailure(opened)) {
      if (opened.failure === "FromTheFuture") untried.add(message)
      return yield* refused(parts, message, from, opened.failure, dropped)
    }
    if (isForged) return yield* refused(parts, message, from, "Forged", dropped)
    const letter = opened.success
    if (!(yield* trusted(letter))) {
      yield* dropped(
        "untrusted",
        `a letter from ${Why.quote(letter.from.name)} was dropped: its key is not trusted`
      )
      return message.term()
    }
    const key = `${token}.${from}.${letter.id}`
    const known = yield* Effect.tapError(step(() => handled.get(key)), () => Effect.sync(() => untried.add(message)))
    if (known !== null) return message.ack()
    const attempt = Math.max(1, message.info.deliveryCount - untried.of(message.seq))
    // Whoever handled it the last time never said what came of it: it may be what ends him.
    if (attempt > attempts) return yield* bury(parts, message)
    return yield* worked(parts, message, letter, attempt, key, handler)
  })

/** The next letter, or none in a while. One that comes when nobody waits for it any more is given back. */
const pulled = (consumer: Consumer, untried: Untried): Effect.Effect<JsMsg | null, MailboxError> =>
  Effect.callback<JsMsg | null, MailboxError>((resume) => {
    let isWanted = true
    consumer.next({ expires: askedFor }).then(
      (message) => {
        if (isWanted) return resume(Effect.succeed(message))
        if (message === null) return
        untried.add(message)
        message.nak()
      },
      (cause) => resume(Effect.fail(failed(cause)))
    )
    return Effect.sync(() => {
      isWanted = false
    })
  }).pipe(
    // The server says when the time is up. Where it does not, it has forgotten who asked.
    Effect.timeoutOrElse({
      duration: askedFor + 1_000,
      orElse: () => Effect.fail(failed(new Error("the server did not answer")))
    })
  )

/** Handles letters, until the scope closes. */
export const handle = <E, R>(
  parts: Parts,
  handler: Handler<E, R>
): Effect.Effect<void, MailboxError, R | Scope.Scope> =>
  Effect.gen(function*() {
    const dropped = Dropped.make()
    const untried = new Untried()
    let consumer: Consumer | undefined = yield* consumerOf(parts)
    const again = Effect.gen(function*() {
      yield* parts.reopen
      consumer = yield* consumerOf(parts)
      return consumer
    })
    const asked = Effect.flatMap(
      Effect.suspend(() => consumer === undefined ? again : Effect.succeed(consumer)),
      (from) => pulled(from, untried)
    ).pipe(
      // What was asked for over a connection that is gone is answered by nobody.
      Effect.raceFirst(Effect.as(parts.back, null))
    )
    const next = Effect.flatMap(asked, (message) =>
      message === null ? Effect.void : one(parts, message, handler, dropped, untried))
    yield* next.pipe(
      // The server, the stream or the consumer is gone, or does not answer: what was not acknowledged comes again.
      Effect.catchTag("MailboxError", (error) =>
        Effect.andThen(
          Effect.logDebug(error.message),
          Effect.andThen(
            Effect.sync(() =>
              void (consumer = undefined)
            ),
            Effect.sleep("500 millis")
          )
        )),
      Effect.forever,
      Effect.forkScoped
    )
  })

/** How many letters of this node there are that were not handled. */
export const waiting = ({ js, network, stream, token }: Parts): Effect.Effect<number, MailboxError> =>
  step(() =>
    js.jetstreamManager().then((manager) =>
      manager.streams.info(stream, { subjects_filter: `pnet.${network}.*.mail.${token}` })
    )
  ).pipe(Effect.map(({ state }) => Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0)))

/** The dead letters of this node, the oldest first. */
export const dead = (
  { js, network, openAnyTime, stream, token }: Parts,
  most: number
): Effect.Effect<ReadonlyArray<Letter>, MailboxError> =>
  Effect.gen(function*() {
    const found: Array<Letter> = []
    const name = `${token}_dead`
    const made = step(() =>
      js.jetstreamManager().then((manager) =>
        manager.consumers.delete(stream, name).catch(() => false).then(() =>
          manager.consumers.add(stream, {
            name,
            // Nobody acknowledges them: they stay.
            ack_policy: AckPolicy.Explicit,
            ack_wait: nanos(longestWait),
            max_ack_pending: -1,
            inactive_threshold: nanos(ackWait),
            filter_subject: Subjects.make(network, token, "dead", token)
          })
        )
      ).then(() => js.consumers.get(stream, name))
    )
    const consumer = yield* Effect.acquireRelease(
      made,
      (consumer) => Effect.ignore(Effect.timeout(Effect.tryPromise(() => consumer.delete()), "1 second"))
    )
    const { num_pending: pending } = yield* step(() => consumer.info())
    for (let i = 0; i < Math.min(pending, most); i++) {
      const message = yield* step(() => consumer.next({ expires: askedFor }))
      if (message === null) break
      const opened = openAnyTime(message.data)
      if (Result.isSuccess(opened)) found.push(opened.success)
    }
    return found
  }).pipe(
    Effect.scoped,
    // Another process of this node looks at the same time, and has the consumer made anew.
    Effect.retry({ times: 3, while: ({ cause }) => cause instanceof Error && /consumer/i.test(cause.message) })
  )
