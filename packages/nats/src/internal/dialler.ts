/** NATS by TCP, in Node. */
import { connect } from "@nats-io/transport-node"
import * as Layer from "effect/Layer"
import { Dialler } from "./client.ts"

export const layer: Layer.Layer<never> = Layer.succeed(Dialler, connect)
