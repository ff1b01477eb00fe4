/**
 * Who a node is: its X25519 key pair, as a service.
 *
 * A peer is known by its public key and by nothing else, so a node that should be recognised after a restart keeps its
 * secret (`NodeIdentity.layerFile` in `@pnet/node` keeps it in a file), and a node that need not makes a new one at every
 * start (`layerGenerate`). Two nodes must never run with one secret: peers would take them for one.
 *
 * The text form of a secret is the canonical base64url of its 32 bytes, 44 characters.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Crypto, keyLength } from "./Crypto.ts"
import type { KeyPair } from "./Crypto.ts"
import * as Base64Url from "./internal/base/base64url.ts"
import { quote } from "./internal/base/quote.ts"
import type { NodeName } from "./Packet.ts"
import * as Why from "./Why.ts"

/**
 * The key pair of this node.
 *
 * @category services
 * @since 0.1.0
 */
export class Identity extends Context.Service<Identity, KeyPair>()("@pnet/core/Identity") {}

/**
 * The identity of a node by its name could not be had.
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityStoreError extends Schema.TaggedError<IdentityStoreError>(
  "@pnet/core/Identity/IdentityStoreError"
)("IdentityStoreError", {
  /** The node's name. */
  name: Schema.String,
  /** Why: the store's own error. */
  cause: Schema.Defect()
}) {
  override get message() {
    return Why.see(
      `the identity of ${quote(this.name)} could not be had: ${
        this.cause instanceof Error ? this.cause.message : String(this.cause)
      }`,
      "identity-store"
    )
  }
}

/**
 * What a store has for a node: its key pair, and where several nodes ask by one name, such as the tabs of a browser, the name that goes with it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Stored extends KeyPair {
  /** What the node is called. Default: what it asked by. */
  readonly name?: NodeName | undefined
}

/**
 * Where the identities of nodes are kept, each under its node's name. A node asks for its own where its options have no `identity` and
 * there is no `Identity` service, so one store can be provided to a whole program. `NodeIdentity.layerFolder` in `@pnet/node` keeps
 * them in files.
 *
 * @category services
 * @since 0.1.0
 */
export class IdentityStore extends Context.Service<IdentityStore, {
  /**
   * The key pair of a name, the same at every start. It is the caller's alone until the scope closes: a store that others can
   * reach fails for a second one, or gives it another key pair, with another name.
   */
  readonly keyPair: (name: NodeName) => Effect.Effect<Stored, IdentityStoreError, Scope.Scope>
}>()("@pnet/core/Identity/IdentityStore") {}

/**
 * A secret that is none. It never holds what was given.
 *
 * - `Encoding`: not canonical base64url
 * - `Length`: of another number of bytes than 32 (`length`)
 *
 * @category errors
 * @since 0.1.0
 */
export class IdentityError extends Schema.TaggedError<IdentityError>("@pnet/core/Identity/IdentityError")(
  "IdentityError",
  {
    kind: Schema.Literals(["Encoding", "Length"]),
    /** How many bytes were given; absent for `Encoding`. */
    length: Schema.optionalKey(Schema.Number)
  }
) {
  override get message() {
    const found = this.kind === "Encoding"
      ? "the text is not canonical base64url (only A-Z a-z 0-9 - _, padded with =, unused bits zero, no blanks)"
      : `it is ${this.length} bytes`
    return Why.see(
      `reading a node's secret failed: ${found}; expected 32 bytes, as text 44 characters of base64url`,
      "secret"
    )
  }
}

/**
 * A fresh key pair.
 *
 * @category constructors
 * @since 0.1.0
 */
export const generate: Effect.Effect<KeyPair, never, Crypto> = Effect.map(Crypto, (crypto) => crypto.generateKeyPair())

/**
 * The key pair of a secret: 32 bytes (which are copied), or their base64url text.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromSecret = Effect.fnUntraced(
  function*(secret: Redacted.Redacted<string | Uint8Array>): Effect.fn.Return<KeyPair, IdentityError, Crypto> {
    const crypto = yield* Crypto
    const given = Redacted.value(secret)
    const bytes = typeof given === "string" ? Base64Url.decodeString(given) : given
    if (bytes === undefined) return yield* new IdentityError({ kind: "Encoding" })
    if (bytes.length !== keyLength) return yield* new IdentityError({ kind: "Length", length: bytes.length })
    return crypto.keyPair(Redacted.make(bytes))
  }
)

/**
 * The secret of a key pair as base64url text, which `fromSecret` reads.
 *
 * @category conversions
 * @since 0.1.0
 */
export const exportSecret = (keyPair: KeyPair): Redacted.Redacted<string> =>
  Redacted.make(Base64Url.encodeString(Redacted.value(keyPair.secretKey)), { label: "secret key" })

/**
 * The identity that is the given key pair.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (keyPair: KeyPair): Layer.Layer<Identity> => Layer.succeed(Identity, keyPair)

/**
 * A new identity each time that the layer is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerGenerate: Layer.Layer<Identity, never, Crypto> = Layer.effect(Identity, generate)
