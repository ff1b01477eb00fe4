/** What NATS servers keep for a node, beside it: its mail, and durable topics. They are loaded where they are used: most commands know no NATS. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Problem } from "../errors.ts"
import { Settings } from "../settings/Settings.ts"
import { natsOptions } from "./beyond.ts"
import type { Opened } from "./open.ts"

/** The servers, which have to be said. `what` needs them, such as `mail is`. */
export const servers = Effect.fnUntraced(function*(what: string) {
  const options = yield* natsOptions
  if (options !== undefined) return options
  return yield* new Problem({
    exit: "usage",
    what: `${what} kept by a NATS server, and none is said`,
    hint: "give --nats SERVER, or set PNET_NATS_SERVERS; it needs JetStream"
  })
})

/** The mail of a node. */
export const mailOf = Effect.fnUntraced(function*({ context }: Opened) {
  const options = yield* servers("mail is")
  const Mail = yield* Effect.promise(() => import("@pnet/nats/Mail"))
  const built = yield* Layer.build(Layer.provide(Mail.layer(options), Layer.succeedContext(context)))
  return Context.get(built, Mail.Mail)
})

/** The durable topics of a node. */
export const durableTopicsOf = Effect.fnUntraced(function*({ context }: Opened) {
  const { values } = yield* Settings
  const options = yield* servers("durable topics are")
  const DurableTopics = yield* Effect.promise(() => import("@pnet/nats/DurableTopics"))
  const layer = DurableTopics.layer({ ...options, open: values.open })
  return Context.get(
    yield* Layer.build(Layer.provide(layer, Layer.succeedContext(context))),
    DurableTopics.DurableTopics
  )
})
