/** A function of a CommandNode that answers with what it is given, and calls of it through the proxy. */
import * as CommandNode from "@pnet/core/CommandNode"
import * as Effect from "effect/Effect"
import * as Nodes from "./nodes.ts"

/** A node with the function. */
export const serve = (name: string, network: Nodes.NodeNetworkOptions) =>
  CommandNode.make({
    ...Nodes.options(name, network),
    functions: { echo: (_call, value: unknown) => Effect.succeed(value) }
  })

/** Calls it, with a text as long as the message. */
export const connect = (name: string, network: Nodes.NodeNetworkOptions, to: string) =>
  Effect.gen(function*() {
    const node = yield* CommandNode.make(Nodes.options(name, network))
    yield* node.peers.awaitPeer(to)
    const peer = node.target<{ echo(text: string): string }>(to)
    let text = ""
    return (message: Uint8Array) => {
      if (text.length !== message.length) text = "x".repeat(message.length)
      return Effect.map(peer.echo(text), (answer) => answer.length === message.length ? message : new Uint8Array(0))
    }
  })
