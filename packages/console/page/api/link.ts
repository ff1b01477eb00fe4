/**
 * The connection to the node: one WebSocket, made again when it is lost, for as long as the page is open. What the node says without being asked again goes
 * into the state; the views ask for the rest with `ask` and `follow`.
 */
import { ConsoleApi, type Event, type Patch } from "@pnet/console/ConsoleApi"
import { batch } from "@preact/signals"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { apply } from "../store/network.ts"
import { keep } from "../store/rates.ts"
import * as state from "../store/state.ts"

export type Client = RpcClient.FromGroup<typeof ConsoleApi, RpcClientError>

const socketUrl = (): string => {
  const url = new URL("rpc", document.baseURI)
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:"
  url.hash = ""
  return url.href
}

const protocol = RpcClient.layerProtocolSocket().pipe(
  Layer.provide(Socket.layerWebSocket(Effect.sync(socketUrl), { openTimeout: "5 seconds" })),
  Layer.provide(Socket.layerWebSocketConstructorGlobal),
  Layer.provide(RpcSerialization.layerJson)
)

let client: Client | undefined

// --- what is always followed -----------------------------------------------------------------------------------------------------

const watch = (client: Client) =>
  Stream.runForEachArray(client.watch(), (patches) =>
    Effect.sync(() => {
      batch(() => {
        for (const patch of patches as ReadonlyArray<Patch>) state.network.value = apply(state.network.value, patch)
      })
    }))

const events = (client: Client) =>
  Stream.runForEachArray(client.events(), (list) =>
    Effect.sync(() => {
      state.events.value = state.withEvents(state.events.value, list as ReadonlyArray<Event>)
    }))

const rates = (client: Client) =>
  Stream.runForEach(client.rates(), (frame) =>
    Effect.sync(() => {
      state.rates.value = keep(state.rates.value, frame)
    }))

/** One connection, from its beginning to its end. */
const session = Effect.scoped(
  Effect.gen(function*() {
    const made = yield* RpcClient.make(ConsoleApi)
    const hello = yield* made.hello()
    yield* Effect.sync(() =>
      batch(() => {
        const before = state.hello.value
        if (before !== undefined && before.instance !== hello.instance) {
          state.forget()
          state.restarted.value = Date.now()
        }
        // Events are numbered anew once nobody has looked: the node tells again of those that it has kept.
        state.events.value = []
        state.hello.value = hello
        state.epoch.value++
        client = made
        state.connection.value = { state: "open" }
      })
    )
    yield* Effect.all([watch(made), events(made), rates(made)], { concurrency: "unbounded" })
  }).pipe(Effect.provide(Layer.fresh(protocol)))
)

/** Whether the node answers this page's requests, or sends it away: then another address is to be opened, with a new token. */
const isRefused = Effect.promise(() =>
  fetch("./", { method: "HEAD", cache: "no-store" }).then(({ status }) => status === 403 || status === 401, () => false)
)

let wake = (): void => {}
const pause = (ms: number) =>
  Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(Effect.void), ms)
    wake = () => {
      clearTimeout(timer)
      resume(Effect.void)
    }
    return Effect.sync(() => clearTimeout(timer))
  })

const connect = Effect.gen(function*() {
  let tries = 0
  while (true) {
    const before = state.epoch.value
    yield* Effect.exit(session)
    client = undefined
    if (state.epoch.value !== before) tries = 0
    const refused = yield* isRefused
    yield* Effect.sync(() => {
      const last = state.connection.value
      state.connection.value = { state: "lost", since: last.state === "lost" ? last.since : Date.now(), refused }
    })
    yield* pause(Math.min(250 * 1.6 ** tries++, 5_000))
  }
})

/** Connects, now and whenever the connection is lost. */
export const start = (): void => {
  Effect.runFork(connect)
  addEventListener("online", () => wake())
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake())
}

/** Tries at once to connect again. */
export const retry = (): void => wake()

// --- what views ask for ----------------------------------------------------------------------------------------------------------

/** Why something that was asked for did not come, in words. */
export interface Failure {
  readonly tag: string
  readonly message: string
  readonly hint: string | undefined
}

const lost: Failure = {
  tag: "Lost",
  message: "The connection to the node was lost.",
  hint: "It is made again by itself; then this can be tried again."
}

const failureOf = (cause: Cause.Cause<unknown>): Failure | undefined => {
  if (Cause.hasInterruptsOnly(cause)) return undefined
  const error = Cause.squash(cause)
  if (typeof error !== "object" || error === null) return { tag: "Error", message: String(error), hint: undefined }
  const { _tag, error: tag, hint, message } = error as Readonly<Record<string, unknown>>
  if (_tag === "RpcClientError") return lost
  return {
    tag: typeof tag === "string" ? tag : typeof _tag === "string" ? _tag : "Error",
    message: String(message),
    hint: typeof hint === "string" ? hint : undefined
  }
}

export type Answer<A> = { readonly ok: true; readonly value: A } | { readonly ok: false; readonly failure: Failure }

/** Asks the node for something. */
export const ask = <A, E>(request: (client: Client) => Effect.Effect<A, E>): Promise<Answer<A>> => {
  const now = client
  if (now === undefined) return Promise.resolve({ ok: false, failure: lost })
  return Effect.runPromiseExit(request(now)).then((exit) =>
    Exit.isSuccess(exit)
      ? { ok: true, value: exit.value }
      : { ok: false, failure: failureOf(exit.cause) ?? lost }
  )
}

/** Follows a stream of the node's until it ends, or the function that is given back is called, which ends it at the node, too. */
export const follow = <A, E>(
  request: (client: Client) => Stream.Stream<A, E>,
  each: (list: ReadonlyArray<A>) => void,
  end: (failure: Failure | undefined) => void = () => {}
): () => void => {
  const now = client
  if (now === undefined) {
    queueMicrotask(() => end(lost))
    return () => {}
  }
  const fiber = Effect.runFork(Stream.runForEachArray(request(now), (list) => Effect.sync(() => each(list))))
  let isOver = false
  fiber.addObserver((exit) => {
    if (!isOver) end(Exit.isSuccess(exit) ? undefined : failureOf(exit.cause))
  })
  return () => {
    isOver = true
    Effect.runFork(Fiber.interrupt(fiber))
  }
}
