/**
 * Which functions a registry has, for those who tell others of them: by name, with the hashes of their contracts, and whenever they change.
 * Of a registry that is no `RpcRegistry.make`'s nobody is told.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** What of an entry matters here. */
interface Entry {
  readonly describe: () => { readonly contract?: string; readonly kind: string }
}

interface Watched {
  readonly entries: ReadonlyMap<string, Entry>
  readonly listeners: Set<() => void>
}

const registries = new WeakMap<object, Watched>()

/** Entries that may be watched by whoever has the service that `of` is given. */
export const watched = (entries: Watched["entries"]) => {
  const listeners = new Set<() => void>()
  return {
    changed: (): void => {
      for (const listener of listeners) listener()
    },
    of: <Service extends object>(service: Service): Service => {
      registries.set(service, { entries, listeners })
      return service
    }
  }
}

const isHash = /^[0-9a-f]{16}$/

/** The contract of an entry that somebody else may have written. */
const contractOf = (entry: Entry): string => {
  try {
    const { contract, kind } = entry.describe()
    // A typed call is served by the node that serves its group. A registry may be that of other nodes, too, which serve it as a command alone.
    return kind !== "rpc" && contract !== undefined && isHash.test(contract) ? contract : ""
  } catch {
    return ""
  }
}

/** The entries that a registry has now. */
export const entriesOf = (
  registry: object
): ReadonlyArray<object> => [...registries.get(registry)?.entries.values() ?? []]

/** The functions that a registry has now. */
export const contractsOf = (registry: object): Iterable<readonly [name: string, contract: string]> =>
  [...registries.get(registry)?.entries ?? []].map(([name, entry]) => [name, contractOf(entry)] as const)

/** Tells of each change until the scope closes. */
export const onChange = (registry: object, listener: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => {
    const listeners = registries.get(registry)?.listeners
    return Effect.asVoid(Effect.acquireRelease(
      Effect.sync(() => listeners?.add(listener)),
      () => Effect.sync(() => listeners?.delete(listener))
    ))
  })
