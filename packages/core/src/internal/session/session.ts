/**
 * One established session: the connection, the box around each message, and the streams in it (protocol sections 4 and 5).
 *
 * Two fibers: one reads, one writes. Everything between them is synchronous: what is queued in one turn leaves as one
 * message, one seal, one write. Time comes from outside, as `tick`, so that an idle session costs no timer.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as References from "effect/References"
import type { Crypto } from "../../Crypto.ts"
import { nowUnsafe } from "../../Deadline.ts"
import type * as Frame from "../../Frame.ts"
import type { Established } from "../../Handshake.ts"
import type { PeerLostError } from "../../Peers.ts"
import type { Rights } from "../../Rights.ts"
import type { Connection, ConnectionClosedError } from "../../Transport.ts"
import { quote } from "../base/quote.ts"
import type { Self } from "../wire/advertExchange.ts"
import type * as NetworkCipher from "../wire/networkCipher.ts"
import type { Budget } from "./budget.ts"
import * as Framing from "./framing.ts"
import { Liveness } from "./liveness.ts"
import { type Flags, MessageBox, overhead } from "./messageBox.ts"
import { Mux } from "./mux.ts"
import type { Failure, MuxStream } from "./muxStream.ts"
import { Pace } from "./pace.ts"
import { givePage, type Page, recordHeader, takePage } from "./pages.ts"

/** How a session ended. */
export interface Ending {
  /**
   * - `closed`: in order, after a GOAWAY that let streams finish
   * - `broken`: the connection ended without one
   * - `violation`: one side broke the protocol
   * - `dead`: the peer was silent when it was asked
   * - `untrusted`: the trust policy refuses the peer
   * - `shutdown`: this node is closing
   */
  readonly reason: "closed" | "broken" | "violation" | "dead" | "untrusted" | "shutdown"
  readonly detail: string
  /** How the peer was lost, where that is what ended it: its streams fail as all else does that is bound to the peer. */
  readonly lost?: PeerLostError["reason"]
}

/** A network key that a packet of a handshake came in under; `undefined` on a network without one. */
export type NetworkKey = NetworkCipher.Opened["key"]

/** What a session is that was made under a network key that is held no longer. */
export interface Outdated {
  /** By the monotonic clock, in milliseconds. */
  readonly since: number
  /** Whether the peer has made another session since, under a key that is held. */
  renewed: boolean
}

export interface SessionOptions {
  readonly connection: Connection
  readonly established: Established
  readonly crypto: Crypto["Service"]
  readonly self: Self
  readonly clock: Clock.Clock
  readonly chunkSize: number
  readonly maxStreams: number
  /** Bytes that are held whole where nobody says another limit. */
  readonly callSize: number
  /** What the trust policy lets its peer do; `undefined` where it says nothing about that. */
  readonly policy: Effect.Effect<Rights> | undefined
  /** What its peer may have of the node's credit, over all sessions with it. */
  readonly budget: Budget
  /** The most bytes of one stream that it may send before they are read. Default: what each begins with. */
  readonly window?: number | undefined
  /** Milliseconds of silence after which the peer is asked, and again after which it is dead. */
  readonly silence: number
  /** Milliseconds that a write may block. */
  readonly writeTimeout: number
  readonly onOpen: (stream: MuxStream, session: Session) => void
  /** A MESSAGE opened: the peer lives. `doubted` is whether that was in question, and streams were not opened on it. */
  readonly onHeard: (session: Session, doubted: boolean) => void
  readonly onGoAway: (session: Session, goAway: Frame.GoAway) => void
  /** A stream has closed, or was read to its end: there may be room for another. */
  readonly onRoom: () => void
}

/** Codes of GOAWAY after which open streams may finish. */
const drains: ReadonlySet<string> = new Set(["shutdown", "renew", "duplicate"])

/** Reading stops while more than this waits to be written in answer. */
const controlHighWater = 1_048_576

// Told apart, so that the answer to the one sent before a GOAWAY is not taken for the one sent after it.
const lifePing = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0)
const drainPing = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)

