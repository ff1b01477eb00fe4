// @effect-diagnostics asyncFunction:off
/** The page in a real browser: over a real console with nodes in processes of their own, and over a network that is not there, for how it looks and what it bears. */
import { assert, describe, it } from "@effect/vitest"
import { KeyWords } from "@pnet/console"
import { PublicKey } from "@pnet/core"
import { type Page, withBrowser } from "@pnet/lab/browser/browser"
import { Effect, Exit, Scope } from "effect"
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { buildPage } from "../buildPage.ts"
import type { Options } from "./harness/fake.ts"
import { serve } from "./harness/fakeServer.ts"
import * as World from "./harness/world.ts"

const shots = fileURLToPath(new URL("../../../node_modules/.cache/console-shots/", import.meta.url))
const folder = await buildPage()
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

const fake = (options: Partial<Options> & { readonly port?: number }) =>
  serve({ peers: 12, changes: 0, act: true, folder, ...options })

const steps = <A>(run: () => Promise<A>) => Effect.promise(run)

/** Drawn, and with everything at the end of its way that has one. */
const settled = `new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))).then(() => {
  for (const one of document.getAnimations()) if (one.effect.getComputedTiming().endTime !== Infinity) one.finish()
})`

const goes = (page: Page, hash: string) => page.evaluate(`location.hash = ${JSON.stringify(hash)}`)

const text = (page: Page, selector: string) => page.locator(selector).first().innerText()

/** Opens a page of the network that is not there, and waits until something is known. */
const faked = (
  open: (url: string) => Effect.Effect<Page & { readonly errors: ReadonlyArray<string> }, never, Scope.Scope>,
  options: Parameters<typeof fake>[0],
  hash = ""
) =>
  Effect.gen(function*() {
    const page = yield* open(`${yield* fake(options)}${hash}`)
    page.setDefaultTimeout(60_000)
    yield* steps(() => page.waitForSelector(".where"))
    return page
  })

