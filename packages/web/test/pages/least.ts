// The least that a page writes: what it weighs is measured.
import * as CommandNode from "@pnet/core/CommandNode"
import * as WebPnet from "@pnet/web/WebPnet"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

CommandNode.layer({ name: "page", networkId: "home" }).pipe(
  Layer.provide(WebPnet.layer({ peers: ["wss://example.org/pnet"] })),
  Layer.launch,
  Effect.runFork
)
