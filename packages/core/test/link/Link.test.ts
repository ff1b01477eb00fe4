/** The machine of message links: every byte in order or an end that is not clean, at any channel; bounded memory; ends; silence. */
import { assert, describe, it } from "@effect/vitest"
import { headerLength, initialWindow, Kind, limitOf, make, maxReason } from "../../src/internal/link/frames.ts"
import { Link } from "../../src/internal/link/link.ts"
import { dice } from "../topics/dice.ts"
import { pair, settle, type Side } from "./pair.ts"

const window = 65_536
const causeOf = (side: Side) => String(side.link.readEnd?.cause ?? side.link.writeEnd?.cause)

/** One step of a program at one end. */
const act = (side: Side, roll: (n: number) => number): void => {
  switch (roll(8)) {
    case 0:
    case 1:
    case 2:
      if (side.writable && side.waiting < 4) side.write(roll(4) === 0 ? 1 + roll(30_000) : 1 + roll(300))
      break
    case 3:
    case 4:
      if (!side.take()) assert.fail("what was taken is not what was written")
      break
    case 5:
      side.link.tick()
      break
    case 6:
      if (roll(60) === 0) side.link.end()
      break
    default:
      if (roll(400) === 0) side.link.close()
  }
}

/** One message is lost, comes twice, or comes too late; whether one was. */
const spoil = (side: Side, roll: (n: number) => number): boolean => {
  const { sent } = side
  if (sent.length === 0) return false
  const at = roll(sent.length)
  const kind = roll(3)
  if (kind === 0) sent.splice(at, 1)
  else if (kind === 1) sent.splice(at, 0, sent[at]!.slice())
  else if (sent.length < 2) return false
  else sent.push(...sent.splice(at === sent.length - 1 ? 0 : at, 1))
  return true
}

const run = (seed: number, faults: boolean) => {
  const roll = dice(seed)
  const sides = pair(300 + roll(5_000))
  if (roll(2) === 0) { for (const side of sides) side.room = 1 + roll(10) }
  let spoiled = false
  for (let step = 0; step < 300; step++) {
    const side = sides[roll(2)]!
    if (roll(3) === 0) act(side, roll)
    else for (let i = roll(4); i >= 0; i--) side.deliver()
    if (faults && roll(40) === 0 && !sides.some(({ link }) => link.over)) spoiled = spoil(side, roll) || spoiled
    for (const { link } of sides) if (link.held > 3 * window) assert.fail(`holds ${link.held}, seed ${seed}`)
  }
  return { sides, spoiled }
}