describe("the page as it is built", () => {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(js|css|html|svg)$/.test(name)
  )

  it("is one script, as what is fetched later may find the node gone", () =>
    assert.lengthOf(files.filter((name) => name.endsWith(".js")), 1))

  it("is under 300 kB as it travels, and has nothing of other origins in it", () => {
    const size = files.reduce((sum, name) => sum + gzipSync(readFileSync(`${folder}/${name}`)).length, 0)
    assert.isBelow(size, 300_000)
    const html = readFileSync(`${folder}/index.html`, "utf8")
    assert.notMatch(html, /<script(?![^>]*\ssrc="\.\/)|<style|\sstyle=|\son\w+=|https?:/)
    for (const name of files.filter((one) => one.endsWith(".css"))) {
      assert.notMatch(readFileSync(`${folder}/${name}`, "utf8"), /@import|url\((?!["']?data:)/)
    }
  })
})

withBrowser("the page", (open) => {
  // --- a real network ---

  it.live(
    "shows a node that comes, is killed and leaves, calls what it serves, and decides whose a name is",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const world = yield* World.make(folder)
        const bob = yield* world.start("bob")
        const link = yield* world.link
        const page = yield* open(`${link}#/network?q=bob`)
        yield* steps(async () => {
          // It comes. The link has led to what was behind its `#`, and leads nobody else there.
          await page.waitForSelector(".node[data-name=bob]")
          assert.strictEqual(page.url(), `${new URL(link).origin}/#/network?q=bob`)
        })
        const used = yield* open(link)
        yield* steps(async () => {
          assert.strictEqual(await text(used, "h1"), "This link was used already")
          assert.include(await text(used, "code"), "pnet console")
          assert.strictEqual(await used.evaluate("getComputedStyle(document.body).display"), "grid")
          await used.close()
          await goes(page, "#/peers")
          await page.click("[data-peer=bob] a")
          await page.waitForSelector("[data-function=add] .signature")
          const told = await text(page, "[data-function=add]")
          assert.include(told, "Adds <b>two</b> numbers␛[2JU+202Exxx")
          assert.isBelow(told.length, 5_000)
          assert.strictEqual(await page.locator(".words li").count(), 10)

          // A call through the form, which tells what is not there yet.
          await page.click("[data-function=add] a")
          await page.waitForSelector("[data-field='0'] input")
          assert.include(await text(page, ".copies"), "pnet call --timeout 60s bob add …")
          assert.isTrue(await page.locator(".copies .copy").first().isDisabled())
          await page.click(".call-end .main-one")
          assert.include(await text(page, "[data-field='0']"), "It has to be a number")
          await page.fill("[data-field='0'] input", "20")
          await page.fill("[data-field='1'] input", "22")
          assert.include(await text(page, ".copies"), "pnet call --timeout 60s bob add 20 22")
          await page.keyboard.press("Control+Enter")
          await page.waitForSelector("[data-run=over] .json")
          assert.strictEqual(await text(page, ".results-card .json"), "42")
          await page.waitForURL(/args=/)

          // An error of its own.
          await goes(page, "#/try?peer=bob&function=order")
          await page.selectOption("[data-field='0.article'] select", { label: "bread" })
          await page.fill("[data-field='0.amount'] input", "12")
          assert.include(await text(page, "[data-field='0.amount']"), "at most 9")
          await page.fill("[data-field='0.amount'] input", "2")
          await page.click(".call-end .main-one")
          await page.waitForSelector(".own-error")
          assert.include(await text(page, ".own-error"), "SoldOut")

          // A stream as it comes, and cancelled.
          await goes(page, "#/try?peer=bob&function=ticks")
          await page.fill("[data-field='0.to'] input", "101")
          await page.click(".call-end .main-one")
          await page.waitForSelector(".result-line:has-text('101 elements')")
          await page.click(".call-end button:has-text('Cancel')")
          await page.waitForSelector("[data-run=cancelled]")

          // What was called is in the calls, and its spans.
          await goes(page, "#/calls")
          await page.waitForSelector(".recent:has-text('ticks'):has-text('was interrupted')")
          await page.click(".recent:has-text('order')")
          await page.waitForSelector(".bar.failed")
        })

        // Another comes under bob's name. Whoever runs it reads out its words, and from then on the name is its.
        const bobs = yield* bob.key
        const other = yield* world.start("bob")
        const others = PublicKey.fromText(yield* other.key)!
        const print = PublicKey.fingerprint(others)
        yield* steps(async () => {
          await page.click(".tab:has(.badge.bad)")
          const claim = page.locator(".claim", { hasText: print })
          await claim.locator("button").click()
          assert.deepStrictEqual(await page.locator("dialog .words li").allInnerTexts(), KeyWords.of(others))
          assert.include(await text(page, "dialog"), others)
          await page.click("dialog .main-one")
          await page.waitForSelector(`.notice:has-text('bob now belongs to ${print}')`)
          await claim.locator(".badge.good").waitFor()
          assert.strictEqual(await page.locator(".claim .badge.good").count(), 1)
        })
        const trusted = yield* world.node.peers.resolveOne("bob")
        assert.strictEqual(trusted.publicKey, others)
        assert.notStrictEqual(trusted.publicKey, bobs)
        assert.strictEqual(yield* world.node.target("bob")("add", 20, 22), 42)
        assert.deepStrictEqual((yield* world.node.sessions.all).map(({ peer }) => peer.publicKey), [others])
        yield* steps(async () => {
          await goes(page, "#/events")
          await page.waitForSelector(`.event[data-kind=acted]:has-text('${print}')`)
          await page.waitForSelector(".event[data-kind=conflict]:has-text('bob')")
          await page.waitForSelector(".event[data-kind=lost]:has-text('bob')")
          await goes(page, `#/peers/${encodeURIComponent(others)}`)
          await page.waitForSelector(".badge:has-text('Pinned')")
        })

        // One leaves, and one is killed.
        const carol = yield* world.start("carol")
        const dave = yield* world.start("dave")
        yield* steps(async () => {
          await goes(page, "#/network")
          await page.waitForSelector(".node[data-name=carol]")
          await page.waitForSelector(".node[data-name=dave]")
        })
        yield* carol.leave
        yield* dave.kill
        yield* steps(async () => {
          await page.waitForSelector(".node[data-name=carol]", { state: "detached" })
          await goes(page, "#/events")
          await page.waitForSelector(
            ".event[data-kind=suspected]:has-text('dave'), .event[data-kind=lost]:has-text('dave')"
          )
          await page.waitForSelector(".event[data-kind=left]:has-text('carol')")
        })
        assert.deepStrictEqual(page.errors, [])
      })),
    90_000
  )

  it.live("decides whose a name is that two keys claim", () =>
    Effect.scoped(Effect.gen(function*() {
      const page = yield* faked(open, { conflicts: true }, "#/health")
      yield* steps(async () => {
        await page.waitForSelector(".finding")
        const [wrong] = /^\d+/.exec(await text(page, ".view-head p"))!
        assert.strictEqual(
          Number(wrong),
          await page.locator(".conflict, .finding:has(.badge.bad), .finding:has(.badge.warn)").count()
        )
        assert.match(await text(page, ".tab .badge.bad"), new RegExp(`^${wrong}\\b`))
        await page.click(".claim button")
        assert.strictEqual(await page.locator("dialog .words li").count(), 10)
        await page.keyboard.press("Escape")
        await page.waitForSelector("dialog", { state: "detached" })
        await page.click(".claim button")
        await page.click("dialog .main-one")
        await page.waitForSelector(".notice:has-text('now belongs to')")
      })
      assert.deepStrictEqual(page.errors, [])
    })))

  // --- what is said, and by whom ---

  it.live(
    "shows text of peers as text: HTML, escapes, other directions, and a hundred kilobytes",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const hostile = [
          "<img src=x onerror=\"document.title='owned'\">",
          "</script><script>document.title='owned'</script>",
          "red\u001b[31m\u0007",
          "gpj.\u202eexe",
          "שלום עולם",
          "m".repeat(100_000),
          "__proto__",
          ""
        ]
        const page = yield* faked(open, { names: hostile, description: `${hostile[0]}\u202e\u001b[2J` })
        yield* steps(async () => {
          for (const hash of ["#/network", "#/peers", "#/events", "#/topics?topic=weather", "#/calls"]) {
            await goes(page, hash)
            await page.waitForTimeout(150)
          }
          await goes(page, "#/peers")
          await page.waitForSelector("tr >> nth=8")
          const table = await page.locator(".table.peers").innerText()
          for (const part of ["<img src=x", "red␛[31m␇", "gpj.U+202Eexe", "שלום עולם", "(no name)"]) {
            assert.include(table, part)
          }
          assert.isBelow(table.length, 5_000)
          await page.click("tr:has-text('<img') a")
          await page.waitForSelector("[data-function=order]")
          // The page shows what it knows, and then what the node says.
          await page.waitForSelector(".functions:has-text('<img src=x')")
          await page.click("[data-function=greet] a")
          await page.waitForSelector(".copies")
          assert.include(
            await text(page, ".copies"),
            "pnet call --timeout 60s '<img src=x onerror=\"document.title='\\''owned'\\''\">' greet"
          )
          assert.strictEqual(await page.locator("img, [onerror]").count(), 0)
          assert.notInclude(await page.title(), "owned")
          assert.strictEqual(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true)
        })
        assert.deepStrictEqual(page.errors, [])
      })),
    120_000
  )

  it.live("says that the node was started anew, and goes on with what it is now", () =>
    Effect.scoped(Effect.gen(function*() {
      const first = yield* Scope.make()
      const url = yield* fake({ seed: 1 }).pipe(Scope.provide(first))
      const page = yield* open(`${url}#/peers`)
      yield* steps(() => page.waitForSelector("[data-peer=ada]"))
      yield* Scope.close(first, Exit.void)
      yield* steps(async () => {
        await page.waitForSelector("[data-lost]")
        assert.strictEqual(await page.locator("[data-peer=ada]").count(), 1, "what was known is still there")
      })
      yield* fake({ seed: 2, port: Number(new URL(url).port), names: ["zoe"] })
      yield* steps(async () => {
        await page.waitForSelector("[data-restarted]")
        await page.waitForSelector("[data-peer=zoe]")
        assert.strictEqual(await page.locator("[data-peer=ada]").count(), 0)
        assert.strictEqual(await page.locator("[data-lost]").count(), 0)
      })
      assert.deepStrictEqual(page.errors, [])
    })))

  it.live("says that it only shows, and offers nothing that acts", () =>
    Effect.scoped(Effect.gen(function*() {
      const page = yield* faked(open, { act: false, conflicts: true }, "#/health")
      yield* steps(async () => {
        assert.include(await text(page, ".head"), "Only shows")
        await page.waitForSelector(".claim button:disabled")
        await goes(page, "#/peers")
        await page.click("[data-peer=ada] a")
        await page.waitForSelector(".key-acts button:disabled")
      })
    })))

  // --- how it is used ---

  it.live("is used by keys alone, and is where its address says", () =>
    Effect.scoped(Effect.gen(function*() {
      const page = yield* faked(open, {}, "#/peers?q=ada&by=since&down=1")
      yield* steps(async () => {
        assert.strictEqual(await page.locator("tbody tr").count(), 1)
        assert.strictEqual(await page.inputValue("[data-search]"), "ada")
        assert.strictEqual(await page.getAttribute("th.column-since", "aria-sort"), "descending")
        await page.keyboard.press("/")
        await page.keyboard.press("ControlOrMeta+A")
        await page.keyboard.type("nobody like that")
        assert.include(page.url(), "q=nobody+like+that")
        await page.keyboard.press("Escape")
        await page.keyboard.press("g")
        await page.keyboard.press("n")
        await page.waitForSelector(".network-map")
        await page.focus(".network-map")
        await page.keyboard.press("ArrowRight")
        await page.waitForSelector(".panel")
        assert.include(page.url(), "#/network?peer=")
        await page.keyboard.press("Enter")
        await page.waitForSelector(".peer-title")
        await page.goBack()
        await page.waitForSelector(".panel")
        await page.keyboard.press("?")
        await page.waitForSelector("dialog")
        await page.keyboard.press("Escape")
        await page.waitForSelector("dialog", { state: "detached" })
      })
      assert.deepStrictEqual(page.errors, [])
    })))

  // --- how it looks ---

  const views = {
    network: "#/network",
    peers: "#/peers",
    try: "#/try?peer=ada&function=order",
    answers: "#/try?peer=*&function=add&args=%5B1%2C2%5D",
    calls: "#/calls",
    events: "#/events",
    topics: "#/topics?topic=weather",
    health: "#/health"
  }
  /** For people to look at, into the cache of the workspace, where it is asked for: `PNET_SHOTS=1`. */
  const pictured = async (page: Page, name: string, scheme: string) => {
    if (process.env["PNET_SHOTS"] === undefined) return
    mkdirSync(shots, { recursive: true })
    for (const [width, viewport] of Object.entries(widths)) {
      await page.setViewportSize(viewport)
      await page.waitForTimeout(300)
      await page.screenshot({ path: `${shots}${name}-${width}-${scheme}.png` })
    }
    await page.setViewportSize(widths.wide)
  }

  const widths = { wide: { width: 1280, height: 860 }, small: { width: 390, height: 844 } }

  it.live("has nothing that axe finds serious, in light and dark", () =>
    Effect.scoped(Effect.gen(function*() {
      const page = yield* faked(open, { peers: process.env["PNET_SHOTS"] === undefined ? 6 : 24, conflicts: true })
      yield* steps(async () => {
        await page.setViewportSize(widths.wide)
        await page.emulateMedia({ reducedMotion: "reduce" })
        await goes(page, "#/peers")
        const key = await page.getAttribute("[data-peer=ada] a", "href")
        const found: Array<string> = []
        await page.evaluate(axe)
        for (const [name, hash] of Object.entries({ ...views, peer: key! })) {
          await goes(page, hash)
          if (name === "answers") {
            await page.click(".call-end .main-one")
            await page.waitForSelector("[data-run=over]")
          }
          if (name === "calls") await page.click(".recent >> nth=0")
          for (const scheme of ["light", "dark"] as const) {
            await page.click(`[aria-label=${scheme === "light" ? "Light" : "Dark"}]`)
            // The pointer is over what was pressed, and colours go over into each other.
            await page.mouse.move(640, 4)
            await page.evaluate(settled)
            await pictured(page, name, scheme)
            // What differs in the dark is colour.
            const rules = scheme === "light" ? "{}" : "{ runOnly: ['color-contrast'] }"
            const { violations } = await page.evaluate(`axe.run(${rules})`) as {
              readonly violations: ReadonlyArray<
                {
                  readonly id: string
                  readonly impact: string
                  readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary: string }>
                }
              >
            }
            for (const { id, impact, nodes } of violations) {
              if (impact === "serious" || impact === "critical") {
                found.push(
                  `${name} ${scheme} ${id}: ${nodes[0]!.html.slice(0, 100)} ${nodes[0]!.failureSummary.slice(0, 300)}`
                )
              }
            }
          }
        }
        assert.deepStrictEqual(found, [])
      })
      assert.deepStrictEqual(page.errors, [])
    })), 90_000)

  it.live("is no wider than a small screen, whichever view is shown", () =>
    Effect.scoped(Effect.gen(function*() {
      const page = yield* faked(open, { peers: 24, conflicts: true })
      yield* steps(async () => {
        const wrong: Array<string> = []
        for (const [name, hash] of Object.entries(views)) {
          await page.setViewportSize(widths.wide)
          await goes(page, hash)
          await page.waitForSelector(`.tab[aria-current=page][href^="${hash.split("?")[0]}"]`)
          await page.setViewportSize(widths.small)
          await page.evaluate(settled)
          const [at, width] = await page.evaluate(
            "[document.scrollingElement.scrollLeft, document.scrollingElement.scrollWidth]"
          ) as [number, number]
          if (at !== 0 || width !== widths.small.width) wrong.push(`${name} is at ${at} of ${width}`)
        }
        assert.deepStrictEqual(wrong, [])
      })
    })), 60_000)

  it.live("bears 300 peers with 100 changes a second, and stays still where nothing changes", () =>
    Effect.scoped(Effect.gen(function*() {
      const page = yield* faked(open, { peers: 300, changes: 100, groups: 3 })
      yield* steps(async () => {
        await page.waitForSelector("canvas.map")
        await page.evaluate(
          "window.long = []; new PerformanceObserver((list) => list.getEntries().forEach((one) => long.push(one.duration))).observe({ entryTypes: ['longtask'] })"
        )
        for (const hash of ["#/network", "#/peers", "#/events", "#/calls"]) {
          await goes(page, hash)
          await page.waitForTimeout(600)
        }
        // Whatever else this machine does: that it goes on is what is looked at here, and how smoothly is measured apart.
        const long = await page.evaluate("long") as ReadonlyArray<number>
        assert.isBelow(Math.max(0, ...long), 1_000)
      })
      assert.deepStrictEqual(page.errors, [])
      const still = yield* faked(open, { peers: 20 })
      yield* steps(async () => {
        await still.waitForSelector(".node[data-name=ada]")
        const places = () =>
          still.evaluate("[...document.querySelectorAll('.node')].map((one) => one.getAttribute('transform')).join()")
        let before = await places()
        for (let same = 0; same < 3;) {
          await still.waitForTimeout(100)
          const now = await places()
          same = now === before ? same + 1 : 0
          before = now
        }
        await goes(still, "#/peers")
        await still.waitForSelector("[data-peer=ada]")
        await goes(still, "#/network")
        await still.waitForSelector(".node[data-name=ada]")
        await still.waitForTimeout(100)
        assert.strictEqual(await places(), before)
      })
    })))
})
