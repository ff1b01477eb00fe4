/** Mutations of message links. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const tests = suites("Link", "linkVectors", "MessageLink", "ports")

const link = of("link", "packages/core/src/internal/link/link.ts", tests, {
  "number": [
    `if (number !== this.#due) {`,
    `if (false) {`,
    "a message that was lost, repeated or reordered is not noticed"
  ],
  "number-wraps": [`this.#due = (number + 1) >>> 0`, `this.#due = number + 1`, "a link ends after 2^32 messages"],
  "bytes": [
    `if (!(came instanceof Uint8Array)) return`,
    `if (!ArrayBuffer.isView(came)) return`,
    "numbers that are no bytes are read as some"
  ],
  "short": [`if (message.length < headerLength) return`, `if (false) return`, "any message is a frame"],
  "shared": [
    `message.buffer instanceof ArrayBuffer && reachOf(message.buffer)`,
    `reachOf(message.buffer as ArrayBuffer)`,
    "what came is changed by who sent it, while it is read"
  ],
  "corner": [`reachOf(message.buffer) - message.length <= spare`, `true`, "a few bytes keep all memory around them"],
  "reach": [`memory.maxByteLength ?? memory`, `memory`, "a few bytes keep all memory that theirs may grow to"],
  "limit-less": [`if (raised >= Frames.backwards) return`, `if (false) return`, "credit is taken back"],
  "limit-large": [`if (this.#credit > Frames.maxWindow) return`, `if (false) return`, "any credit is taken"],
  "limit-wraps": [
    `const raised = (limit - this.#limit) >>> 0`,
    `const raised = limit - this.#limit`,
    "a link ends after 2^32 bytes"
  ],
  "window": [`if (length > this.#allowance) return`, `if (false) return`, "who sends more than it may is taken it"],
  "allowance": [`this.#allowance -= length`, ``, "what comes is not counted"],
  "after-end": [
    `if (this.readEnd !== undefined) return this.#fail("the other end sent bytes after its end")`,
    ``,
    "bytes come after an end"
  ],
  "end-twice": [
    `if (this.readEnd !== undefined) return this.#fail("the other end ended twice")`,
    ``,
    "an end comes twice"
  ],
  "unknown": [`if (kind < Frames.firstUnknown) return`, `if (false) return`, "frames of unknown kinds are passed over"],
  "close": [`return this.#ended(true, new Error(`, `return this.#ended(false, new Error(`, "an end in order is not"],
  "credit": [
    `        this.#credit -= length
        this.#send(message)`,
    `        this.#send(message)`,
    "more is sent than there is credit for"
  ],
  "credit-waiting": [
    `    this.#credit -= length
    const done`,
    `    const done`,
    "of what waits more is sent than there is credit for"
  ],
  "room": [
    `at < bytes.length && this.#room && this.#credit > 0`,
    `at < bytes.length && this.#credit > 0`,
    "a channel without room is sent more"
  ],
  "room-waiting": [
    `this.#waiting.length > 0 && this.#room && this.#credit > 0`,
    `this.#waiting.length > 0 && this.#credit > 0`,
    "a channel without room is sent what waits"
  ],
  "order": [
    `if (this.#waiting.length === 0) {
      while`,
    `if (true) {
      while`,
    "what is written later overtakes what waits"
  ],
  "together": [`if (length >= most) break`, `break`, "what waits goes one by one"],
  "torn": [`if (waiting.at > 0) return`, ``, "a write that has begun is torn"],
  "forsaken": [`if (index >= 0) this.#waiting.splice(index, 1)`, ``, "what nobody waits for any more is sent"],
  "end-waits": [
    `this.writeEnd === undefined && this.#waiting.length === 0`,
    `this.writeEnd === undefined`,
    "an end overtakes what waits"
  ],
  "close-waiting": [
    `if (this.#waiting.length > 0) this.#say(Kind.reset`,
    `if (false) this.#say(Kind.reset`,
    "a close in the middle of a write is in order"
  ],
  "patience": [
    `if (++this.#quiet > this.#patience) return`,
    `if (false) return`,
    "who is silent is waited for for ever"
  ],
  "quiet": [
    `    this.#quiet = 0
    const kind`,
    `    const kind`,
    "who says something is silent"
  ],
  "asks": [`if (!this.#busy && this.#room) this.#send`, `if (false) this.#send`, "nobody is asked"],
  "asks-busy": [`if (!this.#busy && this.#room)`, `if (this.#room)`, "who speaks is asked for a sign of life"],
  "answer-counts": [
    `if (kind !== Kind.pong) this.#busy = true`,
    `this.#busy = true`,
    "who answered is asked every other time"
  ],
  "answers": [`this.#owesPong = true`, ``, "who asks is not answered"],
  "answers-room": [
    `if (this.#owesPong && this.#room && !this.over) {`,
    `if (this.#owesPong && !this.over) {`,
    "who asks without end fills the channel"
  ],
  "last-word": [
    `    if (this.over) return
    // What a port`,
    `    // What a port`,
    "something is heard after the last word"
  ],
  "channel": [`    this.#outlet.close()`, ``, "the channel of a link that is over stays"],
  "wakes": [`    for (const each of waiting) each.done()`, ``, "who waits at the end waits for ever"],
  "begins": [
    `(this.#begun || this.#allowance <= Frames.initialWindow / 2)`,
    `true`,
    "who reads a little says at once how much more may come"
  ],
  "owes": [`if (this.#owesCredit) this.#flush()`, ``, "who has read everything does not say so"]
})

const frames = of("link-frames", "packages/core/src/internal/link/frames.ts", tests, {
  "reason": [
    `message.subarray(headerLength, headerLength + maxReason)`,
    `message.subarray(headerLength)`,
    "a reason of any length is shown"
  ]
})

const connection = of("message-link", "packages/core/src/MessageLink.ts", suites("MessageLink"), {
  "close": [`() => Effect.sync(() => link.close())`, `() => Effect.void`, "a connection does not close with its scope"],
  "ended": [
    `if (link.writeEnd !== undefined || link.ending) return`,
    `if (link.writeEnd !== undefined) return`,
    "bytes are written after the end"
  ],
  "patience": [
    `patience: Math.max(2, Math.ceil(silence / interval))`,
    `patience: 2`,
    "who is silent has less time than is said"
  ],
  "forsake": [
    `return Effect.sync(() => link.forsake(waiting))`,
    `return Effect.void`,
    "what was interrupted before it began is sent"
  ]
})

export const linksList: ReadonlyArray<Mutation> = [...link, ...frames, ...connection]