describe("a message link", () => {
  it("gives every byte in order, or ends without being clean, over a channel that loses, repeats and reorders messages", () => {
    let [broken, clean] = [0, 0]
    for (let seed = 0; seed < 250; seed++) {
      const { sides, spoiled } = run(seed, true)
      // Whatever was the matter with the channel is over, and time passes.
      for (let tick = 0; tick < 12; tick++) {
        settle(sides)
        for (const side of sides) {
          assert.isTrue(side.take(), `seed ${seed}`)
          if (side.link.writeEnd === undefined && side.waiting === 0) side.write(1)
          side.link.tick()
        }
      }
      for (const side of sides) {
        assert.isTrue(side.take(), `seed ${seed}`)
        if (spoiled) assert.isTrue(side.link.over, `both ends know, seed ${seed}`)
        if (side.link.readEnd?.clean === true) {
          assert.strictEqual(side.got, side.other.wrote, `nothing is missing of what ended in order, seed ${seed}`)
          clean++
        }
        assert.strictEqual(side.waiting > 0 && side.link.over, false, `nobody waits at an end, seed ${seed}`)
      }
      if (spoiled) broken++
    }
    assert.isAbove(broken, 100)
    assert.isAbove(clean, 20)
  })

  it("gives every byte in order, and ends when it is told to, over a channel that keeps its promises", () => {
    for (let seed = 0; seed < 120; seed++) {
      const { sides } = run(seed, false)
      for (let round = 0; round < 40; round++) {
        settle(sides)
        for (const side of sides) assert.isTrue(side.take(), `seed ${seed}`)
      }
      const [a, b] = sides
      for (const side of sides) {
        if (a.link.over || b.link.over) continue
        assert.strictEqual(side.got, side.other.wrote, `seed ${seed}`)
        assert.strictEqual(side.link.readEnd?.clean, side.other.link.ending ? true : undefined, `seed ${seed}`)
      }
    }
  })

  it("makes who writes wait at its window, and sends what waits together", () => {
    const [a, b] = pair()
    for (let i = 0; i < 100; i++) a.write(1_000)
    settle([a, b])
    assert.isAbove(a.waiting, 0)
    assert.isAtMost(b.link.held, 2 * window + 10_000)
    assert.isTrue(b.take())
    b.deliver()
    assert.strictEqual(a.waiting, 0)
    // 34 writes of a thousand bytes, some four to a message.
    assert.isAtMost(a.sent.length, 10)
    settle([a, b])
    assert.isTrue(b.take())
    assert.strictEqual(b.got, 100_000)
    // What waits has several windows' worth to go.
    for (let i = 0; i < 300; i++) a.write(1_000)
    while (a.waiting > 0 || b.got < b.other.wrote) {
      settle([a, b])
      assert.isFalse(a.link.over, causeOf(a))
      assert.isTrue(b.take())
    }
    assert.strictEqual(b.got, 400_000)
  })

  it("keeps the order of those who wait, also where one writes again at once", () => {
    const [a, b] = pair(1_000)
    const bytes = (value: number) => new Uint8Array(900).fill(value)
    a.room = 1
    for (const value of [1, 2, 3, 4]) {
      const waiting = a.link.write(bytes(value))
      if (waiting !== undefined && value === 2) waiting.done = () => void a.link.write(bytes(5))
    }
    // One message goes when there is room for one, however many wait.
    a.deliver()
    assert.strictEqual(a.sent.length, 1)
    a.room = Infinity
    settle([a, b])
    const values: Array<number> = []
    for (const chunk of b.link.take() ?? []) values.push(...chunk)
    assert.deepStrictEqual(values.filter((value, i) => value !== values[i - 1]), [1, 2, 3, 4, 5])
  })

  it("takes no more than the credit it gave, and holds little more of the shortest messages", () => {
    const [a, b] = pair()
    let limit = initialWindow
    let number = 0
    for (let sent = 0; sent < limit; sent++) b.link.receive(make(Kind.data, number++, initialWindow, 1))
    assert.isFalse(b.link.over)
    assert.isAtMost(b.link.held, 3 * window)
    for (const message of b.sent) limit = limitOf(message)
    assert.strictEqual(limit, initialWindow)
    b.link.receive(make(Kind.data, number, initialWindow, 1))
    assert.isTrue(b.link.over)
    assert.include(causeOf(b), "more than its credit")
    assert.isTrue(b.closed)
    settle([a, b])
    assert.include(causeOf(a), "more than its credit")
  })

  it("half-closes, and goes on in the other direction", () => {
    const [a, b] = pair()
    a.write(10)
    a.link.end()
    settle([a, b])
    assert.isTrue(b.take())
    assert.deepStrictEqual(b.link.readEnd, { clean: true, cause: undefined })
    assert.isDefined(a.link.writeEnd)
    for (let i = 0; i < 50; i++) {
      b.write(10_000)
      settle([a, b])
      assert.isTrue(a.take())
    }
    settle([a, b])
    assert.isTrue(a.take())
    assert.strictEqual(a.got, 500_000)
    b.link.close()
    settle([a, b])
    assert.isTrue(a.link.readEnd?.clean)
    assert.isTrue(a.closed)
  })

  it("ends after what was written before, and not at all in order where something of that was not sent", () => {
    const [a, b] = pair()
    for (let i = 0; i < 30; i++) a.write(3_000)
    a.link.end()
    assert.isUndefined(a.link.writeEnd)
    settle([a, b])
    assert.isTrue(b.take())
    settle([a, b])
    assert.isTrue(b.take())
    assert.strictEqual(b.got, 90_000)
    assert.isTrue(b.link.readEnd?.clean)
    const [c, d] = pair()
    for (let i = 0; i < 30; i++) c.write(3_000)
    c.link.close()
    assert.strictEqual(c.waiting, 0)
    settle([c, d])
    assert.isTrue(d.take())
    assert.isFalse(d.link.readEnd?.clean)
    assert.include(causeOf(d), "closed in the middle of a write")
  })

  it("sends a write that nobody waits for any more wholly or not at all", () => {
    const [a, b] = pair()
    const bytes = (value: number, length: number) => new Uint8Array(length).fill(value)
    const begun = a.link.write(bytes(1, window + 1_000))!
    const later = a.link.write(bytes(2, 1_000))!
    a.link.forsake(later)
    a.link.forsake(begun)
    a.link.write(bytes(3, 1_000))
    settle([a, b])
    const got: Array<number> = []
    for (let i = 0; i < 3; i++) {
      for (const chunk of b.link.take() ?? []) got.push(...chunk)
      settle([a, b])
    }
    assert.strictEqual(got.length, window + 2_000)
    assert.deepStrictEqual([...new Set(got)], [1, 3])
  })

  it("asks who is silent, answers who asks, and gives up who does not answer", () => {
    const [a, b] = pair()
    const asked = () => a.sent.filter(([kind]) => kind === Kind.ping).length
    a.link.tick()
    assert.strictEqual(asked(), 0)
    for (let i = 0; i < 20; i++) {
      a.link.tick()
      assert.strictEqual(asked(), 1)
      settle([a, b])
    }
    assert.isFalse(a.link.over)
    b.link.tick()
    assert.strictEqual(b.sent.length, 0, "who is asked need not ask")
    for (let i = 0; i < 4; i++) a.link.tick()
    assert.include(causeOf(a), "silent for too long")
    assert.strictEqual(a.sent.at(-1)![0], Kind.reset)
  })

  it("answers a flood of questions as there is room, and once", () => {
    const [, b] = pair()
    b.room = 1
    b.write(1)
    for (let i = 0; i < 1_000; i++) b.link.receive(make(Kind.ping, i, initialWindow, 0))
    assert.strictEqual(b.sent.length, 1)
    b.room = 10
    b.deliver()
    assert.deepStrictEqual(b.sent.map(([kind]) => kind), [Kind.pong])
  })

  it("ends by whatever is no frame of its protocol, and passes over kinds that are for later", () => {
    const frame = (kind: number, limit = initialWindow, payload = 0) => make(kind, 0, limit, payload)
    const wrong: Record<string, ReadonlyArray<Uint8Array>> = {
      "no frame": [new Uint8Array(headerLength - 1)],
      "lost or changed": [make(Kind.data, 1, initialWindow, 1)],
      "took credit back": [frame(Kind.data, initialWindow - 1)],
      "more credit than a window": [frame(Kind.data, initialWindow + 2 ** 30)],
      "more than its credit": [frame(Kind.data, initialWindow, initialWindow + 1)],
      "bytes after its end": [frame(Kind.end), make(Kind.data, 1, initialWindow, 1)],
      "ended twice": [frame(Kind.end), make(Kind.end, 1, initialWindow, 0)],
      "unknown kind 6": [frame(6)],
      "unknown kind 127": [frame(127)]
    }
    for (const [cause, messages] of Object.entries(wrong)) {
      const [a, b] = pair()
      for (const message of messages) b.link.receive(message)
      assert.isTrue(b.link.over, cause)
      assert.include(String(b.link.writeEnd?.cause), cause)
      assert.isTrue(b.closed)
      settle([a, b])
      assert.include(causeOf(a), cause)
      const said = b.sent.length
      b.link.receive(frame(Kind.ping))
      b.link.tick()
      b.link.close()
      assert.strictEqual(b.sent.length, said, "nothing is said after the last word")
    }
    const [, b] = pair()
    b.link.receive(frame(128, initialWindow, 5))
    b.link.receive(make(255, 1, initialWindow, 0))
    assert.isFalse(b.link.over)
    b.link.receive(make(Kind.end, 2, initialWindow, 0))
    assert.isTrue(b.link.readEnd?.clean)
  })

  it("shows of a reason that the other end gives a bounded part, in quotes", () => {
    const [, b] = pair()
    const message = make(Kind.reset, 0, initialWindow, 100_000)
    message.fill(0x1b, headerLength)
    b.link.receive(message)
    assert.isAtMost(causeOf(b).length, 100 + maxReason * 6)
    assert.notInclude(causeOf(b), "\u001b")
  })

  it("sends nothing more where its channel ends by a send, whatever that is answered with", () => {
    let sent = 0
    let closed = 0
    const link: Link = new Link({
      maxMessage: 1_000,
      send: () => {
        sent++
        link.lost(new Error("it broke"))
        return true
      },
      close: () => {
        closed++
      }
    }, { window, patience: 3 })
    assert.isUndefined(link.write(new Uint8Array(20_000)))
    link.end()
    link.close()
    assert.deepStrictEqual([sent, closed], [1, 1])
    assert.include(String(link.writeEnd?.cause), "it broke")
  })

  it("goes on where its counts of messages and bytes begin again", () => {
    const sides = pair(300, 2 ** 32 - 1_000)
    const [a, b] = sides
    for (let i = 0; i < 2_000; i++) {
      a.write(100)
      b.write(1)
      if (i % 100 === 0) settle(sides)
      if (i % 500 === 0 && !(a.take() && b.take())) assert.fail("what was taken is what was written")
    }
    for (let i = 0; i < 10; i++) {
      settle(sides)
      assert.isTrue(a.take() && b.take())
    }
    assert.strictEqual(b.got, 200_000)
    assert.strictEqual(a.got, 2_000)
  })
})
