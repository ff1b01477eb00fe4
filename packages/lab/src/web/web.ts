/** A page with a node and a server with one, each made and started: for tests and measurements in a real browser. */
import { Effect, type Scope } from "effect"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import type { Page } from "../browser/browser.ts"
import { bundle, type Chunk } from "../browser/bundle.ts"
import * as Pages from "../browser/pages.ts"
import { type Child, child } from "../processes/child.ts"
import * as Programs from "../processes/programs.ts"

const here = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url))

/** The secret of a node, by a number. */
export const secretOf = (number: number): string => Buffer.alloc(32, number).toString("base64url").padEnd(44, "=")

/** A port that nobody has now: a server that is started again has the same. */
export const freePort: Effect.Effect<number> = Effect.callback((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

export interface Server extends Child {
  readonly url: string
  readonly publicKey: string
}

/** A server in a process of its own, which does what `server.ts` says. */
export const server = (
  options?: { readonly port?: number; readonly secret?: string }
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function*() {
    const port = options?.port ?? (yield* freePort)
    const process = yield* child(Programs.file(new URL("./server.ts", import.meta.url)), {
      SERVER: JSON.stringify({ name: "server", port, secret: options?.secret ?? secretOf(7) })
    })
    const { publicKey } = yield* process.ready
    return { ...process, url: `ws://127.0.0.1:${port}/pnet`, publicKey: String(publicKey) }
  })

let built: Promise<ReadonlyArray<Chunk>> | undefined

/** The program of the page, bundled once. */
export const program: Effect.Effect<ReadonlyArray<Chunk>> = Effect.promise(() =>
  built ??= Effect.runPromise(bundle(here("node.ts")))
)

/** Where the page is. */
export const site = Effect.flatMap(program, (chunks) => Pages.serve(Pages.layer(chunks)))

/** What the page is told by its address. */
export const asked = (parameters: ReadonlyArray<readonly [string, string]>): string =>
  parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")

/** What an expression comes to in a page; `{ error }` where it fails. */
export const evaluate = <A>(page: Page, expression: string): Effect.Effect<A> =>
  Effect.promise<A>(() =>
    page.evaluate(
      `(async () => { try { return await (${expression}) } catch (error) { return { error: String(error) } } })()`
    )
  )
