/** Where peers are on the map, and which lines are drawn. */
import { assert, describe, it } from "@effect/vitest"
import { between, fitted, zoomed } from "../../page/graph/camera.ts"
import { edgesAt, edgesOf } from "../../page/graph/edges.ts"
import { bonded, Layout } from "../../page/graph/layout.ts"
import { pictureOf } from "../../page/graph/picture.ts"
import { apply, nothing } from "../../page/store/network.ts"
import { Fake } from "../harness/fake.ts"

const networkOf = (peers: number, groups = 1) => apply(nothing, new Fake({ peers, changes: 0, groups }, 0).whole(0))
const keysOf = ({ peers }: ReturnType<typeof networkOf>) => new Map([...peers.values()].map(({ id, key }) => [id, key]))

const settled = (layout: Layout): Layout => {
  while (layout.moves) layout.step(() => 0, 0)
  return layout
}

const places = (layout: Layout) => [...layout.places.values()].map(({ id, x, y }) => [id, x, y])

describe("the map", () => {
  it("is always the same one for a network, with the node itself in the middle and nobody on another", () => {
    const network = networkOf(30)
    const [one, two] = [new Layout(), new Layout()]
    for (const layout of [one, two]) {
      layout.update(keysOf(network), network.sees)
      settled(layout)
    }
    assert.deepStrictEqual(places(one), places(two))
    assert.deepStrictEqual(places(one)[0], [0, 0, 0])
    const all = [...one.places.values()]
    const nearest = Math.min(...all.flatMap((a, i) => all.slice(i + 1).map((b) => Math.hypot(a.x - b.x, a.y - b.y))))
    assert.isAbove(nearest, 25)
  })

  it("stays still when nothing changes, and moves little when one comes or goes", () => {
    const network = networkOf(40)
    const keys = keysOf(network)
    const layout = new Layout()
    layout.update(keys, network.sees)
    const before = new Map(places(settled(layout)).map(([id, x, y]) => [id, [x!, y!]]))
    assert.isFalse(layout.update(keys, network.sees))
    assert.isFalse(layout.moves)
    const fewer = new Map([...keys].filter(([id]) => id !== 7))
    assert.isTrue(layout.update(fewer, network.sees))
    settled(layout)
    const moves = places(layout).map(([id, x, y]) => Math.hypot(x! - before.get(id!)![0]!, y! - before.get(id!)![1]!))
    const spread = Math.hypot(
      layout.bounds().right - layout.bounds().left,
      layout.bounds().bottom - layout.bounds().top
    )
    const mean = moves.reduce((sum, one) => sum + one, 0) / moves.length
    assert.isBelow(mean, spread / 15)
    layout.update(keys, network.sees)
    const [x, y] = before.get(7)!
    const back = layout.places.get(7)!
    assert.isBelow(Math.hypot(back.x - x!, back.y - y!), 1, "who comes back is where it was")
  })

  it("is held together by few bonds, which go from both sides", () => {
    const network = networkOf(200)
    const pairs = bonded(network.sees, keysOf(network))
    assert.isAtMost(pairs.length, 200 * 5)
    assert.isFalse(pairs.some(([a, b]) => a === 0 || b === 0 || a >= b))
  })
})

describe("lines", () => {
  it("are of pairs that see each other, and of those where one does not", () => {
    const network = networkOf(4)
    const sees = new Map([[1, new Set([2, 3])], [2, new Set([1])], [3, new Set<number>()]])
    const edges = edgesOf({ peers: network.peers, sees })
    assert.deepStrictEqual(edges, { mutual: [[1, 2]], oneWay: [[1, 3]], pairs: 2 })
    const unsaid = edgesOf({ peers: network.peers, sees: new Map([[1, new Set([2, 99])]]) })
    assert.deepStrictEqual(
      unsaid.mutual,
      [[1, 2]],
      "who has not said whom it sees is taken for one that does, and who is not here is nobody"
    )
    const at = edgesAt({ peers: network.peers, sees }, 1)
    assert.deepStrictEqual([[...at.to], [...at.from].sort()], [[2, 3], [0, 2]])
  })

  it("are only counted where nobody could tell them apart", () => {
    const { mutual, pairs } = edgesOf(networkOf(120))
    assert.deepStrictEqual([mutual.length, pairs], [0, 120 * 119 / 2])
  })
})

describe("the camera", () => {
  it("keeps all in sight, and what is under the pointer where it is", () => {
    const camera = fitted({ left: -100, top: -50, right: 300, bottom: 50 }, 800, 600, 50)
    const at = (x: number, y: number) => [x * camera.scale + camera.x, y * camera.scale + camera.y]
    assert.deepStrictEqual(at(100, 0), [400, 300])
    assert.isAtLeast(at(-100, 0)[0]!, 50)
    const closer = zoomed(camera, 2, 200, 100)
    const point = [(200 - camera.x) / camera.scale, (100 - camera.y) / camera.scale] as const
    assert.closeTo(point[0] * closer.scale + closer.x, 200, 1e-9)
    assert.closeTo(point[1] * closer.scale + closer.y, 100, 1e-9)
    assert.deepStrictEqual(between(camera, closer, 0), camera)
    assert.isAtMost(zoomed(camera, 1e9, 0, 0).scale, 4)
  })
})

describe("the picture of a key", () => {
  it("is always the same, mirrored, and another for a key that differs in one bit", () => {
    const key = `${"A".repeat(43)}=`
    const one = pictureOf(key)
    assert.deepStrictEqual(one, pictureOf(key))
    assert.isTrue(one.rows.every((row) => row.join() === [...row].reverse().join()))
    assert.notDeepEqual(pictureOf(`${"A".repeat(42)}Q=`).rows, one.rows)
    assert.strictEqual(pictureOf("not a key").rows.length, 7)
  })
})
