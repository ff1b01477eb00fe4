/** What the layers of mail and durable topics give, need and can fail with, and what topics make of their values, exactly. The compiler checks it: nothing here is run. */
import { Topic } from "@pnet/core"
import type { Crypto } from "@pnet/core/Crypto"
import type { NodeConfig, OptionsError } from "@pnet/core/NodeOptions"
import type { Peers } from "@pnet/core/Peers"
import type { Trust } from "@pnet/core/Trust"
import { DurableTopics, type DurableTopicsError, Mail, type MailError, type NatsError } from "@pnet/nats"
import type { Effect, Layer, Stream } from "effect"
import { Schema } from "effect"
import { expectTypeOf } from "vitest"

expectTypeOf(Mail.layer()).toEqualTypeOf<
  Layer.Layer<
    Mail.Mail,
    OptionsError | NatsError.NatsError | MailError.MailboxError,
    NodeConfig | Crypto | Trust | Peers
  >
>()

expectTypeOf(DurableTopics.layer()).toEqualTypeOf<
  Layer.Layer<
    DurableTopics.DurableTopics,
    OptionsError | NatsError.NatsError | DurableTopicsError.DurableTopicsError,
    NodeConfig | Crypto | Trust
  >
>()

declare const topics: DurableTopics.DurableTopics["Service"]
const Orders = Topic.make("orders", { payload: Schema.Struct({ count: Schema.Int }) })

expectTypeOf(topics.publish(Orders, { count: 1 })).toEqualTypeOf<
  Effect.Effect<DurableTopics.Kept, DurableTopicsError.KeepError | Topic.InvalidPublicationError>
>()
expectTypeOf(topics.subscribe(Orders, { position: "ledger" })).toEqualTypeOf<
  Stream.Stream<DurableTopics.Item<{ readonly count: number }>, DurableTopicsError.ReplayError>
>()
expectTypeOf(topics.subscribe("build.>")).toEqualTypeOf<
  Stream.Stream<DurableTopics.Item<Schema.Json>, DurableTopicsError.ReplayError>
>()

// @ts-expect-error: it is none of the topic's values
export const publishing = topics.publish(Orders, { count: "1" })
// @ts-expect-error: there is no such place to begin at
export const reading = topics.subscribe(Orders, { from: "yesterday" })