let sessions = 0

export class Session {
  /** Counts sessions of this process, for logs. */
  readonly id = ++sessions
  readonly options: SessionOptions
  readonly mux: Mux
  readonly peer: Established["peer"]
  /** Whether this side dialled. */
  readonly dialled: boolean
  /** By the monotonic clock, in milliseconds. */
  readonly startedAt: number
  usedAt: number
  /** Whether a MESSAGE has opened since it was established: the other side has it too. */
  confirmed = false
  /** When a GOAWAY was sent or came; then it is `draining`. */
  drainingSince: number | undefined
  drainCode: string | undefined
  /** Whether the GOAWAY was the peer's. */
  drainedByPeer = false
  ending: Ending | undefined
  /** The network keys that the peer's packets of its handshake came in under. */
  keys: ReadonlyArray<NetworkKey> = []
  /** Set by `standing`, which looks at both in each half second: so they are here, and in no map. */
  outdated: Outdated | undefined

  readonly #box: MessageBox
  /** What the message that is being written lies in. */
  #page: Page | undefined
  /** A message that the connection did not take at once. */
  #unwritten: Uint8Array | undefined
  readonly #readable = Latch.makeUnsafe(true)
  readonly #framing: Framing.Framing
  readonly #liveness: Liveness
  readonly #pace: Pace
  #later: (task: () => void) => void = () => {}
  #writer: Fiber.Fiber<unknown, unknown> | undefined
  /** It has ended, and what is said now is the last. */
  #isLastTurn = false
  /** A message is being made, which nobody has been given yet. */
  #filling = false
  #saidGoodbye = false
  /** A GOAWAY has come that lets streams finish. */
  #toldToGo = false
  /** The GOAWAY's PING has been answered: everything sent before has arrived. */
  #drained = false

