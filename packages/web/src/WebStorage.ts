/**
 * Where a page keeps what has to be there at its next visit, as Effect's `KeyValueStore`: IndexedDB, which workers have, too, or
 * `localStorage`.
 *
 * What bites: whatever runs on the site's pages can read both, and the person can clear them at any time: then the node is another one.
 * A browser that is short of room may clear them by itself, unless the page asked for `navigator.storage.persist()`.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import type * as Scope from "effect/Scope"
import { allowed, type Database, globals, type ObjectStore, type Request } from "./internal/platform.ts"

const failed = (method: string, cause: unknown, key?: string) =>
  new KeyValueStore.KeyValueStoreError({
    method,
    message: `the browser's storage did not ${method}: ${
      cause instanceof Error ? cause.message : String(cause ?? "no reason was given")
    }`,
    ...(key === undefined ? {} : { key }),
    cause
  })

const storeName = "values"

// Some browsers answer nothing at all where a site may keep nothing, or while another tab is in the way.
const patience = "10 seconds"

const inTime = <A>(
  method: string,
  key?: string
): (effect: Effect.Effect<A, KeyValueStore.KeyValueStoreError>) => Effect.Effect<A, KeyValueStore.KeyValueStoreError> =>
  Effect.timeoutOrElse({
    duration: patience,
    orElse: () => Effect.fail(failed(method, `nothing came of it within ${patience}`, key))
  })

const open = (name: string): Effect.Effect<Database, KeyValueStore.KeyValueStoreError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Database, KeyValueStore.KeyValueStoreError>((resume) => {
      let isWanted = true
      const database = allowed(() => globals.indexedDB)
      if (database === undefined) return resume(Effect.fail(failed("open", "there is no IndexedDB here")))
      let request: Request<Database>
      try {
        request = database.open(name, 1)
      } catch (cause) {
        return resume(Effect.fail(failed("open", cause)))
      }
      request.addEventListener("upgradeneeded", () => void request.result.createObjectStore(storeName))
      request.addEventListener("success", () => {
        if (isWanted) resume(Effect.succeed(request.result))
        else request.result.close()
      })
      request.addEventListener("error", () => resume(Effect.fail(failed("open", request.error))))
      return Effect.sync(() => {
        isWanted = false
      })
    }).pipe(inTime("open")),
    (database) => Effect.sync(() => database.close()),
    { interruptible: true }
  )

/** One step in a transaction of its own: what was written is there when it is done. */
const step = <A>(
  database: Database,
  method: string,
  mode: "readonly" | "readwrite",
  run: (store: ObjectStore) => Request<A>,
  key?: string
): Effect.Effect<A, KeyValueStore.KeyValueStoreError> =>
  Effect.callback<A, KeyValueStore.KeyValueStoreError>((resume) => {
    try {
      const transaction = database.transaction(storeName, mode)
      const request = run(transaction.objectStore(storeName))
      const no = () => resume(Effect.fail(failed(method, request.error ?? transaction.error, key)))
      transaction.addEventListener("complete", () => resume(Effect.succeed(request.result)))
      transaction.addEventListener("error", no)
      transaction.addEventListener("abort", no)
    } catch (cause) {
      resume(Effect.fail(failed(method, cause, key)))
    }
  }).pipe(inTime(method, key))

/**
 * IndexedDB, in a database of this name, `pnet` by default.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerIndexedDb = (
  name: string = "pnet"
): Layer.Layer<KeyValueStore.KeyValueStore, KeyValueStore.KeyValueStoreError> =>
  Layer.effect(
    KeyValueStore.KeyValueStore,
    Effect.map(open(name), (database) =>
      KeyValueStore.makeStringOnly({
        get: (key) =>
          Effect.map(
            step(database, "get", "readonly", (store) => store.get(key), key),
            (value) => typeof value === "string" ? value : undefined
          ),
        set: (key, value) => Effect.asVoid(step(database, "set", "readwrite", (store) => store.put(value, key), key)),
        remove: (key) => Effect.asVoid(step(database, "remove", "readwrite", (store) => store.delete(key), key)),
        clear: Effect.asVoid(step(database, "clear", "readwrite", (store) => store.clear())),
        size: step(database, "count", "readonly", (store) => store.count()),
        keys: Effect.map(
          step(database, "list", "readonly", (store) => store.getAllKeys()),
          (keys) => keys.filter((key) => typeof key === "string")
        )
      }))
  )

/**
 * `localStorage`, with what this package keeps under names that begin with `pnet/`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerLocal: Layer.Layer<KeyValueStore.KeyValueStore, KeyValueStore.KeyValueStoreError> = Layer.unwrap(
  Effect.suspend(() => {
    const storage = allowed(() => globals.localStorage)
    return storage === undefined
      ? Effect.fail(failed("open", "there is no localStorage here"))
      : Effect.succeed(
        Layer.effect(
          KeyValueStore.KeyValueStore,
          Effect.map(KeyValueStore.KeyValueStore, KeyValueStore.prefix("pnet/"))
        ).pipe(Layer.provide(KeyValueStore.layerStorage(() => storage)))
      )
  })
)

/**
 * What is gone when the page is: a node that is another one at each visit.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<KeyValueStore.KeyValueStore> = KeyValueStore.layerMemory
