/** What waits for a receiver, against arrays that do the same naively, by seeds. */
import { assert, describe, it } from "@effect/vitest"
import { Keyed } from "../../src/internal/base/keyed.ts"
import { Ring } from "../../src/internal/base/ring.ts"
import { Memory } from "../../src/internal/topics/memory.ts"
import { Outlet, Window } from "../../src/internal/topics/outlet.ts"
import { dice, same } from "./dice.ts"

interface Item {
  readonly seq: number
  readonly key: string
  readonly bytes: number
}

const bytesOf = ({ bytes }: Item) => bytes
const sum = (items: ReadonlyArray<Item>) => items.reduce((all, { bytes }) => all + bytes, 0)

/** Memory of which so many bytes may be held, and how many are. */
const memory = (most: number) => {
  const held = {
    bytes: 0,
    take: (bytes: number): boolean => {
      if (bytes < 0) assert.fail("less than nothing is asked for")
      if (held.bytes + bytes > most) return false
      held.bytes += bytes
      return true
    },
    give: (bytes: number): void => {
      held.bytes -= bytes
      if (held.bytes < 0) assert.fail("more was given back than was held")
    }
  }
  return held
}

/** What an outlet does, with an array: what waits afterwards, and what was told to be dropped. */
const offered = (
  waiting: ReadonlyArray<Item>,
  item: Item,
  { drop, mode, most, size }: { mode: "buffer" | "latest"; drop: "oldest" | "newest"; size: number; most: number }
): [waiting: ReadonlyArray<Item>, dropped: ReadonlyArray<Item>] => {
  const older = mode === "latest" ? waiting.find(({ key }) => key === item.key) : undefined
  const place = older === undefined ? waiting.length : waiting.indexOf(older)
  let rest = waiting.filter((other) => other !== older)
  const gone: Array<Item> = []
  const fits = () => rest.length < size && sum(rest) + item.bytes <= most
  while (!fits()) {
    const first = rest[0]
    if (drop === "newest" || first === undefined) {
      const still = waiting.filter((other) => !gone.includes(other))
      return [still, [...gone, item]]
    }
    gone.push(first)
    rest = rest.slice(1)
  }
  const before = waiting.slice(0, place).filter((other) => !gone.includes(other))
  const behind = rest.filter((other) => !before.includes(other))
  return [[...before, item, ...behind], older === undefined ? gone : [...gone, older]]
}

describe("an outlet", () => {
  for (const mode of ["buffer", "latest"] as const) {
    for (const drop of ["oldest", "newest"] as const) {
      it(`keeps and drops what an array would, by ${mode}, the ${drop}`, () => {
        for (let seed = 1; seed <= 30; seed++) {
          const roll = dice(seed)
          const size = 1 + roll(6)
          const most = 20 + roll(100)
          const held = memory(most)
          const dropped: Array<Item> = []
          const outlet = new Outlet<Item>({
            mode,
            drop,
            size,
            bytesOf,
            keyOf: ({ key }) => key,
            take: held.take,
            give: held.give,
            onDrop: (item) => dropped.push(item)
          })
          let waiting: ReadonlyArray<Item> = []
          for (let seq = 1; seq <= 120; seq++) {
            const what = `seed ${seed}, step ${seq}`
            if (roll(5) < 3) {
              const item = { seq, key: "abcdefgh"[roll(8)]!, bytes: roll(20) === 0 ? most + 1 : roll(40) }
              const [after, told] = offered(waiting, item, { mode, drop, size, most })
              dropped.length = 0
              outlet.offer(item)
              same(dropped, told, what)
              waiting = after
            } else {
              same([outlet.take()], [waiting[0]], what)
              waiting = waiting.slice(1)
            }
            same([outlet.length, held.bytes, ...outlet.all()], [waiting.length, sum(waiting), ...waiting], what)
          }
          dropped.length = 0
          outlet.clear()
          assert.deepStrictEqual([outlet.length, held.bytes, dropped.length], [0, 0, 0])
        }
      })
    }
  }
})

