/** Nodes with mail and with durable topics, each with a network and keys of its own test. */
import { CommandNode, Crypto, type Trust } from "@pnet/core"
import type { KeyPair } from "@pnet/core/Crypto"
import { DurableTopics, Mail, NatsPnet } from "@pnet/nats"
import { NodeCrypto, NodePnet } from "@pnet/node"
import { Context, Effect, Layer, Logger } from "effect"

/** Which node: by its key, on which network. */
export interface Of {
  readonly identity: KeyPair
  readonly network: string
  readonly networkKey?: string | undefined
  readonly trust?: Layer.Layer<Trust.Trust, never, Crypto.Crypto> | undefined
}

let networks = 0

/** Two key pairs, on a network of its own, with a name of the tests. */
export const world = (tests: string) =>
  Effect.gen(function*() {
    const { generateKeyPair } = Context.get(yield* Layer.build(NodeCrypto.layer), Crypto.Crypto)
    const [alice, bob, eve] = [generateKeyPair(), generateKeyPair(), generateKeyPair()]
    const network = `${tests}-${++networks}`
    return {
      alice,
      bob,
      eve,
      network,
      toBob: { name: "bob", publicKey: bob.publicKey },
      of: (identity: KeyPair, networkKey?: string): Of => ({ identity, network, networkKey })
    }
  })

const under = (
  name: string,
  { identity, network, networkKey, trust }: Of,
  { credentials, servers }: Pick<Mail.Options, "credentials" | "servers">
) =>
  CommandNode.layerWithConfig({
    name,
    networkId: network,
    identity,
    broadcastInterval: "100 millis",
    ...(networkKey === undefined ? {} : { networkKey })
  }).pipe(
    Layer.provide(
      NatsPnet.layer({ servers: servers!, directory: "ask", ...(credentials === undefined ? {} : { credentials }) })
    ),
    Layer.provideMerge(trust === undefined ? NodePnet.layer : NodePnet.layerWithTrust(trust))
  )

/** What a node would log, as lines. */
export const logged = (lines: Array<string>) =>
  Logger.layer([Logger.make(({ message }) => void lines.push(String(Array.isArray(message) ? message[0] : message)))])

/** A node with mail, until the scope closes. */
export const mail = (name: string, of: Of, options: Mail.Options, lines: Array<string> = []) =>
  Layer.build(Layer.fresh(
    Mail.layer({ retryAfter: "10 millis", ...options }).pipe(
      Layer.provide(under(name, of, options)),
      Layer.provideMerge(logged(lines))
    )
  )).pipe(Effect.map((context) => Context.get(context, Mail.Mail)))

/** A node with durable topics, until the scope closes. */
export const topics = (name: string, of: Of, options: DurableTopics.Options, lines: Array<string> = []) =>
  Layer.build(Layer.fresh(
    DurableTopics.layer({ open: true, ...options }).pipe(
      Layer.provide(under(name, of, options)),
      Layer.provideMerge(logged(lines))
    )
  )).pipe(Effect.map((context) => Context.get(context, DurableTopics.DurableTopics)))
