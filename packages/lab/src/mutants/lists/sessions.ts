/** Sessions, the streams in them, and what they cost. */
import { of, suites } from "./of.ts"

const wire = suites("Session", "Session.wire", "Sessions.sim", "Connections.sim")

const liveness = of(
  "session",
  "packages/core/src/internal/session/liveness.ts",
  suites("liveness", "Session", "Sessions.sim"),
  {
    "pardon-heard": [
      `this.heardAt = Math.min(now, this.heardAt + pardon)`,
      ``,
      "time in which this process was frozen is the peer's silence"
    ],
    "pardon-ping": [
      `if (this.#askedAt !== undefined) this.#askedAt = Math.min(now, this.#askedAt + pardon)`,
      ``,
      "time in which this process was frozen counts against an outstanding PING"
    ],
    "pardon-write": [
      `this.#writingSince = Math.min(now, this.#writingSince + pardon)`,
      ``,
      "time in which this process was frozen counts against a write"
    ],
    "dead": [
      `if (this.#askedAt !== undefined && now - this.#askedAt >= silence) return`,
      `if (false) return`,
      "a dead peer's session lasts"
    ],
    "silence": [
      `return now - this.heardAt >= silence ? "ask" : undefined`,
      `return undefined`,
      "nobody asks a silent peer"
    ],
    "blocked": [
      `if (now - this.#writingSince >= writeTimeout) return`,
      `if (false) return`,
      "a peer that does not read holds its session"
    ]
  }
)

const pace = of("session", "packages/core/src/internal/session/pace.ts", suites("pace", "Session"), {
  "pace-taken": [
    `this.#taking = false
    this.#send()`,
    `this.#taking = false`,
    "what is answered while what came is taken is never sent"
  ],
  "pace-lost": [
    `if (this.#handlers.waits()) this.work(false)`,
    ``,
    "what was said while the writer was busy is never sent"
  ],
  "pace-alone": [
    `|| this.#handlers.streams() === 1`,
    ``,
    "a call that is alone waits for a turn where there were many before"
  ],
  "pace-parts": [
    `
const parts = 2`,
    `
const parts = 1`,
    "two processes that answer each other take turns"
  ],
  "pace-relayed": [
    `this.#parts = relayed ? relayedParts : parts`,
    `this.#parts = parts`,
    "what is passed on goes in as many messages as what is not"
  ],
  "pace-relayed-most": [
    `this.#most = relayed ? relayedMost : most`,
    `this.#most = relayed ? Infinity : most`,
    "a message that is passed on has no bound of calls"
  ],
  "pace-crowd": [
    `this.#crowd - (this.#crowd >> 3) - 1`,
    `this.#crowd`,
    "few calls wait as many did before"
  ]
})

const framing = of("session", "packages/core/src/internal/session/framing.ts", wire, {
  "text-key": [
    `!startsWith(packet, head) || !equalAt(packet, end, packet.length, theirs.tail)`,
    `!startsWith(packet, head)`,
    "a packet in a session has another key"
  ],
  "text-limit": [
    `return framer.tooLarge ? "a packet over the limit" : undefined`,
    `return undefined`,
    "a packet over the limit stalls a session for good"
  ],
  "malformed": [
    `return framer.malformed ? "a record of no length, or too long" : undefined`,
    `return undefined`,
    "a malformed record stalls a session for good"
  ]
})

