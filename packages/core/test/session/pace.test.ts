/** When a session sends, by itself: the rule, under any schedule of what can happen. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Pace } from "../../src/internal/session/pace.ts"

/** What can happen to a writer and the streams that it writes for. */
const Happening = Schema.Union([
  Schema.Struct({
    /**
     * A stream is opened, or closed; it begins to say something, or has said all; CREDIT is granted; what has come is taken, or
     * has been; the connection takes no more for now, or does again; the turn is over.
     */
    what: Schema.Literals([
      "open",
      "close",
      "begin",
      "whole",
      "credit",
      "take",
      "taken",
      "blocks",
      "unblocks",
      "turn"
    ])
  })
])

/** A writer by hand: it sends all that waits when it is told to, and then waits to be told again. */
class Writer {
  streams = 0
  waiting = 0
  /** How many there were in each message. */
  readonly sent: Array<number> = []
  taking = false
  #blocked = false
  #parked = false
  #later: Array<() => void> = []
  readonly pace: Pace

  constructor(relayed = false) {
    this.pace = new Pace({
      waits: () => this.waiting > 0,
      streams: () => this.streams,
      later: (task) => this.#later.push(task)
    }, relayed)
    this.#park()
  }

  /** Whether it waits to be told. */
  get parked() {
    return this.#parked
  }

  get scheduled() {
    return this.#later.length
  }

  #park() {
    this.#parked = true
    this.pace.park(() => {
      this.#parked = false
      this.#send()
    })
  }

  #send() {
    if (this.#blocked) return
    this.sent.push(this.waiting)
    this.waiting = 0
    this.#park()
  }

  open() {
    this.streams++
  }

  close() {
    this.streams = Math.max(0, this.streams - 1)
  }

  /** A stream says something, and that it was all. */
  say(whole: boolean, urgent = false) {
    this.waiting++
    if (this.waiting === 1) this.pace.work(urgent)
    else this.pace.more(this.waiting, false)
    if (whole && this.waiting > 0) this.pace.more(this.waiting, true)
  }

  take() {
    this.taking = true
    this.pace.take()
  }

  taken() {
    this.taking = false
    this.pace.taken()
  }

  blocks() {
    this.#blocked = true
  }

  unblocks() {
    this.#blocked = false
    if (this.#parked) return
    if (this.waiting > 0) this.#send()
    else this.#park()
  }

  turn() {
    const due = this.#later
    this.#later = []
    for (const task of due) task()
  }
}

describe("the pace of a session", () => {
  it.prop("under any schedule: nothing waits for ever, none that is alone waits, and none waits for too many", {
    happenings: Schema.Array(Happening)
  }, ({ happenings }) => {
    const writer = new Writer()
    let most = 1
    for (const { what } of happenings) {
      switch (what) {
        case "begin":
        case "whole": {
          // Who says something is a stream.
          if (writer.streams === 0) writer.open()
          writer.say(what === "whole")
          if (what === "whole" && writer.streams === 1 && writer.parked) assert.strictEqual(writer.waiting, 0)
          break
        }
        case "credit": {
          const idle = writer.waiting === 0
          writer.say(false, true)
          if (idle && writer.parked) assert.strictEqual(writer.waiting, 0)
          break
        }
        default:
          writer[what]()
      }
      most = Math.max(most, writer.streams)
      if (writer.parked) {
        // What waits leaves when the turn ends, or when all that has come was taken.
        assert.isTrue(writer.waiting === 0 || writer.taking || writer.scheduled > 0)
        assert.isAtMost(writer.waiting, Math.min(48, Math.ceil(most / 2)))
      }
      assert.isAtMost(writer.scheduled, 1)
    }
    assert.isTrue(writer.sent.every((count) => count > 0), "a message of nothing")
    writer.taken()
    writer.unblocks()
    writer.turn()
    assert.strictEqual(writer.waiting, 0)
  })

  it("what is said while what came is taken leaves when it has been, in the same turn", () => {
    const writer = new Writer()
    writer.streams = 20
    writer.take()
    for (let i = 0; i < 5; i++) writer.say(true)
    assert.deepStrictEqual(writer.sent, [])
    writer.taken()
    assert.deepStrictEqual(writer.sent, [5])
    assert.strictEqual(writer.scheduled, 0)
  })

  it("what many say in one go leaves in two parts, and forgets how many there were", () => {
    const writer = new Writer()
    const round = (count: number) => {
      writer.streams = count
      writer.sent.length = 0
      writer.take()
      for (let i = 0; i < count; i++) writer.say(true)
      writer.taken()
      return [...writer.sent]
    }
    assert.deepStrictEqual(round(16), [8, 8])
    assert.deepStrictEqual(round(90), [45, 45])
    // Of more of them no part is larger than that.
    assert.deepStrictEqual(round(400), [48, 48, 48, 48, 48, 48, 48, 48, 16])
    for (let i = 0; i < 40; i++) round(6)
    assert.deepStrictEqual(round(6), [3, 3])
  })

  it("what many say in one go leaves as one where somebody passes it on, or as a few", () => {
    const writer = new Writer(true)
    writer.streams = 600
    writer.take()
    for (let i = 0; i < 600; i++) writer.say(true)
    writer.taken()
    assert.deepStrictEqual(writer.sent, [256, 256, 88])
    for (let i = 0; i < 100; i++) {
      writer.sent.length = 0
      writer.streams = 16
      writer.take()
      for (let j = 0; j < 16; j++) writer.say(true)
      writer.taken()
      assert.deepStrictEqual(writer.sent, [16])
    }
  })

  it("what is alone leaves as it is said, however many there were before", () => {
    const writer = new Writer()
    writer.streams = 128
    writer.take()
    for (let i = 0; i < 128; i++) writer.say(true)
    writer.taken()
    writer.streams = 1
    writer.sent.length = 0
    writer.say(true)
    assert.deepStrictEqual(writer.sent, [1])
  })

  it("what was said before the writer waits leaves when the turn ends", () => {
    const due: Array<() => void> = []
    const pace = new Pace({ waits: () => true, streams: () => 1, later: (task) => due.push(task) })
    let sent = 0
    pace.work(false)
    pace.park(() => sent++)
    assert.strictEqual(due.length, 1)
    due[0]!()
    assert.strictEqual(sent, 1)
  })

  it("what is said out of turn waits for its end, for whoever else is ready to run", () => {
    const writer = new Writer()
    writer.streams = 9
    writer.say(true)
    writer.say(true)
    assert.deepStrictEqual(writer.sent, [])
    writer.turn()
    assert.deepStrictEqual(writer.sent, [2])
    for (let i = 0; i < 5; i++) writer.say(true)
    assert.deepStrictEqual(writer.sent, [2, 5])
  })
})
