/** Nodes in a real browser, against nodes in other processes. */
import { assert, it } from "@effect/vitest"
import { type Page, withBrowser } from "@pnet/lab/browser/browser"
import { asked, evaluate, freePort, secretOf, server, site } from "@pnet/lab/web/web"
import { Effect, type Scope } from "effect"

// Somebody else's key.
const one = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="

/** Another tab of the same browser, with what the site keeps. */
const tabOf = (page: Page, url: string) =>
  Effect.tap(
    Effect.acquireRelease(
      Effect.promise(() => page.context().newPage()),
      (tab) => Effect.promise(() => tab.close())
    ),
    (tab) => Effect.promise(() => tab.goto(url))
  )

interface Node {
  readonly name: string
  readonly publicKey: string
}

withBrowser("a node in a browser", (open) => {
  const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(body), 120_000)

  test(
    "calls, is called back, streams both ways, publishes and hears, is a peer with presence, and is lost with its tab",
    Effect.gen(function*() {
      const { ask, url } = yield* server()
      const page = yield* open(`${yield* site}/?${asked([["peer", url], ["name", "anna"]])}`)
      yield* evaluate(page, `pnet.awaitPeer("server")`)
      assert.strictEqual(yield* evaluate(page, `pnet.double("server", 21)`), 42)
      assert.strictEqual(yield* evaluate(page, `pnet.count("server", 1000)`), 500_500)
      yield* evaluate(page, `document.title = "a page"`)
      assert.strictEqual(yield* evaluate(page, `pnet.callBack("server")`), "a page")
      assert.deepStrictEqual((yield* ask({ do: "peers" }))["peers"], [["anna", 0]])
      assert.strictEqual((yield* ask({ do: "title", peer: "anna" }))["title"], "a page")
      const size = 2 * 1_048_576
      assert.deepInclude(yield* evaluate<object>(page, `pnet.echo("server", ${size})`), { came: size })
      assert.strictEqual((yield* ask({ do: "echo", peer: "anna", size }))["came"], size)
      assert.strictEqual(yield* evaluate(page, `pnet.any("whoever")`), "whoever")
      yield* ask({ do: "publish", topic: "news", value: "of the server" })
      assert.strictEqual(yield* evaluate(page, `pnet.hear("news")`), "of the server")
      yield* evaluate(page, `pnet.publish("titles", "of the page")`)
      assert.strictEqual((yield* ask({ do: "hear", topic: "titles" }))["value"], "of the page")
      assert.deepStrictEqual(page.errors, [])
      yield* Effect.promise(() => page.close())
      // It is told by the end of its connection, and by no silence.
      yield* ask({ do: "untilLost", peer: "anna" })
      assert.include((yield* ask({ do: "events" }))["events"], "Lost")
    })
  )

  test(
    "has an identity that its site keeps, and one of its own in each further tab",
    Effect.gen(function*() {
      const address = `${yield* site}/?${asked([["name", "anna"]])}`
      const first = yield* open(address)
      const one = yield* evaluate<Node>(first, "pnet.node()")
      const second = yield* tabOf(first, address)
      const two = yield* evaluate<Node>(second, "pnet.node()")
      assert.strictEqual(one.name, "anna")
      assert.strictEqual(two.name, "anna-2")
      assert.notStrictEqual(one.publicKey, two.publicKey)
      // Each after a reload, and the first of them by a new tab when there is no other.
      yield* Effect.promise(() => second.reload())
      assert.deepStrictEqual(yield* evaluate(second, "pnet.node()"), two)
      yield* evaluate(first, `document.title = "the first"`)
      const refused = yield* tabOf(first, `${address}&tabs=one`)
      const { error } = yield* evaluate<{ readonly error: string }>(refused, "pnet.node()")
      assert.match(error, /the identity of anna could not be had: another tab runs with it \("", \/, for \d+ minutes\)/)
      yield* Effect.promise(() => refused.close())
      yield* Effect.promise(() => second.close())
      const context = first.context()
      const last = yield* Effect.promise(() => context.newPage())
      yield* Effect.promise(() => first.close())
      yield* Effect.promise(() => last.goto(address))
      assert.deepStrictEqual(yield* evaluate(last, "pnet.node()"), one)
    })
  )

  test(
    "comes back by itself when its server does, and knows it again by the key that it has pinned",
    Effect.gen(function*() {
      const port = yield* freePort
      const before = yield* server({ port })
      const address = `${yield* site}/?${asked([["name", "anna"], ["peer", before.url]])}`
      const page = yield* open(address)
      assert.strictEqual(yield* evaluate(page, `pnet.awaitPeer("server")`), before.publicKey)
      assert.strictEqual(yield* evaluate(page, `pnet.double("server", 1)`), 2)
      yield* before.signal("SIGKILL")
      yield* before.exited
      const after = yield* server({ port })
      yield* after.ask({ do: "awaitPeer", peer: "anna" })
      assert.strictEqual(yield* evaluate(page, `pnet.double("server", 2)`), 4)
      // The pins are kept within a second, and when the node ends.
      yield* evaluate(page, "pnet.stop()")
      yield* after.signal("SIGKILL")
      yield* after.exited
      yield* server({ port, secret: secretOf(8) })
      yield* Effect.promise(() => page.reload())
      const refusal = evaluate<{ readonly error?: string }>(page, `pnet.double("server", 3)`)
      // Nobody has been found yet, or somebody who is not the one that was known.
      while (!(yield* refusal).error?.includes("that name belongs to key")) yield* Effect.sleep("10 millis")
    })
  )

  test(
    "takes no node at a URL with the key of another behind it",
    Effect.gen(function*() {
      const { publicKey, url } = yield* server()
      // The same node, at two URLs.
      const peers: ReadonlyArray<readonly [string, string]> = [
        ["peer", `${url}?again#${one}`],
        ["peer", `${url}#${publicKey}`]
      ]
      const page = yield* open(`${yield* site}/?${asked([["name", "anna"], ...peers])}`)
      assert.strictEqual(yield* evaluate(page, `pnet.awaitPeer("server")`), publicKey)
      while (!(yield* evaluate<ReadonlyArray<string>>(page, "pnet.obstacles()")).includes("PinnedKey")) {
        yield* Effect.sleep("10 millis")
      }
      const endpoints = yield* evaluate<ReadonlyArray<unknown>>(page, `pnet.endpoints("server")`)
      assert.strictEqual(endpoints.length, 1)
    })
  )
})