const session = of("session", "packages/core/src/internal/session/session.ts", wire, {
  "page": [
    `// Only now: what is interrupted, or fails, may still be on its way.
    if (this.#page !== undefined) givePage(this.#page)
    this.#page = undefined`,
    `this.#page = undefined`,
    "a page is made anew for each message",
    {
      equivalent:
        "it costs memory for a while and no more: pages are shared so that they need not be made, and the collector takes those that are not given back"
    }
  ],
  "last-turn": [
    `if (this.ending !== undefined && !this.#isLastTurn) return Effect.void`,
    ``,
    "a session that has ended goes on writing, to a peer that takes nothing"
  ],
  "woken-ended": [
    `    if (this.ending !== undefined && !this.#isLastTurn) {
      this.#unwritten = message
      return Effect.void
    }
`,
    ``,
    "the last word of a session that is ended by whom a message made room for comes to a peer that cannot open it"
  ],
  "writer-turn": [
    `Effect.provideService(References.PreventSchedulerYield, true)`,
    `Effect.map((nothing) => nothing)`,
    "the last word of a session that ends while its writer's turn is over comes to a peer that cannot open it"
  ],
  "writer-stopped": [
    `this.#writer?.interruptUnsafe()`,
    `void this.#writer`,
    "a session does not end as long as its peer reads nothing"
  ],
  "page-early": [
    `this.#liveness.write(this.now())
    this.mux.outgoing.wake()`,
    `this.#liveness.write(this.now())
    if (this.#page !== undefined) givePage(this.#page)
    this.#page = undefined
    this.mux.outgoing.wake()`,
    "a page is given back before its write ends, and another session writes into it"
  ],
  "key-wiped": [
    `this.#box.close()
        })`,
    `})`,
    "the session key stays in memory when its session has ended"
  ],
  "pong-drain": [
    `if (payload[0] === drainPing[0] && this.drainingSince`,
    `if (this.drainingSince`,
    "any PONG completes a drain"
  ],
  "pong-peer": [
    `&& !this.drainedByPeer) {
      this.#drained = true`,
    `) {
      this.#drained = true`,
    "the PONG of one who received the GOAWAY completes the drain"
  ],
  "control": [
    `this.#readable.closeUnsafe()
      return false`,
    `return true`,
    "answers to control frames are held without end for a peer that does not read"
  ],
  "at-once-lost": [
    `        this.#unwritten = message
`,
    ``,
    "a message is lost that the connection had no room for at once",
    { tests: ["node/sessions.processes"] }
  ],
  "type": [
    `if (flags !== undefined && opened.flags !== flags) return "a message in a packet of another type"`,
    ``,
    "a message is read as of another type than its packet's"
  ],
  "goodbye": [
    `Effect.andThen(Effect.suspend(() => this.#saidGoodbye ? this.#letRead : Effect.void)),`,
    ``,
    "closing with unread bytes destroys the last word",
    { tests: ["Session", "node/sessions.processes"] }
  ],
  "violation": [
    `if (broken !== undefined) this.leave({ reason: "violation", detail: broken }, "protocol", broken)`,
    ``,
    "a session goes on after a violation"
  ]
})

const muxSuites = suites("Mux", "Session.wire")

const budgets = of("mux", "packages/core/src/internal/session/budget.ts", muxSuites, {
  "budget": [`if (this.used + bytes > this.limit) return false`, ``, "peers are owed more than this node has"],
  "budget-parent": [
    `if (this.parent !== undefined && !this.parent.reserve(bytes, own)) return false`,
    ``,
    "peers together are owed more than this node has"
  ],
  "budget-release": [`this.parent?.release(bytes, own)`, ``, "what is owed is never paid back, until nothing is left"],
  "own-half": [
    `this.#own + bytes > this.limit / 2`,
    `this.#own + bytes > this.limit`,
    "two sides that open all they may refuse each other all of it"
  ],
  "own-one": [`own && this.#own > 0 && `, `own && `, "where there is little credit nobody opens a stream"],
  "own-released": [`if (own) this.#own -= bytes`, ``, "a side that has opened much opens nothing more"],
  "widen-quarter": [
    `this.#extra + bytes > this.limit / 4 || `,
    ``,
    "streams that are read as they come leave others no credit"
  ]
})

const openings = of("sessions", "packages/core/src/internal/session/opening.ts", suites("Headers.sim"), {
  "headers-told": [
    `headers === undefined || session.options.established.features.has("headers")`,
    `true`,
    "a function of an older node is run without the headers that it was sent"
  ],
  "timer-answered": [
    `            timer.interruptUnsafe()
            resume(answer)`,
    `            resume(answer)`,
    "each call that was answered leaves the timer of its deadline",
    { tests: ["Exchange.sim"] }
  ],
  "timer-given-up": [
    `          () => timer.interruptUnsafe()
`,
    `          () => {}
`,
    "each call that was given up leaves the timer of its deadline",
    { tests: ["Exchange.sim"] }
  ],
  "plain": [
    `plain.name === name && plain.protocol === protocol`,
    `plain.name === name`,
    "a stream is of the protocol of the one that was opened before it",
    { tests: ["Exchange.sim"] }
  ]
})

const headers = of("mux", "packages/core/src/internal/wire/openText.ts", suites("openText"), {
  "headers-long": [
    `lengthUpTo(headers, Frame.maxHeaders) > Frame.maxHeaders ? tooLong : JSON.stringify(headers)`,
    `JSON.stringify(headers)`,
    "headers that are too long are kept"
  ]
})

const frames = of("mux", "packages/core/src/internal/session/frames.ts", muxSuites, {
  "reset-deep": [
    `const hasError = "error" in rest && !isDeep(`,
    `const hasError = "error" in rest || !isDeep(`,
    "an error of a peer is nested too deep to be walked through"
  ],
  "reset-fits": [
    `if (payload.length <= maxControl) return payload`,
    `return payload`,
    "a RESET fits in no message, and stalls the session"
  ]
})

const headed = of("mux-open", "packages/core/src/internal/session/mux.ts", muxSuites, {
  "headers": [
    `utf8(open.headers).length > Frame.maxHeaders`,
    `open.headers.length > Frame.maxHeaders`,
    "headers of other letters than those of ASCII are three times as long as they may be"
  ]
})

