/**
 * The console of a node: a page on this machine where people see its network as it is, and act on it.
 *
 * ```ts
 * const program = Effect.gen(function*() {
 *   const { link } = yield* Console.Console
 *   yield* Effect.log(yield* link)                        // http://127.0.0.1:41234/?token=…, which is good for one browser
 *   yield* Effect.never
 * })
 * const Live = Console.layer().pipe(Layer.provideMerge(CommandNode.layer({ name: "alice" })), Layer.provideMerge(ConsoleSpans.layer))
 * ```
 *
 * It is served at 127.0.0.1 alone, to browsers that have opened a link of it and to nobody else. It shows, and calls what is called with it; what changes whom the node trusts
 * is left out unless it is made with `act`. While no page is open it costs nothing.
 *
 * @since 0.2.0
 */
import { CommandNode } from "@pnet/core/CommandNode"
import { Entropy } from "@pnet/core/Crypto"
import type { Described } from "@pnet/core/Finding"
import type { ListenError } from "@pnet/core/Network"
import * as Trust from "@pnet/core/Trust"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import { fileURLToPath } from "node:url"
import { ConsoleApi } from "./ConsoleApi.ts"
import { ConsoleSpans } from "./ConsoleSpans.ts"
import * as ConsoleTrust from "./ConsoleTrust.ts"
import * as Handlers from "./internal/server/handlers.ts"
import * as Serving from "./internal/server/serving.ts"

/**
 * How a console is made.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options<E = never, R = never> {
  /** The port of 127.0.0.1. Default: 0, which is any free one. */
  readonly port?: number | undefined
  /** Whether the page may change whom the node trusts: `allow`, `revoke`, `forget`, `resolveConflict`. Default: `false`. */
  readonly act?: boolean | undefined
  /**
   * 32 bytes that nobody else knows, by which a browser that was let in is known after a restart, at the same port. Default: others at each start.
   */
  readonly secret?: Redacted.Redacted<Uint8Array> | undefined
  /** Whom the node trusts, and how that is changed. Default: what the trust policy in the context can say and do, if there is one. */
  readonly trust?: ConsoleTrust.ConsoleTrust | undefined
  /** Finds out what is wrong with the machine and its network, as `Diagnose.run` with the node's options does. Default: what the node knows itself. */
  readonly diagnose?: Effect.Effect<ReadonlyArray<Described & { readonly _tag: string }>, unknown> | undefined
  /** Whether the network has a key, for showing it. Default: `false`. */
  readonly sealed?: boolean | undefined
  /** The version of the program, for showing it. */
  readonly version?: string | undefined
  /** What is served beside the page, behind the same door. What is at `/mcp` is for those, too, who have `assistantKey`. */
  readonly routes?: Layer.Layer<never, E, R> | undefined
  /** The folder of the page. Default: `dist/page` of this package, which a program that is bundled copies to where it says here. */
  readonly page?: string | undefined
}

/**
 * A console that is served.
 *
 * @category services
 * @since 0.2.0
 */
export class Console extends Context.Service<Console, {
  readonly port: number
  /** A new link, which lets one browser in, once, within twelve hours. Of those that were not opened 16 are good. */
  readonly link: Effect.Effect<string>
  /** What assistants say to reach `/mcp`: `Authorization: Bearer …`. It is the same for as long as `secret` and `port` are. */
  readonly assistantKey: Redacted.Redacted
}>()("@pnet/console/Console") {}

/** Where the page is, beside the sources and beside what is built of them. A bundle may not know where it is itself. */
const pageOfPackage = () => fileURLToPath(new URL("../dist/page", import.meta.url))

/**
 * Whether there is a page in a folder, which by default is the one of this package: where the sources are run, and in what is not published, it is there once
 * `packages/console/buildPage.ts` has made it. Without it a console serves its `routes`, and tells browsers that it has no page.
 *
 * @category guards
 * @since 0.2.0
 */
export const isBuilt = (folder: string = pageOfPackage()): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.orElseSucceed(
    FileSystem.FileSystem.use((fs) => fs.exists(`${folder.replace(/[/\\]+$/, "")}/index.html`)),
    () => false
  )

const randomHex = Effect.map(Entropy, (fill) => {
  const bytes = new Uint8Array(16)
  fill(bytes)
  return Hex.encode(bytes)
})

/**
 * Serves the console of the node in the context, until the scope closes. Spans are shown where `ConsoleSpans.layer` is under it. Fails with a `ListenError` where the port
 * is in use.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = <E = never, R = never>(
  options: Options<E, R> = {}
): Layer.Layer<Console, ListenError | E, CommandNode | Exclude<R, HttpRouter.HttpRouter>> =>
  Layer.effect(
    Console,
    Effect.gen(function*() {
      const node = yield* CommandNode
      const policy = yield* Effect.serviceOption(Trust.Trust)
      const spans = yield* Effect.serviceOption(ConsoleSpans)
      const parts: Handlers.Parts = {
        node,
        act: options.act ?? false,
        sealed: options.sealed ?? false,
        version: options.version ?? "",
        instance: yield* randomHex,
        since: yield* Clock.currentTimeMillis,
        trust: options.trust ??
          (Option.isSome(policy) ? ConsoleTrust.ofPolicy(policy.value) : ConsoleTrust.unknown),
        spans: Option.getOrUndefined(spans),
        diagnose: options.diagnose
      }
      const rpc = RpcServer.layer(ConsoleApi, { disableTracing: true }).pipe(
        Layer.provide(ConsoleApi.toLayer(Handlers.make(parts))),
        Layer.provide(RpcServer.layerProtocolWebsocket({ path: Serving.rpcPath })),
        Layer.provide(RpcSerialization.layerJson)
      )
      const routes = options.routes === undefined ? rpc : Layer.merge(rpc, options.routes)
      const { door, port } = yield* Effect.withTracerEnabled(
        Serving.serve({
          port: options.port ?? 0,
          folder: options.page ?? pageOfPackage(),
          secret: options.secret === undefined ? undefined : Redacted.value(options.secret),
          routes
        }),
        false
      )
      return {
        port,
        link: Effect.map(Clock.currentTimeMillis, (now) => door.link(now)),
        assistantKey: Redacted.make(door.assistantKey)
      }
    })
  ) as Layer.Layer<Console, ListenError | E, CommandNode | Exclude<R, HttpRouter.HttpRouter>>