  constructor(options: SessionOptions) {
    this.options = options
    const { established, self } = options
    this.peer = established.peer
    this.dialled = established.role === "client"
    this.#box = new MessageBox(options.crypto, established)
    this.startedAt = this.now()
    this.#liveness = new Liveness(this.startedAt)
    this.usedAt = this.startedAt
    this.#framing = established.binary ? Framing.binary : Framing.text(self, established.peer.publicKey)
    this.#pace = new Pace({
      waits: () => this.ending !== undefined || this.mux.outgoing.hasWork,
      streams: () => this.mux.placed,
      later: (task) => this.#later(task)
    }, options.connection.relayed)
    this.mux = new Mux({
      chunkSize: options.chunkSize,
      maxStreams: options.maxStreams,
      // It is open for as long as its session, and no call.
      isAside: ({ protocol }) => protocol === "offer",
      budget: options.budget,
      window: options.window,
      onOpen: (stream) => options.onOpen(stream, this),
      onWork: () => this.#pace.work(this.mux.outgoing.owesCredit),
      onMore: (waiting, whole) => this.#pace.more(waiting, whole),
      onPong: (payload) => this.#onPong(payload),
      onGoAway: (goAway) => this.#onGoAway(goAway),
      onClosed: () => {
        this.used()
        options.onRoom()
        this.#settle()
      }
    })
  }

  now(): number {
    return nowUnsafe(this.options.clock)
  }

  /** A stream of it begins, or has ended. While what has come is taken that is when it came: time is not asked for each. */
  used(): void {
    this.usedAt = this.#pace.taking ? this.heardAt : this.now()
  }

  /** When a MESSAGE came last that opened; pardoned is the time in which this process was frozen. */
  get heardAt(): number {
    return this.#liveness.heardAt
  }

  /** Commands in the direction that has more of them. */
  get commands(): number {
    return Math.max(this.#box.sent, this.#box.received)
  }

  /** Whether streams may still be opened on it. */
  get usable(): boolean {
    return this.ending === undefined && this.drainingSince === undefined
  }

  /** Whether it is a ghost for all that is known: a newer session of its peer's stands, or stood, and this one was not heard since. */
  get doubtful(): boolean {
    return this.#liveness.doubtful
  }

  /** Its peer has made another session, and may have restarted: it is asked which of the two it has. */
  doubt(): void {
    this.#liveness.doubtful = true
    this.ping()
  }

  /** Asks the peer for a sign of life. */
  ping(): void {
    if (this.ending !== undefined || this.#liveness.asked) return
    this.#liveness.ask(this.now())
    // Of several only the last is answered, and the answer to this one says all that the drain's would have.
    this.mux.ping(this.drainingSince === undefined || this.drainedByPeer ? lifePing : drainPing)
  }

  /**
   * Lets open streams finish and no more begin, then closes. What the peer opens until it knows, which its PONG says, is
   * served like the rest: nobody's call fails because a session made room for another.
   */
  drain(code: "shutdown" | "renew" | "duplicate", message: string): void {
    if (!this.usable) return
    this.mux.goAway({ code, message })
    this.mux.ping(drainPing)
    this.drainingSince = this.now()
    this.drainCode = code
    this.#settle()
  }

  /** Says goodbye with a code that is the last word, and ends once that is written. */
  leave(ending: Ending, code: string, message: string): void {
    if (this.ending !== undefined) return
    this.mux.lastWord(code, message)
    this.#saidGoodbye = true
    this.end(ending)
  }

  /** Ends it: streams fail, and both fibers stop once what is queued was offered to the system. */
  end(ending: Ending): void {
    if (this.ending !== undefined) return
    this.ending = ending
    const failure: Failure = { code: "lost", message: ending.detail, remote: false }
    this.mux.failAll(failure)
    if (this.#liveness.writing) this.#writer?.interruptUnsafe()
    else this.#pace.work(true)
    this.#readable.openUnsafe()
  }

  /**
   * What is due by the clock, which is asked once for all sessions. `pardon` is time in which this process was frozen, and which is not the peer's silence.
   */
  tick(pardon: number, at = this.now()): void {
    if (this.ending !== undefined) return
    const { silence, writeTimeout } = this.options
    const deaf = this.mux.outgoing.controlBytes > controlHighWater
    switch (this.#liveness.due(at, pardon, deaf, silence, writeTimeout)) {
      case "ask":
        return this.ping()
      case "silent":
        return this.end({ reason: "dead", detail: "it did not answer when asked for a sign of life" })
      case "blocked":
        return this.end({ reason: "dead", detail: "it does not read what is sent to it" })
    }
  }

  /** Runs the session, to its end, with what is run `beside` it. `early` is what came behind the handshake. */
  run(early: ReadonlyArray<Uint8Array>, ...beside: ReadonlyArray<Effect.Effect<never>>): Effect.Effect<Ending> {
    const { connection } = this.options
    let behind = early
    const takeIn = this.#framing.reader(
      (command, flags, homes) => this.#onCommand(command, flags, homes),
      () => this.ending !== undefined
    )
    const one = (chunk: Uint8Array): boolean => {
      const broken = takeIn(chunk)
      // In the same turn: nobody may read on in between.
      if (broken !== undefined) this.leave({ reason: "violation", detail: broken }, "protocol", broken)
      return this.ending === undefined
    }
    const taken = (): boolean => {
      this.mux.begin()
      this.#pace.taken()
      if (this.mux.outgoing.controlBytes <= controlHighWater) return true
      this.#readable.closeUnsafe()
      return false
    }
    // `false` where nothing more is to be read, or not now.
    const take = (chunk: Uint8Array): boolean => {
      if (this.ending !== undefined) return false
      this.#pace.take()
      return one(chunk) && taken()
    }
    const takeAll = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void> => {
      this.#pace.take()
      if (chunks.every(one)) taken()
      return this.#readable.await
    }
    const broken = (error: ConnectionClosedError) =>
      Effect.sync(() =>
        this.end(
          this.drainingSince !== undefined && this.mux.streams === 0
            ? { reason: "closed", detail: "the session was closed" }
            : { reason: "broken", detail: error.message }
        )
      )
    const read = Effect.catch(
      Effect.andThen(
        Effect.suspend(() => {
          const chunks = behind
          behind = []
          return this.ending === undefined ? takeAll(chunks) : Effect.void
        }),
        Effect.whileLoop({
          while: () => this.ending === undefined,
          body: () =>
            connection.each === undefined
              ? Effect.flatMap(connection.pull, takeAll)
              : Effect.andThen(connection.each(take), this.#readable.await),
          step: () => {}
        })
      ),
      broken
    )
    const write = Effect.catch(
      Effect.withFiber((fiber) => {
        this.#writer = fiber
        // A function that is written where a property takes it is made among the old by V8, and keeps all it reaches until that is collected.
        const later = (task: () => void) => fiber.currentDispatcher.scheduleTask(task, 0)
        this.#later = later
        return Effect.whileLoop({
          while: () => this.ending === undefined,
          body: () => Effect.andThen(this.#parked, this.#flush),
          step: () => {}
        })
      }),
      broken
    ).pipe(
      // Between a message's seal and its write nobody else has a turn, who would end the session: the peer could not open the last word
      // without a message that was not written. It has no more to do than what waits.
      Effect.provideService(References.PreventSchedulerYield, true)
    )
    // Writing ends when the session does, and has reading end, whatever that waits for; it gets one more turn, for the last word.
    return Effect.raceAllFirst([read, write, ...beside]).pipe(
      // That of the writer, which had to wait.
      Effect.catchCauseIf((cause) => this.ending !== undefined && Cause.hasInterruptsOnly(cause), () => Effect.void),
      Effect.andThen(Effect.suspend(() => this.#flushNow)),
      Effect.andThen(Effect.suspend(() => this.#saidGoodbye ? this.#letRead : Effect.void)),
      Effect.onExit(() =>
        Effect.sync(() => {
          this.end({ reason: "shutdown", detail: "this node is closing" })
          this.#box.close()
        })
      ),
      Effect.andThen(Effect.sync(() => this.ending!))
    )
  }

  // --- writing ---------------------------------------------------------------------------------------------------------

  /** Waits until something is to be sent, and for what had better leave with it (`pace`). */
  readonly #parked: Effect.Effect<void> = Effect.callback((resume) => {
    let cancel = () => {}
    const park = () => {
      cancel = this.#pace.park(go)
    }
    const go = () => {
      if (this.#flushAtOnce()) park()
      else resume(Effect.void)
    }
    park()
    return Effect.sync(() => cancel())
  })

  /** What waits, as far as the connection takes it at once; `false` where the writer has to go on, by `#flush`. */
  #flushAtOnce(): boolean {
    const { tryWrite } = this.options.connection
    while (tryWrite !== undefined && this.ending === undefined) {
      const message = this.#fill()
      if (message === undefined) return true
      if (!tryWrite(message)) {
        this.#unwritten = message
        return false
      }
      this.mux.outgoing.wake()
      this.#written()
    }
    return false
  }

  /** The next message, if there is one. */
  #fill(): Uint8Array | undefined {
    this.#filling = true
    const message = this.#nextMessage()
    this.#filling = false
    return message
  }

  /** The connection has taken it. */
  #written(): void {
    // Only now: what is interrupted, or fails, may still be on its way.
    if (this.#page !== undefined) givePage(this.#page)
    this.#page = undefined
    this.#settle()
    if (this.mux.outgoing.controlBytes <= controlHighWater) this.#readable.openUnsafe()
  }

  /** Everything that waits, one message after another. */
  readonly #flush: Effect.Effect<void, ConnectionClosedError> = Effect.suspend(() => {
    if (this.ending !== undefined && !this.#isLastTurn) return Effect.void
    const message = this.#unwritten ?? this.#fill()
    this.#unwritten = undefined
    if (message === undefined) return Effect.void
    this.#liveness.write(this.now())
    this.mux.outgoing.wake()
    // Whoever was woken has ended it, which stops this writer: without this message the peer could not open the last word.
    if (this.ending !== undefined && !this.#isLastTurn) {
      this.#unwritten = message
      return Effect.void
    }
    return Effect.flatMap(this.options.connection.write(message), () => {
      this.#liveness.written()
      this.#written()
      return this.#flush
    })
  })

  /** `#flush` as far as the system takes it without waiting. */
  get #flushNow(): Effect.Effect<void> {
    this.#isLastTurn = true
    return Effect.ignore(Effect.raceFirst(this.#flush, Effect.yieldNow))
  }

  /**
   * Half-closes and drops what still comes, for at most a second or a mebibyte: closing with unread bytes would reset the
   * connection, and destroy the last word on its way.
   */
  get #letRead(): Effect.Effect<void> {
    const { connection } = this.options
    let dropped = 0
    return connection.end.pipe(
      Effect.andThen(Effect.whileLoop({
        while: () => dropped < 1_048_576,
        body: () => connection.pull,
        step: (chunks) => {
          for (const chunk of chunks) dropped += chunk.length
        }
      })),
      Effect.timeoutOption("1 second"),
      Effect.ignore
    )
  }

  #nextMessage(): Uint8Array | undefined {
    const page = takePage()
    const { bytes, view } = page
    const start = recordHeader + overhead
    const filled = this.mux.outgoing.fill(
      bytes,
      view,
      start,
      start + this.#framing.limit,
      start + this.#framing.dataLimit
    )
    if (filled === undefined) {
      givePage(page)
      return undefined
    }
    const { end, type } = filled
    this.#box.sealInPlace(type, bytes, recordHeader, end)
    const out = this.#framing.inPlace ? page : takePage()
    const written = this.#framing.bytesOf(page, end, type, out)
    if (out !== page) givePage(page)
    this.#page = out
    return written
  }

  // --- reading ---------------------------------------------------------------------------------------------------------

  #onCommand(command: Uint8Array, flags: Flags | undefined, homes?: ReadonlyArray<Uint8Array>): string | undefined {
    const opened = this.#box.openInPlace(command)
    if (typeof opened === "string") return `a message that does not open: ${opened}`
    if (flags !== undefined && opened.flags !== flags) return "a message in a packet of another type"
    const doubted = this.#liveness.doubtful
    this.#liveness.heard(this.now())
    this.confirmed = true
    this.options.onHeard(this, doubted)
    return this.mux.receive(opened.flags, opened.payload, homes)
  }

  #onPong(payload: Uint8Array): void {
    if (payload[0] === drainPing[0] && this.drainingSince !== undefined && !this.drainedByPeer) {
      this.#drained = true
      this.mux.refusing = true
    }
    this.#settle()
  }

  #onGoAway(goAway: Frame.GoAway): void {
    if (!drains.has(goAway.code)) {
      this.end(
        goAway.code === "untrusted"
          ? {
            reason: "untrusted",
            detail: `it does not trust this node: ${quote(goAway.message)}`,
            lost: "UntrustedByPeer"
          }
          : {
            reason: "violation",
            detail: `it ended the session: ${quote(goAway.code)}, ${quote(goAway.message)}`
          }
      )
      return
    }
    // Who was refused by it may have found that it drains, and asked for another.
    if (this.drainCode === undefined) {
      this.drainingSince ??= this.now()
      this.drainCode = goAway.code
      this.drainedByPeer = true
    }
    // Saying it again makes nothing more of it: each would cost its receiver another dial.
    if (this.#toldToGo) return
    this.#toldToGo = true
    this.options.onGoAway(this, goAway)
  }

  /** Whoever sent the GOAWAY closes when everything before it has arrived and no stream is left. */
  #settle(): void {
    // What says that the last stream has ended has to be with the system first.
    if (this.#filling || this.#liveness.writing) return
    if (this.#drained && this.mux.streams === 0) this.end({ reason: "closed", detail: "the session was closed" })
  }
}