const credit = of("mux", "packages/core/src/internal/session/credit.ts", muxSuites, {
  "widen": [`!this.#behind && room.widen(more)`, `room.widen(more)`, "who is not read is granted more"],
  "widen-reserve": [
    `!this.#behind && room.widen(more)`,
    `!this.#behind`,
    "what is granted beyond the beginning is not reserved"
  ],
  "widen-largest": [
    `Math.min(this.#window, largest - this.#window)`,
    `this.#window`,
    "what is granted has no bound"
  ],
  "credit": [`if (bytes > this.#granted) return false`, ``, "a peer sends more than it was granted"],
  "credit-counted": [`this.#granted -= bytes`, ``, "a peer sends without end what nobody reads"],
  "credit-max": [`if (this.#credit + bytes > maxField) return false`, ``, "credit grows beyond what its field holds"],
  "sent-credit": [
    `this.#credit -= length
`,
    ``,
    "this side sends more than it was granted"
  ]
})

const muxStream = of("mux", "packages/core/src/internal/session/muxStream.ts", muxSuites, {
  "after-end": [
    `onData(payload: Uint8Array, homes: Homes | undefined): boolean {
    if (this.remoteEnded) return false`,
    `onData(payload: Uint8Array, homes: Homes | undefined): boolean {`,
    "DATA comes behind the END"
  ],
  "answered-reset": [
    "if (this.own && this.remoteEnded && code === \"cancelled\") return",
    "",
    "a question whose answer is whole is RESET, in place of END"
  ],
  "end-twice": [
    `onEnd(): boolean {
    if (this.remoteEnded) return false`,
    `onEnd(): boolean {`,
    "a stream ends twice"
  ],
  "half-closed": [
    `|| this.#failing !== undefined || this.remoteEnded && this.#endSent`,
    `|| this.#failing !== undefined || this.remoteEnded || this.#endSent`,
    "a stream of which one side has ended is over for both"
  ],
  "abandoned": [`if (this.#abandoned) return true`, ``, "what nobody reads is kept"],
  "several": [
    `else this.onReadable = new Several(before, waiting)`,
    `else this.onReadable = waiting`,
    "of two that read the same stream one waits for ever",
    { tests: ["Handlers.sim", "Mux"] }
  ],
  "forget": [
    `else if (onReadable instanceof Several) onReadable.all.delete(waiting)`,
    ``,
    "who waits for a stream again and again, beside another, is held each time"
  ],
  "cut": [
    `if (!this.remoteEnded || this.#inbox.length > 0) this.isCut = true`,
    ``,
    "who reads on when a call is over takes what he has for all there was",
    { tests: ["Handlers.sim"] }
  ],
  "cut-unread": [
    `!this.remoteEnded || this.#inbox.length > 0) this.isCut`,
    `!this.remoteEnded) this.isCut`,
    "who reads when a call is over is told that nothing was said",
    { tests: ["Handlers.sim"] }
  ],
  "cut-wakes": [
    `    if (this.isCut) this.#wakeReader()`,
    ``,
    "who reads while a call is over waits for an END that may never come",
    { tests: ["Session"] }
  ],
  "read-before-reset": [
    `      // What came before the RESET is read before it, where somebody waits.
      this.#wakeReader()`,
    ``,
    "what came before a RESET, in its message, is not read"
  ],
  "taken-back-whole": [
    `if (this.#ended || !this.remoteEnded) this.#inbox.clear()`,
    `this.#inbox.clear()`,
    "an answer is read as whole, and empty, whose peer has broken the protocol since"
  ],
  "taken-back": [
    `if (!this.#ended && this.#failing === undefined) return`,
    `return`,
    "a violation in a message hands on what came before it"
  ],
  "reset-once": [
    `reset(code: Frame.ResetCode, message: string, error?: unknown): void {
    if (this.closed) return`,
    `reset(code: Frame.ResetCode, message: string, error?: unknown): void {`,
    "a stream that is over is reset"
  ],
  "failure-owed": [
    `if (this.failure !== undefined) this.#inbox.clear()
    else if (this.#inbox.length > 0) return`,
    `if (this.failure !== undefined) this.#inbox.clear()`,
    "credit is given to others while what it stands for is held"
  ]
})

const news = of("mux", "packages/core/src/internal/session/news.ts", muxSuites, {
  "taken-back-all": [
    `new Set([...this.#heard ?? [], ...open])`,
    `new Set(this.#heard ?? [])`,
    "whoever is told of one stream reads from another what a broken message brought"
  ],
  "told-filling": [
    `if (this.#taking || this.#filling) this.#roomMade++`,
    `if (this.#taking) this.#roomMade++`,
    "what is opened when there is room goes into the message that made it, ahead of its OPEN"
  ]
})

