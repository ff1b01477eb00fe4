/** How load spreads over servers: equal ones, unequal ones, slow ones, those that come, go and fail. In a model, by seeds. */
import { assert, describe, it } from "@effect/vitest"
import { Balance } from "@pnet/core"
import { Model, type ModelOptions, randomOf, type ServerOptions } from "./model.ts"

const seeds = [1, 2]

/** Times of work around a mean, from a half to one and a half of it. */
const around = (mean: number, seed: number) => {
  const { next } = randomOf(seed)
  return () => mean * (0.5 + next())
}

const equal = (n: number, seed: number, millis = 20): Array<ServerOptions> =>
  Array.from({ length: n }, (_, i) => ({ id: `s${i}`, workers: 8, work: around(millis, seed * 100 + i) }))

const model = (seed: number, options: Partial<ModelOptions> = {}) =>
  new Model({
    seed,
    policy: Balance.leastPending,
    callers: 50,
    servers: equal(20, seed),
    rate: 3_000,
    ...options
  })

/** The greatest distance of a share from what it should be, as a part of that. */
const unevenness = (served: ReadonlyMap<string, number>, weight: (id: string) => number = () => 1): number => {
  const ids = [...served.keys()]
  const total = [...served.values()].reduce((a, b) => a + b, 0)
  const weights = ids.reduce((sum, id) => sum + weight(id), 0)
  return Math.max(...ids.map((id) => Math.abs(served.get(id)! / (total * weight(id) / weights) - 1)))
}

describe("load over a service", () => {
  for (const policy of [Balance.leastPending, Balance.roundRobin, Balance.random]) {
    it(`is within a tenth of even for equal servers by ${policy.name}`, () => {
      for (const seed of seeds) {
        const service = model(seed, { policy })
        service.run(15_000)
        const served = service.served()
        assert.strictEqual(served.size, 20)
        assert.isBelow(unevenness(served), 0.1, `seed ${seed}: ${JSON.stringify([...served])}`)
        assert.strictEqual(service.failed, 0)
      }
    })

    it(`follows capacity for unequal servers by ${policy.name}`, () => {
      const workers = (id: string) => [2, 4, 8, 16][Number(id.slice(1)) % 4]!
      for (const seed of seeds) {
        const servers = Array.from({ length: 12 }, (_, i) => ({
          id: `s${i}`,
          workers: workers(`s${i}`),
          work: around(20, seed * 100 + i)
        }))
        // 90 workers of 50 calls a second each: at a third of what they can do, and, where that is looked at, at nine tenths.
        for (const rate of policy === Balance.random ? [1_500] : [1_500, 4_000]) {
          const service = model(seed, { policy, servers, rate, callers: 10 })
          service.run(20_000)
          // All of one capacity together.
          const served = new Map<string, number>()
          for (const [id, n] of service.served()) {
            const of = `s${Number(id.slice(1)) % 4}`
            served.set(of, (served.get(of) ?? 0) + n)
          }
          assert.isBelow(
            unevenness(served, workers),
            0.15,
            `seed ${seed}, ${rate} a second: ${JSON.stringify([...served])}`
          )
        }
      }
    })
  }

  it("leaves the 99th percentile under twice what it was where one of twenty is ten times slower", () => {
    for (const seed of seeds) {
      const service = model(seed)
      service.run(5_000)
      const before = service.percentile(0.99)
      service.served()
      service.latencies = []
      const slow = service.servers.get("s3")!
      slow.work = around(200, seed)
      service.run(10_000)
      assert.isBelow(service.percentile(0.99), 2 * before, `seed ${seed}`)
      const share = slow.served / 30_000
      assert.isBelow(share, 0.02, `seed ${seed}: ${share}`)
      assert.isAbove(slow.served, 0)
      // It is as fast as the others again, which is noticed by the few calls that it gets.
      slow.work = around(20, seed)
      service.run(15_000)
      service.served()
      service.run(5_000)
      assert.isAbove(service.served().get("s3")!, 500, `seed ${seed}`)
    }
  })

  it("does not take a server for slow for what is asked of it now and then", () => {
    for (const seed of seeds) {
      const { next } = randomOf(seed)
      // One call in fifty takes forty times as long.
      const servers = equal(20, seed).map((server) => ({ ...server, work: () => next() < 0.02 ? 400 : 10 }))
      const service = model(seed, { servers, callers: 10 })
      service.run(30_000)
      assert.isBelow(unevenness(service.served()), 0.2, `seed ${seed}`)
    }
  })

  for (const policy of [Balance.leastPending, Balance.roundRobin, Balance.random, Balance.nearest]) {
    it(`reaches a server that joins within a second by ${policy.name}`, () => {
      const service = model(1, { policy })
      service.run(5_000)
      service.served()
      const joined = service.join({ id: "new", workers: 8, work: around(20, 77) })
      service.run(1_000)
      assert.isAbove(joined.served, 20)
      service.run(10_000)
      service.served()
      service.run(10_000)
      if (policy !== Balance.nearest) assert.isBelow(unevenness(service.served()), 0.15)
    })
  }

  it("goes to the nearest, and past it where that is busy", () => {
    const servers = [1, 10, 10, 10].map((millis, i) => ({ id: `s${i}`, workers: 4, work: around(millis, i) }))
    const quiet = model(1, { policy: Balance.nearest, servers, callers: 1, rate: 100 })
    quiet.run(20_000)
    assert.isAbove(quiet.served().get("s0")!, 1_900)
    const busy = model(1, { policy: Balance.nearest, servers, callers: 1, rate: 4_500 })
    busy.run(10_000)
    assert.isAbove(busy.served().get("s1")!, 500)
    assert.strictEqual(busy.failed, 0)
  })

  it("moves from a server that is down at once, and back to it when it is up", () => {
    for (const seed of seeds) {
      const service = model(seed, { servers: equal(8, seed), callers: 10, rate: 2_000 })
      service.run(2_000)
      const down = service.servers.get("s0")!
      down.isDown = true
      service.run(500)
      service.served()
      service.latencies = []
      service.run(20_000)
      assert.strictEqual(down.served, 0)
      assert.isBelow(service.percentile(0.999), 45, `seed ${seed}`)
      down.isDown = false
      service.run(40_000)
      service.served()
      service.run(10_000)
      assert.isBelow(unevenness(service.served()), 0.1, `seed ${seed}`)
      assert.strictEqual(service.failed, 0)
    }
  })

  it("is bounded at each server by what it says it takes, and the rest waits in order", () => {
    const servers = equal(4, 1).map((server) => ({ ...server, capacity: 8 }))
    // 1,600 a second is what they can do: for a second twice that.
    for (const policy of [Balance.leastPending, Balance.roundRobin, Balance.random]) {
      const service = model(1, { policy, servers, callers: 1, rate: 3_200 })
      service.run(1_000)
      assert.isAbove(service.pools[0]!.waiting, 500)
      for (const server of service.servers.values()) assert.isAtMost(server.mostAtOnce, 8)
      // While calls wait all are busy all the time.
      assert.isBelow(unevenness(service.served()), 0.1)
    }
  })
})

