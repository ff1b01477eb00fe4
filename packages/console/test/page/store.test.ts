/** What the page makes of what the node says: who is there, calls over time, spans, rows, and where the page is. */
import { assert, describe, it } from "@effect/vitest"
import type { CallEvent, Patch, Rates, Span } from "@pnet/console/ConsoleApi"
import { cancelled, withEvents } from "../../page/form/results.ts"
import { read, write } from "../../page/route.ts"
import { apply, listed, type Looking, matches, type Network, nothing } from "../../page/store/network.ts"
import { keep, lines, none, percentile, points, total } from "../../page/store/rates.ts"
import { noRows, withRows } from "../../page/store/rows.ts"
import { waterfall, withSpans } from "../../page/store/spans.ts"
import { bytes, duration, lasting, plain, short, shown } from "../../page/text.ts"
import { Fake } from "../harness/fake.ts"

const fake = (peers: number) => new Fake({ peers, changes: 100, groups: 2 }, 1_000_000)

/** What the network says of itself, where all is known anew. */
const facts = ({ count, peers, sees }: Pick<Network, "peers" | "sees" | "count">) => ({
  count,
  peers: [...peers.values()].sort((a, b) => a.id - b.id),
  sees: [...sees].map(([id, to]) => [id, [...to].sort((a, b) => a - b)]).sort((a, b) => Number(a[0]) - Number(b[0]))
})

describe("who is there", () => {
  it("is, after any number of changes, what the whole of it would be", () => {
    const network = fake(40)
    let page = apply(nothing, network.whole(0))
    for (let i = 1; i <= 200; i++) page = apply(page, network.change(i * 200, i, 200))
    assert.deepStrictEqual(facts(page), facts(apply(nothing, network.whole(0))))
  })

  it("stays the same object where nothing changed, so that nothing is drawn anew", () => {
    const network = fake(5)
    const before = apply(nothing, network.whole(0))
    const patch: Patch = { seq: 1, at: 1, peers: [], gone: [], links: [], count: 5 }
    const after = apply(before, patch)
    assert.strictEqual(after.peers, before.peers)
    assert.strictEqual(after.sees, before.sees)
    assert.strictEqual(after.shape, before.shape)
    const [, peer] = [...before.peers.values()]
    const changed = apply(before, { ...patch, peers: [{ ...peer!, status: "suspect" }] })
    assert.strictEqual(changed.shape, before.shape, "another status is no other shape")
    assert.strictEqual(changed.peers.get(3), before.peers.get(3))
  })

  it("begins anew with a first patch", () => {
    const first = apply(nothing, fake(5).whole(0))
    const again = apply(first, { ...fake(2).whole(0) })
    assert.strictEqual(again.peers.size, 3)
    assert.isAbove(again.shape, first.shape)
  })

  it("is searched by all words, filtered, and sorted so that equal ones keep their places", () => {
    const { peers } = apply(nothing, fake(30).whole(0))
    const looking: Looking = { text: "", status: "", trust: "", by: "name", descending: false }
    const names = (of: Partial<Looking>) => listed(peers, { ...looking, ...of }).map(({ name }) => name)
    assert.strictEqual(names({}).length, 30, "the node itself is none of its peers")
    assert.deepStrictEqual(names({}), names({ descending: true }).reverse())
    assert.deepStrictEqual(names({ text: "  ADA " }), ["ada"])
    assert.deepStrictEqual(names({ text: "ada nobody" }), [])
    assert.deepStrictEqual(names({ by: "functions" }), names({}), "all have as many")
    assert.isTrue(names({ status: "suspect" }).length < 30)
    const [, ada] = [...peers.values()]
    assert.isTrue(matches(ada!, ada!.fingerprint.slice(0, 6)))
    assert.isTrue(matches(ada!, "order"), "by what it serves")
  })
})

// --- calls over time -------------------------------------------------------------------------------------------------------------

const rate = (calls: number, latency: ReadonlyArray<number> = []) => ({
  calls,
  failures: [],
  sent: calls,
  received: 2 * calls,
  latency
})
const frame = (at: number, calls: number): Rates => ({
  at,
  span: 1_000,
  out: { ...rate(calls, [0, calls]), failures: calls === 0 ? [] : [{ tag: "DeadlineError", count: 1 }] },
  in: rate(1),
  series: [{ peer: "bob", function: "add", direction: "out", kind: "command", ...rate(calls) }],
  seriesCount: 1
})