const mux = of("mux", "packages/core/src/internal/session/mux.ts", muxSuites, {
  "filled-last": [
    `this.news.filled()`,
    ``,
    "who waits for room is not told of it where the session ends with a message that was never used"
  ],
  "last-word": [
    `this.outgoing.sendLast(goAwayFrame(`,
    `this.outgoing.send(Type.msg, goAwayFrame(`,
    "something comes behind a session's last word"
  ],
  "last": [
    `if (goAway.last !== undefined) this.#refuseAbove(goAway.last)`,
    ``,
    "a call that crossed the last word is not known not to have run"
  ],
  "credit-zero": [
    `return bytes > 0 && (stream === undefined`,
    `return (stream === undefined`,
    "a CREDIT of nothing is taken"
  ],
  "open-owed": [
    `Frame.initialCredit + (length > shortOpen ? length : 0)`,
    `Frame.initialCredit`,
    "the texts of OPENs are held and not counted"
  ],
  "streams-own": [
    `if (this.#ownPlaced >= this.options.maxStreams && !isAside || this.#lastOwn === maxField) return "streams"`,
    ``,
    "this side opens more streams than there may be"
  ],
  "streams-theirs": [
    `if (this.#theirsPlaced >= this.options.maxStreams && !isAside) return this.#deny(id, "refused", "too many streams")`,
    ``,
    "a peer opens as many streams as it likes"
  ],
  "streams-aside": [
    `const isAside = this.#theirsAside === undefined && this.options.isAside?.(open) === true`,
    `const isAside = this.options.isAside?.(open) === true`,
    "a peer has as many streams as it likes beside those that there may be"
  ],
  "credit-theirs": [
    `if (!this.options.budget.reserve(owed)) return this.#deny(id, "refused", "no credit left")`,
    ``,
    "streams of peers are owed more than this node has"
  ],
  "open-again": [
    `if (id <= this.#lastTheirs) return "an OPEN of a stream that was opened before"`,
    ``,
    "a stream is opened a second time"
  ],
  "unknown": [
    `if (id === 0 || id > (own ? this.#lastOwn : this.#lastTheirs)) return "a frame of a stream that was never opened"`,
    ``,
    "a frame of a stream that was never opened is taken"
  ],
  "refusing": [
    `if (this.refusing) return this.#deny(id, "refused", "the session is ending")`,
    ``,
    "a stream begins in a session that is over"
  ],
  "deadline": [
    `if (open.deadline !== undefined && open.deadline <= 0) {`,
    `if (false) {`,
    "a call begins after its time is up"
  ],
  "type-data": [
    `if (type === Type.err) return "a frame of the wrong type"`,
    ``,
    "DATA comes in a message of the wrong type"
  ],
  "type-reset": [
    `if (type === Type.rsp) return "a RESET of the wrong type"`,
    ``,
    "a RESET comes in a message of the wrong type"
  ],
  "type-open": [
    `? type === Type.msg ? this.#onOpen(id, message, at, length) : "an OPEN of the wrong type"`,
    `? this.#onOpen(id, message, at, length)`,
    "an OPEN comes in a message of the wrong type"
  ],
  "ping": [
    `if (type !== Type.msg || id !== 0 || payload.length !== 8) return "a malformed PING"`,
    ``,
    "a PING carries what is to be sent back"
  ],
  "goaway": [
    `if (type !== Type.msg || id !== 0 || goAway === undefined) return "a malformed GOAWAY"`,
    `if (goAway === undefined) return undefined`,
    "a malformed GOAWAY is taken"
  ],
  "trailing": [
    `if (message.length - at < Frame.headerLength) return "trailing bytes"`,
    `if (message.length - at < Frame.headerLength) return undefined`,
    "bytes behind the last frame are left out"
  ],
  "longer": [
    `if (length > message.length - at) return "a frame longer than its message"`,
    ``,
    "a frame is longer than its message"
  ],
  "empty": [
    `if (message.length === 0) return "a message without a frame"`,
    ``,
    "a message without a frame keeps a session alive"
  ],
  "unknown-kind": [
    `default:
        return "an unknown frame"`,
    `default:
        return undefined`,
    "an unknown frame is taken"
  ],
  "open-fits": [
    `if (length > maxControl) return "too_large"`,
    ``,
    "an OPEN fits in no message, and stalls the session"
  ],
  "given-up": [
    `for (const stream of opened) if (stream.failure === undefined) this.options.onOpen(stream)`,
    `for (const stream of opened) this.options.onOpen(stream)`,
    "a call that was given up before it began is run"
  ]
})

const many = suites("Sessions.sim", "Connections.sim", "Security.sim", "Limits.sim", "NetworkKeys.sim")

