/** What a page keeps, where its browser does not let it: what it says then, and what does not depend on it. */
import { assert, describe, it } from "@effect/vitest"
import { Identity, Packet, PortableCrypto } from "@pnet/core"
import { WebIdentity, WebStorage, WebTrust } from "@pnet/web"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as Locks from "../src/internal/locks.ts"

type Listener = () => void

/** A request, or a transaction, of a browser that does with it what it is told. */
class Asked {
  readonly listeners = new Map<string, Listener>()
  result: unknown
  error: unknown
  addEventListener(type: string, listener: Listener) {
    this.listeners.set(type, listener)
  }
  say(type: string) {
    this.listeners.get(type)?.()
  }
}

/** IndexedDB that opens as it is told, while the scope is open. */
const browser = (open: () => Asked) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.getOwnPropertyDescriptor(globalThis, "indexedDB")
      Object.defineProperty(globalThis, "indexedDB", { value: { open }, configurable: true })
      return before
    }),
    (before) =>
      Effect.sync(() => {
        if (before === undefined) delete (globalThis as { indexedDB?: unknown }).indexedDB
        else Object.defineProperty(globalThis, "indexedDB", before)
      })
  )

const opened = Effect.map(
  Layer.build(WebStorage.layerIndexedDb()),
  (context) => Context.get(context, KeyValueStore.KeyValueStore)
)

const errorOf = <A, R>(effect: Effect.Effect<A, KeyValueStore.KeyValueStoreError, R>) =>
  Effect.map(Effect.flip(effect), ({ message }) => message)

/** A database whose transactions are what they are told to be. */
const databaseOf = (transaction: () => unknown) => {
  const database = { closed: 0, close: () => void database.closed++, transaction }
  const request = new Asked()
  request.result = database
  return { request, database }
}

describe("IndexedDB", () => {
  it.effect("that throws, refuses, or answers nothing is an error that says so", () =>
    Effect.gen(function*() {
      yield* browser(() => {
        throw new Error("The operation is insecure.")
      })
      assert.include(yield* errorOf(opened), "did not open: The operation is insecure.")
      const refused = new Asked()
      refused.error = new Error("QuotaExceededError")
      yield* browser(() => refused)
      const refusal = yield* Effect.forkChild(errorOf(opened), { startImmediately: true })
      refused.say("error")
      assert.include(yield* Fiber.join(refusal), "did not open: QuotaExceededError")
      const { database, request } = databaseOf(() => undefined)
      yield* browser(() => request)
      const silence = yield* Effect.forkChild(errorOf(opened), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.include(yield* Fiber.join(silence), "nothing came of it within 10 seconds")
      // It opens after all: nobody has it any more.
      request.say("success")
      assert.strictEqual(database.closed, 1)
    }).pipe(Effect.scoped))

  it.effect("that is full, is gone, or hangs later is an error of what was to be kept", () =>
    Effect.gen(function*() {
      let transaction: () => unknown = () => {
        throw new Error("The database connection is closing.")
      }
      const { request } = databaseOf(() => transaction())
      yield* browser(() => request)
      const opening = yield* Effect.forkChild(opened, { startImmediately: true })
      request.say("success")
      const store = yield* Fiber.join(opening)
      assert.include(yield* errorOf(store.get("a")), "did not get: The database connection is closing.")
      const writing = Object.assign(new Asked(), { objectStore: () => ({ put: () => new Asked() }) })
      transaction = () => writing
      const full = yield* Effect.forkChild(errorOf(store.set("a", "b")), { startImmediately: true })
      writing.error = new Error("QuotaExceededError")
      writing.say("abort")
      assert.include(yield* Fiber.join(full), "did not set: QuotaExceededError")
      const hangs = yield* Effect.forkChild(errorOf(store.set("a", "b")), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.include(yield* Fiber.join(hangs), "nothing came of it within 10 seconds")
    }).pipe(Effect.scoped))
})

/** A store that has what it has, and takes nothing more. */
const full = (kept: Readonly<Record<string, string>>) =>
  Layer.succeed(
    KeyValueStore.KeyValueStore,
    KeyValueStore.makeStringOnly({
      get: (key) => Effect.succeed(kept[key]),
      set: (key) => Effect.fail(new KeyValueStore.KeyValueStoreError({ method: "set", message: "it is full", key })),
      remove: () => Effect.void,
      clear: Effect.void,
      size: Effect.succeed(0),
      keys: Effect.succeed([])
    })
  )

const name = Packet.NodeName.make("anna")

describe("what a page keeps", () => {
  it.live("is its identity where the storage is full, unless there is none in it yet", () =>
    Effect.gen(function*() {
      const { keyPair, secret } = yield* Effect.gen(function*() {
        const keyPair = yield* Identity.generate
        return { keyPair, secret: Redacted.value(Identity.exportSecret(keyPair)) }
      }).pipe(Effect.provide(PortableCrypto.layer))
      const ask = (kept: Readonly<Record<string, string>>) =>
        Effect.scoped(Effect.flatMap(
          Layer.build(WebIdentity.layer().pipe(Layer.provide([full(kept), PortableCrypto.layer]))),
          (context) => Context.get(context, Identity.IdentityStore).keyPair(name)
        ))
      assert.strictEqual((yield* ask({ "identity/anna/1": secret })).publicKey, keyPair.publicKey)
      const error = yield* Effect.flip(ask({}))
      assert.include(error.message, "anna")
      const malformed = yield* Effect.flip(ask({ "identity/anna/1": "no secret" }))
      assert.include(String(malformed.cause), "is no secret")
    }))

  it.live("is an error where nobody can read the known peers", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Layer.build(WebTrust.layer().pipe(Layer.provide(full({ "known peers": "{\"pins\":" }))))
      )
      assert.include(error.message, "cannot be understood")
    }).pipe(Effect.scoped))

  // Node has Web Locks as browsers do, of late.
  const locks = (globalThis as { navigator?: { locks?: unknown } }).navigator?.locks

  it.live.skipIf(locks === undefined)(
    "is an identity for each tab of those that ask at once, each held until its tab is gone",
    () =>
      Effect.gen(function*() {
        const kept = yield* Layer.build(Layer.merge(WebStorage.layerMemory, PortableCrypto.layer))
        const ask = (tabs: "numbered" | "one") =>
          Effect.flatMap(
            Layer.build(Layer.fresh(WebIdentity.layer({ tabs })).pipe(Layer.provide(Layer.succeedContext(kept)))),
            (context) => Context.get(context, Identity.IdentityStore).keyPair(name)
          )
        const first = yield* Effect.scoped(Effect.gen(function*() {
          const tabs = yield* Effect.all(Array.from({ length: 4 }, () => ask("numbered")), { concurrency: "unbounded" })
          assert.deepStrictEqual(tabs.map((tab) => tab.name).sort(), ["anna-2", "anna-3", "anna-4", undefined])
          assert.strictEqual(new Set(tabs.map(({ publicKey }) => publicKey)).size, 4)
          const refused = yield* Effect.flip(ask("one"))
          assert.include(String(refused.cause), "another tab runs with it")
          return tabs.find((tab) => tab.name === undefined)!
        }))
        // All of them are gone.
        assert.strictEqual((yield* Effect.scoped(ask("one"))).publicKey, first.publicKey)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Effect.forEach(Array.from({ length: 63 }, (_, i) => i + 1), (i) => Locks.hold(`identity/anna/${i}`))
          assert.strictEqual((yield* ask("numbered")).name, "anna-64")
          assert.include(String((yield* Effect.flip(ask("numbered"))).cause), "another tab runs with it")
        }))
      })
  )
})
