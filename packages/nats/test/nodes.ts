/** Nodes that reach each other over a NATS server alone. */
import * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as BasicNode from "@pnet/core/BasicNode"
import { NodeConfig } from "@pnet/core/NodeOptions"
import * as Reach from "@pnet/core/Reach"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as NatsOptions from "@pnet/nats/NatsOptions"
import * as Subjects from "@pnet/nats/Subjects"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Bus from "../src/internal/bus.ts"
import * as Dialler from "../src/internal/dialler.ts"
import * as NatsDiscovery from "../src/internal/discovery.ts"
import * as NatsTransport from "../src/internal/transport.ts"

const connection = (input: NatsOptions.Input) =>
  Layer.effect(
    Bus.Nats,
    Effect.gen(function*() {
      const { identity, networkId } = yield* NodeConfig
      const options = yield* NatsOptions.make(input)
      return yield* Bus.make(options, Subjects.network(networkId), Subjects.ofKey(identity.publicKey))
    })
  ).pipe(Layer.provide(Dialler.layer))

/** The way over a server. */
export const reach = (input: NatsOptions.Input) => {
  const nats = connection({ reconnectWait: "50 millis", ...input })
  return Reach.layer(Subjects.kind, {
    transport: Layer.provide(NatsTransport.layer({ trustSenders: true }), nats),
    discovery: Layer.provide(NatsDiscovery.layer({ directory: "ask" }), nats)
  })
}

export const basic = (servers: string, options: BasicNode.Options, trust = TofuTrust.layer()) =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        BasicNode.layer(options).pipe(
          Layer.provide([reach({ servers }), NodeCrypto.layer, trust, Logger.layer([])])
        )
      )
    ),
    (context) => Context.get(context, BasicNode.BasicNode)
  )

export const advanced = (servers: string, options: AdvancedNode.Options, trust = TofuTrust.layer()) =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        AdvancedNode.layer(options).pipe(
          Layer.provide([reach({ servers }), NodeCrypto.layer, trust, Logger.layer([])])
        )
      )
    ),
    (context) => Context.get(context, AdvancedNode.AdvancedNode)
  )