const peerSessions = of("sessions", "packages/core/src/internal/session/peerSessions.ts", many, {
  "ghost-only": [
    `session.peer.name === name && !session.doubtful ? session`,
    `session.peer.name === name ? session`,
    "a call waits for the ghost of a peer whose newer session has ended",
    { tests: ["peerSessions"] }
  ],
  "queue-left": [
    `return Effect.onError(wait(latch.await), () =>`,
    `return ((_: unknown, left: () => Effect.Effect<void>) => wait(Effect.onInterrupt(latch.await, left)))(undefined, () =>`,
    "whoever was interrupted before it waited takes the turn of another"
  ],
  "budget-owed": [
    `return this.sessions.size + this.places + this.budget.used + this.dials.size === 0`,
    `return this.sessions.size + this.places + this.dials.size === 0`,
    "a key that comes again has its whole credit, whatever of it is owed",
    { tests: ["Session.wire", "Sessions.sim"] }
  ],
  "ghost-heard": [
    `staying.heardAt > newest.startedAt ? staying : newest`,
    `true ? staying : newest`,
    "calls go to the session of a peer's former life",
    { tests: ["peerSessions"] }
  ]
})

const table = of("sessions", "packages/core/src/internal/session/table.ts", many, {
  "place-given-up": [
    `if (oldest === undefined) return false
    this.#places.get(oldest)?.()
    oldest.mux.resetAll`,
    `if (oldest === undefined) return false
    oldest.mux.resetAll`,
    "a session that another takes the place of is counted until it is gone",
    { tests: ["Session.wire", "Sessions.sim"] }
  ],
  "places": [
    `if (this.#count >= limits.sessions && !this.#evict()) {`,
    `if (false) {`,
    "there are as many sessions as peers make"
  ],
  "stranger-evicts": [
    `return this.#count >= this.#host.limits.sessions && this.#idlest() === undefined`,
    `return this.#count >= this.#host.limits.sessions && !this.#evict()`,
    "a stranger's HELLO ends a session"
  ],
  "place-once": [
    `if (!held) return
          held = false`,
    ``,
    "a place is given back twice",
    { tests: ["Session.wire", "Limits.sim"] }
  ]
})

const standing = of("sessions", "packages/core/src/internal/session/standing.ts", many, {
  "key-meanwhile": [
    `recheck: (session, state, origin) => {
      outdate(session, state)`,
    `recheck: (session, state, origin) => {`,
    "a network key that is removed during a handshake is forgotten",
    { tests: ["NetworkKeys.sim", "Sessions.sim"] }
  ],
  "policy-meanwhile": [
    `if (origin.policy !== policy) host.fork(judge(session))`,
    ``,
    "a peer that is refused during its handshake has a session all the same"
  ],
  "outdated-end": [
    `return old !== undefined && !old.renewed && at - old.since >= renewalLimit`,
    `return false`,
    "who has no network key any more keeps its streams"
  ],
  "judged": [`return every(judge)`, `return Effect.void`, "a peer that the policy refuses now keeps its session", {
    tests: ["Trust.sim"]
  }]
})

const life = of("sessions", "packages/core/src/internal/session/life.ts", many, {
  "budget-of-key": [
    `budget: state.budget,`,
    `budget: new Budget(limits.credit / 4, budget),`,
    "one key has a quarter of all credit in each of its sessions",
    { tests: ["Session.wire", "Sessions.sim"] }
  ],
  "ghost": [
    `if (!session.dialled) { for (const older of state.sessions) older.doubt() }`,
    ``,
    "the session of a peer's former life is not asked"
  ],
  "outdated-heard": [
    `if (this.#standing.unproved(session)) return`,
    ``,
    "who has no network key any more is alive by the session it had"
  ]
})

