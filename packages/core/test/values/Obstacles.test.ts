/** What keeps nodes from being found: how it is noted, bounded and forgotten. */
import { assert, describe, it } from "@effect/vitest"
import type { Obstacle } from "@pnet/core"
import { Obstacles } from "../../src/internal/values/obstacles.ts"

const obstacle = (where: string, what = `a node at ${where}`): Obstacle.Obstacle => ({
  kind: "NetworkKey",
  where,
  what,
  remedy: "mend it"
})

const wheres = (obstacles: Obstacles, now: number) => obstacles.now(now).map(({ where }) => where)

describe("Obstacles", () => {
  it("looks into no more than twenty a second that strangers made, and into each once a minute", () => {
    const obstacles = new Obstacles(2_500)
    let looks = 0
    const look = () => {
      looks++
      return obstacle(`h${looks}`)
    }
    for (let i = 0; i < 1_000; i++) obstacles.met(`key ${i}`, 0, look)
    assert.strictEqual(looks, 20)
    assert.lengthOf(obstacles.now(0), 20)
    for (let i = 0; i < 20; i++) obstacles.met(`key ${i}`, 1_000, look)
    assert.strictEqual(looks, 20)
    // It is met again, and not looked into again, for a minute.
    obstacles.met("key 0", 59_999, look)
    assert.strictEqual(looks, 20)
    obstacles.met("key 0", 60_000, look)
    assert.strictEqual(looks, 21)
  })

  it("keeps 64 that strangers made, the newest, and all that are listed, before them", () => {
    const obstacles = new Obstacles(2_500)
    for (let i = 0; i < 100; i++) {
      obstacles.met(`listed ${i}`, i * 100, () => obstacle(`l${i}`), { listed: true })
      obstacles.met(`key ${i}`, i * 100, () => obstacle(`h${i}`))
    }
    const all = wheres(obstacles, 10_000)
    assert.lengthOf(all, 164)
    assert.deepStrictEqual(all.slice(0, 100), Array.from({ length: 100 }, (_, i) => `l${i}`))
    assert.deepStrictEqual([all[100], all[163]], ["h99", "h36"])
  })

  it("forgets what is not met for a minute, or for three intervals where that is longer", () => {
    for (const [interval, memory] of [[2_500, 60_000], [60_000, 180_000]] as const) {
      const obstacles = new Obstacles(interval)
      obstacles.met("key a", 0, () => obstacle("a"))
      obstacles.met("key b", 0, () => obstacle("b"))
      obstacles.met("key b", 1_000, () => obstacle("b"))
      assert.sameMembers(wheres(obstacles, memory - 1), ["a", "b"])
      assert.deepStrictEqual(wheres(obstacles, memory), ["b"])
      assert.deepStrictEqual(wheres(obstacles, memory + 1_000), [])
    }
  })

  it("holds no more of what was listed than is listed now", () => {
    const obstacles = new Obstacles(2_500)
    // A name whose address is another each time.
    for (let i = 0; i < 1_000; i++) {
      obstacles.met(`listed ${i}`, i * 10_000, () => obstacle(`l${i}`), { listed: true })
    }
    const { listed } = obstacles as unknown as { readonly listed: { readonly noted: ReadonlyMap<string, unknown> } }
    assert.isAtMost(listed.noted.size, 7)
  })

  it("says the same once an hour, and again when it was over meanwhile", () => {
    const obstacles = new Obstacles(2_500)
    const say = (now: number) => obstacles.met("listed a", now, () => obstacle("a"), { listed: true }) !== undefined
    assert.isTrue(say(0))
    assert.deepStrictEqual([30_000, 90_000, 1_800_000, 3_599_999].map(say), [false, false, false, false])
    assert.isTrue(say(3_700_000))
    obstacles.over("listed a")
    assert.deepStrictEqual(wheres(obstacles, 3_700_000), [])
    assert.isTrue(say(3_710_000))
    obstacles.over("listed a", "later")
    assert.deepStrictEqual(wheres(obstacles, 3_720_000), [])
    assert.isFalse(say(3_720_000))
    assert.deepStrictEqual(wheres(obstacles, 3_720_000), ["a"])
  })

  it("says what is listed, however many strangers have something said", () => {
    const obstacles = new Obstacles(2_500)
    for (let i = 0; i < 20; i++) obstacles.met(`key ${i}`, 0, () => obstacle(`h${i}`))
    assert.isDefined(obstacles.met("listed a", 0, () => obstacle("a"), { listed: true }))
    // Nor do they let it be said again before its hour.
    for (let at = 1_000; at < 3_500_000; at += 1_000) obstacles.met(`key ${at}`, at, () => obstacle(`h${at}`))
    assert.isUndefined(obstacles.met("listed a", 3_500_000, () => obstacle("a"), { listed: true }))
  })

  it("names the same thing once, however it was met", () => {
    const obstacles = new Obstacles(2_500)
    const level = (key: string, level: "Info" | "Warn") =>
      obstacles.met(key, 0, () => obstacle("a", "a node at a belongs to another network"), { level }) !== undefined
    assert.isTrue(level("network a", "Info"))
    // That it was said at Info does not keep a warning back.
    assert.isTrue(level("connection a", "Warn"))
    assert.lengthOf(obstacles.now(0), 1)
  })
})