describe("consistentHash", () => {
  const byKey = Balance.consistentHash({ by: (payload: { readonly key: string }) => payload.key })
  const keys = (n: number) => (random: () => number) => ({ key: `key${Math.floor(random() * n)}` })

  it("moves the keys of who goes and who comes, and no other", () => {
    const service = model(1, { policy: byKey, servers: equal(10, 1, 1), callers: 4, rate: 2_000, payload: keys(500) })
    const where = () => {
      const homes = new Map<string, string>()
      service.onServed = (payload, id) => homes.set((payload as { key: string }).key, id)
      service.run(5_000)
      service.onServed = () => {}
      return homes
    }
    service.run(1_000)
    const first = where()
    service.leave("s4")
    service.run(200)
    const second = where()
    const movedOf = (before: Map<string, string>, after: Map<string, string>) =>
      [...before].filter(([key, id]) => after.get(key) !== undefined && after.get(key) !== id)
    const moved = movedOf(first, second)
    assert.deepStrictEqual(moved.filter(([, id]) => id !== "s4"), [])
    assert.strictEqual(moved.length, [...first.values()].filter((id) => id === "s4").length)
    assert.isAbove(moved.length, first.size / 20)
    service.join({ id: "s4", workers: 8, work: around(1, 5) })
    service.run(200)
    const third = where()
    assert.deepStrictEqual(movedOf(first, third), [])
  })

  it("keeps to 1.25 times its share of what is out, though all ask for one key", () => {
    const service = model(1, {
      policy: byKey,
      servers: equal(10, 1, 20).map((server) => ({ ...server, workers: 64 })),
      callers: 1,
      rate: 2_500,
      payload: () => ({ key: "all" })
    })
    service.run(10_000)
    const served = service.served()
    // 50 are out at a time: at most 7 of them at one.
    for (const { id, mostAtOnce } of service.servers.values()) assert.isAtMost(mostAtOnce, 12, id)
    assert.isAbove([...served.values()].filter((n) => n > 500).length, 6)
  })
})
