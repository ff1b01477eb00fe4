/** The way over NATS, of whatever the client connects by. */
import { NodeConfig, type OptionsError } from "@pnet/core/NodeOptions"
import * as Reach from "@pnet/core/Reach"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NatsOptions from "../NatsOptions.ts"
import * as Subjects from "../Subjects.ts"
import * as Bus from "./bus.ts"
import * as Client from "./client.ts"
import * as Discovery from "./discovery.ts"
import * as Transport from "./transport.ts"

/** One connection of a node, which its transport and its discovery share. */
const connection = (options: NatsOptions.NatsOptions, dial: Client.Connect | undefined) =>
  Layer.effect(
    Bus.Nats,
    Effect.gen(function*() {
      const { identity, networkId } = yield* NodeConfig
      const make = Bus.make(options, Subjects.network(networkId), Subjects.ofKey(identity.publicKey))
      return yield* Effect.provideService(make, Client.Dialler, dial)
    })
  )

export const layer = (
  input: NatsOptions.Input,
  dial: Client.Connect | undefined
): Layer.Layer<Reach.Reach, OptionsError> =>
  Layer.unwrap(Effect.map(NatsOptions.make(input), (options) => {
    const nats = connection(options, dial)
    return Reach.layer(Subjects.kind, {
      transport: Layer.provide(Transport.layer({ trustSenders: options.trustSenders }), nats),
      discovery: Layer.provide(Discovery.layer(options), nats)
    })
  }))