describe("a window", () => {
  it("has all sent, again where it is asked to, until they are taken, as an array would", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const roll = dice(seed)
      let size = 1 + roll(20)
      const most = 100 + roll(400)
      const held = memory(most)
      const window = new Window<Item>({ size, seqOf: ({ seq }) => seq, bytesOf, take: held.take, give: held.give })
      let waiting: Array<{ readonly item: Item; sent: boolean; known: boolean }> = []
      for (let seq = 1; seq <= 200; seq++) {
        const what = `seed ${seed}, step ${seq}`
        const way = roll(21)
        if (way < 9) {
          const item = { seq, key: "", bytes: roll(40) }
          const fits = waiting.length < size && sum(waiting.map(({ item }) => item)) + item.bytes <= most
          same([window.offer(item)], [fits], what)
          if (fits) waiting.push({ item, sent: false, known: false })
        } else if (way < 16) {
          const next = waiting.find(({ sent }) => !sent)
          same([window.next()], [next?.item], what)
          if (next !== undefined) next.sent = next.known = true
        } else if (way < 19) {
          const until = seq - roll(30)
          window.taken(until)
          while (waiting[0]?.known === true && waiting[0].item.seq <= until) waiting = waiting.slice(1)
        } else if (way < 20) {
          window.again()
          for (const one of waiting) one.sent = false
        } else {
          size = 1 + roll(20)
          window.resize(size)
        }
        same(
          [window.length, window.toSend, window.hasRoom, held.bytes, ...window.all()],
          [
            waiting.length,
            waiting.filter(({ sent }) => !sent).length,
            waiting.length < size,
            sum(waiting.map(({ item }) => item)),
            ...waiting.filter(({ sent }) => !sent).map(({ item }) => item)
          ],
          what
        )
      }
      window.clear()
      assert.deepStrictEqual([window.length, window.toSend, held.bytes, window.next()], [0, 0, 0, undefined])
      // And it begins anew: what was sent before was not of this.
      assert.isTrue(window.offer({ seq: 1_000, key: "", bytes: 1 }))
      window.taken(2_000)
      assert.strictEqual(window.next()?.seq, 1_000)
    }
  })
})

describe("memory", () => {
  it("has so much in all, a quarter of it for one, and forgets who holds none", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const roll = dice(seed)
      const total = 100 + roll(100)
      const memory = new Memory(total)
      const held: Record<string, number> = {}
      const all = () => Object.values(held).reduce((a, b) => a + b, 0)
      for (let i = 0; i < 300; i++) {
        const owner = "abcdefgh"[roll(8)]!
        const own = held[owner] ?? 0
        const bytes = roll(30)
        if (roll(6) === 0) {
          const other = "abcdefgh"[roll(8)]!
          const moved = roll(own + 1)
          const fits = (held[other] ?? 0) + moved <= Math.floor(total / 4)
          if (other === owner) continue
          same([memory.move(owner, other, moved)], [fits], `seed ${seed}, step ${i}`)
          if (!fits) continue
          held[owner] = own - moved
          held[other] = (held[other] ?? 0) + moved
        } else if (roll(3) > 0) {
          const fits = all() + bytes <= total && own + bytes <= Math.floor(total / 4)
          same([memory.has(owner, bytes, bytes)], [fits], `seed ${seed}, step ${i}`)
          same([memory.has(owner, bytes, total)], [fits && all() === 0], `seed ${seed}, step ${i}`)
          same([memory.take(owner, bytes)], [fits], `seed ${seed}, step ${i}`)
          if (fits) held[owner] = own + bytes
        } else {
          memory.give(owner, bytes)
          held[owner] = Math.max(0, own - bytes)
        }
        same([memory.held], [all()], `seed ${seed}, step ${i}`)
      }
    }
  })
})

describe("a ring", () => {
  it("is a queue however it grows, empties and turns", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const roll = dice(seed)
      const ring = new Ring<number>()
      let model: Array<number> = []
      let fills = true
      for (let i = 0; i < 600; i++) {
        if (model.length === 0) fills = true
        if (model.length > 70) fills = false
        if (model.length === 0 || roll(10) < (fills ? 7 : 3)) {
          ring.push(i)
          model.push(i)
        } else same([ring.shift()], [model.shift()], `seed ${seed}, step ${i}`)
        if (roll(300) === 0) {
          ring.clear()
          model = []
        }
        const at = roll(Math.max(1, model.length))
        same(
          [ring.length, ring.length === 0 ? undefined : ring.at(at)],
          [model.length, model[at]],
          `seed ${seed}, step ${i}`
        )
      }
    }
  })
})

describe("values by key", () => {
  it("stay in the order in which their keys came, whichever go", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const roll = dice(seed)
      const keyed = new Keyed<number>()
      let model: Array<readonly [string, number]> = []
      for (let i = 0; i < 200; i++) {
        const key = "abcdefgh"[roll(8)]!
        const place = keyed.get(key)
        same([place?.value], [model.find(([k]) => k === key)?.[1]], `seed ${seed}, step ${i}`)
        if (place === undefined) {
          keyed.push(key, i)
          model.push([key, i])
        } else {
          keyed.remove(place)
          model = model.filter(([k]) => k !== key)
        }
        if (roll(80) === 0) {
          keyed.clear()
          model = []
        }
        const all: Array<string | number> = []
        for (let at = keyed.first; at !== undefined; at = at.after) all.push(at.key, at.value)
        same([keyed.size, ...all], [model.length, ...model.flat()], `seed ${seed}, step ${i}`)
      }
    }
  })
})