describe("calls over time", () => {
  const all = { direction: "", peer: "", function: "" } as const

  it("are put together into points of a window, by direction, peer and function", () => {
    const frames = [frame(1_000, 1), frame(2_000, 2), frame(3_000, 4), frame(9_000, 8)]
    const made = points(frames, all, 10_000, 9_000, 2_000)
    assert.deepStrictEqual(made.map(({ at, calls, span }) => [at, span, calls]), [
      [2_000, 1_000, 3],
      [4_000, 1_000, 5],
      [10_000, 1_000, 9]
    ])
    assert.strictEqual(points(frames, { ...all, direction: "in" }, 10_000, 9_000, 2_000)[2]!.calls, 1)
    assert.strictEqual(points(frames, { ...all, function: "add" }, 10_000, 9_000, 2_000)[2]!.calls, 8)
    assert.strictEqual(points(frames, { ...all, peer: "eve" }, 10_000, 9_000, 2_000)[2]!.calls, 0)
    const sum = total(made)
    assert.deepStrictEqual([sum.calls, sum.failed, sum.span, sum.tags.get("DeadlineError"), sum.latency[1]], [
      17,
      3,
      3_000,
      3,
      14
    ])
    assert.deepStrictEqual(lines(frames, all, 10_000, 9_000).map((line) => [line.peer, line.calls]), [["bob", 14]])
  })

  it("are kept for a quarter of an hour, and long ones without what is about single functions", () => {
    let kept = none
    const series = Array.from({ length: 256 }, (_, i) => ({ ...frame(0, 1).series[0]!, function: `f${i}` }))
    for (let i = 0; i < 1_000; i++) kept = keep(kept, { ...frame(i * 1_000, 1), series })
    assert.strictEqual(kept.frames.length, 900)
    assert.isAtMost(kept.series, 40_000)
    assert.strictEqual(kept.frames.reduce((sum, one) => sum + one.series.length, 0), kept.series)
    assert.strictEqual(kept.frames.at(-1)!.series.length, 256)
  })

  it("have percentiles within the bucket that they fall into", () => {
    const buckets = [1, 2, 4]
    assert.strictEqual(percentile([], buckets, 0.5), undefined)
    assert.strictEqual(percentile([0, 0, 0, 0], buckets, 0.5), undefined)
    assert.strictEqual(percentile([10], buckets, 0.5), 0.5)
    assert.strictEqual(percentile([0, 10], buckets, 1), 2)
    assert.strictEqual(percentile([5, 0, 5], buckets, 0.75), 3)
    assert.strictEqual(
      percentile([0, 0, 0, 3], buckets, 0.5),
      4,
      "beyond all borders the last one is all that is known"
    )
  })
})

// --- spans -----------------------------------------------------------------------------------------------------------------------

const span = (of: Partial<Span> & Pick<Span, "span">): Span => ({
  trace: "t",
  name: of.span,
  kind: "client",
  start: 1_000,
  ms: 10,
  status: "ok",
  at: "here",
  ...of
})

describe("spans", () => {
  it("come in any order, and again when they have ended", () => {
    const first = withSpans([], [
      span({ span: "b", parent: "a", start: 1_002 }),
      span({ span: "x", trace: "other", start: 5 })
    ])
    assert.deepStrictEqual(first.map(({ root }) => root.span), ["b", "x"])
    const then = withSpans(first, [span({ span: "a", status: "running" })])
    assert.deepStrictEqual(then.map(({ root, spans }) => [root.span, spans.size]), [["a", 2], ["x", 1]])
    assert.strictEqual(withSpans(then, [span({ span: "a" })])[0]!.root.status, "ok")
    assert.strictEqual(withSpans(then, []), then)
    const many = Array.from({ length: 1_000 }, (_, i) => span({ span: `${i}`, trace: `${i}`, start: i }))
    assert.deepStrictEqual([withSpans([], many).length, withSpans([], many)[0]!.root.start], [300, 999])
    assert.isAtMost(withSpans([], many.map((one) => ({ ...one, trace: "one" })))[0]!.spans.size, 200)
  })

  it("lie in what asked for them, although clocks differ", () => {
    const { bars, ms } = waterfall([
      span({ span: "a", ms: 20 }),
      span({ span: "b", parent: "a", start: 90_000, ms: 10, kind: "server", at: "there" }),
      span({ span: "c", parent: "b", start: 90_002, ms: 4, at: "there" })
    ], 0)
    assert.deepStrictEqual(bars.map(({ depth, from, moved, span }) => [span.span, depth, from, moved]), [
      ["a", 0, 0, false],
      ["b", 1, 5, true],
      ["c", 2, 7, true]
    ])
    assert.strictEqual(ms, 20)
  })

  it("that are in each other, or in themselves, are still shown", () => {
    const { bars } = waterfall([
      span({ span: "a", parent: "b" }),
      span({ span: "b", parent: "a" }),
      span({ span: "c", parent: "c" })
    ], 0)
    assert.deepStrictEqual(bars.map(({ span }) => span.span).sort(), ["a", "b", "c"])
  })
})

