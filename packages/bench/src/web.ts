/**
 * A node in a real browser against a node in another process, over a WebSocket: what its program weighs, how soon it has its first typed answer, calls,
 * and a stream there and back at the same time. The page is another one each time, as at a first visit.
 */
import { launch, openIn } from "@pnet/lab/browser/browser"
import { type Chunk, loadedWith } from "@pnet/lab/browser/bundle"
import { count, millis, table } from "@pnet/lab/harness/table"
import { asked, evaluate, program, server, site } from "@pnet/lab/web/web"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** How to run. */
export interface Options {
  /** First answers, each in a page of its own. */
  readonly times: number
  readonly calls: number
  readonly mib: number
}

interface Echoed {
  readonly came: number
  readonly most: number
  readonly millis: number
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const kilobytes = (bytes: number) => `${count(bytes / 1_000)} kB`

/** Measures, and gives the rows. */
export const run = ({ calls, mib, times }: Options) =>
  Effect.gen(function*() {
    const chunks = yield* program
    const browser = yield* launch
    const { ask, url } = yield* server()
    const at = yield* site
    const open = (name: string) =>
      openIn(browser, `${at}/?${asked([["name", name], ["peer", url], ["first", "server"]])}`)
    const firsts: Array<number> = []
    for (let i = 0; i < times; i++) {
      firsts.push(
        yield* Effect.scoped(Effect.flatMap(open(`page${i}`), (page) => evaluate<number>(page, "pnet.first")))
      )
    }
    const page = yield* open("page")
    yield* evaluate(page, "pnet.first")
    yield* evaluate(page, `pnet.calls("server", ${calls}, 16)`)
    const alone = yield* evaluate<number>(page, `pnet.calls("server", ${Math.ceil(calls / 4)}, 1)`)
    const many = yield* evaluate<number>(page, `pnet.calls("server", ${calls}, 16)`)
    const size = mib * 1_048_576
    const { came, millis: took, most } = yield* evaluate<Echoed>(page, `pnet.echo("server", ${size})`)
    const { rss } = yield* ask({ do: "memory" })
    const lost = yield* Effect.forkChild(ask({ do: "untilLost", peer: "page" }), { startImmediately: true })
    yield* evaluate(page, `pnet.double("server", 1)`)
    const closed = performance.now()
    yield* Effect.promise(() => page.close())
    yield* Fiber.join(lost)
    const gone = performance.now() - closed
    const first = loadedWith(chunks, chunks[0]!)
    const sum = (of: (chunk: Chunk) => number, which: (chunk: Chunk) => boolean) =>
      kilobytes(chunks.filter(which).reduce((sum, chunk) => sum + of(chunk), 0))
    const isFirst = (chunk: Chunk) => first.has(chunk)
    return [
      ["the page's program", `${sum(({ size }) => size, isFirst)}, ${sum(({ gzip }) => gzip, isFirst)} gzip`],
      ["what it may load later", `${sum(({ gzip }) => gzip, (chunk) => !first.has(chunk))} gzip`],
      [`first typed answer, the median of ${times} pages`, millis(median(firsts))],
      ["calls a second, one at a time", count(Math.ceil(calls / 4) / alone * 1_000)],
      ["calls a second, 16 at once", count(calls / many * 1_000)],
      [`${count(came / 1_048_576)} MiB there and back at once`, `${count(mib / took * 1_000)} MiB/s each way`],
      ["the most that the page's heap had meanwhile", `${count(most / 1_048_576)} MiB`],
      ["from the end of its tab until it is lost", millis(gone)],
      ["the memory of the server's process after it", `${count(Number(rss) / 1_048_576)} MiB`]
    ] as ReadonlyArray<readonly [string, string]>
  }).pipe(Effect.scoped)

/** `pnpm bench web`. */
export const main = (options: Options) =>
  Effect.flatMap(run(options), (rows) => Console.log(table(["a page in Chromium", ""], rows)))
