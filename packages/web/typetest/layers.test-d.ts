/** What the layers for pages and their servers give, need and can fail with, exactly. The compiler checks it: nothing here is run. */
import { AnyTrust, CommandNode } from "@pnet/core"
import type { Crypto } from "@pnet/core/Crypto"
import type { DuplicateFunctionError } from "@pnet/core/FunctionError"
import type { IdentityStore } from "@pnet/core/Identity"
import type { Network } from "@pnet/core/Network"
import type { OptionsError } from "@pnet/core/NodeOptions"
import type { Reach } from "@pnet/core/Reach"
import type { Trust } from "@pnet/core/Trust"
import { WebPnet, WebReach, type WebTrust } from "@pnet/web"
import { Layer } from "effect"
import type { HttpRouter } from "effect/http/HttpRouter"
import type { KeyValueStoreError } from "effect/persistence/KeyValueStore"
import { expectTypeOf } from "vitest"

const peers = ["wss://example.org/pnet"]

expectTypeOf(WebPnet.layer({ peers })).toEqualTypeOf<
  Layer.Layer<
    Reach | Crypto | IdentityStore | Trust,
    OptionsError | WebTrust.WebTrustError | KeyValueStoreError
  >
>()

expectTypeOf(WebPnet.layerWithTrust({ peers }, AnyTrust.layer)).toEqualTypeOf<
  Layer.Layer<Reach | Crypto | IdentityStore | Trust, OptionsError | KeyValueStoreError>
>()

// Nothing is left to be provided in a page.
const page = CommandNode.layer({ name: "page" }).pipe(Layer.provide(WebPnet.layer({ peers })))
expectTypeOf<Layer.Services<typeof page>>().toEqualTypeOf<never>()
expectTypeOf<Extract<Layer.Error<typeof page>, DuplicateFunctionError>>().toEqualTypeOf<DuplicateFunctionError>()

expectTypeOf(WebPnet.layerServer()).toEqualTypeOf<Layer.Layer<Reach, OptionsError, Network | HttpRouter>>()
expectTypeOf(WebReach.layer({ peers })).toEqualTypeOf<Layer.Layer<Reach, OptionsError>>()

// @ts-expect-error: a path begins with a slash
WebPnet.layerServer({ path: "pnet" })
