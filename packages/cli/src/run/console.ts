/** What `pnet console` does. */
import * as Console from "@pnet/console/Console"
import * as ConsoleSpans from "@pnet/console/ConsoleSpans"
import { openBrowser } from "@pnet/console/OpenBrowser"
import { CommandNode, type CommandNodeService } from "@pnet/core/CommandNode"
import { Entropy } from "@pnet/core/Crypto"
import type { ListenError } from "@pnet/core/Network"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { consolePage } from "../commands/console.ts"
import { Problem } from "../errors.ts"
import { Machine, placesOf } from "../machine.ts"
import { parsePatterns } from "../mcp/patterns.ts"
import { makeFolder } from "../node/makeFolder.ts"
import { open } from "../node/open.ts"
import { trusting } from "../node/trusting.ts"
import { Output } from "../output/Output.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"
import { version } from "../version.ts"

/** Where the page is, where nobody says otherwise and nobody else is there: a browser that was let in finds it again. */
const usualPort = 7_670

const secretBytes = 32

/** What browsers that were let in are known by, at the next start, too. Where it cannot be kept, they are let in anew. */
const secretOf = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = placesOf(yield* Machine).state
  const file = path.join(folder, "console.secret")
  const kept = yield* Effect.option(fs.readFileString(file))
  const bytes = Option.map(kept, (text) => Result.getOrUndefined(Hex.decode(text.trim())))
  if (Option.isSome(bytes) && bytes.value?.length === secretBytes) return Redacted.make(bytes.value)
  const fill = yield* Entropy
  const secret = new Uint8Array(secretBytes)
  fill(secret)
  yield* Effect.ignore(Effect.andThen(
    makeFolder(folder),
    fs.writeFileString(file, `${Hex.encode(secret)}\n`, { mode: 0o600 })
  ))
  return Redacted.make(secret)
})

/** The port: the one that was said, or the usual one, or any other where somebody has that. */
const served = <E>(
  node: CommandNodeService,
  port: Option.Option<number>,
  make: (port: number) => Layer.Layer<Console.Console, ListenError | E, CommandNode>
) => {
  const build = (port: number) => Layer.build(Layer.provide(make(port), Layer.succeed(CommandNode, node)))
  return Option.isSome(port) ? build(port.value) : Effect.catchTag(
    build(usualPort),
    "ListenError",
    (error) => (error as ListenError).kind === "PortInUse" ? build(0) : Effect.fail(error)
  )
}

/** Tools for assistants, which are loaded where there are any. */
const toolsOf = Effect.fnUntraced(function*(node: CommandNodeService, input: Input<typeof consolePage>) {
  const [allow, readOnly] = [
    yield* parsePatterns("--allow", input.allow),
    yield* parsePatterns("--read-only", input.readOnly)
  ]
  const { http } = yield* Effect.promise(() => import("../mcp/server.ts"))
  const bounds = { timeout: Duration.seconds(60), bytes: 65_536, items: 100 }
  return http({ node, allow, readOnly, generic: false, bounds }, { path: "/mcp" })
})

const notBuilt = {
  what: "the page of the console is not built, as it is in what is published",
  hint: "run: npx -y pnpm@12 exec node packages/console/buildPage.ts"
} as const

const serve = Effect.fnUntraced(function*(input: Input<typeof consolePage>) {
  const output = yield* Output
  const hasPage = yield* Console.isBuilt()
  // Assistants have no use for the page.
  if (!hasPage && !input.mcp) return yield* new Problem({ exit: "failed", ...notBuilt })
  if (!hasPage) yield* output.warn(`${notBuilt.what}: assistants alone are served; ${notBuilt.hint}`)
  const { values } = yield* Settings
  const { diagnose, name, node, sealed, trust } = yield* open()
  const secret = yield* secretOf
  const decisions = yield* trusting(trust)
  const routes = input.mcp ? yield* toolsOf(node, input) : undefined
  const context = yield* served(
    node,
    input.pagePort,
    (port) => Console.layer({ port, act: input.act, secret, trust: decisions, diagnose, sealed, version, routes })
  )
  const { assistantKey, link, port } = Context.get(context, Console.Console)
  yield* output.value("console", {
    link: yield* link,
    port,
    node: name,
    network: values.network,
    act: input.act,
    ...(input.mcp ? { mcp: { url: `http://127.0.0.1:${port}/mcp`, key: Redacted.value(assistantKey) } } : {})
  })
  const { canAnimate } = yield* TerminalCapabilities
  if (hasPage && input.openPage && canAnimate && !output.json) {
    // The link that was printed stays good, for another browser.
    const opened = yield* openBrowser(yield* link, placesOf(yield* Machine).state)
    if (!opened) yield* output.note("no browser was found: open the link yourself")
  }
  return yield* Effect.never
})

/** Serves the page, with a tracer under the node that records while the page is open. */
export const run = Effect.fnUntraced(function*(input: Input<typeof consolePage>) {
  const spans = yield* Layer.build(ConsoleSpans.layer)
  return yield* Effect.provideContext(serve(input), spans)
})
