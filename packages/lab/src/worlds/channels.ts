/** Channels of messages in the process, two ends each, for what is built over message links: in order and whole, with the time that it takes. */
import type { Channel, Receiver } from "@pnet/core/MessageLink"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** What a channel is like. */
export interface Options {
  /** The longest message. Default 65,536 bytes. */
  readonly maxMessage?: number | undefined
  /** How long a message is on its way. Default no time. */
  readonly latency?: Duration.Input | undefined
  /** So many messages may be on their way before there is no room for more. Default no bound. */
  readonly room?: number | undefined
}

/** One end, and how to have the channel end there without a word. */
export interface End extends Channel {
  /** Ends it at both ends, as where a program is killed. */
  readonly kill: () => void
  /** Messages that were sent at this end, and not yet brought to the other. */
  readonly onTheirWay: () => number
}

const nobody: Receiver = { message: () => {}, room: () => {}, closed: () => {} }

class Half {
  receiver: Receiver = nobody
  early: Array<Uint8Array> = []
  opened = false
  closed = false
  readonly sent: Queue.Queue<Uint8Array | undefined>
  onTheirWay = 0
  full = false

  constructor(sent: Queue.Queue<Uint8Array | undefined>) {
    this.sent = sent
  }

  hear(message: Uint8Array | undefined): void {
    if (this.closed) return
    if (message === undefined) return this.receiver.closed(new Error("the channel has ended"))
    if (this.opened) this.receiver.message(message)
    else this.early.push(message)
  }
}

const endOf = (half: Half, other: Half, options: Options): End => {
  const room = options.room ?? Infinity
  const close = () => {
    if (half.closed) return
    half.closed = true
    Queue.offerUnsafe(half.sent, undefined)
  }
  return {
    maxMessage: options.maxMessage ?? 65_536,
    open: (receiver) => {
      half.receiver = receiver
      half.opened = true
      for (const message of half.early.splice(0)) half.hear(message)
    },
    send: (message) => {
      half.onTheirWay++
      Queue.offerUnsafe(half.sent, message)
      half.full = half.onTheirWay >= room
      return !half.full
    },
    close,
    kill: () => {
      for (const each of [half, other]) {
        each.hear(undefined)
        each.closed = true
      }
    },
    onTheirWay: () => half.onTheirWay
  }
}

/** Brings what one end sends to the other, until it is closed there. */
const bring = (from: Half, to: Half, options: Options): Effect.Effect<void> => {
  const latency = Duration.fromInputUnsafe(options.latency ?? 0)
  return Effect.gen(function*() {
    while (true) {
      const messages = yield* Queue.takeAll(from.sent)
      yield* Duration.isZero(latency) ? Effect.yieldNow : Effect.sleep(latency)
      for (const message of messages) {
        if (message !== undefined) from.onTheirWay--
        to.hear(message)
        if (message === undefined) return
      }
      if (from.full && !from.closed) {
        from.full = false
        from.receiver.room()
      }
    }
  })
}

/** Both ends of a channel, which brings messages for as long as the scope is open. */
export const make = (options: Options = {}): Effect.Effect<readonly [End, End], never, Scope.Scope> =>
  Effect.gen(function*() {
    const near = new Half(yield* Queue.unbounded<Uint8Array | undefined>())
    const far = new Half(yield* Queue.unbounded<Uint8Array | undefined>())
    yield* Effect.forkScoped(bring(near, far, options))
    yield* Effect.forkScoped(bring(far, near, options))
    return [endOf(near, far, options), endOf(far, near, options)]
  })