const shaking = of("sessions", "packages/core/src/internal/session/shaking.ts", many, {
  "err-handshake": [
    `PacketStream.saysErr(bytes) ? ProtocolError.remote(error.code) : error`,
    `error`,
    "an err of another network in a handshake is answered",
    { tests: ["Session.wire"] }
  ],
  "server-close": [
    `place }\n        }).pipe(\n          Effect.ensuring(Effect.sync(() => handshake.close()))`,
    `place }\n        }).pipe(`,
    "the secrets of a handshake that failed at the server stay in memory",
    { tests: ["Session.wire", "Sessions.sim"] }
  ],
  "client-close": [
    `as long as the session.\n          Effect.ensuring(Effect.sync(() => handshake.close()))`,
    `as long as the session.`,
    "the secrets of a handshake that failed at the client stay in memory",
    { tests: ["Session.wire", "Sessions.sim"] }
  ],
  "server-wiped": [
    `=> wipe(established)`,
    `=> Effect.void`,
    "the key of a session that never began stays in memory at the server",
    { tests: ["Session.wire"] }
  ],
  "client-wiped": [
    `Effect.fromResult(handshake.ready(ready.bytes))), wiped)`,
    `Effect.fromResult(handshake.ready(ready.bytes))), () => Effect.void)`,
    "the key of a session that never began stays in memory at the client",
    { tests: ["Session.wire"] }
  ],
  "key-hello": [
    `standing.origin([first.networkKey, command.networkKey])`,
    `standing.origin([first.networkKey])`,
    "only HELLO's network key is remembered",
    { tests: ["NetworkKeys.sim", "Sessions.sim"] }
  ],
  "key-initiate": [
    `standing.origin([first.networkKey, command.networkKey])`,
    `standing.origin([command.networkKey])`,
    "HELLO's network key is forgotten",
    { tests: ["NetworkKeys.sim", "Sessions.sim"] }
  ],
  "key-client": [
    `standing.origin([welcome.networkKey, ready.networkKey])`,
    `standing.origin([ready.networkKey])`,
    "WELCOME's network key is forgotten",
    { tests: ["NetworkKeys.sim", "Sessions.sim"] }
  ],
  "key-client-ready": [
    `standing.origin([welcome.networkKey, ready.networkKey])`,
    `standing.origin([welcome.networkKey])`,
    "READY's network key is forgotten",
    { tests: ["NetworkKeys.sim", "Sessions.sim"] }
  ],
  "packet-key": [
    `if (packet.publicKey !== from) return yield* ProtocolError.local("ERR_PUBLIC_KEY", "another than before")`,
    ``,
    "the packets of one handshake have several keys",
    { tests: ["Session.wire"] }
  ],
  "silent-handshake": [
    `stream.read(limits.firstPacketTimeout)
      const packet`,
    `stream.read(limits.rawIdleTimeout)
      const packet`,
    "a handshake that stalls is held for a minute",
    { tests: ["Session.wire"] }
  ]
})

const dialRow = of("sessions", "packages/core/src/internal/session/dial.ts", [...suites("dial"), ...many], {
  "back-off": [
    `this.notBefore = now + 100 * 2 ** this.#failures`,
    `this.notBefore = 0`,
    "a peer that cannot be reached is dialled without a pause"
  ],
  "back-off-clear": [
    `Result.isSuccess(error) && isInClear(error.success) ? 1 :`,
    ``,
    "a forged err puts a peer off for seconds"
  ],
  "back-off-bound": [
    `? 1 : Math.min(this.#failures + 1, 6)`,
    `? 1 : this.#failures + 1`,
    "a peer that could not be reached for a while is not dialled for hours",
    { tests: ["dial"] }
  ]
})

const dialling = of("sessions", "packages/core/src/internal/session/dialling.ts", many, {
  "dial-begun": [
    `Effect.uninterruptibleMask((restore) => {
      const making`,
    `Effect.suspend(() => {
      const restore = <A>(effect: A): A => effect
      const making`,
    "a dial that its first caller was interrupted before is waited for without end"
  ],
  "dial-unasked": [
    `if (!this.#table.hasRoom || this.#keeping >= Math.max(1, this.#host.limits.sessions / 4)) return`,
    `if (!this.#table.hasRoom) return`,
    "dials that nobody asked for take the places of all sessions",
    { tests: ["Ways.sim"] }
  ]
})

const connecting = of("sessions", "packages/core/src/internal/session/connecting.ts", many, {
  "client-name": [
    `actualName === name
        ? trust.proved(`,
    `true
        ? trust.proved(`,
    "a peer that proves another name is called by the one that was dialled"
  ],
  "client-unasked": [
    `isWanted() ? undefined : endpoint.host`,
    `undefined`,
    "whom adverts make this node dial is pinned as if somebody had asked for him",
    { tests: ["Ways.sim"] }
  ],
  "client-check": [
    `yield* Effect.catchIf(trust.check(name, publicKey), shownInSession, () => Effect.void)
    const place`,
    `const place`,
    "a peer that is not trusted is dialled"
  ]
})

const accepting = of("sessions", "packages/core/src/internal/session/accepting.ts", many, {
  "server-trust": [
    `Effect.fail(ProtocolError.local("ERR_UNTRUSTED"))`,
    `Effect.void`,
    "a peer that is not trusted gets a session"
  ],
  "handshakes": [`|| !handshakes.take(begun)) {`, `) {`, "a flood of HELLO makes this node compute without end"]
})

const upkeep = of("sessions", "packages/core/src/internal/session/upkeep.ts", many, {
  "drained": [
    `session.end({ reason: "closed", detail: "its streams did not finish in time" })`,
    ``,
    "a stream that never ends keeps a session that drains",
    { tests: ["Session.wire"] }
  ],
  "age": [
    `if (!session.dialled && (age >= ageLimit || commands >= commandLimit)) session.drain("renew", "its time is over")`,
    ``,
    "a session lasts as long as its opener lets it",
    { tests: ["Session.wire"] }
  ],
  "idle": [
    `if (isIdle && keeping?.isKept(session) !== true) {`,
    `if (false) {`,
    "a session that nobody uses lasts"
  ]
})

