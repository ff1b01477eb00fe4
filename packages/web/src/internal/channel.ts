/** WebSockets as channels of messages, for `MessageLink`: one that this side made, and one that a server of Effect's HTTP took. */
import type { Channel, Receiver } from "@pnet/core/MessageLink"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { BrowserSocket } from "./platform.ts"

/** The longest message that is sent, and the longest that is taken, in bytes. */
export const maxMessage = 65_536

/**
 * What the system may hold of what was sent, in bytes, before nothing more is sent. It is more than a window of this version: it matters where the other
 * side grants much more.
 */
const maxBuffered = 1_048_576
/** What a message takes that the system holds besides its bytes: so many short ones were measured with 400. */
const perMessage = 512
// A WebSocket does not say when it has sent something.
const lookAgain = "5 millis"

const isBytes = (data: unknown): data is Uint8Array | ArrayBuffer =>
  data instanceof ArrayBuffer || data instanceof Uint8Array

/** The bytes of a message; or why it is none that may come. */
const bytesOf = (data: unknown): Uint8Array | Error => {
  if (!isBytes(data)) return new Error("a message of text came, and pnet sends bytes")
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data
  return bytes.length > maxMessage
    ? new Error(`a message of ${bytes.length} bytes came, and ${maxMessage} is the most`)
    : bytes
}

/** Who is told, and what came before there was anybody. */
class Inbox {
  #receiver: Receiver | undefined
  #early: Array<Uint8Array> = []
  #ended: { readonly cause: unknown } | undefined

