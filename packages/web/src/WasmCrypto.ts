/**
 * The cryptography of `PortableCrypto`, with boxes and key agreement by libsodium in WebAssembly once that has loaded: several times faster in a browser.
 *
 * `layer` is there at once, in JavaScript, and goes over to WebAssembly a moment later, in the middle of whatever it does: the bytes are the same. What is
 * loaded is some 135 kB as it travels, in a file of its own. Where a page may not compile WebAssembly (a content security policy without
 * `wasm-unsafe-eval`), or the file does not come, it stays with JavaScript, which the log says.
 *
 * What bites: bundlers have to support `import()`.
 *
 * @since 0.2.0
 */
import { Crypto, make, type Primitives } from "@pnet/core/Crypto"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

type Box = Pick<Primitives, "scalarMultBase" | "boxBefore" | "secretbox" | "secretboxOpen">

const load = Effect.tryPromise(() => import("./internal/sodium.ts").then(({ load }): Promise<Box> => load()))

/** Primitives that are others from one call to the next. */
const changing = (first: Primitives) => {
  let box: Box = first
  return {
    primitives: {
      ...first,
      name: "libsodium in WebAssembly",
      scalarMultBase: (secretKey) => box.scalarMultBase(secretKey),
      boxBefore: (publicKey, secretKey) => box.boxBefore(publicKey, secretKey),
      secretbox: (out, message, nonce, key) => box.secretbox(out, message, nonce, key),
      secretboxOpen: (out, message, nonce, key) => box.secretboxOpen(out, message, nonce, key)
    } satisfies Primitives,
    change: (next: Box) => {
      box = next
    }
  }
}

/**
 * The cryptography in JavaScript, and in WebAssembly from when that has loaded. It begins to load after `after`, by default 300 milliseconds, so that it
 * takes nothing from what a page does first.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options?: { readonly after?: Duration.Input | undefined }): Layer.Layer<Crypto> =>
  Layer.effect(
    Crypto,
    Effect.gen(function*() {
      const { change, primitives } = changing(yield* PortableCrypto.primitives)
      yield* Effect.sleep(options?.after ?? "300 millis").pipe(
        Effect.andThen(load),
        Effect.map(change),
        Effect.catch((cause) =>
          Effect.logInfo(
            `cryptography stays in JavaScript, since WebAssembly could not be loaded: ${String(cause.cause)}`
          )
        ),
        Effect.forkScoped
      )
      return yield* make(primitives)
    })
  )

/**
 * The cryptography in WebAssembly, for which it waits. Dies where that cannot be loaded.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerLoaded: Layer.Layer<Crypto> = Layer.effect(
  Crypto,
  Effect.gen(function*() {
    const { change, primitives } = changing(yield* PortableCrypto.primitives)
    change(yield* Effect.orDie(load))
    return yield* make(primitives)
  })
)