describe("rows of a topic", () => {
  it("take each other's place, and go", () => {
    const from = { name: "bob", key: "k", fingerprint: "f" }
    const row = (key: string, value: number) => ({ from, topic: "t", key, value, at: value })
    const first = withRows(noRows, { rows: [row("a", 1), row("b", 2)], gone: [], count: 2, published: 2, missed: 0 })
    const then = withRows(first, {
      rows: [row("a", 3)],
      gone: [{ from: "k", topic: "t", key: "b" }],
      count: 1,
      published: 5,
      missed: 1
    })
    assert.deepStrictEqual([...then.rows.values()].map(({ key, value }) => [key, value]), [["a", 3]])
    assert.deepStrictEqual([then.count, then.published, then.missed], [1, 7, 1])
  })
})

describe("what comes of a call", () => {
  it("is put together by peer, and keeps the last elements of long streams", () => {
    const elements = Array.from(
      { length: 500 },
      (_, index): CallEvent => ({ _tag: "Element", peer: "bob", index, value: index, bytes: 1 })
    )
    const results = withEvents(new Map(), [{ _tag: "Started", peer: "bob" }, ...elements, {
      _tag: "Started",
      peer: "eve"
    }])
    const bob = results.get("bob")!
    assert.deepStrictEqual([bob.state, bob.count, bob.got.length, bob.got.at(-1)!.value], ["streaming", 500, 200, 499])
    const over = withEvents(results, [{ _tag: "Done", peer: "bob", count: 500, cut: true, ms: 3 }, {
      _tag: "Failed",
      peer: "eve",
      tag: "E",
      message: "no",
      ms: 1
    }])
    assert.deepStrictEqual([over.get("bob")!.state, over.get("bob")!.cut, over.get("eve")!.failure?.tag], [
      "done",
      true,
      "E"
    ])
    assert.deepStrictEqual([cancelled(results).get("eve")!.state, cancelled(over).get("bob")!.state], [
      "cancelled",
      "done"
    ])
  })
})

describe("where the page is", () => {
  it("is in the URL, whatever a name is made of", () => {
    const key = "a/b?c=d#e%f&g=="
    assert.deepStrictEqual(read(write("peers", key)), { view: "peers", of: key, query: {} })
    const query = { peer: "<b>&=#?%", function: "ünï/cödé" }
    assert.deepStrictEqual(read(write("try", undefined, { ...query, empty: "", none: undefined })).query, query)
    for (const hash of ["", "#", "#/", "#/nowhere", "#/%E0%A4%A", "#/network/%"]) {
      assert.strictEqual(read(hash).view, "network")
    }
  })
})

describe("text of others", () => {
  it("shows what acts or hides by its name, and is cut", () => {
    const of = (text: string, most?: number) => plain(text, most)
    assert.strictEqual(of("<b>bold</b>"), "<b>bold</b>")
    assert.strictEqual(of("a\u001b[31mred\u0007\u007f"), "a\u241b[31mred\u2407\u2421")
    assert.strictEqual(of("abc\u202etxt.exe"), "abcU+202Etxt.exe")
    assert.strictEqual(of("a\u200bb\u00adc\ufeff"), "aU+200BbU+00ADcU+FEFF")
    assert.strictEqual(of("👩‍💻 नमस्ते‍"), "👩‍💻 नमस्तेU+200D", "joiners that join stay")
    assert.strictEqual(of("\ud800"), "U+D800")
    assert.strictEqual(of("😀".repeat(9), 5), "😀😀…", "no half of a character is shown")
    assert.deepStrictEqual(shown("x".repeat(1_000_000)), { pieces: ["x".repeat(240)], left: 999_760 })
    assert.deepStrictEqual(shown("a\nb\tc\u001b", 200, true).pieces, ["a\nb\tc", { control: "\u241b" }])
  })

  it("has numbers that are short", () => {
    assert.deepStrictEqual([0, 0.42, 3.14, 42, 1_234, 12_345, 3e6].map(short), [
      "0",
      "0.42",
      "3.1",
      "42",
      "1,234",
      "12.3k",
      "3M"
    ])
    assert.deepStrictEqual([0, 0.4, 1.23, 45.6, 3_400, 125_000].map(duration), [
      "0 ms",
      "400 µs",
      "1.2 ms",
      "46 ms",
      "3.4 s",
      "2 m 5 s"
    ])
    assert.deepStrictEqual([12_000, 125_000, 7_500_000, 90_000_000].map(lasting), [
      "12 s",
      "2 m 5 s",
      "2 h 5 m",
      "1 d 1 h"
    ])
    assert.deepStrictEqual([12, 1_234, 34e6].map(bytes), ["12 B", "1.2 kB", "34 MB"])
  })
})