  open(receiver: Receiver): void {
    this.#receiver = receiver
    const early = this.#early
    this.#early = []
    for (const bytes of early) receiver.message(bytes)
    if (this.#ended !== undefined) receiver.closed(this.#ended.cause)
  }

  message(bytes: Uint8Array): void {
    if (this.#ended !== undefined) return
    if (this.#receiver === undefined) this.#early.push(bytes)
    else this.#receiver.message(bytes)
  }

  room(): void {
    this.#receiver?.room()
  }

  closed(cause: unknown): void {
    if (this.#ended !== undefined) return
    this.#ended = { cause }
    this.#receiver?.closed(cause)
  }
}

/** What is to be written, in order, by one fiber, which runs as soon as there is something. */
class Outbox {
  #waiting: Array<Uint8Array> = []
  /** Bytes of those that wait. */
  size = 0
  #isClosed = false
  #wake = () => {}

  push(message: Uint8Array): void {
    if (this.#isClosed) return
    this.#waiting.push(message)
    this.size += message.length
    this.#wake()
  }

  close(): void {
    this.#isClosed = true
    this.#wake()
  }

  get isOver(): boolean {
    return this.#isClosed && this.#waiting.length === 0
  }

  /** What is to be written now; waits for it. */
  readonly next: Effect.Effect<NonEmptyReadonlyArray<Uint8Array> | undefined> = Effect.callback<void>((resume) => {
    if (this.#waiting.length > 0 || this.#isClosed) return resume(Effect.void)
    this.#wake = () => {
      this.#wake = () => {}
      resume(Effect.void)
    }
  }).pipe(Effect.map(() => {
    const [first, ...rest] = this.#waiting
    this.#waiting = []
    this.size = 0
    return first === undefined ? undefined : [first, ...rest]
  }))
}

/** The messages that the system may hold of what was sent, which says how many bytes it holds, and not of how many messages. */
class Unsent {
  readonly #lengths: Array<number> = []
  #first = 0
  /** Bytes of those from the first on. */
  #size = 0

  add(length: number): void {
    this.#lengths.push(length)
    this.#size += length
  }

  /** What is taken by those last sent that are so many bytes. */
  memory(held: number): number {
    const lengths = this.#lengths
    while (this.#first < lengths.length && this.#size - lengths[this.#first]! >= held) {
      this.#size -= lengths[this.#first++]!
    }
    if (this.#first === lengths.length) {
      lengths.length = this.#first = 0
    } else if (this.#first >= 64 && this.#first * 2 >= lengths.length) {
      lengths.splice(0, this.#first)
      this.#first = 0
    }
    return held + perMessage * (lengths.length - this.#first)
  }
}

/** Says whether there is room for more than the system holds of what was sent, and tells when there is again. */
class Valve {
  readonly #held: () => number
  readonly #unsent = new Unsent()
  readonly #room: () => void
  readonly #fork: (effect: Effect.Effect<void>) => unknown
  #isFull = false

  constructor(held: () => number, room: () => void, fork: (effect: Effect.Effect<void>) => unknown) {
    this.#held = held
    this.#room = room
    this.#fork = fork
  }

  /** Whether there is room for more after a message that was sent. */
  isOpenAfter(message: Uint8Array): boolean {
    this.#unsent.add(message.length)
    if (this.#memory <= maxBuffered) return true
    if (!this.#isFull) {
      this.#isFull = true
      this.#fork(this.#drained)
    }
    return false
  }

  get #memory(): number {
    return this.#unsent.memory(this.#held())
  }

  readonly #drained = Effect.gen({ self: this }, function*() {
    do yield* Effect.sleep(lookAgain)
    while (this.#memory > maxBuffered / 2)
    this.#isFull = false
    this.#room()
  })
}

const closedBy = (code: number | undefined, reason: string | undefined): Error =>
  new Error(
    `the WebSocket was closed${code === undefined ? "" : ` with the code ${code}`}${reason ? ` (${reason})` : ""}`
  )

/** A channel over an open WebSocket. It is closed with the scope. */
export const ofWebSocket = (socket: BrowserSocket): Effect.Effect<Channel, never, Scope.Scope> =>
  Effect.gen(function*() {
    const inbox = new Inbox()
    let isClosed = false
    const close = () => {
      if (isClosed) return
      isClosed = true
      socket.close(1000)
    }
    const onMessage = ({ data }: Socket.WebSocketEvent) => {
      const bytes = bytesOf(data)
      if (bytes instanceof Uint8Array) return inbox.message(bytes)
      inbox.closed(bytes)
      close()
    }
    const onClose = ({ code, reason }: Socket.WebSocketEvent) => inbox.closed(closedBy(code, reason))
    socket.addEventListener("message", onMessage)
    socket.addEventListener("close", onClose)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        socket.removeEventListener("message", onMessage)
        inbox.closed(new Error("closed by this side"))
        close()
      })
    )
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    // What a WebSocket did not send before its end it says that it holds for ever.
    const held = () => socket.readyState === 1 ? socket.bufferedAmount ?? 0 : 0
    const valve = new Valve(held, () => inbox.room(), fork)
    return {
      maxMessage,
      open: (receiver) => inbox.open(receiver),
      send: (message) => {
        if (isClosed || socket.readyState !== 1) return true
        socket.send(message as Uint8Array<ArrayBuffer>)
        return valve.isOpenAfter(message)
      },
      close
    }
  })

// Who takes nothing any more is not waited for, in milliseconds.
const lastWords = 1_000

/**
 * A channel over a WebSocket that a server of Effect's HTTP has taken; `held` says how many bytes the server holds of what was written, where that is
 * known. Where it is not, that is bounded by what the other end may be sent alone, which is for it to say. It is closed with the scope.
 */
export const ofSocket = (
  socket: Socket.Socket,
  held: () => number
): Effect.Effect<Channel, Socket.SocketError, Scope.Scope> =>
  Effect.gen(function*() {
    const { pull } = yield* socket.reader
    const writer = yield* socket.writer
    const inbox = new Inbox()
    const outbox = new Outbox()
    const tell = Effect.catch((error: Socket.SocketError) => Effect.sync(() => inbox.closed(error)))
    const reading = Effect.forever(Effect.map(pull, (messages) => {
      for (const data of messages) {
        const bytes = bytesOf(data)
        if (bytes instanceof Uint8Array) inbox.message(bytes)
        else inbox.closed(bytes)
      }
    }))
    const writing = Effect.whileLoop({
      while: () => !outbox.isOver,
      body: () =>
        Effect.flatMap(outbox.next, (messages) => messages === undefined ? Effect.void : writer.writeAll(messages)),
      step: () => {}
    }).pipe(Effect.andThen(writer.write(new Socket.CloseEvent(1000))))
    const said = yield* Effect.forkDetach(tell(writing))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => outbox.close()).pipe(
        Effect.andThen(Effect.timeoutOption(Fiber.await(said), lastWords)),
        Effect.andThen(Fiber.interrupt(said))
      )
    )
    yield* Effect.forkScoped(tell(reading))
    const fork = yield* FiberSet.makeRuntime<never>()
    const valve = new Valve(() => outbox.size + held(), () => inbox.room(), fork)
    return {
      maxMessage,
      open: (receiver) => inbox.open(receiver),
      send: (message) => {
        outbox.push(message)
        return valve.isOpenAfter(message)
      },
      close: () => outbox.close()
    }
  })