const chance = of("sessions", "packages/core/src/internal/session/dialling.ts", suites("Chance.sim"), {
  "chance": [
    `Effect.provideService(Random.Random, random)`,
    ``,
    "when a peer is dialled again is for its caller's seed to say"
  ]
})

const waiting = of("sessions", "packages/core/src/internal/session/dialling.ts", suites("Ways.sim"), {
  "next": [
    `if (session === undefined && peer.endpoints.length === 0 && state.isThere(peer.name)) {`,
    `if (false) {`,
    "a call of who only dials fails while it makes its next session"
  ]
})

const keeping = of("sessions", "packages/core/src/internal/session/keeping.ts", suites("Ways.sim"), {
  "kept": [
    `else this.#kept.add(session)`,
    `else {}`,
    "who only dials loses its peers when nobody has called for a while"
  ],
  "made": [
    `if (session === undefined) dial(peer)`,
    `if (session === undefined) {}`,
    "who only dials is nobody's peer before it calls"
  ]
})

const serving = of("sessions", "packages/core/src/internal/session/serving.ts", many, {
  "calls": [`if (this.#count >= this.#limit) return false`, ``, "there are as many handlers as peers call", {
    tests: ["Security.sim"]
  }],
  "calls-peer": [
    `(this.#forPeer.get(key) ?? 0) < Math.max(1, this.#limit / 4)`,
    `true`,
    "one peer has all handlers",
    { tests: ["Security.sim"] }
  ],
  "calls-back": [
    `this.#count--
    const left`,
    `const left`,
    "the place of a handler that ended is gone",
    { tests: ["Security.sim"] }
  ]
})

const stream = of(
  "stream",
  "packages/core/src/internal/session/sessionStream.ts",
  suites("Exchange.sim", "Sessions.sim", "Limits.sim", "PeerRpc.sim"),
  {
    "limit": [
      `if (length > this.#limit) return this.#refuse(`,
      `if (false) return this.#refuse(`,
      "an answer of any length is held"
    ],
    "room-pieces": [`taken = length + perPiece * more.length`, `taken = length`, "what a view costs is not counted", {
      tests: ["Session"]
    }],
    "room": [`taken !== 0 && !room(taken)) {`, `false) {`, "calls hold more than there is room for"],
    "room-whole": [
      `if (stream.closed && stream.failure === undefined) {`,
      `if (false) {`,
      "what there was no room for is given as lost, of a peer that is there",
      { tests: ["Session"] }
    ],
    "low-water": [
      `return this.#stream.buffered < lowWater ? Effect.void : Effect.andThen(this.#writable, this.#settled)`,
      `return Effect.void`,
      "who writes faster than the other reads holds it all",
      { tests: ["Handlers.sim"] }
    ],
    "cut": [
      `if (stream.isCut) return Effect.fail(cutOf(stream, this.#session))`,
      ``,
      "who reads on when a call is over takes what he has for all there was",
      { tests: ["Handlers.sim"] }
    ],
    "cut-whole": [
      `else if (stream.isCut) resume(Effect.fail(cutOf(stream, this.#session)))`,
      ``,
      "who collects when a call is over takes what he has for all there was",
      { tests: ["Handlers.sim"] }
    ],
    "take-cut": [
      `!stream.remoteEnded || stream.isCut || stream.failure`,
      `!stream.remoteEnded || stream.failure`,
      "who takes at once what is left of a call that is over takes nothing for all there was",
      { tests: ["Session"] }
    ],
    "take-failed": [
      `stream.isCut || stream.failure !== undefined || stream.unread`,
      `stream.isCut || stream.unread`,
      "who takes at once what is left of a stream that failed takes nothing for all there was",
      { tests: ["Session"] }
    ],
    "take-limit": [
      `stream.failure !== undefined || stream.unread > limit) return undefined`,
      `stream.failure !== undefined) return undefined`,
      "what is taken at once has no limit",
      { tests: ["Session"] }
    ],
    "readable-cut": [
      `stream.remoteEnded || stream.isCut || stream.failure !== undefined) {`,
      `stream.remoteEnded || stream.failure !== undefined) {`,
      "who reads on in the step in which a call is over waits for what is dropped",
      { tests: ["Session"] }
    ],
    "refuse-reset": [
      `    stream.reset(code, detail)
    resume(`,
      `    resume(`,
      "who sends too much is not told, and goes on",
      { tests: ["Session"] }
    ],
    "limit-given": [
      `limitOf(given, session.options.callSize)`,
      `given ?? session.options.callSize`,
      "what is no number is no bound",
      { tests: ["Session"] }
    ],
    "cancelled": [
      `stream.reset("cancelled", "")
    stream.abandon()`,
      `stream.abandon()`,
      "a call that was given up goes on at the peer"
    ]
  }
)

