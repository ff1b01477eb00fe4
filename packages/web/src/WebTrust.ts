/**
 * Trust on first use whose pins a page keeps in a `KeyValueStore`, for all tabs of its site: what one learns or is told, the others know within a second.
 *
 * @since 0.2.0
 */
import { NodeName } from "@pnet/core/Packet"
import { PublicKey } from "@pnet/core/PublicKey"
import * as TofuTrust from "@pnet/core/TofuTrust"
import type { Trust } from "@pnet/core/Trust"
import * as Why from "@pnet/core/Why"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { KeyValueStore, type KeyValueStoreError } from "effect/persistence/KeyValueStore"
import * as Schema from "effect/Schema"
import * as Locks from "./internal/locks.ts"

const explained = { Malformed: "trust-malformed", Storage: "trust-disk" } as const

/**
 * The known peers of a page cannot be had.
 *
 * - `Malformed`: what is kept are no names with keys
 * - `Storage`: the browser did not read or write, by `cause`
 *
 * @category errors
 * @since 0.2.0
 */
export class WebTrustError extends Schema.TaggedError<WebTrustError>("@pnet/web/WebTrust/WebTrustError")(
  "WebTrustError",
  { kind: Schema.Literals(["Malformed", "Storage"]), cause: Schema.optionalKey(Schema.Defect()) }
) {
  override get message() {
    return Why.see(
      this.kind === "Malformed"
        ? "what the browser's storage has of the known peers cannot be understood; remove it, and compare the keys of the peers anew"
        : `the known peers could not be read or written: ${
          this.cause instanceof Error ? this.cause.message : "the browser's storage failed"
        }; allow the site to keep data`,
      explained[this.kind]
    )
  }
}

const Pin = Schema.Struct({ name: NodeName, publicKey: PublicKey, from: Schema.optionalKey(Schema.String) })

const KnownPeers = Schema.fromJsonString(Schema.Struct({
  pins: Schema.Array(Pin),
  revoked: Schema.Array(PublicKey)
}))

const key = "known peers"

const decode = (text: string): Effect.Effect<TofuTrust.KnownPeers, WebTrustError> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(KnownPeers)(text),
    (cause) => new WebTrustError({ kind: "Malformed", cause })
  )

const nobody: TofuTrust.KnownPeers = { pins: [], revoked: [] }

const failed = Effect.mapError((cause: KeyValueStoreError | WebTrustError) =>
  cause._tag === "WebTrustError" ? cause : new WebTrustError({ kind: "Storage", cause })
)

/**
 * The known peers in a `KeyValueStore`, for `TofuTrust.makeStored`. One tab at a time changes them, so that none loses what another has pinned.
 *
 * @category constructors
 * @since 0.2.0
 */
export const knownPeersStore: Effect.Effect<TofuTrust.PinStore<WebTrustError>, never, KeyValueStore> = Effect.map(
  KeyValueStore,
  (store) => {
    let last: string | undefined
    const load = Effect.gen(function*() {
      const text = yield* store.get(key)
      last = text
      return text === undefined ? nobody : yield* decode(text)
    })
    return {
      load: failed(load),
      reload: failed(Effect.flatMap(store.get(key), (text) => text === last ? Effect.undefined : load)),
      save: (edit) =>
        Effect.gen(function*() {
          const now = yield* load
          const known = {
            pins: TofuTrust.editPins(now.pins, edit),
            revoked: [...new Set([...now.revoked, ...edit.revoked])]
          }
          const text = JSON.stringify(known)
          yield* store.set(key, text)
          last = text
          return known
        }).pipe(Locks.exclusively(key), failed)
    }
  }
)

/**
 * Trust on first use, with the pins in the `KeyValueStore`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options?: TofuTrust.StoredOptions): Layer.Layer<Trust, WebTrustError, KeyValueStore> =>
  Layer.unwrap(Effect.map(knownPeersStore, (store) => TofuTrust.layerStored(store, options)))
