/** What a page loads. */
import { assert, it } from "@effect/vitest"
import { bundle, type Chunk, loadedWith } from "@pnet/lab/browser/bundle"
import { Effect } from "effect"
import { fileURLToPath } from "node:url"

const modulesOf = (chunks: Iterable<Chunk>) => [...chunks].flatMap(({ modules }) => [...modules.keys()])
const gzipOf = (chunks: Iterable<Chunk>) => [...chunks].reduce((sum, { gzip }) => sum + gzip, 0)

it.live(
  "a page's node is a program without anything of Node or of servers, and typed calls, topics, calls of one of several and WebAssembly come later, each when it is wanted",
  () =>
    Effect.gen(function*() {
      const chunks = yield* bundle(fileURLToPath(new URL("./pages/least.ts", import.meta.url)))
      const names = chunks.map(({ name }) => name)
      assert.deepStrictEqual(chunks.flatMap(({ imports }) => imports).filter((name) => !names.includes(name)), [])
      const first = loadedWith(chunks, chunks[0]!)
      const modules = modulesOf(first)
      const ofServers = ["HttpServerRequest", "HttpRouter", "WebSocketListener.ts"]
      const ofCrypto = ["/libsodium/", "@stablelib", "aes"]
      const ofTypedCalls = ["SchemaBinary", "rpcWire.ts", "contractBinary.ts"]
      const ofTopics = ["topics/publishing.ts", "topics/hearing.ts", "topics/groups.ts"]
      const ofSeveral = ["balance/engines.ts", "balance/pool.ts"]
      for (const name of [...ofServers, ...ofCrypto, ...ofTypedCalls, ...ofTopics, ...ofSeveral]) {
        assert.deepStrictEqual(modules.filter((module) => module.includes(name)), [])
      }
      // What it may grow to before somebody looks at why.
      assert.isBelow(gzipOf(first), 195_000)
      const later = (part: string) =>
        chunks.filter((chunk) => !first.has(chunk) && modulesOf([chunk]).some((name) => name.includes(part)))
      const [wasm, typed, topics] = ["/libsodium/", "rpcWire.ts", "topics/publishing.ts"].map(later)
      for (const part of [wasm, typed, topics]) assert.strictEqual(part!.length, 1)
      assert.notStrictEqual(typed![0], topics![0])
      assert.isBelow(gzipOf(typed!), 50_000)
      assert.isBelow(gzipOf(topics!), 25_000)
      const rest = chunks.filter((chunk) => !first.has(chunk) && ![wasm, typed, topics].some((of) => of![0] === chunk))
      assert.isBelow(gzipOf(rest), 28_000)
    }),
  60_000
)