const openText = of("open", "packages/core/src/internal/wire/openText.ts", suites("openText", "Mux"), {
  "deadline": [
    `if (deadline !== undefined && !Number.isInteger(deadline)) return undefined`,
    ``,
    "a deadline is no number"
  ],
  "deadline-max": [
    `deadline: Math.min(deadline as number, longestDeadline)`,
    `deadline: deadline as number`,
    "a deadline overflows its timer, and is up at once"
  ],
  "types": [`if (typeof protocol !== "string" || typeof name !== "string") return undefined`, ``, "a name is no text"],
  "trace-end": [
    `if (stop === to + 2 && bytes[to]`,
    `if (bytes[to]`,
    "an OPEN ends by what stands behind it"
  ],
  "kept": [
    `const end = start + head.length`,
    `const end = head.length`,
    "what each OPEN says is read anew"
  ]
})

const packets = of(
  "packets",
  "packages/core/src/internal/wire/packetStream.ts",
  suites("packetStream", "Connections.sim"),
  {
    "too-large": [
      `if (framer.tooLarge) return Effect.fail(ProtocolError.local("ERR_PACKET_TOO_LARGE"))`,
      ``,
      "a packet over the limit is waited for"
    ],
    "slow": [`if (framer.pending > 0) began ??= waiting`, ``, "a packet comes a byte a minute"],
    "refuse-bound": [
      `while (dropped < 1_048_576) {`,
      `while (true) {`,
      "who was refused is read from as much as it sends in a second"
    ],
    "refuse-time": [
      `}).pipe(Effect.timeoutOption("1 second"), Effect.ignore)`,
      `}).pipe(Effect.ignore)`,
      "who was refused is read from for ever"
    ]
  }
)

const writes = of(
  "writes",
  "packages/core/src/internal/wire/writeBuffer.ts",
  suites("Connections.sim", "BasicNode.sim"),
  {
    "blocked": [
      `return left <= 0
      ? blocked`,
      `return false
      ? blocked`,
      "a peer that does not read holds what was written"
    ],
    "bound": [`full: () => bytes >= highWater,`, `full: () => false,`, "what waits to be written has no end"]
  }
)

const dial = of(
  "dial",
  "packages/core/src/internal/connect/dialAny.ts",
  suites("dialAny", "Connections.sim", "RealNetworks.sim", "Transport"),
  {
    "losers": [
      `for (const own of attempts) if (own !== won) yield* Scope.close(own, Exit.void)`,
      ``,
      "the connections that lost the race stay open"
    ]
  }
)

const rate = of("rate", "packages/core/src/internal/base/rate.ts", suites("rate"), {
  "sources": [
    `else if (this.size >= maxSources) {`,
    `else if (false) {`,
    "every source address is remembered for ever"
  ],
  "seen lately": [
    `this.#before = passed < 2 * windowOfSources ? this.#recent : new Map()`,
    `this.#before = new Map()`,
    "a source begins anew within its window"
  ],
  "window": [`if (nowMillis - times[this.#oldest]! < this.#millis) return false`, ``, "a rate bounds nothing"]
})

const pieces = of("pieces", "packages/core/src/internal/base/pieces.ts", suites("Pieces"), {
  "joined": [
    `if (this.#pinned > this.#slack && this.#pinned > 2 * this.length) this.#join()`,
    ``,
    "a small piece keeps its whole message alive"
  ],
  "crowd": [
    `if (piece.length < small && index - this.#head >= crowd - 1) {`,
    `if (false) {`,
    "many small pieces take many times their bytes"
  ],
  "held": [
    `return this.#pinned + perPiece * (this.#list.length - this.#head)`,
    `return this.length`,
    "what is held is counted as what is wanted of it"
  ],
  "let-go": [`list[head - 1] = none`, ``, "a piece that was taken is kept alive", {
    equivalent: "the collector alone tells, and the list is cut every 64 pieces; what is held is counted without them"
  }],
  "copied": [
    `return view.buffer.byteLength > 4_096 && view.buffer.byteLength > length * 2 ? view.slice() : view`,
    `return view`,
    "a small value keeps a large buffer alive"
  ]
})

export const sessionsList = [
  ...pieces,
  ...liveness,
  ...framing,
  ...pace,
  ...session,
  ...budgets,
  ...openings,
  ...headers,
  ...frames,
  ...headed,
  ...credit,
  ...muxStream,
  ...news,
  ...mux,
  ...peerSessions,
  ...table,
  ...standing,
  ...life,
  ...shaking,
  ...dialRow,
  ...dialling,
  ...connecting,
  ...accepting,
  ...upkeep,
  ...chance,
  ...waiting,
  ...keeping,
  ...serving,
  ...stream,
  ...openText,
  ...packets,
  ...writes,
  ...dial,
  ...rate
]
